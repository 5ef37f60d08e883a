#pragma once

#include "sealed-storage/seal_tree.h"
#include "sealed-storage/sqlite.h"

namespace sks::sealed {

/// The nodes of a seal tree in the table `node` of a store. Spec: spec/sealed-record.md chapter 8.
class NodeTable final : public NodeStorage {
 public:
  /// `database` must outlive the table.
  static Result<NodeTable> open(Database& database);

  Result<std::optional<Bytes>> load(NodeId id) override;
  Result<void> store(NodeId id, ByteView node) override;
  Result<void> erase(NodeId id) override;

 private:
  NodeTable(Statement get, Statement put, Statement erase)
      : get_(std::move(get)), put_(std::move(put)), erase_(std::move(erase)) {}

  Statement get_;
  Statement put_;
  Statement erase_;
};

}  // namespace sks::sealed
