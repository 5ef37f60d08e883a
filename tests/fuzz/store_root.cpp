#include "sealed-storage/seal_tree.h"
#include "sealed-storage/store_anchor.h"
#include "sealed-storage/store_index.h"
#include "tests/fuzz/checks.h"

/// What a store holds about itself: the root, the record of the anchor and the nodes of the tree. What decodes encodes
/// to the same bytes.
namespace {

using sks::ByteView;
using sks::equal;

void check_root(ByteView input) {
  const auto root = sks::sealed::RootRecord::decode(input);
  if (!root) return;
  sks::fuzz::require(root->changes.size() <= sks::sealed::kMaxChanges, "changes are bounded");
  sks::fuzz::require(equal(root->encode().view(), input), "a root has one form");
}

void check_anchor(ByteView input) {
  const auto anchor = sks::sealed::AnchorRecord::decode(input);
  if (anchor) sks::fuzz::require(equal(anchor->encode().view(), input), "what is remembered of an anchor has one form");
}

void check_node(ByteView input) {
  const auto node = sks::sealed::Node::decode(input);
  if (node) sks::fuzz::require(equal(node->encode(), input), "a node has one form");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  check_root(input);
  static_cast<void>(sks::sealed::RootRecord::decode(input, 2));
  check_anchor(input);
  check_node(input);
  return 0;
}
