#pragma once

#include <optional>
#include <string_view>

#include "keygen2/messages.h"
#include "sks-core/base/bytes.h"

/// What PINs and PUKs look like, checked before the SKS sees them: it would destroy the session. Spec: keygen2.md 8.4.
namespace sks::keygen2 {

struct PinRules {
  std::uint8_t format;
  std::uint16_t min_length;  ///< bytes
  std::uint16_t max_length;
  std::uint8_t pattern_restrictions;
};

/// The first rule that `pin` breaks, as a sentence for people; none when it is a good PIN.
std::optional<std::string_view> find_pin_problem(const PinRules& rules, ByteView pin);

/// Whether every byte is one that the format allows.
bool obeys_format(std::uint8_t format, ByteView value);

/// Keys of one policy share a PIN when their classes are equal, and must not when they differ. For grouping none,
/// neither holds.
std::uint8_t pin_class(std::uint8_t grouping, std::uint8_t app_usage);

}  // namespace sks::keygen2
