#pragma once

#include <optional>
#include <string_view>

#include "sks-core/base/bytes.h"

/// What PINs and PUKs look like: the rules that one value obeys or breaks by itself. The key store enforces them;
/// client and issuer check them first, because a value that the key store refuses costs the session. Spec:
/// sks-api.md 5.2 and 5.3, keygen2.md 8.4.
namespace sks::pin {

enum class Format : std::uint8_t { numeric, alphanumeric, string, binary };

// Bits of patternRestrictions.
inline constexpr std::uint8_t kTwoInARow = 0x01;
inline constexpr std::uint8_t kThreeInARow = 0x02;
inline constexpr std::uint8_t kSequence = 0x04;
inline constexpr std::uint8_t kRepeated = 0x08;
inline constexpr std::uint8_t kMissingGroup = 0x10;
inline constexpr std::uint8_t kAllPatterns = 0x1F;

inline constexpr std::uint16_t kMaxLength = 128;  ///< bytes, of PINs and PUKs

/// Whether policies of this format may ask for a character of each group.
constexpr bool has_groups(Format format) { return format == Format::alphanumeric || format == Format::string; }

/// Whether every byte is one that `format` allows.
bool obeys_format(Format format, ByteView value);

struct Rules {
  Format format;
  std::uint16_t min_length;  ///< bytes
  std::uint16_t max_length;
  std::uint8_t patterns;
};

/// In the order in which the rules are tested.
enum class BrokenRule : std::uint8_t {
  too_short,
  too_long,
  not_numeric,
  not_alphanumeric,
  missing_group,
  sequence,
  repeated,
  two_in_a_row,
  three_in_a_row,
};

/// The first rule that `value` breaks. One byte alone is no sequence.
std::optional<BrokenRule> find_broken_rule(const Rules& rules, ByteView value);

/// A sentence for people, such as "the PIN is too short".
std::string_view to_string(BrokenRule rule);

}  // namespace sks::pin
