#include "sealed-storage/seal_tree.h"

#include <algorithm>
#include <bit>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/mac.h"

namespace sks::sealed {
namespace {

constexpr std::uint32_t kBits = 5;  ///< of a handle that one level decides on
constexpr std::uint32_t kSlots = 1U << kBits;
constexpr std::uint8_t kMaxHeight = 7;  ///< 7 times 5 bits are more than the 32 of a handle

/// Nodes that are kept in memory: half a million records.
constexpr std::size_t kCachedNodes = 16384;

std::uint32_t slot_of(std::uint32_t number) { return number % kSlots; }

/// The node of `level` above a handle.
std::uint32_t number_at(std::uint32_t handle, std::uint8_t level) {
  const std::uint32_t shift = kBits * (level + 1U);
  return shift >= 32 ? 0 : handle >> shift;
}
/// The slot of a handle in the node of `level` above it.
std::uint32_t slot_at(std::uint32_t handle, std::uint8_t level) { return slot_of(handle >> (kBits * level)); }

bool fits(std::uint32_t handle, std::uint8_t height) {
  return kBits * height >= 32 || (handle >> (kBits * height)) == 0;
}

std::size_t rank(std::uint32_t used, std::uint32_t slot) {
  return static_cast<std::size_t>(std::popcount(used & ((1U << slot) - 1)));
}

Error altered(NodeId id) {
  return Error{Status::crypto, "the index of the sealed records of kind " + std::to_string(id.kind) + " was altered"};
}

}  // namespace

const Tag* Node::find(std::uint32_t slot) const { return has(slot) ? &tags[rank(used, slot)] : nullptr; }

void Node::set(std::uint32_t slot, const Tag& tag) {
  const auto at = tags.begin() + static_cast<std::ptrdiff_t>(rank(used, slot));
  if (has(slot)) {
    *at = tag;
    return;
  }
  tags.insert(at, tag);
  used |= 1U << slot;
}

void Node::clear(std::uint32_t slot) {
  if (!has(slot)) return;
  tags.erase(tags.begin() + static_cast<std::ptrdiff_t>(rank(used, slot)));
  used &= ~(1U << slot);
}

Bytes Node::encode() const {
  Bytes out;
  out.reserve(sizeof(used) + tags.size() * kTagSize);
  for (const std::uint32_t shift : {24U, 16U, 8U, 0U}) out.push_back(static_cast<std::uint8_t>(used >> shift));
  for (const Tag& tag : tags) out.insert(out.end(), tag.begin(), tag.end());
  return out;
}

Result<Node> Node::decode(ByteView stored) {
  const Error malformed{Status::crypto, "a node of the index of sealed records is malformed"};
  if (stored.size() < sizeof(used)) return malformed;
  Node node;
  for (const std::uint8_t byte : stored.first(sizeof(used))) node.used = node.used << 8U | byte;
  const ByteView tags = stored.subspan(sizeof(used));
  const auto count = static_cast<std::size_t>(std::popcount(node.used));
  if (count == 0 || tags.size() != count * kTagSize) return malformed;
  node.tags.resize(count);
  for (std::size_t i = 0; i < count; ++i) std::ranges::copy(tags.subspan(i * kTagSize, kTagSize), node.tags[i].begin());
  return node;
}

SealTree::SealTree(SecureBytes key, Roots roots, NodeStorage& storage)
    : key_(std::move(key)), storage_(storage), roots_(std::move(roots)), staged_roots_(roots_) {}

Tag SealTree::tag_of(NodeId id, ByteView node) const {
  Bytes input{id.kind, id.level};
  for (const std::uint32_t shift : {24U, 16U, 8U, 0U}) input.push_back(static_cast<std::uint8_t>(id.number >> shift));
  input.insert(input.end(), node.begin(), node.end());
  const crypto::Sha256Digest digest = crypto::hmac_sha256(key_.view(), input);
  Tag tag{};
  std::copy_n(digest.begin(), tag.size(), tag.begin());
  return tag;
}

Result<Node*> SealTree::load(NodeId id, const Tag& expected) {
  const auto found = cache_.find(id);
  if (found != cache_.end()) return &found->second;
  SKS_LET(const std::optional<Bytes> stored, storage_.load(id));
  if (!stored || !equal_constant_time(tag_of(id, *stored), expected)) return altered(id);
  SKS_LET(Node node, Node::decode(*stored));
  if (cache_.size() >= kCachedNodes) cache_.clear();
  return &cache_.emplace(id, std::move(node)).first->second;
}

/// The node with the changes so far.
Result<const Node*> SealTree::find_or_load(NodeId id, const Tag& expected) {
  if (const auto staged = staged_.find(id); staged != staged_.end()) return &staged->second;
  SKS_LET(const Node* const node, load(id, expected));
  return node;
}

/// The node with the changes so far, or null when there is nothing below it.
Result<const Node*> SealTree::descend(NodeId id) {
  const auto root = staged_roots_.find(id.kind);
  if (root == staged_roots_.end() || id.level >= root->second.height) return nullptr;
  NodeId at{id.kind, static_cast<std::uint8_t>(root->second.height - 1), 0};
  Tag expected = root->second.tag;
  while (true) {
    SKS_LET(const Node* const node, find_or_load(at, expected));
    if (node->used == 0) return nullptr;
    if (at.level == id.level) return at.number == id.number ? node : nullptr;
    --at.level;
    at.number = id.number >> (kBits * static_cast<std::uint32_t>(at.level - id.level));
    const Tag* const child = node->find(slot_of(at.number));
    if (child == nullptr) return nullptr;
    expected = *child;
  }
}

Result<std::optional<Tag>> SealTree::find(std::uint8_t kind, std::uint32_t handle) {
  const auto root = staged_roots_.find(kind);
  if (root == staged_roots_.end() || !fits(handle, root->second.height)) return std::optional<Tag>();
  SKS_LET(const Node* const leaf, descend({kind, 0, number_at(handle, 0)}));
  const Tag* const tag = leaf == nullptr ? nullptr : leaf->find(slot_of(handle));
  return tag == nullptr ? std::optional<Tag>() : std::optional(*tag);
}

Result<std::optional<std::uint32_t>> SealTree::next(std::uint8_t kind, std::uint64_t from) {
  const auto root = staged_roots_.find(kind);
  if (root == staged_roots_.end()) return std::optional<std::uint32_t>();
  const std::uint8_t height = root->second.height;
  std::uint8_t level = 0;
  // Up as long as there is nothing to the right, down to the first record where there is something.
  while (from <= UINT32_MAX && fits(static_cast<std::uint32_t>(from), height) && level < height) {
    const auto handle = static_cast<std::uint32_t>(from);
    SKS_LET(const Node* const node, descend({kind, level, number_at(handle, level)}));
    const std::uint32_t slot = slot_at(handle, level);
    const std::uint32_t right = node == nullptr ? 0 : node->used & ~((1U << slot) - 1);
    const std::uint64_t width = std::uint64_t{1} << (kBits * level);  // handles below one slot
    if (right == 0) {
      const std::uint64_t span = width * kSlots;
      from = (from / span + 1) * span;
      ++level;
      continue;
    }
    const auto first = static_cast<std::uint32_t>(std::countr_zero(right));
    if (first != slot) from = (from / (width * kSlots)) * width * kSlots + first * width;
    if (level == 0) return std::optional(static_cast<std::uint32_t>(from));
    --level;
  }
  return std::optional<std::uint32_t>();
}

Result<void> SealTree::visit(std::uint8_t kind, const TagVisitor& visitor) {
  const auto root = staged_roots_.find(kind);
  if (root == staged_roots_.end()) return {};
  return visit_below({kind, static_cast<std::uint8_t>(root->second.height - 1), 0}, root->second.tag, visitor);
}

Result<void> SealTree::visit_below(NodeId id, const Tag& expected, const TagVisitor& visitor) {
  SKS_LET(const Node* const found, find_or_load(id, expected));
  const Node node = *found;  // loading others may drop it
  auto tag = node.tags.begin();
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    if (!node.has(slot)) continue;
    const std::uint32_t number = id.number << kBits | slot;
    if (id.level == 0)
      visitor(number, *tag);
    else
      SKS_TRY(visit_below({id.kind, static_cast<std::uint8_t>(id.level - 1), number}, *tag, visitor));
    ++tag;
  }
  return {};
}

