#include <doctest/doctest.h>

#include <array>

#include "tests/sks-core/engine/storage_sweep.h"

// unlockKey, changePin and setPin: spec/sks-api.md 4.23 to 4.25 with chapter 5.
namespace sks::test {
namespace {

const std::string kPin = "1234";
const std::string kPuk = "99999";

using Call = std::function<Result<void>(SecureKeyStore&, KeyHandle, const std::string& authorization)>;

Call unlock() {
  return
      [](SecureKeyStore& engine, KeyHandle key, const std::string& puk) { return engine.unlock_key(key, secret(puk)); };
}
Call change_to(const std::string& pin) {
  return [pin](SecureKeyStore& engine, KeyHandle key, const std::string& old) {
    return engine.change_pin(key, secret(old), secret(pin));
  };
}
Call set_to(const std::string& pin) {
  return [pin](SecureKeyStore& engine, KeyHandle key, const std::string& puk) {
    return engine.set_pin(key, secret(puk), secret(pin));
  };
}

/// Which keys a session makes.
struct Arrangement {
  std::uint8_t grouping = 0;
  std::vector<std::uint8_t> usages{1};
  std::vector<std::string> pins{kPin};
  bool puk = true;
  bool modifiable = true;
  bool user_defined = true;
  std::uint8_t patterns = 0;
};

std::vector<KeyHandle> provision(SecureKeyStore& engine, const Arrangement& what = {}) {
  TestIssuer issuer(engine);
  REQUIRE(issuer.open());
  PukPolicyHandle puk;
  if (what.puk) puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes(kPuk)), 0, 3, {}}).value();
  PinPolicyRequest policy = pin_policy_request(puk);
  policy.grouping = what.grouping;
  policy.user_modifiable = what.modifiable;
  policy.user_defined = what.user_defined;
  policy.pattern_restrictions = what.patterns;
  const PinPolicyHandle handle = issuer.create_pin_policy(policy).value();
  std::vector<KeyHandle> keys;
  for (std::size_t i = 0; i < what.usages.size(); ++i) {
    KeyEntryRequest request = key_request(handle, what.pins.at(i));
    if (!what.user_defined) request.pin_value = issuer.encrypted_pin(what.pins.at(i));
    request.id = "Key" + std::to_string(i);
    request.app_usage = what.usages.at(i);
    keys.push_back(issuer.create_certified_key(std::move(request)).value().handle);
  }
  REQUIRE(issuer.close());
  return keys;
}

KeyHandle provision_device_pin_key(SecureKeyStore& engine) {
  KeyEntryRequest request = key_request();
  request.device_pin_protection = true;
  return provision_plain_key(engine, std::move(request));
}

void fail_pin(SecureKeyStore& engine, KeyHandle key, int times) {
  for (int i = 0; i < times; ++i) REQUIRE(status_of(engine.verify_pin(key, secret("0000"))) == Status::authorization);
}
void fail_puk(SecureKeyStore& engine, KeyHandle key, int times) {
  for (int i = 0; i < times; ++i) REQUIRE(status_of(engine.unlock_key(key, secret("0"))) == Status::authorization);
}

bool has_pin(SecureKeyStore& engine, KeyHandle key, const std::string& pin) {
  return try_to_sign(engine, key, with_pin(pin)) == std::nullopt;
}

/// A device that has a device PIN.
struct PinDevice : Device {
  PinDevice() {
    config.device_pin = &device_pin;
    restart();
  }
};

}  // namespace

