#pragma once

#include "sealed-storage/node_table.h"
#include "sealed-storage/record.h"
#include "sealed-storage/seal_tree.h"

/// Which records a store has: the seal tree with the latest changes, which wait in the sealed root until there are
/// enough of them to be worth new nodes. Spec: spec/sealed-record.md chapter 8.
namespace sks::sealed {

/// Changes that wait in the root at most: what fits into one page of the database together with the rest of its row.
inline constexpr std::size_t kMaxChanges = 64;

/// Where a record has its place.
struct RecordPlace {
  std::uint8_t kind = 0;
  std::uint32_t handle = 0;
  auto operator<=>(const RecordPlace&) const = default;
};
/// The tag of a record that was written, none for one that was erased.
using RecordChanges = std::map<RecordPlace, std::optional<Tag>>;

/// What the sealed root holds.
struct RootRecord {
  std::uint64_t epoch = 0;  ///< that the anchor remembers; 0 without anchor
  Roots roots;
  RecordChanges changes;  ///< since the roots, at most kMaxChanges; none in version 2

  SecureBytes encode() const;
  /// Fails with crypto.
  static Result<RootRecord> decode(ByteView plaintext, std::uint32_t version = kFormatVersion);
};

/// The last 16 bytes of a sealed record.
Tag tag_of_record(ByteView sealed);

/// Opens the root that was sealed under `generation`. Fails with crypto when it was altered or is another one.
Result<RootRecord> open_root(const RecordSealer& sealer, std::int64_t generation, ByteView sealed,
                             std::uint32_t version = kFormatVersion);

class StoreIndex {
 public:
  /// With what the root of the store holds; a new store starts with an empty one. `database` and `sealer` must outlive
  /// the index.
  static Result<std::unique_ptr<StoreIndex>> open(Database& database, const RecordSealer& sealer, RootRecord root);

  /// The tag of a record, or none when there is no such record. Fails with crypto when a node was altered.
  Result<std::optional<Tag>> find(RecordPlace place);
  /// The first record of a kind with a handle of at least `from`. Fails with crypto.
  Result<std::optional<std::uint32_t>> next(std::uint8_t kind, std::uint64_t from);
  /// All records of a kind with their tags, in ascending order. Fails with crypto.
  Result<void> visit(std::uint8_t kind, const TagVisitor& visitor);

  /// Changes stay in memory until seal(). Fails with crypto.
  void set(RecordPlace place, const Tag& tag);
  Result<void> erase(RecordPlace place);

  /// The epoch that the next root is sealed with.
  std::uint64_t epoch() const { return staged_.epoch; }
  void set_epoch(std::uint64_t epoch);

  bool changed() const { return changed_; }
  /// The root with all changes, sealed under `generation`, which no other record has. Writes nodes when too many
  /// changes wait. Inside a transaction. Fails as the tree, or with storage.
  Result<Bytes> seal(std::int64_t generation);
  /// The root that seal() returned is durable.
  void keep();
  /// What was changed since the last keep() is void.
  void drop();

 private:
  StoreIndex(NodeTable nodes, const RecordSealer& sealer, RootRecord root);
  Result<void> move_changes_into_tree();

  NodeTable nodes_;
  const RecordSealer& sealer_;
  SealTree tree_;
  // The roots are those of the tree; here is what a root holds beside them.
  struct Waiting {
    std::uint64_t epoch = 0;
    RecordChanges changes;
  };
  Waiting kept_;
  Waiting staged_;
  bool changed_ = false;
};

}  // namespace sks::sealed