/// Puts levels on top of a tree until `handle` has a place in it.
void SealTree::grow(std::uint8_t kind, std::uint32_t handle) {
  const auto [root, made] = staged_roots_.try_emplace(kind, Root{1, {}});
  if (made) staged_.insert_or_assign({kind, 0, 0}, Node{});
  while (!fits(handle, root->second.height)) {
    Node top;
    top.set(0, root->second.tag);
    staged_.insert_or_assign({kind, root->second.height, 0}, std::move(top));
    ++root->second.height;
    SKS_CHECK(root->second.height <= kMaxHeight);
  }
}

/// The node, to be changed. `present`: whether the node above has it.
Result<Node*> SealTree::stage(NodeId id, bool present) {
  if (const auto staged = staged_.find(id); staged != staged_.end()) return &staged->second;
  if (!present) return &staged_.emplace(id, Node{}).first->second;
  SKS_LET(const Node* const node, descend(id));
  SKS_CHECK(node != nullptr);
  return &staged_.emplace(id, *node).first->second;
}

/// The leaf of a handle, to be changed, with all nodes above it.
Result<Node*> SealTree::stage_leaf(std::uint8_t kind, std::uint32_t handle) {
  grow(kind, handle);
  Node* node = nullptr;
  bool present = true;
  for (std::uint8_t level = staged_roots_.at(kind).height; level-- > 0;) {
    SKS_LET(node, stage({kind, level, number_at(handle, level)}, present));
    if (level == 0) break;
    present = node->has(slot_at(handle, level));
    if (!present) node->set(slot_at(handle, level), Tag{});  // the tag itself follows when the node below is written
  }
  return node;
}

