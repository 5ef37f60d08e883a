#include <doctest/doctest.h>

#include <array>

#include "keygen2/pin_collection.h"
#include "tests/keygen2/enrolment.h"

using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;

namespace {

PinPolicySpecifier policy(std::uint8_t format, std::uint8_t grouping, const std::vector<std::uint8_t>& usages) {
  PinPolicySpecifier pin;
  pin.id = "PIN.1";
  pin.min_length = 4;
  pin.max_length = 8;
  pin.retry_limit = 3;
  pin.format = format;
  pin.grouping = grouping;
  for (const std::uint8_t usage : usages) {
    KeyEntrySpecifier key;
    key.id = "Key." + std::to_string(pin.keys.size() + 1);
    key.app_usage = usage;
    pin.keys.push_back(key);
  }
  return pin;
}

KeyCreationRequest request_with(PinPolicySpecifier pin) {
  KeyCreationRequest request;
  request.pin_policies.push_back(std::move(pin));
  return request;
}

std::string pin_of(const CollectedPins& pins, const std::string& key) {
  const SecureBytes* const pin = pins.find(key);
  return pin == nullptr ? "" : to_string(pin->view());
}

}  // namespace

TEST_CASE("8.4 descriptors: one dialog per key, policy, usage or class, as the grouping says") {
  struct Case {
    const char* row;
    std::uint8_t grouping;
    std::vector<std::string> labels;
    std::vector<std::string> pins;        // given
    std::vector<std::string> keys;        // PINs expected
    std::vector<std::size_t> protected_;  // how many keys each dialog names
  };
  // Keys for signature, authentication, encryption and signature again, in this order.
  const std::vector<Case> cases{
      {"8.4 none",
       0,
       {"PIN", "PIN", "PIN", "PIN"},
       {"1111", "1111", "2222", "3333"},
       {"1111", "1111", "2222", "3333"},
       {1, 1, 1, 1}},
      {"8.4 shared", 1, {"PIN"}, {"1111"}, {"1111", "1111", "1111", "1111"}, {4}},
      {"8.4 signature+standard",
       2,
       {"signature PIN", "PIN"},
       {"1111", "2222"},
       {"1111", "2222", "2222", "1111"},
       {2, 2}},
      {"8.4 unique",
       3,
       {"signature PIN", "authentication PIN", "encryption PIN"},
       {"1111", "2222", "3333"},
       {"1111", "2222", "3333", "1111"},
       {2, 1, 1}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.row);
    ScriptedUser user;
    user.pins.assign(c.pins.begin(), c.pins.end());
    const auto pins = CollectedPins::ask(request_with(policy(0, c.grouping, {0, 1, 2, 0})), user);
    REQUIRE(pins);
    std::vector<std::string> labels;
    std::vector<std::size_t> key_counts;
    for (const PinRequest& request : user.requests) {
      labels.push_back(request.label);
      key_counts.push_back(request.key_names.size());
    }
    CHECK(labels == c.labels);
    CHECK(key_counts == c.protected_);
    for (std::size_t i = 0; i < c.keys.size(); ++i) CHECK(pin_of(*pins, "Key." + std::to_string(i + 1)) == c.keys[i]);
  }
}

TEST_CASE("8.4 descriptors: keys of different policies never share a dialog, and come in message order") {
  KeyCreationRequest request = request_with(policy(0, 1, {0, 1}));
  request.pin_policies.push_back(policy(0, 1, {0}));
  request.pin_policies[1].id = "PIN.2";
  request.pin_policies[1].keys[0].id = "Key.3";
  request.pin_policies[1].keys[0].friendly_name = "Other key";
  ScriptedUser user;
  user.pins = {"1111", "1111"};  // equal, which only one policy could forbid
  const auto pins = CollectedPins::ask(request, user);
  REQUIRE(pins);
  REQUIRE(user.requests.size() == 2);
  CHECK(user.requests[0].key_names == std::vector<std::string>{"Key.1", "Key.2"});
  CHECK(user.requests[1].key_names == std::vector<std::string>{"Other key"});
}

