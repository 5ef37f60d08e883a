#include "sks-core/base/pin_value.h"

#include <doctest/doctest.h>

#include <set>

using namespace sks;

TEST_CASE("PIN values: each rule refuses, in the order of sks-api.md 5.3") {
  using enum pin::Format;
  using enum pin::BrokenRule;
  struct Case {
    const char* name;
    pin::Format format;
    std::uint8_t patterns;
    std::string value;
    std::optional<pin::BrokenRule> broken;
  };
  const std::vector<Case> cases{
      {"shortest", numeric, 0, "1234", std::nullopt},
      {"longest", numeric, 0, "12345678", std::nullopt},
      {"too short", numeric, 0, "123", too_short},
      {"too long", numeric, 0, "123456789", too_long},
      {"letters in numeric", numeric, 0, "12a4", not_numeric},
      {"capitals in alphanumeric", alphanumeric, 0, "AZ09", std::nullopt},
      {"small letters in alphanumeric", alphanumeric, 0, "az09", not_alphanumeric},
      {"anything in string", string, 0, "\xC3\x85 x", std::nullopt},
      {"anything in binary", binary, 0, std::string("\0\1\2\3", 4), std::nullopt},
      {"length before syntax", numeric, 0, "a", too_short},
      {"syntax before pattern", numeric, 0x04, "ABCD", not_numeric},
      {"both groups", alphanumeric, 0x10, "AB12", std::nullopt},
      {"no digit", alphanumeric, 0x10, "ABDC", missing_group},
      {"no letter", alphanumeric, 0x10, "1243", missing_group},
      {"all four groups", string, 0x10, "Aa1!", std::nullopt},
      {"no other character", string, 0x10, "Aa1b", missing_group},
      {"no small letter", string, 0x10, "AB1!", missing_group},
      {"missing group before sequence", alphanumeric, 0x14, "ABCD", missing_group},
      {"ascending", numeric, 0x04, "3456", sequence},
      {"descending", numeric, 0x04, "6543", sequence},
      {"decimal 9 to 0 is no step", numeric, 0x04, "7890", std::nullopt},
      {"broken sequence", numeric, 0x04, "1235", std::nullopt},
      {"step of two", numeric, 0x04, "1357", std::nullopt},
      {"up and down", numeric, 0x04, "1212", std::nullopt},
      {"bytes wrap around", binary, 0x04, std::string("\xFE\xFF\x00\x01", 4), sequence},
      {"sequence allowed", numeric, 0, "3456", std::nullopt},
      {"repeated", numeric, 0x08, "1231", repeated},
      {"not repeated", numeric, 0x08, "1243", std::nullopt},
      {"two in a row", numeric, 0x01, "1223", two_in_a_row},
      {"not in a row", numeric, 0x01, "1212", std::nullopt},
      {"two of three in a row", numeric, 0x02, "1122", std::nullopt},
      {"three in a row", numeric, 0x02, "1333", three_in_a_row},
      {"both: two applies", numeric, 0x03, "1122", two_in_a_row},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(pin::find_broken_rule({c.format, 4, 8, c.patterns}, as_bytes(c.value)) == c.broken);
  }
}

TEST_CASE("PIN values: one byte is no sequence, and breaks no other pattern either") {
  constexpr std::uint8_t patterns = pin::kAllPatterns & ~pin::kMissingGroup;
  CHECK(pin::find_broken_rule({pin::Format::numeric, 1, 8, patterns}, as_bytes("1")) == std::nullopt);
  CHECK(pin::find_broken_rule({pin::Format::numeric, 1, 8, pin::kSequence}, as_bytes("12")) ==
        pin::BrokenRule::sequence);
}

TEST_CASE("PIN values: only the bytes of the format are allowed, in a value of any length") {
  CHECK(pin::obeys_format(pin::Format::numeric, as_bytes("0123456789")));
  CHECK_FALSE(pin::obeys_format(pin::Format::numeric, as_bytes("1/")));
  CHECK_FALSE(pin::obeys_format(pin::Format::numeric, as_bytes("1:")));
  CHECK(pin::obeys_format(pin::Format::alphanumeric, as_bytes("AMZ059")));
  for (const char* const outside : {"@", "[", "a", "/", ":", "\xC3\x85"})
    CHECK_FALSE(pin::obeys_format(pin::Format::alphanumeric, as_bytes(outside)));
  CHECK(pin::obeys_format(pin::Format::string, as_bytes("\xFF")));
  CHECK(pin::obeys_format(pin::Format::binary, {}));
}

TEST_CASE("PIN values: every rule has its own sentence") {
  std::set<std::string_view> sentences;
  for (std::uint8_t rule = 0; rule <= static_cast<std::uint8_t>(pin::BrokenRule::three_in_a_row); ++rule)
    CHECK(sentences.insert(pin::to_string(static_cast<pin::BrokenRule>(rule))).second);
}
