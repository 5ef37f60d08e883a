#include "keygen2/pin_rules.h"

#include <algorithm>
#include <array>

#include "keygen2/enumerations.h"

namespace sks::keygen2 {
namespace {

bool is_digit(std::uint8_t byte) { return byte >= '0' && byte <= '9'; }
bool is_upper(std::uint8_t byte) { return byte >= 'A' && byte <= 'Z'; }
bool is_lower(std::uint8_t byte) { return byte >= 'a' && byte <= 'z'; }
bool is_other(std::uint8_t byte) { return !is_digit(byte) && !is_upper(byte) && !is_lower(byte); }

bool misses_group(std::uint8_t format, ByteView pin) {
  if (std::ranges::none_of(pin, is_upper) || std::ranges::none_of(pin, is_digit)) return true;
  return format == kFormatString && (std::ranges::none_of(pin, is_lower) || std::ranges::none_of(pin, is_other));
}

bool is_sequence(ByteView pin) {
  const auto steps_by = [pin](std::uint8_t step) {
    const auto breaks = [step](std::uint8_t a, std::uint8_t b) { return static_cast<std::uint8_t>(b - a) != step; };
    return std::ranges::adjacent_find(pin, breaks) == pin.end();
  };
  return pin.size() >= 2 && (steps_by(0x01) || steps_by(0xFF));
}

bool repeats(ByteView pin) {
  std::array<bool, 256> seen{};
  return std::ranges::any_of(pin, [&seen](std::uint8_t byte) { return std::exchange(seen.at(byte), true); });
}

bool has_run(ByteView pin, std::size_t length) {
  std::size_t run = 0;
  for (std::size_t i = 0; i < pin.size(); ++i) {
    run = i > 0 && pin[i] == pin[i - 1] ? run + 1 : 1;
    if (run == length) return true;
  }
  return false;
}

struct PatternRule {
  std::uint8_t bit;
  bool (*breaks)(std::uint8_t format, ByteView pin);
  std::string_view problem;
};

// In the order of 8.4. A run of three contains a run of two: the stricter rule applies when both are set.
constexpr auto kPatternRules = std::to_array<PatternRule>({
    {kPatternMissingGroup, misses_group, "the PIN does not contain every kind of character that is asked for"},
    {kPatternSequence, [](std::uint8_t, ByteView pin) { return is_sequence(pin); }, "the PIN is a sequence"},
    {kPatternRepeated, [](std::uint8_t, ByteView pin) { return repeats(pin); }, "the PIN contains a character twice"},
    {kPatternTwoInARow, [](std::uint8_t, ByteView pin) { return has_run(pin, 2); },
     "the PIN contains equal characters in a row"},
    {kPatternThreeInARow, [](std::uint8_t, ByteView pin) { return has_run(pin, 3); },
     "the PIN contains three equal characters in a row"},
});

/// In the order of kFormats.
constexpr std::array<std::string_view, 4> kSyntaxProblems{"the PIN must consist of digits",
                                                          "the PIN must consist of digits and letters A to Z", "", ""};

}  // namespace

bool obeys_format(std::uint8_t format, ByteView value) {
  if (format == kFormatNumeric) return std::ranges::all_of(value, is_digit);
  if (format != kFormatAlphanumeric) return true;
  return std::ranges::all_of(value, [](std::uint8_t byte) { return is_digit(byte) || is_upper(byte); });
}

std::optional<std::string_view> find_pin_problem(const PinRules& rules, ByteView pin) {
  if (pin.size() < rules.min_length) return "the PIN is too short";
  if (pin.size() > rules.max_length) return "the PIN is too long";
  if (!obeys_format(rules.format, pin)) return kSyntaxProblems.at(rules.format);
  for (const PatternRule& rule : kPatternRules) {
    if ((rules.pattern_restrictions & rule.bit) != 0 && rule.breaks(rules.format, pin)) return rule.problem;
  }
  return std::nullopt;
}

std::uint8_t pin_class(std::uint8_t grouping, std::uint8_t app_usage) {
  if (grouping == kGroupingUnique) return app_usage;
  if (grouping == kGroupingSignaturePlusStandard) return app_usage == kAppUsageSignature ? 0 : 1;
  return 0;
}

}  // namespace sks::keygen2