// The PINs of sks-api.md 5.14, between 4 and 8 bytes long, and what the rows of 8.4 say besides them.
TEST_CASE("8.4 rows: a PIN that breaks one is asked for again with the rule, and never gets further") {
  const std::string length_below = "the PIN is too short";
  const std::string length_above = "the PIN is too long";
  const std::string digits = "the PIN must consist of digits";
  const std::string letters = "the PIN must consist of digits and letters A to Z";
  const std::string group = "the PIN does not contain every kind of character that is asked for";
  const std::string sequence = "the PIN is a sequence";
  const std::string repeated = "the PIN contains a character twice";
  const std::string two = "the PIN contains equal characters in a row";
  const std::string three = "the PIN contains three equal characters in a row";
  struct Case {
    const char* row;
    std::uint8_t format;
    std::uint8_t patterns;
    std::vector<std::string> good;
    std::vector<std::string> bad;
    std::string problem;
  };
  const std::vector<Case> cases{
      {"8.4 length", 0, 0, {"1234", "12345678"}, {"123"}, length_below},
      {"8.4 length", 0, 0, {}, {"123456789"}, length_above},
      {"8.4 length in bytes", 2, 0, {"\xc3\xa4\xc3\xb6"}, {"\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f!"}, length_above},
      {"8.4 length of decoded bytes", 3, 0, {std::string("\x00\xff\x01\x02", 4)}, {"\x01\x02\x03"}, length_below},
      {"8.4 syntax numeric", 0, 0, {"1234"}, {"12a4", "12 4", "12.4", "1234\n"}, digits},
      {"8.4 syntax alphanumeric", 1, 0, {"AB12", "1234", "ABCD"}, {"AB 1", "AB1.", "AB\xc3\x84"}, letters},
      {"8.4 missing-group alphanumeric", 1, 0x10, {"AB34"}, {"ABCK", "1235"}, group},
      {"8.4 missing-group string", 2, 0x10, {"2aZ.", "\x5a\x61\x32\x80"}, {"2aZA", "a.jZ", "2 ZA", "2a 6"}, group},
      {"8.4 sequence", 0, 0x04, {"1235", "1345", "1111", "1357", "9012"}, {"1234", "8765", "23456789"}, sequence},
      {"8.4 sequence of letters", 2, 0x04, {"abce"}, {"abcd", "@ABC", "dcba"}, sequence},
      {"8.4 sequence mod 256",
       3,
       0x04,
       {std::string("\xfd\xfe\xff\x01", 4)},
       {std::string("\xfd\xfe\xff\x00", 4), std::string("\x01\x00\xff\xfe", 4)},
       sequence},
      {"8.4 repeated", 0, 0x08, {"1345"}, {"1315", "1134"}, repeated},
      {"8.4 two-in-a-row", 0, 0x01, {"1232", "1212"}, {"11345", "13455", "1777"}, two},
      {"8.4 three-in-a-row", 0, 0x02, {"11232", "1122"}, {"111345", "134555", "1111"}, three},
      {"8.4 two-in-a-row and three-in-a-row: 2 applies", 0, 0x03, {"1213"}, {"1134"}, two},
  };
  for (const Case& c : cases) {
    CAPTURE(c.row);
    PinPolicySpecifier pin = policy(c.format, 0, {1});
    pin.pattern_restrictions = c.patterns;
    for (const std::string& good : c.good) {
      CAPTURE(good);
      ScriptedUser user;
      user.pins = {good};
      const auto pins = CollectedPins::ask(request_with(pin), user);
      REQUIRE(pins);
      CHECK(pin_of(*pins, "Key.1") == good);
    }
    for (const std::string& bad : c.bad) {
      CAPTURE(bad);
      ScriptedUser user;
      user.pins = {bad};  // and then cancels
      const auto pins = CollectedPins::ask(request_with(pin), user);
      REQUIRE_FALSE(pins);
      CHECK(pins.error().error_class == ErrorClass::user);
      CHECK(user.problems == std::vector<std::string>{"", c.problem});
    }
  }
}

TEST_CASE("8.4 sequence: a single byte is none") {
  PinPolicySpecifier pin = policy(0, 0, {1});
  pin.min_length = 1;
  pin.pattern_restrictions = 0x04;
  ScriptedUser user;
  user.pins = {"1"};
  CHECK(CollectedPins::ask(request_with(pin), user));
}

TEST_CASE("8.4 order: of several rules that a PIN breaks the first of the table is told") {
  struct Case {
    std::uint8_t format;
    std::uint8_t patterns;
    std::string pin;
    std::string problem;
  };
  const std::vector<Case> cases{
      {0, 0x0f, "ab", "the PIN is too short"},              // length, syntax
      {1, 0x1f, "...", "the PIN is too short"},             // length, syntax, group
      {0, 0x0f, "aaaa", "the PIN must consist of digits"},  // syntax, repeated, runs
      {1, 0x1f, "1234", "the PIN does not contain every kind of character that is asked for"},  // group, sequence
      {2, 0x1f, "aaaa", "the PIN does not contain every kind of character that is asked for"},  // group, repeated, runs
      {0, 0x0c, "1234", "the PIN is a sequence"},
      {0, 0x0f, "1123", "the PIN contains a character twice"},  // repeated, runs
      {0, 0x03, "1112", "the PIN contains equal characters in a row"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.pin);
    PinPolicySpecifier pin = policy(c.format, 0, {1});
    pin.pattern_restrictions = c.patterns;
    ScriptedUser user;
    user.pins = {c.pin};
    CHECK_FALSE(CollectedPins::ask(request_with(pin), user));
    CHECK(user.problems.back() == c.problem);
  }
}