TEST_CASE("unlockKey, changePin, setPin: every step refuses in the order of its table") {
  PinDevice device;
  SecureKeyStore& engine = *device.engine;
  TestIssuer open(engine);
  REQUIRE(open.open());
  const KeyHandle unfinished = open.create_certified_key(key_request()).value().handle;
  const KeyHandle plain = provision_plain_key(engine);
  const KeyHandle with_device_pin = provision_device_pin_key(engine);
  const KeyHandle no_puk = provision(engine, {.puk = false})[0];
  const KeyHandle fixed = provision(engine, {.modifiable = false})[0];
  const KeyHandle key = provision(engine)[0];
  struct Case {
    const char* name;
    Call call;
    KeyHandle key;
    std::string authorization;
    Status status;
  };
  // Each row violates its own step and, where that is possible, every later one: "1" is no PIN that the policies allow.
  const std::vector<Case> cases{
      {"unlockKey 1: unknown key", unlock(), KeyHandle{99}, "0", Status::no_key},
      {"unlockKey 1: key handle 0", unlock(), KeyHandle{}, "0", Status::no_key},
      {"unlockKey 1: open session", unlock(), unfinished, "0", Status::no_key},
      {"unlockKey: no PIN", unlock(), plain, "", Status::option},
      {"unlockKey: device PIN", unlock(), with_device_pin, kPin, Status::option},
      {"unlockKey: no PUK", unlock(), no_puk, kPin, Status::option},
      {"unlockKey: wrong PUK", unlock(), key, "0", Status::authorization},
      {"unlockKey: the PIN is no PUK", unlock(), key, kPin, Status::authorization},
      {"unlockKey: empty PUK", unlock(), key, "", Status::authorization},

      {"changePin 1: unknown key", change_to("1"), KeyHandle{99}, "0", Status::no_key},
      {"changePin 1: open session", change_to("1"), unfinished, "0", Status::no_key},
      {"changePin 2: unprotected key with PIN", change_to("1"), plain, "0", Status::option},
      {"changePin 2: wrong device PIN", change_to("1"), with_device_pin, "0", Status::authorization},
      {"changePin 2: no device PIN", change_to("1"), with_device_pin, "", Status::authorization},
      {"changePin 2: wrong PIN", change_to("1"), fixed, "0", Status::authorization},
      {"changePin 2: the PUK is no PIN", change_to("1"), fixed, kPuk, Status::authorization},
      {"changePin 3: unprotected key", change_to("1"), plain, "", Status::option},
      {"changePin 3: device PIN", change_to("1"), with_device_pin, "1234", Status::option},
      {"changePin 4: not modifiable", change_to("1"), fixed, kPin, Status::not_allowed},
      {"changePin 5: too short", change_to("123"), key, kPin, Status::option},
      {"changePin 5: too long", change_to("123456789"), key, kPin, Status::option},
      {"changePin 5: empty", change_to(""), key, kPin, Status::option},
      {"changePin 5: no digits", change_to("12a4"), key, kPin, Status::option},

      {"setPin 1: unknown key", set_to("1"), KeyHandle{99}, "0", Status::no_key},
      {"setPin 1: open session", set_to("1"), unfinished, "0", Status::no_key},
      {"setPin 2: no PIN", set_to("1"), plain, "", Status::option},
      {"setPin 2: device PIN", set_to("1"), with_device_pin, "1234", Status::option},
      {"setPin 2: no PUK", set_to("1"), no_puk, kPin, Status::option},
      {"setPin 2: wrong PUK", set_to("1"), fixed, "0", Status::authorization},
      {"setPin 3: not modifiable", set_to("1"), fixed, kPuk, Status::not_allowed},
      {"setPin 4: too short", set_to("123"), key, kPuk, Status::option},
      {"setPin 4: too long", set_to("123456789"), key, kPuk, Status::option},
      {"setPin 4: empty", set_to(""), key, kPuk, Status::option},
      {"setPin 4: no digits", set_to("12a4"), key, kPuk, Status::option},

      {"undecodable authorization", change_to("5678"), key, std::string(65536, '1'), Status::option},
      {"undecodable new PIN", set_to(std::string(65536, '1')), key, kPuk, Status::option},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(status_of(c.call(engine, c.key, c.authorization)) == c.status);
    for (const KeyHandle untouched : {key, fixed}) {
      CHECK(has_pin(engine, untouched, kPin));
      CHECK(engine.unlock_key(untouched, secret(kPuk)));
    }
  }
  CHECK(is_open(engine, open.handle()));
}

TEST_CASE("unlockKey, changePin, setPin: authorization fails before anything is said about the new PIN") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision(engine, {.modifiable = false})[0];
  CHECK(status_of(engine.change_pin(key, secret("0"), secret(""))) == Status::authorization);
  CHECK(status_of(engine.set_pin(key, secret("0"), secret(""))) == Status::authorization);
  CHECK(pin_errors(engine, key) == 1);
  CHECK(puk_errors(engine, key) == 1);
}

