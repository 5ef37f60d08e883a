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
constexpr std::uint64_t kChangesKey = 3;

constexpr std::uint32_t kFirstVersionWithChanges = 3;

constexpr std::uint64_t kLastKind = 255;
constexpr std::uint64_t kLastHandle = UINT32_MAX;
constexpr std::uint64_t kMaxHeight = 7;

/// A root as CBOR: head, kind, height, head, tag. A change has a handle in place of the height.
constexpr std::size_t kRootSize = 1 + 2 + 1 + 1 + kTagSize;
constexpr std::size_t kChangeSize = 1 + 2 + 5 + 1 + kTagSize;
constexpr std::size_t kHeads = 32;

RecordLabel root_label(std::int64_t generation) { return {kRootKind, 0, static_cast<std::uint64_t>(generation)}; }

Tag to_tag(ByteView bytes) {
  Tag tag{};
  std::ranges::copy(bytes, tag.begin());
  return tag;
}

bool read_roots(CborReader& in, Roots& roots) {
  const std::size_t count = in.array();
  if (in.failed() || count > kLastKind) return false;
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < count; ++i) {
    in.expect_array(3);
    const std::uint64_t kind = in.uint();
    const std::uint64_t height = in.uint();
    const ByteView tag = in.bytes();
    if (in.failed() || kind <= last || kind > kLastKind || height < 1 || height > kMaxHeight || tag.size() != kTagSize)
      return false;
    last = kind;
    roots.emplace(static_cast<std::uint8_t>(kind), Root{static_cast<std::uint8_t>(height), to_tag(tag)});
  }
  return true;
}

bool read_changes(CborReader& in, RecordChanges& changes) {
  const std::size_t count = in.array();
  if (in.failed() || count > kMaxChanges) return false;
  RecordPlace last;
  for (std::size_t i = 0; i < count; ++i) {
    in.expect_array(3);
    const std::uint64_t kind = in.uint();
    const std::uint64_t handle = in.uint();
    const ByteView tag = in.bytes();
    if (in.failed() || kind < 1 || kind > kLastKind || handle > kLastHandle) return false;
    if (!tag.empty() && tag.size() != kTagSize) return false;
    const RecordPlace place{static_cast<std::uint8_t>(kind), static_cast<std::uint32_t>(handle)};
    if (place <= last) return false;
    last = place;
    changes.emplace(place, tag.empty() ? std::nullopt : std::optional(to_tag(tag)));
  }
  return true;
}

}  // namespace

SecureBytes RootRecord::encode() const {
  CborWriter out(kHeads + roots.size() * kRootSize + changes.size() * kChangeSize);
  out.map(3).uint(kEpochKey).uint(epoch).uint(kRootsKey).array(roots.size());
  for (const auto& [kind, root] : roots) out.array(3).uint(kind).uint(root.height).bytes(root.tag);
  out.uint(kChangesKey).array(changes.size());
  for (const auto& [place, tag] : changes)
    out.array(3).uint(place.kind).uint(place.handle).bytes(tag ? ByteView(*tag) : ByteView());
  return std::move(out).take();
}

Result<RootRecord> RootRecord::decode(ByteView plaintext, std::uint32_t version) {
  const bool with_changes = version >= kFirstVersionWithChanges;
  CborReader in(plaintext);
  RootRecord record;
  in.expect_map(with_changes ? 3 : 2);
  in.expect_uint(kEpochKey);
  record.epoch = in.uint();
  in.expect_uint(kRootsKey);
  bool well_formed = read_roots(in, record.roots);
  if (well_formed && with_changes) {
    in.expect_uint(kChangesKey);
    well_formed = read_changes(in, record.changes);
  }
  if (!well_formed || !in.finish()) return Error{Status::crypto, "the root of the sealed records is malformed"};
  return record;
}

Tag tag_of_record(ByteView sealed) {
  SKS_CHECK(sealed.size() >= kTagSize);
  return to_tag(sealed.last(kTagSize));
}

