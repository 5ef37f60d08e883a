#include "sealed-storage/seal_tree.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "sks-core/base/encoding.h"
#include "tests/support/vectors.h"

namespace sks::sealed {
namespace {

/// Nodes in memory, in reach of whoever wants to change them.
class Nodes final : public NodeStorage {
 public:
  Result<std::optional<Bytes>> load(NodeId id) override {
    ++loads;
    const auto found = nodes.find(id);
    return found == nodes.end() ? std::optional<Bytes>() : std::optional(found->second);
  }
  Result<void> store(NodeId id, ByteView node) override {
    if (full) return Error{Status::storage, "no space"};
    nodes.insert_or_assign(id, to_bytes(node));
    return {};
  }
  Result<void> erase(NodeId id) override {
    nodes.erase(id);
    return {};
  }

  std::map<NodeId, Bytes> nodes;
  int loads = 0;
  bool full = false;
};

constexpr std::uint8_t kKind = 4;

SecureBytes key() { return SecureBytes::copy_of(Bytes(32, 0x5A)); }

Tag tag(std::uint32_t seed) {
  Tag made{};
  for (std::size_t i = 0; i < made.size(); ++i) made[i] = static_cast<std::uint8_t>(seed >> (8 * (i % 4)));
  return made;
}

Roots write(SealTree& tree) {
  REQUIRE(tree.write());
  tree.keep();
  return tree.roots();
}

/// A tree with records of the given handles, each with tag(handle), and what it wrote.
struct Written {
  explicit Written(const std::vector<std::uint32_t>& handles) {
    SealTree tree(key(), {}, nodes);
    for (const std::uint32_t handle : handles) REQUIRE(tree.set(kKind, handle, tag(handle)));
    roots = write(tree);
  }
  SealTree open() { return {key(), roots, nodes}; }