TEST_CASE("changePin, setPin: a new PIN obeys the patterns of its policy") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  // Sequence and three in a row.
  const KeyHandle key = provision(engine, {.pins = {"1563"}, .patterns = 0x06})[0];
  for (const char* const refused : {"1234", "8765", "1115"}) {
    CHECK(status_of(engine.change_pin(key, secret("1563"), secret(refused))) == Status::option);
    CHECK(status_of(engine.set_pin(key, secret(kPuk), secret(refused))) == Status::option);
  }
  CHECK(engine.change_pin(key, secret("1563"), secret("1135")));
  CHECK(engine.set_pin(key, secret(kPuk), secret("1235")));
  CHECK(has_pin(engine, key, "1235"));
}

TEST_CASE("changePin, setPin: the new PIN alone is right from then on, across a restart") {
  for (const bool user_defined : {true, false}) {
    CAPTURE(user_defined);
    Device device;
    const KeyHandle key = provision(*device.engine, {.user_defined = user_defined})[0];
    REQUIRE(device.engine->change_pin(key, secret(kPin), secret("5678")));
    for (int round = 0; round < 2; ++round) {
      CHECK_FALSE(has_pin(*device.engine, key, kPin));
      CHECK(has_pin(*device.engine, key, "5678"));
      device.restart();
    }
    REQUIRE(device.engine->set_pin(key, secret(kPuk), secret("87654321")));
    for (int round = 0; round < 2; ++round) {
      CHECK_FALSE(has_pin(*device.engine, key, "5678"));
      CHECK(has_pin(*device.engine, key, "87654321"));
      device.restart();
    }
    // The same value once more is allowed, and a PIN may equal the PUK.
    CHECK(device.engine->change_pin(key, secret("87654321"), secret("87654321")));
    CHECK(device.engine->change_pin(key, secret("87654321"), secret(kPuk)));
    CHECK(has_pin(*device.engine, key, kPuk));
  }
}

TEST_CASE("changePin, setPin: a PIN of another group of the policy is refused") {
  struct Case {
    const char* name;
    std::uint8_t grouping;
    std::vector<std::uint8_t> usages;  // 0 signature, 1 authentication, 2 encryption, 3 universal
    std::vector<std::string> pins;
    std::string new_pin;  // for the first key
    bool accepted;
    std::vector<std::string> after;
  };
  const std::vector<Case> cases{
      {"none: the PIN of another key", 0, {0, 1}, {"1234", "5678"}, "5678", true, {"5678", "5678"}},
      {"none: a new PIN changes one key", 0, {0, 0}, {"1234", "1234"}, "4321", true, {"4321", "1234"}},
      {"shared: all keys", 1, {0, 1, 3}, {"1234", "1234", "1234"}, "4321", true, {"4321", "4321", "4321"}},
      {"shared: the same", 1, {0, 1}, {"1234", "1234"}, "1234", true, {"1234", "1234"}},
      {"signature+standard: own class",
       2,
       {1, 2, 3, 0},
       {"1234", "1234", "1234", "5678"},
       "4321",
       true,
       {"4321", "4321", "4321", "5678"}},
      {"signature+standard: the same", 2, {1, 0}, {"1234", "5678"}, "1234", true, {"1234", "5678"}},
      {"signature+standard: PIN of the signature keys", 2, {1, 0}, {"1234", "5678"}, "5678", false, {}},
      {"signature+standard: PIN of the other keys", 2, {0, 3}, {"1234", "5678"}, "5678", false, {}},
      {"unique: own use",
       3,
       {1, 1, 2, 0},
       {"1234", "1234", "5678", "2222"},
       "4321",
       true,
       {"4321", "4321", "5678", "2222"}},
      {"unique: the same", 3, {1, 2}, {"1234", "5678"}, "1234", true, {"1234", "5678"}},
      {"unique: PIN of the next use", 3, {1, 2, 3}, {"1234", "5678", "2222"}, "5678", false, {}},
      {"unique: PIN of the last use", 3, {1, 2, 3}, {"1234", "5678", "2222"}, "2222", false, {}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    for (const bool change : {true, false}) {
      CAPTURE(change);
      Device device;
      const std::vector<KeyHandle> keys =
          provision(*device.engine, {.grouping = c.grouping, .usages = c.usages, .pins = c.pins});
      const Call call = change ? change_to(c.new_pin) : set_to(c.new_pin);
      CHECK(status_of(call(*device.engine, keys[0], change ? c.pins[0] : kPuk)) ==
            (c.accepted ? std::nullopt : std::optional(Status::option)));
      const std::vector<std::string>& after = c.accepted ? c.after : c.pins;
      for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < keys.size(); ++i) CHECK(has_pin(*device.engine, keys[i], after[i]));
        device.restart();
      }
    }
  }
}