Result<RootRecord> open_root(const RecordSealer& sealer, std::int64_t generation, ByteView sealed,
                             std::uint32_t version) {
  const Result<SecureBytes> plaintext = sealer.open(root_label(generation), sealed);
  if (!plaintext)
    return Error{Status::crypto, "the root of the sealed records is missing, was altered or is an earlier one"};
  return RootRecord::decode(plaintext->view(), version);
}

StoreIndex::StoreIndex(NodeTable nodes, const RecordSealer& sealer, RootRecord root)
    : nodes_(std::move(nodes)),
      sealer_(sealer),
      tree_(sealer.tree_key(), std::move(root.roots), nodes_),
      kept_{root.epoch, std::move(root.changes)},
      staged_(kept_) {}

Result<std::unique_ptr<StoreIndex>> StoreIndex::open(Database& database, const RecordSealer& sealer, RootRecord root) {
  SKS_LET(NodeTable nodes, NodeTable::open(database));
  return std::unique_ptr<StoreIndex>(new StoreIndex(std::move(nodes), sealer, std::move(root)));
}

Result<std::optional<Tag>> StoreIndex::find(RecordPlace place) {
  if (const auto change = staged_.changes.find(place); change != staged_.changes.end()) return change->second;
  return tree_.find(place.kind, place.handle);
}

Result<std::optional<std::uint32_t>> StoreIndex::next(std::uint8_t kind, std::uint64_t from) {
  while (from <= kLastHandle) {
    SKS_LET(const std::optional<std::uint32_t> in_tree, tree_.next(kind, from));
    const auto change = staged_.changes.lower_bound({kind, static_cast<std::uint32_t>(from)});
    const bool changes = change != staged_.changes.end() && change->first.kind == kind;
    if (!changes || (in_tree && *in_tree < change->first.handle)) return in_tree;
    if (change->second) return std::optional(change->first.handle);
    from = std::uint64_t{change->first.handle} + 1;  // erased
  }
  return std::optional<std::uint32_t>();
}

Result<void> StoreIndex::visit(std::uint8_t kind, const TagVisitor& visitor) {
  auto change = staged_.changes.lower_bound({kind, 0});
  const auto end = staged_.changes.upper_bound({kind, kLastHandle});
  const auto take_change = [&] {
    if (change->second) visitor(change->first.handle, *change->second);
    ++change;
  };
  SKS_TRY(tree_.visit(kind, [&](std::uint32_t handle, const Tag& tag) {
    while (change != end && change->first.handle < handle) take_change();
    if (change != end && change->first.handle == handle)
      take_change();
    else
      visitor(handle, tag);
  }));
  while (change != end) take_change();
  return {};
}

void StoreIndex::set(RecordPlace place, const Tag& tag) {
  staged_.changes.insert_or_assign(place, tag);
  changed_ = true;
}

Result<void> StoreIndex::erase(RecordPlace place) {
  SKS_LET(const std::optional<Tag> present, find(place));
  if (!present) return {};
  staged_.changes.insert_or_assign(place, std::nullopt);
  changed_ = true;
  return {};
}

void StoreIndex::set_epoch(std::uint64_t epoch) {
  staged_.epoch = epoch;
  changed_ = true;
}

Result<void> StoreIndex::move_changes_into_tree() {
  for (const auto& [place, tag] : staged_.changes)
    SKS_TRY(tag ? tree_.set(place.kind, place.handle, *tag) : tree_.erase(place.kind, place.handle));
  SKS_TRY(tree_.write());
  staged_.changes.clear();
  return {};
}

Result<Bytes> StoreIndex::seal(std::int64_t generation) {
  if (staged_.changes.size() > kMaxChanges) SKS_TRY(move_changes_into_tree());
  const SecureBytes plaintext = RootRecord{staged_.epoch, tree_.roots(), staged_.changes}.encode();
  const Bytes nonce = system_random().bytes(crypto::kGcmNonce);
  return sealer_.seal(root_label(generation), nonce, plaintext.view());
}

void StoreIndex::keep() {
  if (!changed_) return;
  tree_.keep();
  kept_ = staged_;
  changed_ = false;
}

void StoreIndex::drop() {
  if (!changed_) return;
  tree_.drop();
  staged_ = kept_;
  changed_ = false;
}

}  // namespace sks::sealed
