#include "sealed-storage/store_index.h"

#include <algorithm>

#include "sealed-storage/cbor.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/cipher.h"

namespace sks::sealed {
namespace {

/// Keys of the plaintext map.
constexpr std::uint64_t kEpochKey = 1;
constexpr std::uint64_t kRootsKey = 2;

constexpr std::uint64_t kLastKind = 255;
constexpr std::uint64_t kMaxHeight = 7;

/// A root as CBOR: head, kind, height, head, tag.
constexpr std::size_t kRootSize = 1 + 2 + 1 + 1 + kTagSize;
constexpr std::size_t kHeads = 32;

RecordLabel root_label(std::int64_t generation) { return {kRootKind, 0, static_cast<std::uint64_t>(generation)}; }

}  // namespace

SecureBytes RootRecord::encode() const {
  CborWriter out(kHeads + roots.size() * kRootSize);
  out.map(2).uint(kEpochKey).uint(epoch).uint(kRootsKey).array(roots.size());
  for (const auto& [kind, root] : roots) out.array(3).uint(kind).uint(root.height).bytes(root.tag);
  return std::move(out).take();
}

Result<RootRecord> RootRecord::decode(ByteView plaintext) {
  const Error malformed{Status::crypto, "the root of the sealed records is malformed"};
  CborReader in(plaintext);
  RootRecord record;
  in.expect_map(2);
  in.expect_uint(kEpochKey);
  record.epoch = in.uint();
  in.expect_uint(kRootsKey);
  const std::size_t count = in.array();
  if (in.failed() || count > kLastKind) return malformed;
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < count; ++i) {
    in.expect_array(3);
    const std::uint64_t kind = in.uint();
    const std::uint64_t height = in.uint();
    const ByteView tag = in.bytes();
    if (in.failed() || kind <= last || kind > kLastKind || height < 1 || height > kMaxHeight || tag.size() != kTagSize)
      return malformed;
    last = kind;
    Root root{static_cast<std::uint8_t>(height), {}};
    std::ranges::copy(tag, root.tag.begin());
    record.roots.emplace(static_cast<std::uint8_t>(kind), root);
  }
  if (!in.finish()) return malformed;
  return record;
}

Tag tag_of_record(ByteView sealed) {
  SKS_CHECK(sealed.size() >= kTagSize);
  Tag tag{};
  std::ranges::copy(sealed.last(kTagSize), tag.begin());
  return tag;
}

Result<StoreIndex::Statements> StoreIndex::Statements::prepare(Database& database) {
  SKS_LET(Statement get, database.prepare("SELECT tags FROM node WHERE kind = ?1 AND level = ?2 AND number = ?3"));
  SKS_LET(Statement put,
          database.prepare("INSERT OR REPLACE INTO node (kind, level, number, tags) VALUES (?1, ?2, ?3, ?4)"));
  SKS_LET(Statement erase, database.prepare("DELETE FROM node WHERE kind = ?1 AND level = ?2 AND number = ?3"));
  SKS_LET(Statement put_root, database.prepare("INSERT OR REPLACE INTO root (id, sealed) VALUES (1, ?1)"));
  return Statements{std::move(get), std::move(put), std::move(erase), std::move(put_root)};
}

StoreIndex::StoreIndex(Statements statements, const RecordSealer& sealer, RootRecord root)
    : statements_(std::move(statements)),
      sealer_(sealer),
      epoch_(root.epoch),
      tree_(sealer.tree_key(), std::move(root.roots), *this) {}

Result<std::unique_ptr<StoreIndex>> StoreIndex::make(Database& database, const RecordSealer& sealer) {
  SKS_LET(Statements statements, Statements::prepare(database));
  return std::unique_ptr<StoreIndex>(new StoreIndex(std::move(statements), sealer, {}));
}

Result<std::unique_ptr<StoreIndex>> StoreIndex::open(Database& database, const RecordSealer& sealer,
                                                     std::int64_t generation) {
  const Error altered{Status::crypto, "the root of the sealed records is missing, was altered or is an earlier one"};
  SKS_LET(Statement select, database.prepare("SELECT sealed FROM root"));
  SKS_LET(const bool row, select.step());
  if (!row) return altered;
  const Result<SecureBytes> plaintext = sealer.open(root_label(generation), select.blob(0));
  if (!plaintext) return altered;
  SKS_LET(RootRecord root, RootRecord::decode(plaintext->view()));
  SKS_LET(Statements statements, Statements::prepare(database));
  return std::unique_ptr<StoreIndex>(new StoreIndex(std::move(statements), sealer, std::move(root)));
}

Result<void> StoreIndex::write(std::int64_t generation) {
  SKS_TRY(tree_.write());
  const SecureBytes plaintext = RootRecord{epoch_, tree_.roots()}.encode();
  const Bytes nonce = system_random().bytes(crypto::kGcmNonce);
  const Bytes sealed = sealer_.seal(root_label(generation), nonce, plaintext.view());
  return statements_.put_root.bind(1, sealed).run();
}

Result<std::optional<Bytes>> StoreIndex::load(NodeId id) {
  Statement& get = statements_.get;
  const StatementReset guard(get);
  SKS_LET(const bool row, get.bind(1, id.kind).bind(2, id.level).bind(3, id.number).step());
  if (!row) return std::optional<Bytes>();
  return std::optional(to_bytes(get.blob(0)));
}

Result<void> StoreIndex::store(NodeId id, ByteView node) {
  return statements_.put.bind(1, id.kind).bind(2, id.level).bind(3, id.number).bind(4, node).run();
}

Result<void> StoreIndex::erase(NodeId id) {
  return statements_.erase.bind(1, id.kind).bind(2, id.level).bind(3, id.number).run();
}

}  // namespace sks::sealed