TEST_CASE("changePin, setPin: equal PINs under different policies are nobody's business") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const std::vector<KeyHandle> mine = provision(engine, {.grouping = 3, .usages = {0, 1}, .pins = {"1234", "5678"}});
  const std::vector<KeyHandle> others = provision(engine, {.grouping = 3, .usages = {0, 1}, .pins = {"2222", "3333"}});
  CHECK(engine.change_pin(mine[0], secret("1234"), secret("3333")));
  CHECK(has_pin(engine, mine[0], "3333"));
  CHECK(has_pin(engine, others[0], "2222"));
}

TEST_CASE("PIN and PUK counters: each row of the specification's table of effects") {
  struct Case {
    const char* name;
    Call call;
    std::string authorization;
    int pin_before;
    int puk_before;
    std::optional<Status> status;
    int pin_after;
    int puk_after;
  };
  constexpr auto kAuth = Status::authorization;
  constexpr auto kOption = Status::option;
  const std::vector<Case> cases{
      {"changePin, right PIN", change_to("5678"), kPin, 2, 2, std::nullopt, 0, 2},
      {"changePin, wrong PIN", change_to("5678"), "0000", 1, 1, kAuth, 2, 1},
      {"changePin, the wrong PIN that blocks", change_to("5678"), "0000", 2, 1, kAuth, 3, 1},
      {"changePin, blocked, right PIN", change_to("5678"), kPin, 3, 1, kAuth, 3, 1},
      {"changePin, blocked, wrong PIN", change_to("5678"), "0000", 3, 1, kAuth, 3, 1},
      {"changePin, refused by the policy", change_to("1"), kPin, 2, 1, kOption, 0, 1},
      {"unlockKey, right PUK", unlock(), kPuk, 2, 2, std::nullopt, 0, 0},
      {"unlockKey, not locked", unlock(), kPuk, 0, 0, std::nullopt, 0, 0},
      {"unlockKey, blocked PIN", unlock(), kPuk, 3, 2, std::nullopt, 0, 0},
      {"unlockKey, wrong PUK", unlock(), "0", 2, 1, kAuth, 2, 2},
      {"unlockKey, the wrong PUK that blocks", unlock(), "0", 2, 2, kAuth, 2, 3},
      {"unlockKey, blocked PUK", unlock(), kPuk, 2, 3, kAuth, 2, 3},
      {"unlockKey, blocked PUK, wrong PUK", unlock(), "0", 2, 3, kAuth, 2, 3},
      {"setPin, right PUK", set_to("5678"), kPuk, 2, 2, std::nullopt, 0, 0},
      {"setPin, blocked PIN", set_to("5678"), kPuk, 3, 2, std::nullopt, 0, 0},
      {"setPin, wrong PUK", set_to("5678"), "0", 2, 0, kAuth, 2, 1},
      {"setPin, blocked PUK", set_to("5678"), kPuk, 2, 3, kAuth, 2, 3},
      {"setPin, refused by the policy", set_to("1"), kPuk, 2, 2, kOption, 2, 0},
      {"setPin, refused by the policy, blocked PIN", set_to("1"), kPuk, 3, 2, kOption, 3, 0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Device device;
    // Every key of the group, and another group under the same PUK.
    const std::vector<KeyHandle> keys =
        provision(*device.engine, {.grouping = 2, .usages = {1, 2, 0}, .pins = {kPin, kPin, "7777"}});
    fail_pin(*device.engine, keys[0], c.pin_before);
    fail_puk(*device.engine, keys[0], c.puk_before);
    fail_pin(*device.engine, keys[2], 1);
    CHECK(status_of(c.call(*device.engine, keys[0], c.authorization)) == c.status);
    for (int round = 0; round < 2; ++round) {
      CAPTURE(round);
      for (const KeyHandle key : {keys[0], keys[1]}) CHECK(pin_errors(*device.engine, key) == c.pin_after);
      CHECK(pin_errors(*device.engine, keys[2]) == 1);
      for (const KeyHandle key : keys) CHECK(puk_errors(*device.engine, key) == c.puk_after);
      device.restart();
    }
  }
}

TEST_CASE("unlockKey: a blocked key works again with its PIN") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision(engine)[0];
  fail_pin(engine, key, 3);
  CHECK_FALSE(has_pin(engine, key, kPin));
  REQUIRE(engine.unlock_key(key, secret(kPuk)));
  CHECK((engine.get_key_protection_info(key)->protection_status & kPinBlocked) == 0);
  CHECK(has_pin(engine, key, kPin));
}

