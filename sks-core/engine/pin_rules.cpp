#include "sks-core/engine/pin_rules.h"

#include <algorithm>
#include <array>

namespace sks::engine {
namespace {

bool is_upper(std::uint8_t c) { return c >= 0x41 && c <= 0x5A; }
bool is_lower(std::uint8_t c) { return c >= 0x61 && c <= 0x7A; }
bool is_digit(std::uint8_t c) { return c >= 0x30 && c <= 0x39; }
bool is_other(std::uint8_t c) { return !is_upper(c) && !is_lower(c) && !is_digit(c); }

bool lacks_a_group(Format format, ByteView pin) {
  const auto has = [pin](bool (*in_group)(std::uint8_t)) { return std::ranges::any_of(pin, in_group); };
  if (!has(is_upper) || !has(is_digit)) return true;
  return format == Format::string && (!has(is_lower) || !has(is_other));
}

// Steps of +1 or -1 modulo 256 from the first byte to the last. One byte alone is no sequence: sks-api.md appendix B5,
// as keygen2.md 8.4 has it, so that a PIN which the client accepts does not cost the session.
bool is_sequence(ByteView pin) {
  if (pin.size() < 2) return false;
  const auto step = [pin](std::size_t i) { return static_cast<std::uint8_t>(pin[i] - pin[i - 1]); };
  if (step(1) != 1 && step(1) != 255) return false;
  for (std::size_t i = 2; i < pin.size(); ++i)
    if (step(i) != step(1)) return false;
  return true;
}

bool repeats_a_byte(ByteView pin) {
  std::array<bool, 256> seen{};
  return std::ranges::any_of(pin, [&seen](std::uint8_t c) { return std::exchange(seen.at(c), true); });
}

bool has_run(ByteView pin, std::size_t length) {
  std::size_t run = 1;
  for (std::size_t i = 1; i < pin.size(); ++i) {
    run = pin[i] == pin[i - 1] ? run + 1 : 1;
    if (run >= length) return true;
  }
  return false;
}

Error refused(const char* why) { return Error{Status::option, why}; }

bool must_equal(const PinGroup& other, std::uint8_t own_class) { return other.group_class == own_class; }

}  // namespace

bool obeys_format(Format format, ByteView value) {
  switch (format) {
    case Format::numeric:
      return std::ranges::all_of(value, is_digit);
    case Format::alphanumeric:
      return std::ranges::all_of(value, [](std::uint8_t c) { return is_digit(c) || is_upper(c); });
    case Format::string:
    case Format::binary:
      return true;
  }
  SKS_CHECK(false);
}

Result<void> check_pin_value(const PinPolicy& policy, ByteView pin) {
  const auto restricts = [&policy](std::uint8_t pattern) { return (policy.pattern_restrictions & pattern) != 0; };
  if (pin.size() < policy.min_length || pin.size() > policy.max_length) return refused("PIN length");
  if (!obeys_format(policy.format, pin)) return refused("PIN syntax");
  if (restricts(kMissingGroup) && lacks_a_group(policy.format, pin)) return refused("PIN lacks a character group");
  if (restricts(kSequence) && is_sequence(pin)) return refused("PIN is a sequence");
  if (restricts(kRepeated) && repeats_a_byte(pin)) return refused("PIN repeats a character");
  if (restricts(kTwoInARow)) {
    if (has_run(pin, 2)) return refused("PIN has 2 equal characters in a row");
  } else if (restricts(kThreeInARow) && has_run(pin, 3)) {
    return refused("PIN has 3 equal characters in a row");
  }
  return {};
}

std::uint8_t group_class(Grouping grouping, AppUsage usage) {
  switch (grouping) {
    case Grouping::none:
    case Grouping::shared:
      return 0;
    case Grouping::signature_plus_standard:
      return usage == AppUsage::signature ? 0 : 1;
    case Grouping::unique:
      return static_cast<std::uint8_t>(usage);
  }
  SKS_CHECK(false);
}

Result<std::shared_ptr<const PinGroup>> find_group(const StoreState& state, const PinPolicy& policy, AppUsage usage,
                                                   ByteView pin) {
  std::shared_ptr<const PinGroup> own;
  if (policy.grouping == Grouping::none) return own;
  const std::uint8_t own_class = group_class(policy.grouping, usage);
  for (const PinGroupHandle handle : state.index().groups_of_policy.of(policy.handle)) {
    const std::shared_ptr<const PinGroup> group = state.find<PinGroup>(handle);
    const bool equal = equal_constant_time(pin, group->value->view());
    if (equal != must_equal(*group, own_class)) return refused("PIN violates grouping");
    if (equal) own = group;
  }
  return own;
}

}  // namespace sks::engine
