#include "sks-core/engine/property_bag.h"

#include <algorithm>

#include "tests/fuzz/checks.h"

/// Property bags: reading and setting agree with each other.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  using namespace sks::engine;
  constexpr std::size_t kLimit = 300;
  fuzz::Input in({data, size});
  const Bytes name = to_bytes(in.take(in.below(8)));
  const Bytes value = to_bytes(in.take(in.below(200)));
  const ByteView bag = in.take(size);
  const auto properties = read_property_bag(bag);
  const auto changed = with_property(bag, name, value, kLimit);
  if (!properties) {
    fuzz::require(properties.error().status == Status::option, "status of a bad bag");
    return 0;
  }
  fuzz::require(!properties->empty(), "a bag has a property");
  const auto named = [&](const Property& property) { return equal(property.name, name); };
  const auto first = std::find_if(properties->begin(), properties->end(), named);
  if (!changed) {
    const bool is_there = first != properties->end();
    const bool is_read_only = is_there && !first->writable;
    fuzz::require((changed.error().status == Status::not_allowed) == is_read_only, "what cannot be written is refused");
    return 0;
  }
  fuzz::require(changed->size() <= kLimit, "a bag keeps to its limit");
  const auto again = read_property_bag(changed->view());
  fuzz::require(again && again->size() == properties->size(), "a changed bag is a bag");
  for (std::size_t i = 0; i < again->size(); ++i) {
    const Property& before = (*properties)[i];
    const Property& after = (*again)[i];
    const bool is_set = i == static_cast<std::size_t>(first - properties->begin());
    fuzz::require(equal(before.name, after.name) && before.writable == after.writable, "names and rights stay");
    fuzz::require(equal(after.value, is_set ? ByteView(value) : before.value), "one value is set, the others stay");
  }
  return 0;
}
