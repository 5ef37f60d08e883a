#include "sealed-storage/upgrade.h"

#include <limits>
#include <set>

#include "sealed-storage/store_index.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/cipher.h"

namespace sks::sealed {
namespace {

constexpr std::uint32_t kVersionWithRootTable = 2;

std::string name_of(std::int64_t kind, std::int64_t handle) {
  return "the sealed record " + std::to_string(kind) + "/" + std::to_string(handle);
}

/// The index of a store before version 3, to prove that its records are the latest and none is missing. Version 1 has
/// none, and proves neither.
class EarlierIndex {
 public:
  static Result<std::unique_ptr<EarlierIndex>> open(Database& database, const RecordSealer& sealer,
                                                    std::uint32_t version, std::int64_t generation) {
    if (version != kVersionWithRootTable) return std::unique_ptr<EarlierIndex>();
    SKS_LET(Statement select, database.prepare("SELECT sealed FROM root"));
    SKS_LET(const bool row, select.step());
    SKS_LET(RootRecord root, open_root(sealer, generation, row ? select.blob(0) : ByteView(), version));
    SKS_LET(NodeTable nodes, NodeTable::open(database));
    return std::unique_ptr<EarlierIndex>(new EarlierIndex(std::move(nodes), sealer, std::move(root.roots)));
  }

  Result<void> check(RecordPlace place, const Tag& tag) {
    SKS_LET(const std::optional<Tag> latest, tree_.find(place.kind, place.handle));
    if (latest && equal_constant_time(*latest, tag)) return {};
    return Error{Status::crypto, name_of(place.kind, place.handle) + " was replaced by an earlier one"};
  }

  /// `present`: which records are there, all of them checked.
  Result<void> check_complete(const std::set<RecordPlace>& present) {
    for (const auto& [kind, root] : roots_) {
      for (std::uint64_t from = 0;;) {
        SKS_LET(const std::optional<std::uint32_t> handle, tree_.next(kind, from));
        if (!handle) break;
        if (!present.contains({kind, *handle})) return Error{Status::crypto, name_of(kind, *handle) + " is missing"};
        from = std::uint64_t{*handle} + 1;
      }
    }
    return {};
  }

 private:
  EarlierIndex(NodeTable nodes, const RecordSealer& sealer, Roots roots)
      : nodes_(std::move(nodes)), roots_(roots), tree_(sealer.tree_key(), std::move(roots), nodes_) {}

  NodeTable nodes_;
  Roots roots_;
  SealTree tree_;
};

/// Seals every record anew, and enters it into `tree`.
Result<void> reseal(Database& database, const RecordSealer& before, const RecordSealer& after, EarlierIndex* earlier,
                    SealTree& tree, std::int64_t newest) {
  SKS_LET(Statement next, database.prepare("SELECT kind, handle, generation, sealed FROM record "
                                           "WHERE (kind, handle) > (?1, ?2) ORDER BY kind, handle LIMIT 1"));
  SKS_LET(Statement put, database.prepare(kPutRecord));
  std::set<RecordPlace> present;
  for (std::int64_t kind = 0, handle = 0;;) {
    const StatementReset guard(next);
    SKS_LET(const bool row, next.bind(1, kind).bind(2, handle).step());
    if (!row) return earlier == nullptr ? Result<void>() : earlier->check_complete(present);
    kind = next.integer(0);
    handle = next.integer(1);
    const std::int64_t generation = next.integer(2);
    // The constraints of the schema bind us, not somebody else who writes to the file.
    if (kind < 1 || kind > std::numeric_limits<std::uint8_t>::max() || handle < 0 ||
        handle > std::numeric_limits<std::uint32_t>::max() || generation < 1 || generation > newest)
      return Error{Status::crypto, name_of(kind, handle) + " was altered or does not belong there"};
    const RecordLabel label{static_cast<std::uint8_t>(kind), static_cast<std::uint32_t>(handle),
                            static_cast<std::uint64_t>(generation)};
    SKS_LET(const SecureBytes plaintext, before.open(label, next.blob(3)));
    if (earlier != nullptr) SKS_TRY(earlier->check({label.kind, label.handle}, tag_of_record(next.blob(3))));
    present.insert({label.kind, label.handle});
    const Bytes sealed = after.seal(label, system_random().bytes(crypto::kGcmNonce), plaintext.view());
    SKS_TRY(tree.set(label.kind, label.handle, tag_of_record(sealed)));
    SKS_TRY(put.bind(1, kind).bind(2, handle).bind(3, generation).bind(4, sealed).run());
  }
}

Result<void> upgrade_in_transaction(Database& database, ByteView master_key, std::uint32_t version, Header& header) {
  const RecordSealer before(master_key, header.store_id, version);
  const RecordSealer after(master_key, header.store_id);
  SKS_LET(const std::unique_ptr<EarlierIndex> earlier,
          EarlierIndex::open(database, before, version, header.generation));
  SKS_TRY(replace_tables(database, version));
  SKS_LET(NodeTable nodes, NodeTable::open(database));
  SealTree tree(after.tree_key(), {}, nodes);
  SKS_TRY(reseal(database, before, after, earlier.get(), tree, header.generation));
  // The new tree has been in memory only: until here the table held the earlier one.
  SKS_TRY(database.execute("DELETE FROM node"));
  SKS_TRY(tree.write());
  tree.keep();
  ++header.generation;
  header.key_check = to_bytes(after.key_check().view());
  SKS_LET(const std::unique_ptr<StoreIndex> index, StoreIndex::open(database, after, {0, tree.roots(), {}}));
  SKS_LET(header.root, index->seal(header.generation));
  SKS_TRY(write_header(database, header));
  return database.execute("COMMIT");
}

}  // namespace

Result<void> upgrade(Database& database, ByteView master_key, std::uint32_t version, Header& header) {
  if (header.generation == std::numeric_limits<std::int64_t>::max())
    return Error{Status::storage, "the key store has used up the generations of its records"};
  SKS_TRY(database.execute("BEGIN IMMEDIATE"));
  Header upgraded = header;
  Result<void> done = upgrade_in_transaction(database, master_key, version, upgraded);
  if (done) header = upgraded;
  if (!done && database.in_transaction()) static_cast<void>(database.execute("ROLLBACK"));
  return done;
}

}  // namespace sks::sealed
