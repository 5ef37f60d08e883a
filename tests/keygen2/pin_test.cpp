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

TEST_CASE("PIN dialogs: one per key, policy, usage or class, as the grouping says") {
  struct Case {
    std::uint8_t grouping;
    std::vector<std::string> labels;
    std::vector<std::string> pins;  // given
    std::vector<std::string> keys;  // expected
  };
  const std::vector<Case> cases{
      {0, {"PIN", "PIN", "PIN", "PIN"}, {"1111", "1111", "2222", "3333"}, {"1111", "1111", "2222", "3333"}},
      {1, {"PIN"}, {"1111"}, {"1111", "1111", "1111", "1111"}},
      {2, {"signature PIN", "PIN"}, {"1111", "2222"}, {"1111", "2222", "2222", "1111"}},
      {3,
       {"signature PIN", "authentication PIN", "encryption PIN"},
       {"1111", "2222", "3333"},
       {"1111", "2222", "3333", "1111"}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.grouping);
    ScriptedUser user;
    user.pins.assign(c.pins.begin(), c.pins.end());
    const auto pins = CollectedPins::ask(request_with(policy(0, c.grouping, {0, 1, 2, 0})), user);
    REQUIRE(pins);
    std::vector<std::string> labels;
    for (const PinRequest& request : user.requests) labels.push_back(request.label);
    CHECK(labels == c.labels);
    for (std::size_t i = 0; i < c.keys.size(); ++i) CHECK(pin_of(*pins, "Key." + std::to_string(i + 1)) == c.keys[i]);
  }
}

TEST_CASE("PIN dialogs: a PIN that breaks a rule is asked for again with the rule") {
  ScriptedUser user;
  user.pins = {"12", "abcd", "1234"};
  const auto pins = CollectedPins::ask(request_with(policy(0, 0, {1})), user);
  REQUIRE(pins);
  CHECK(pin_of(*pins, "Key.1") == "1234");
  CHECK(user.problems == std::vector<std::string>{"", "the PIN is too short", "the PIN must consist of digits"});
}

TEST_CASE("PIN dialogs: PINs of other classes must differ, those of separate keys need not") {
  for (const std::uint8_t grouping : std::array<std::uint8_t, 2>{2, 3}) {
    ScriptedUser user;
    user.pins = {"1111", "1111", "2222"};
    const auto pins = CollectedPins::ask(request_with(policy(0, grouping, {0, 1})), user);
    REQUIRE(pins);
    CHECK(pin_of(*pins, "Key.2") == "2222");
    CHECK(user.problems.back() == "the PIN equals another PIN that it must differ from");
  }
}

TEST_CASE("PIN dialogs: small letters become capitals for the format alphanumeric only") {
  ScriptedUser user;
  user.pins = {"ab1\x63", "ab1c"};
  const auto upper = CollectedPins::ask(request_with(policy(1, 0, {1})), user);
  REQUIRE(upper);
  CHECK(pin_of(*upper, "Key.1") == "AB1C");
  const auto as_given = CollectedPins::ask(request_with(policy(2, 0, {1})), user);
  REQUIRE(as_given);
  CHECK(pin_of(*as_given, "Key.1") == "ab1c");
}

TEST_CASE("PIN dialogs: keys with preset PIN or without policy are not asked about") {
  ScriptedUser user;
  KeyCreationRequest request = request_with(policy(0, 0, {1}));
  request.pin_policies[0].keys[0].encrypted_pin = Bytes(32);
  request.keys.emplace_back();
  request.keys.back().id = "Key.2";
  const auto pins = CollectedPins::ask(request, user);
  REQUIRE(pins);
  CHECK(user.requests.empty());
  CHECK(pins->find("Key.1") == nullptr);
  CHECK(pins->find("Key.2") == nullptr);
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