  Nodes nodes;
  Roots roots;
};

void check_altered(const Result<std::optional<Tag>>& found) {
  REQUIRE_FALSE(found);
  CHECK(found.error().status == Status::crypto);
  CHECK(found.error().detail == "the index of the sealed records of kind 4 was altered");
}

TEST_CASE("SealTree equals the trees that another implementation made from the specification") {
  std::size_t trees = 0;
  for (const test::VectorBlock& block : test::read_vectors("sealed-storage/trees.vec")) {
    ++trees;
    Nodes nodes;
    SealTree tree(SecureBytes::copy_of(block.hex("TreeKey")), {}, nodes);
    const auto kind = static_cast<std::uint8_t>(block.number("Kind"));
    const Bytes handles = block.hex("Handles");
    const Bytes tags = block.hex("Tags");
    REQUIRE(handles.size() / 4 * kTagSize == tags.size());
    for (std::size_t i = 0; i < handles.size() / 4; ++i) {
      std::uint32_t handle = 0;
      for (const std::uint8_t byte : ByteView(handles).subspan(4 * i, 4)) handle = handle << 8U | byte;
      Tag one{};
      std::ranges::copy(ByteView(tags).subspan(kTagSize * i, kTagSize), one.begin());
      REQUIRE(tree.set(kind, handle, one));
    }
    const Roots roots = write(tree);
    CHECK(roots.at(kind).height == block.number("Height"));
    CHECK(to_hex(roots.at(kind).tag) == block.text("Top"));
    std::string all;
    for (const auto& [id, node] : nodes.nodes) {
      all += (all.empty() ? "" : " ") + std::to_string(id.level) + "/" + std::to_string(id.number) + "/" + to_hex(node);
    }
    CHECK(all == block.text("Nodes"));
  }
  CHECK(trees == 4);
}

TEST_CASE("SealTree knows what a map knows, whatever was set, erased, written and dropped") {
  constexpr std::uint32_t kSeed = 20261121;
  MESSAGE("seed ", kSeed);
  std::mt19937 choice(kSeed);
  Nodes nodes;
  SealTree tree(key(), {}, nodes);
  std::map<std::uint32_t, Tag> committed;
  std::map<std::uint32_t, Tag> model;
  const auto some_handle = [&]() -> std::uint32_t {
    constexpr std::array<std::uint32_t, 4> kRanges{40, 1100, 70'000, 0xFFFFFFFF};
    return std::uniform_int_distribution<std::uint32_t>(0, kRanges.at(choice() % kRanges.size()))(choice);
  };
  Roots roots;
  for (int step = 0; step < 20'000; ++step) {
    const std::uint32_t handle = some_handle();
    switch (choice() % 16) {
      case 0: {
        roots = write(tree);
        committed = model;
        break;
      }
      case 1:
        tree.drop();
        model = committed;
        break;
      case 2:
      case 3:
      case 4:
      case 5: {
        REQUIRE(tree.erase(kKind, handle));
        model.erase(handle);
        break;
      }
      case 6:
        if (!model.empty()) {
          const std::uint32_t present = model.begin()->first;
          REQUIRE(tree.erase(kKind, present));
          model.erase(present);
        }
        break;
      default: {
        REQUIRE(tree.set(kKind, handle, tag(static_cast<std::uint32_t>(step))));
        model.insert_or_assign(handle, tag(static_cast<std::uint32_t>(step)));
      }
    }
    const std::uint32_t asked = some_handle();
    const auto found = tree.find(kKind, asked);
    REQUIRE(found);
    const auto expected = model.find(asked);
    CHECK(found->has_value() == (expected != model.end()));
    if (*found && expected != model.end()) CHECK(**found == expected->second);
    const auto next = tree.next(kKind, asked);
    REQUIRE(next);
    const auto after = model.lower_bound(asked);
    CHECK(next->has_value() == (after != model.end()));
    if (*next && after != model.end()) CHECK(**next == after->first);
    if (step % 500 == 0) {
      SealTree reopened(key(), roots, nodes);
      for (const auto& [present, value] : committed) CHECK(reopened.find(kKind, present)->value() == value);
    }
  }
  while (!model.empty()) {
    REQUIRE(tree.erase(kKind, model.begin()->first));
    model.erase(model.begin());
  }
  CHECK(write(tree).empty());
  CHECK(nodes.nodes.empty());
}

TEST_CASE("SealTree notices every changed bit of every node") {
  Written written({0, 1, 31, 32, 5000});
  const auto originals = written.nodes.nodes;
  for (const auto& each : originals) {
    const NodeId id = each.first;
    const Bytes& original = each.second;
    for (std::size_t bit = 0; bit < original.size() * 8; ++bit) {
      CAPTURE(id.level);
      CAPTURE(bit);
      Bytes& stored = written.nodes.nodes.at(id);
      stored[bit / 8] = static_cast<std::uint8_t>(stored[bit / 8] ^ (1U << (bit % 8)));
      SealTree tree = written.open();
      bool noticed = false;
      for (const std::uint32_t handle : {0U, 32U, 5000U}) noticed = noticed || !tree.find(kKind, handle);
      CHECK(noticed);
      stored = original;
    }
  }
}

TEST_CASE("SealTree notices a node that is missing, of another place, or of an earlier time") {
  Written written({0, 32});
  const NodeId first{kKind, 0, 0};
  const NodeId second{kKind, 0, 1};
  SUBCASE("missing") { written.nodes.nodes.erase(first); }
  SUBCASE("of another place") { written.nodes.nodes.at(first) = written.nodes.nodes.at(second); }
  SUBCASE("of an earlier time") {
    const Bytes earlier = written.nodes.nodes.at(first);
    SealTree tree = written.open();
    REQUIRE(tree.set(kKind, 0, tag(7)));
    written.roots = write(tree);
    written.nodes.nodes.at(first) = earlier;
  }
  SUBCASE("of an earlier time, all the way up to the root") {
    const auto earlier = written.nodes.nodes;
    SealTree tree = written.open();
    REQUIRE(tree.set(kKind, 0, tag(7)));
    written.roots = write(tree);
    written.nodes.nodes = earlier;
  }
  SUBCASE("cut short") { written.nodes.nodes.at(first).pop_back(); }
  SealTree tree = written.open();
  check_altered(tree.find(kKind, 0));
  CHECK_FALSE(tree.next(kKind, 0));
  CHECK_FALSE(tree.set(kKind, 0, tag(1)));
  CHECK_FALSE(tree.erase(kKind, 0));
}

TEST_CASE("SealTree takes the nodes of another key for altered") {
  Written written({3});
  SealTree tree(SecureBytes::copy_of(Bytes(32, 0x5B)), written.roots, written.nodes);
  check_altered(tree.find(kKind, 3));
}

TEST_CASE("SealTree keeps its changes when writing fails, and forgets them when told to") {
  Written written({3});
  SealTree tree = written.open();
  REQUIRE(tree.set(kKind, 4, tag(4)));
  written.nodes.full = true;
  const auto failed = tree.write();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().status == Status::storage);
  tree.drop();
  CHECK_FALSE(tree.changed());
  CHECK(tree.roots() == written.roots);
  CHECK_FALSE(tree.find(kKind, 4)->has_value());
}

TEST_CASE("SealTree reads each node once") {
  Written written({0, 1, 2});
  SealTree tree = written.open();
  for (int round = 0; round < 3; ++round)
    for (const std::uint32_t handle : {0U, 1U, 2U}) CHECK(tree.find(kKind, handle)->value() == tag(handle));
  CHECK(written.nodes.loads == 1);
}

}  // namespace
}  // namespace sks::sealed
