#pragma once

#include "sealed-storage/record.h"
#include "sealed-storage/seal_tree.h"
#include "sealed-storage/sqlite.h"

/// The seal tree of a store together with its tables `node` and `root`. Spec: spec/sealed-record.md chapter 8.
namespace sks::sealed {

/// What the sealed root holds.
struct RootRecord {
  std::uint64_t epoch = 0;  ///< how often an anchor was moved on; 0 without anchor
  Roots roots;

  SecureBytes encode() const;
  /// Fails with crypto.
  static Result<RootRecord> decode(ByteView plaintext);
};

/// The last 16 bytes of a sealed record.
Tag tag_of_record(ByteView sealed);

class StoreIndex final : private NodeStorage {
 public:
  /// Of a store without records yet. `database` and `sealer` must outlive the index.
  static Result<std::unique_ptr<StoreIndex>> make(Database& database, const RecordSealer& sealer);
  /// Fails with crypto when the root was altered or is not that of `generation`.
  static Result<std::unique_ptr<StoreIndex>> open(Database& database, const RecordSealer& sealer,
                                                  std::int64_t generation);

  SealTree& tree() { return tree_; }
  /// Writes what changed, and the root under `generation`, which no other record has. Inside a transaction.
  Result<void> write(std::int64_t generation);

 private:
  struct Statements {
    Statement get;
    Statement put;
    Statement erase;
    Statement put_root;
    static Result<Statements> prepare(Database& database);
  };
  StoreIndex(Statements statements, const RecordSealer& sealer, RootRecord root);

  Result<std::optional<Bytes>> load(NodeId id) override;
  Result<void> store(NodeId id, ByteView node) override;
  Result<void> erase(NodeId id) override;

  Statements statements_;
  const RecordSealer& sealer_;
  std::uint64_t epoch_;
  SealTree tree_;
};

}  // namespace sks::sealed
