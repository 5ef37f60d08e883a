#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// Which records a store has, and what the seal of each is: a keyed hash tree over all of them.
/// Spec: spec/sealed-record.md chapter 8.
namespace sks::sealed {

inline constexpr std::size_t kTagSize = 16;
using Tag = std::array<std::uint8_t, kTagSize>;
using TagVisitor = std::function<void(std::uint32_t handle, const Tag& tag)>;

/// A node of the tree of one kind of records. At level 0, `number` is a handle without its lowest five bits; each level
/// above drops five more.
struct NodeId {
  std::uint8_t kind = 0;
  std::uint8_t level = 0;
  std::uint32_t number = 0;
  auto operator<=>(const NodeId&) const = default;
};

/// Up to 32 slots: of records in a leaf, of nodes above.
struct Node {
  std::uint32_t used = 0;  ///< bit n: slot n has a tag
  std::vector<Tag> tags;   ///< of the used slots, in ascending order

  bool has(std::uint32_t slot) const { return (used >> slot & 1U) != 0; }
  const Tag* find(std::uint32_t slot) const;
  void set(std::uint32_t slot, const Tag& tag);
  void clear(std::uint32_t slot);

  Bytes encode() const;
  /// Fails with crypto.
  static Result<Node> decode(ByteView stored);
};

/// The top of the tree of one kind. A kind without records has none.
struct Root {
  std::uint8_t height = 0;  ///< levels, at least 1
  Tag tag{};                ///< of the node at the top
  bool operator==(const Root&) const = default;
};
using Roots = std::map<std::uint8_t, Root>;  ///< by kind

/// Where the nodes lie, unprotected: the tree notices every change.
class NodeStorage {
 public:
  virtual ~NodeStorage() = default;
  virtual Result<std::optional<Bytes>> load(NodeId id) = 0;
  virtual Result<void> store(NodeId id, ByteView node) = 0;
  virtual Result<void> erase(NodeId id) = 0;
};

class SealTree {
 public:
  /// `key` has 32 bytes; `roots` come from where nobody else can write them.
  SealTree(SecureBytes key, Roots roots, NodeStorage& storage);

  /// The tag of a record, or none when there is no such record. Fails with crypto when a node was altered.
  Result<std::optional<Tag>> find(std::uint8_t kind, std::uint32_t handle);
  /// The first record of a kind with a handle of at least `from`. Fails with crypto.
  Result<std::optional<std::uint32_t>> next(std::uint8_t kind, std::uint64_t from);

  /// All records of a kind with their tags, in ascending order. Fails with crypto.
  Result<void> visit(std::uint8_t kind, const TagVisitor& visitor);

  /// Changes stay in memory until write(). Fail with crypto.
  Result<void> set(std::uint8_t kind, std::uint32_t handle, const Tag& tag);
  Result<void> erase(std::uint8_t kind, std::uint32_t handle);

  bool changed() const { return !staged_.empty(); }
  /// Writes the nodes that changed. Fails as the storage does.
  Result<void> write();
  /// With the changes so far, after write().
  const Roots& roots() const { return staged_roots_; }
  /// What was written is durable.
  void keep();
  /// What was changed since the last keep() is void.
  void drop();

 private:
  Result<Node*> load(NodeId id, const Tag& expected);
  Result<const Node*> find_or_load(NodeId id, const Tag& expected);
  Result<void> visit_below(NodeId id, const Tag& expected, const TagVisitor& visitor);
  Result<const Node*> descend(NodeId id);
  Result<Node*> stage(NodeId id, bool present);
  Result<Node*> stage_leaf(std::uint8_t kind, std::uint32_t handle);
  void grow(std::uint8_t kind, std::uint32_t handle);
  Result<void> write_node(NodeId id, const Node& node);
  Tag tag_of(NodeId id, ByteView node) const;

  SecureBytes key_;
  NodeStorage& storage_;
  Roots roots_;
  Roots staged_roots_;
  std::map<NodeId, Node> cache_;   ///< as committed
  std::map<NodeId, Node> staged_;  ///< changed since; without tags when there is nothing below any more
};

}  // namespace sks::sealed