TEST_CASE("8.4 distinctness: comes last, and holds between the classes of one policy only") {
  const std::string equal = "the PIN equals another PIN that it must differ from";
  struct Case {
    const char* row;
    std::uint8_t grouping;
    std::vector<std::uint8_t> usages;
    std::vector<std::string> pins;
    std::vector<std::string> problems;
  };
  // Usages: 0 signature, 1 authentication, 2 encryption, 3 universal.
  const std::vector<Case> cases{
      {"8.4 distinctness none", 0, {0, 1}, {"1111", "1111"}, {"", ""}},
      {"8.4 distinctness signature+standard", 2, {0, 1}, {"1111", "1111", "2222"}, {"", "", equal}},
      {"8.4 distinctness signature+standard, reversed", 2, {3, 0}, {"1111", "1111", "2222"}, {"", "", equal}},
      {"8.4 distinctness unique", 3, {0, 1}, {"1111", "1111", "2222"}, {"", "", equal}},
      {"8.4 distinctness unique, not only neighbours",
       3,
       {1, 2, 3},
       {"1111", "2222", "1111", "3333"},
       {"", "", "", equal}},
      {"8.4 distinctness after the other rules",
       3,
       {0, 1},
       {"1111", "111", "1111", "2222"},
       {"", "", "the PIN is too short", equal}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.row);
    ScriptedUser user;
    user.pins.assign(c.pins.begin(), c.pins.end());
    REQUIRE(CollectedPins::ask(request_with(policy(0, c.grouping, c.usages)), user));
    CHECK(user.problems == c.problems);
    CHECK(user.pins.empty());
  }
}

TEST_CASE("8.4 alphanumeric: small letters become capitals before anything is checked, for this format only") {
  ScriptedUser user;
  user.pins = {"ab1c", "ab1c"};
  PinPolicySpecifier pin = policy(1, 0, {1});
  pin.pattern_restrictions = 0x10;  // asks for a capital
  const auto upper = CollectedPins::ask(request_with(pin), user);
  REQUIRE(upper);
  CHECK(pin_of(*upper, "Key.1") == "AB1C");
  const auto as_given = CollectedPins::ask(request_with(policy(2, 0, {1})), user);
  REQUIRE(as_given);
  CHECK(pin_of(*as_given, "Key.1") == "ab1c");
}

TEST_CASE("8.4 alphanumeric: PINs that differ in case only are equal") {
  ScriptedUser user;
  user.pins = {"AB12", "ab12"};
  CHECK_FALSE(CollectedPins::ask(request_with(policy(1, 3, {0, 1})), user));
  CHECK(user.problems.back() == "the PIN equals another PIN that it must differ from");
}

TEST_CASE("8.4 no dialog: for preset PINs, the device PIN, and keys without policy") {
  ScriptedUser user;
  KeyCreationRequest request = request_with(policy(0, 0, {1}));
  request.pin_policies[0].keys[0].encrypted_pin = Bytes(32);
  request.keys.emplace_back();
  request.keys.back().id = "Key.2";
  request.keys.emplace_back();
  request.keys.back().id = "Key.3";
  request.keys.back().device_pin_protection = true;
  const auto pins = CollectedPins::ask(request, user);
  REQUIRE(pins);
  CHECK(user.requests.empty());
  CHECK(pins->find("Key.1") == nullptr);
  CHECK(pins->find("Key.2") == nullptr);
  CHECK(pins->find("Key.3") == nullptr);
}

TEST_CASE("PIN dialogs: a dialog that never gives a good PIN does not hang the session") {
  ScriptedUser user;
  user.pins.assign(1000, "1");
  const auto pins = CollectedPins::ask(request_with(policy(0, 0, {1})), user);
  REQUIRE_FALSE(pins);
  CHECK(pins.error().error_class == ErrorClass::user);
}

TEST_CASE("ClientSession: cancelling the choice of a PIN ends the run with USER, before anything is created") {
  IssuancePlan plan;
  plan.issuer_uri = kIssuerUri;
  PinPolicySpec chosen;
  chosen.grouping = 3;
  chosen.keys.push_back(key_spec(kP256, 0));
  chosen.keys.push_back(key_spec(kP256, 1));
  plan.pin_policies.push_back(std::move(chosen));
  Enrolment run(std::move(plan));
  run.user.pins = {"123", "1234", "1234"};  // short, good, equal; then the user gives up
  run.start();
  const auto result = run.to_client(run.pass(4));
  REQUIRE_FALSE(result);
  CHECK(result.error().error_class == ErrorClass::user);
  CHECK(run.user.requests.size() == 4);
  CHECK(run.count_sessions(SessionState::open) == 0);
  CHECK(run.client->key_count() == 0);
}
