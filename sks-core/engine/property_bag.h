#pragma once

#include <vector>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// The content of an extension with subType 0x02. Spec: sks-api.md 4.14 and 4.21, appendices E6 and E7.
namespace sks::engine {

/// A property, as views into its bag.
struct Property {
  ByteView name;
  bool writable = false;
  ByteView value;
};

/// The properties of a bag in their order; there is at least one. Fails with option.
Result<std::vector<Property>> read_property_bag(ByteView bag);

/// The bag with `value` for the first property called `name`, everything else in its place. Fails with option (there is
/// no such property), not_allowed (it is not writable), or option (the bag would be longer than `limit`).
Result<SecureBytes> with_property(ByteView bag, ByteView name, ByteView value, std::size_t limit);

}  // namespace sks::engine