TEST_CASE("unlockKey, setPin: a PUK without retry limit costs a second a try") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision_pin_key(engine, {.puk_retry_limit = 0}).key;
  CHECK(status_of(engine.unlock_key(key, secret("0"))) == Status::authorization);
  CHECK(engine.unlock_key(key, secret(kPuk)));
  CHECK(status_of(engine.set_pin(key, secret("0"), secret("5678"))) == Status::authorization);
  CHECK(engine.set_pin(key, secret(kPuk), secret("5678")));
  CHECK(device.clock.slept() == 4);
  CHECK(has_pin(engine, key, "5678"));
}

TEST_CASE("setPin after a refusal by policy: the right PUK has cleared its count, the PIN stays") {
  Device device;
  const KeyHandle key = provision(*device.engine, {.modifiable = false})[0];
  fail_puk(*device.engine, key, 2);
  fail_pin(*device.engine, key, 1);
  CHECK(status_of(device.engine->set_pin(key, secret(kPuk), secret("5678"))) == Status::not_allowed);
  device.restart();
  CHECK(puk_errors(*device.engine, key) == 0);
  CHECK(pin_errors(*device.engine, key) == 1);
  CHECK(has_pin(*device.engine, key, kPin));
}

TEST_CASE("verifyPin, changePin: an attempt that cannot be paid for is none") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision(engine)[0];
  fail_pin(engine, key, 2);
  device.storage.mood = MoodyStorage::Mood::refuses;
  CHECK(status_of(engine.change_pin(key, secret("0000"), secret("5678"))) == Status::storage);
  CHECK(status_of(engine.set_pin(key, secret("0"), secret("5678"))) == Status::storage);
  CHECK(status_of(engine.unlock_key(key, secret("0"))) == Status::storage);
  device.storage.mood = MoodyStorage::Mood::good;
  CHECK(pin_errors(engine, key) <= 2);
  CHECK(puk_errors(engine, key) == 0);
  CHECK(has_pin(engine, key, kPin));
}

TEST_CASE("unlockKey, changePin, setPin: a failing storage leaves the old PIN, and no attempt is gained") {
  const std::vector<std::pair<Call, std::string>> calls{
      {unlock(), kPuk}, {change_to("5678"), kPin}, {set_to("5678"), kPuk}};
  for (std::size_t i = 0; i < calls.size(); ++i) {
    CAPTURE(i);
    const Call call = calls[i].first;
    const std::string authorization = calls[i].second;
    sweep<KeyHandle>(
        [](Device& device) {
          const KeyHandle key = provision(*device.engine)[0];
          fail_pin(*device.engine, key, 1);
          fail_puk(*device.engine, key, 1);
          return key;
        },
        [&](Device& device, KeyHandle& key) { return status_of(call(*device.engine, key, authorization)); },
        [](Device& device, KeyHandle& key) {
          CHECK(pin_errors(*device.engine, key) <= 2);
          CHECK(puk_errors(*device.engine, key) <= 2);
          CHECK(has_pin(*device.engine, key, kPin));
          CHECK_FALSE(has_pin(*device.engine, key, "5678"));
        });
  }
}

}  // namespace sks::test
