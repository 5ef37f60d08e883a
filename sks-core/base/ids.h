#pragma once

#include <compare>
#include <cstdint>
#include <type_traits>

namespace sks {

/// A handle of one kind. Kinds do not convert into one another, and raw integers appear only on the wire.
/// Value 0 means "none". Spec: sks-api.md chapter 1.3.
template <class Tag>
struct Id {
  std::uint32_t value = 0;
  constexpr auto operator<=>(const Id&) const = default;
  constexpr explicit operator bool() const { return value != 0; }
};

using KeyHandle = Id<struct KeyTag>;
using ProvisioningHandle = Id<struct ProvisioningTag>;
using PinPolicyHandle = Id<struct PinPolicyTag>;
using PukPolicyHandle = Id<struct PukPolicyTag>;

static_assert(!std::is_convertible_v<KeyHandle, ProvisioningHandle>);
static_assert(!std::is_convertible_v<std::uint32_t, KeyHandle>);

}  // namespace sks
