#include "sks-core/base/pin_value.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sks-core/base/result.h"

namespace sks::pin {
namespace {

bool is_digit(std::uint8_t byte) { return byte >= '0' && byte <= '9'; }
bool is_upper(std::uint8_t byte) { return byte >= 'A' && byte <= 'Z'; }
bool is_lower(std::uint8_t byte) { return byte >= 'a' && byte <= 'z'; }
bool is_other(std::uint8_t byte) { return !is_digit(byte) && !is_upper(byte) && !is_lower(byte); }

bool misses_group(Format format, ByteView pin) {
  if (std::ranges::none_of(pin, is_upper) || std::ranges::none_of(pin, is_digit)) return true;
  return format == Format::string && (std::ranges::none_of(pin, is_lower) || std::ranges::none_of(pin, is_other));
}

bool is_sequence(Format, ByteView pin) {
  const auto steps_by = [pin](std::uint8_t step) {
    const auto breaks = [step](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(b - a) != step; };
    return std::ranges::adjacent_find(pin, breaks) == pin.end();
  };
  return pin.size() >= 2 && (steps_by(0x01) || steps_by(0xFF));
}

bool repeats(Format, ByteView pin) {
  std::array<bool, 256> seen{};
  return std::ranges::any_of(pin, [&seen](std::uint8_t byte) { return std::exchange(seen.at(byte), true); });
}

template <std::size_t length>
bool has_run(Format, ByteView pin) {
  std::size_t run = 0;
  for (std::size_t i = 0; i < pin.size(); ++i) {
    run = i > 0 && pin[i] == pin[i - 1] ? run + 1 : 1;
    if (run == length) return true;
  }
  return false;
}

struct PatternRule {
  std::uint8_t bit;
  bool (*is_broken_by)(Format format, ByteView pin);
  BrokenRule rule;
};

// A run of three contains a run of two: the stricter rule applies when both are set.
constexpr auto kPatternRules = std::to_array<PatternRule>({
    {kMissingGroup, misses_group, BrokenRule::missing_group},
    {kSequence, is_sequence, BrokenRule::sequence},
    {kRepeated, repeats, BrokenRule::repeated},
    {kTwoInARow, has_run<2>, BrokenRule::two_in_a_row},
    {kThreeInARow, has_run<3>, BrokenRule::three_in_a_row},
});

}  // namespace

bool obeys_format(Format format, ByteView value) {
  switch (format) {
    case Format::numeric:
      return std::ranges::all_of(value, is_digit);
    case Format::alphanumeric:
      return std::ranges::all_of(value, [](std::uint8_t byte) { return is_digit(byte) || is_upper(byte); });
    case Format::string:
    case Format::binary:
      return true;
  }
  SKS_CHECK(false);
}

std::optional<BrokenRule> find_broken_rule(const Rules& rules, ByteView value) {
  if (value.size() < rules.min_length) return BrokenRule::too_short;
  if (value.size() > rules.max_length) return BrokenRule::too_long;
  if (!obeys_format(rules.format, value))
    return rules.format == Format::numeric ? BrokenRule::not_numeric : BrokenRule::not_alphanumeric;
  for (const PatternRule& row : kPatternRules)
    if ((rules.patterns & row.bit) != 0 && row.is_broken_by(rules.format, value)) return row.rule;
  return std::nullopt;
}

std::string_view to_string(BrokenRule rule) {
  switch (rule) {
    case BrokenRule::too_short:
      return "the PIN is too short";
    case BrokenRule::too_long:
      return "the PIN is too long";
    case BrokenRule::not_numeric:
      return "the PIN must consist of digits";
    case BrokenRule::not_alphanumeric:
      return "the PIN must consist of digits and letters A to Z";
    case BrokenRule::missing_group:
      return "the PIN does not contain every kind of character that is asked for";
    case BrokenRule::sequence:
      return "the PIN is a sequence";
    case BrokenRule::repeated:
      return "the PIN contains a character twice";
    case BrokenRule::two_in_a_row:
      return "the PIN contains equal characters in a row";
    case BrokenRule::three_in_a_row:
      return "the PIN contains three equal characters in a row";
  }
  SKS_CHECK(false);
}

}  // namespace sks::pin