Result<void> SealTree::set(std::uint8_t kind, std::uint32_t handle, const Tag& tag) {
  SKS_LET(Node* const leaf, stage_leaf(kind, handle));
  leaf->set(slot_of(handle), tag);
  return {};
}

Result<void> SealTree::erase(std::uint8_t kind, std::uint32_t handle) {
  SKS_LET(const std::optional<Tag> present, find(kind, handle));
  if (!present) return {};
  SKS_LET(Node* const leaf, stage_leaf(kind, handle));
  leaf->clear(slot_of(handle));
  return {};
}

Result<void> SealTree::write_node(NodeId id, const Node& node) {
  const auto root = staged_roots_.find(id.kind);
  SKS_CHECK(root != staged_roots_.end());
  const bool top = id.level + 1 == root->second.height;
  Node* parent = nullptr;
  if (!top) parent = &staged_.at({id.kind, static_cast<std::uint8_t>(id.level + 1), id.number >> kBits});
  if (node.used == 0) {
    if (top)
      staged_roots_.erase(root);
    else
      parent->clear(slot_of(id.number));
    return storage_.erase(id);
  }
  const Bytes stored = node.encode();
  const Tag tag = tag_of(id, stored);
  if (top)
    root->second.tag = tag;
  else
    parent->set(slot_of(id.number), tag);
  return storage_.store(id, stored);
}

Result<void> SealTree::write() {
  // From the leaves up: a node holds the tags of those below it.
  std::vector<NodeId> order;
  order.reserve(staged_.size());
  for (const auto& [id, node] : staged_) order.push_back(id);
  std::ranges::stable_sort(order, {}, &NodeId::level);
  for (const NodeId id : order) SKS_TRY(write_node(id, staged_.at(id)));
  return {};
}

void SealTree::keep() {
  for (auto& [id, node] : staged_) {
    if (node.used == 0)
      cache_.erase(id);
    else
      cache_.insert_or_assign(id, std::move(node));
  }
  staged_.clear();
  roots_ = staged_roots_;
}

void SealTree::drop() {
  staged_.clear();
  staged_roots_ = roots_;
}

}  // namespace sks::sealed
