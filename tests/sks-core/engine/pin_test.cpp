#include <doctest/doctest.h>

#include <thread>

#include "sks-core/base/encoding.h"
#include "sks-core/engine/pin_rules.h"
#include "tests/sks-core/engine/device.h"

// PINs, PUKs and their counters: spec/sks-api.md chapter 5 and verifyPin of spec/sks-extensions.md.
namespace sks::test {
namespace {

constexpr std::uint8_t kNumeric = 0;
constexpr std::uint8_t kAlphanumeric = 1;
constexpr std::uint8_t kString = 2;
constexpr std::uint8_t kBinary = 3;

// Whether a key can be made with this user-defined PIN.
std::optional<Status> try_pin(SecureKeyStore& engine, std::uint8_t format, std::uint8_t patterns, ByteView pin,
                              std::uint16_t min_length = 4) {
  TestIssuer issuer(engine);
  const ProvisioningHandle session = issuer.open().value();
  PinPolicyRequest policy = pin_policy_request();
  policy.format = format;
  policy.pattern_restrictions = patterns;
  policy.min_length = min_length;
  const PinPolicyHandle handle = issuer.create_pin_policy(policy).value();
  KeyEntryRequest request = key_request(handle, "");
  request.pin_value = SecureBytes::copy_of(pin);
  const std::optional<Status> status = status_of(issuer.create_key_entry(std::move(request)));
  CHECK(is_open(engine, session) == !status);
  return status;
}

struct PinCase {
  std::uint8_t format;
  std::uint8_t patterns;
  std::vector<std::string> accepted;
  std::vector<std::string> refused;
};

std::string hex(std::string_view text) { return to_string(from_hex(text).value()); }

}  // namespace

TEST_CASE("PIN values: the specification's test table holds") {
  using engine::kMissingGroup, engine::kRepeated, engine::kSequence, engine::kThreeInARow, engine::kTwoInARow;
  const std::vector<PinCase> cases{
      {kNumeric, 0, {"1234"}, {"12a4", "123", "123456789"}},
      {kAlphanumeric, 0, {"AB12"}, {"ab12", "AB 1"}},
      {kString, 0, {"azAB.\n"}, {}},
      {kBinary, 0, {hex("00ff0102")}, {}},
      {kNumeric, kSequence, {"1235", "1345", "1111", "1357", "9012"}, {"1234", "8765"}},
      {kString, kSequence, {}, {"abcd", "@ABC"}},
      {kBinary, kSequence, {}, {hex("fdfeff00"), hex("0100fffe")}},
      {kNumeric, kTwoInARow, {"1232", "1212"}, {"11345", "13455"}},
      {kNumeric, kThreeInARow, {"11232"}, {"111345", "134555"}},
      {kNumeric, kTwoInARow | kThreeInARow, {"1213"}, {"1134"}},
      {kNumeric, kRepeated, {"1345"}, {"1315"}},
      {kNumeric, kSequence | kThreeInARow, {"1235"}, {"6789", "1115"}},
      {kAlphanumeric, kMissingGroup, {"AB34"}, {"ABCK", "1235"}},
      {kString, kMissingGroup, {"2aZ.", hex("5a613280")}, {"2aZA", "a.jZ", "2 ZA", "2a 6"}},
      {kAlphanumeric, kSequence | kThreeInARow | kMissingGroup, {"A3B453CC", "A3B4"}, {"333A", "CBAG", "3684"}},
  };
  Device device;
  for (const PinCase& c : cases) {
    CAPTURE(c.format);
    CAPTURE(c.patterns);
    for (const std::string& pin : c.accepted) {
      CAPTURE(pin);
      CHECK(try_pin(*device.engine, c.format, c.patterns, as_bytes(pin)) == std::nullopt);
    }
    for (const std::string& pin : c.refused) {
      CAPTURE(pin);
      CHECK(try_pin(*device.engine, c.format, c.patterns, as_bytes(pin)) == Status::option);
    }
  }
}

TEST_CASE("PIN values: a single byte is no sequence") {
  Device device;
  CHECK(try_pin(*device.engine, kNumeric, engine::kSequence, as_bytes("1"), 1) == std::nullopt);
  CHECK(try_pin(*device.engine, kNumeric, engine::kAllPatterns & ~engine::kMissingGroup, as_bytes("1"), 1) ==
        std::nullopt);
  CHECK(try_pin(*device.engine, kNumeric, engine::kSequence, as_bytes("12"), 1) == Status::option);
}

TEST_CASE("grouping: a new key's PIN is compared with the other keys of its policy") {
  struct KeyOf {
    std::uint8_t usage;  // 0 signature, 1 authentication, 2 encryption, 3 universal
    const char* pin;
  };
  struct Case {
    const char* name;
    std::uint8_t grouping;
    std::vector<KeyOf> keys;
    bool last_accepted;
  };
  const std::vector<Case> cases{
      {"none, anything goes", 0, {{0, "1234"}, {0, "4567"}, {0, "1234"}}, true},
      {"shared, all equal", 1, {{0, "1234"}, {1, "1234"}, {0, "1234"}, {3, "1234"}}, true},
      {"shared, one differs", 1, {{0, "1234"}, {1, "4567"}}, false},
      {"signature+standard, two classes", 2, {{1, "1234"}, {3, "1234"}, {0, "4567"}, {0, "4567"}}, true},
      {"signature+standard, signature like the others", 2, {{1, "1234"}, {3, "1234"}, {0, "1234"}}, false},
      {"signature+standard, authentication like signature", 2, {{0, "1234"}, {2, "1234"}}, false},
      {"signature+standard, two standard PINs", 2, {{1, "1234"}, {3, "4567"}}, false},
      {"signature+standard, two signature PINs", 2, {{0, "1234"}, {0, "4567"}}, false},
      {"unique, one for each use", 3, {{1, "1234"}, {0, "4567"}, {2, "2222"}, {3, "3333"}, {1, "1234"}}, true},
      {"unique, two uses share", 3, {{1, "1234"}, {0, "1234"}}, false},
      {"unique, one use has two", 3, {{1, "1234"}, {1, "4567"}}, false},
  };
  Device device;
  for (const Case& c : cases) {
    CAPTURE(c.name);
    TestIssuer issuer(*device.engine);
    REQUIRE(issuer.open());
    PinPolicyRequest request = pin_policy_request();
    request.grouping = c.grouping;
    const PinPolicyHandle policy = issuer.create_pin_policy(request).value();
    for (std::size_t i = 0; i < c.keys.size(); ++i) {
      KeyEntryRequest key = key_request(policy, c.keys[i].pin);
      key.id = "Key" + std::to_string(i);
      key.app_usage = c.keys[i].usage;
      const bool expected = i + 1 < c.keys.size() || c.last_accepted;
      CHECK(status_of(issuer.create_key_entry(std::move(key))) ==
            (expected ? std::nullopt : std::optional(Status::option)));
    }
    CHECK(is_open(*device.engine, issuer.handle()) == c.last_accepted);
  }
}

TEST_CASE("grouping: the keys of a PIN group share their error count, others do not") {
  struct Case {
    std::uint8_t grouping;
    std::array<const char*, 4> pins;      // of a signature, signature, authentication and universal key
    std::array<int, 4> errors;            // after one error with the first key
    std::array<std::uint32_t, 4> groups;  // numbered by first appearance
  };
  const std::vector<Case> cases{
      {0, {"1234", "1234", "1234", "1234"}, {1, 0, 0, 0}, {0, 1, 2, 3}},
      {1, {"1234", "1234", "1234", "1234"}, {1, 1, 1, 1}, {0, 0, 0, 0}},
      {2, {"1234", "1234", "4567", "4567"}, {1, 1, 0, 0}, {0, 0, 1, 1}},
      {3, {"1234", "1234", "4567", "7777"}, {1, 1, 0, 0}, {0, 0, 1, 2}},
  };
  constexpr std::array<std::uint8_t, 4> kUsages{0, 0, 1, 3};
  for (const Case& c : cases) {
    CAPTURE(c.grouping);
    Device device;
    SecureKeyStore& engine = *device.engine;
    TestIssuer issuer(engine);
    REQUIRE(issuer.open());
    PinPolicyRequest request = pin_policy_request();
    request.grouping = c.grouping;
    const PinPolicyHandle policy = issuer.create_pin_policy(request).value();
    std::array<KeyHandle, 4> keys;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      KeyEntryRequest key = key_request(policy, c.pins.at(i));
      key.id = "Key" + std::to_string(i);
      key.app_usage = kUsages.at(i);
      keys.at(i) = issuer.create_certified_key(std::move(key)).value().handle;
    }
    REQUIRE(issuer.close());
    CHECK(status_of(engine.verify_pin(keys[0], secret("0000"))) == Status::authorization);
    const std::uint32_t first_group = device.real_engine->pin_group(keys[0]).value().value().value;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      CAPTURE(i);
      CHECK(pin_errors(engine, keys.at(i)) == c.errors.at(i));
      CHECK(device.real_engine->pin_group(keys.at(i)).value().value().value - first_group == c.groups.at(i));
    }
    // A right PIN with any member heals the whole group.
    CHECK(engine.verify_pin(keys[0], secret(c.pins[0])));
    for (const KeyHandle key : keys) CHECK(pin_errors(engine, key) == 0);
  }
}

TEST_CASE("PIN: two errors can be healed, the third blocks for good") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision_pin_key(engine).key;
  CHECK(try_to_sign(engine, key, with_pin("1234")) == std::nullopt);
  // Too short, too long, right beginning, empty: a PIN of another length is simply wrong.
  for (const char* const wrong : {"4321", "123", "12345", "", "1234\n"}) {
    CAPTURE(wrong);
    CHECK(try_to_sign(engine, key, with_pin(wrong)) == Status::authorization);
    CHECK(pin_errors(engine, key) == 1);
    CHECK(try_to_sign(engine, key, with_pin("1234")) == std::nullopt);
    CHECK(pin_errors(engine, key) == 0);
  }
  for (int i = 0; i < 2; ++i) CHECK(try_to_sign(engine, key, with_pin("0000")) == Status::authorization);
  CHECK((engine.get_key_protection_info(key)->protection_status & kPinBlocked) == 0);
  CHECK(try_to_sign(engine, key, with_pin("1234")) == std::nullopt);
  for (int i = 0; i < 5; ++i) CHECK(try_to_sign(engine, key, with_pin("0000")) == Status::authorization);
  CHECK(pin_errors(engine, key) == 3);
  CHECK((engine.get_key_protection_info(key)->protection_status & kPinBlocked) != 0);
  CHECK(try_to_sign(engine, key, with_pin("1234")) == Status::authorization);
  CHECK(status_of(engine.verify_pin(key, secret("1234"))) == Status::authorization);
  CHECK(pin_errors(engine, key) == 3);
  CHECK(puk_errors(engine, key) == 0);
  device.restart();
  CHECK(try_to_sign(*device.engine, key, with_pin("1234")) == Status::authorization);
}

TEST_CASE("PIN: guessing from several threads at once gains no attempt") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision_pin_key(engine).key;
  const KeyHandle plain = provision_plain_key(engine);
  std::array<int, 4> surprises{};
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < surprises.size(); ++i)
      threads.emplace_back([&engine, &surprises, key, plain, i] {
        for (int round = 0; round < 10; ++round) {
          if (engine.verify_pin(key, secret("0000"))) ++surprises.at(i);
          if (try_to_sign(engine, plain, {}) != std::nullopt) ++surprises.at(i);
        }
      });
  }
  CHECK(surprises == std::array<int, 4>{});
  CHECK(pin_errors(engine, key) == 3);
  CHECK(try_to_sign(engine, key, with_pin("1234")) == Status::authorization);
}

TEST_CASE("PIN: it is judged before everything else in the call, and counts") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision_pin_key(engine).key;
  const Bytes too_long(16385);
  CHECK(status_of(engine.sign_data(key, "x", Bytes(1), with_pin("0000"), too_long)) == Status::authorization);
  CHECK(pin_errors(engine, key) == 1);
  CHECK(status_of(engine.sign_data(key, "x", Bytes(1), with_pin("1234"), too_long)) == Status::option);
  CHECK(pin_errors(engine, key) == 0);
}

TEST_CASE("keys without PIN: no authorization is the only right one") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision_plain_key(engine);
  CHECK(try_to_sign(engine, key, {}) == std::nullopt);
  CHECK(try_to_sign(engine, key, with_pin("1")) == Status::option);
  CHECK(engine.get_key_protection_info(key)->protection_status == 0);
  CHECK_FALSE(device.real_engine->pin_group(key).value());
}

TEST_CASE("device PIN: right or wrong, never counted") {
  Device device;
  device.config.device_pin = &device.device_pin;
  device.config.biometric_support = true;
  device.restart();
  SecureKeyStore& engine = *device.engine;
  KeyEntryRequest request = key_request();
  request.device_pin_protection = true;
  request.delete_protection = 1;
  request.biometric_protection = 2;
  const KeyHandle key = provision_plain_key(engine, std::move(request));
  CHECK(engine.get_key_protection_info(key)->protection_status == kDevicePin);
  CHECK_FALSE(device.real_engine->pin_group(key).value());
  for (int i = 0; i < 10; ++i) CHECK(try_to_sign(engine, key, biometric("4321")) == Status::authorization);
  CHECK(try_to_sign(engine, key, biometric()) == Status::authorization);
  CHECK(try_to_sign(engine, key, with_pin("1234")) == Status::option);
  CHECK(try_to_sign(engine, key, biometric("1234")) == std::nullopt);
  CHECK(status_of(engine.delete_key(key, secret("12345"))) == Status::authorization);
  CHECK(engine.delete_key(key, secret("1234")));
}

TEST_CASE("device PIN: an empty one is wrong whatever the device says") {
  class AcceptsAll final : public DevicePinVerifier {
   public:
    bool verify(ByteView) override { return true; }
  };
  AcceptsAll verifier;
  Device device;
  device.config.device_pin = &verifier;
  device.restart();
  KeyEntryRequest request = key_request();
  request.device_pin_protection = true;
  const KeyHandle key = provision_plain_key(*device.engine, std::move(request));
  CHECK(try_to_sign(*device.engine, key, {}) == Status::authorization);
  CHECK(try_to_sign(*device.engine, key, with_pin("x")) == std::nullopt);
}

TEST_CASE("biometrics: each cell of the specification's table") {
  struct Case {
    std::uint8_t protection;
    bool flag;
    const char* pin;
    std::optional<Status> status;
    int errors;  // starting from 1
  };
  constexpr auto kAuth = Status::authorization;
  constexpr auto kOption = Status::option;
  const std::vector<Case> cases{
      {0, false, "1234", std::nullopt, 0}, {0, false, "0000", kAuth, 2},        {0, true, "", kOption, 1},
      {0, true, "1234", kOption, 1},       {1, false, "1234", std::nullopt, 0}, {1, false, "0000", kAuth, 2},
      {1, true, "", std::nullopt, 1},      {1, true, "1234", kOption, 1},       {1, true, "0000", kOption, 1},
      {2, false, "1234", kOption, 1},      {2, false, "", kOption, 1},          {2, true, "", kAuth, 2},
      {2, true, "1234", std::nullopt, 0},  {2, true, "0000", kAuth, 2},
  };
  for (const Case& c : cases) {
    CAPTURE(c.protection);
    CAPTURE(c.flag);
    CAPTURE(c.pin);
    Device device;
    device.config.biometric_support = true;
    device.restart();
    SecureKeyStore& engine = *device.engine;
    const KeyHandle key = provision_pin_key(engine, {.biometric_protection = c.protection}).key;
    REQUIRE(status_of(engine.verify_pin(key, secret("0000"))) == kAuth);
    CHECK(try_to_sign(engine, key, {secret(c.pin), c.flag}) == c.status);
    CHECK(pin_errors(engine, key) == c.errors);
  }
}

TEST_CASE("biometrics: a device that has them no more believes no claim, and asks for the PIN") {
  Device device;
  device.config.biometric_support = true;
  device.restart();
  const KeyHandle alternative = provision_pin_key(*device.engine, {.biometric_protection = 1}).key;
  const KeyHandle combined = provision_pin_key(*device.engine, {.biometric_protection = 2}).key;
  KeyEntryRequest request = key_request();
  request.biometric_protection = 3;
  const KeyHandle exclusive = provision_plain_key(*device.engine, std::move(request));
  device.config.biometric_support = false;
  device.restart();
  SecureKeyStore& engine = *device.engine;
  CHECK(try_to_sign(engine, alternative, biometric()) == Status::option);
  CHECK(try_to_sign(engine, combined, biometric("1234")) == Status::option);
  CHECK(try_to_sign(engine, combined, biometric("4321")) == Status::option);
  CHECK(pin_errors(engine, combined) == 0);
  CHECK(try_to_sign(engine, exclusive, biometric()) == Status::option);
  CHECK(try_to_sign(engine, alternative, with_pin("1234")) == std::nullopt);
}

TEST_CASE("biometrics: exclusive takes the flag alone, alternative works with a blocked PIN") {
  Device device;
  device.config.biometric_support = true;
  device.restart();
  SecureKeyStore& engine = *device.engine;
  KeyEntryRequest request = key_request();
  request.biometric_protection = 3;
  const KeyHandle exclusive = provision_plain_key(engine, std::move(request));
  CHECK(try_to_sign(engine, exclusive, {}) == Status::option);
  CHECK(try_to_sign(engine, exclusive, with_pin("1234")) == Status::option);
  CHECK(try_to_sign(engine, exclusive, biometric()) == std::nullopt);
  CHECK(try_to_sign(engine, exclusive, biometric("1234")) == Status::option);

  const KeyHandle alternative = provision_pin_key(engine, {.biometric_protection = 1}).key;
  for (int i = 0; i < 3; ++i) CHECK(try_to_sign(engine, alternative, with_pin("0000")) == Status::authorization);
  CHECK(try_to_sign(engine, alternative, with_pin("1234")) == Status::authorization);
  CHECK(try_to_sign(engine, alternative, biometric()) == std::nullopt);
  CHECK(pin_errors(engine, alternative) == 3);
}

TEST_CASE("verifyPin: checks and counts like signData, and does nothing else") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision_pin_key(engine).key;
  CHECK(engine.verify_pin(key, secret("1234")));
  CHECK(status_of(engine.verify_pin(key, secret("0000"))) == Status::authorization);
  CHECK(status_of(engine.verify_pin(key, {})) == Status::authorization);
  CHECK(pin_errors(engine, key) == 2);
  CHECK(engine.verify_pin(key, secret("1234")));
  CHECK(pin_errors(engine, key) == 0);
  CHECK(status_of(engine.verify_pin(key, SecureBytes(65536))) == Status::option);
  CHECK(pin_errors(engine, key) == 0);

  const KeyHandle plain = provision_plain_key(engine);
  CHECK(status_of(engine.verify_pin(plain, {})) == Status::not_allowed);
  CHECK(status_of(engine.verify_pin(plain, secret("1234"))) == Status::not_allowed);
  CHECK(status_of(engine.verify_pin(KeyHandle{99}, secret("1234"))) == Status::no_key);
}

TEST_CASE("PUK: errors count for the policy, the limit blocks for good") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision_pin_key(engine, {.delete_protection = 2}).key;
  CHECK(status_of(engine.verify_pin(key, secret("0000"))) == Status::authorization);
  for (int i = 1; i <= 5; ++i) {
    CHECK(status_of(engine.delete_key(key, secret("1234"))) == Status::authorization);
    CHECK(puk_errors(engine, key) == std::min(i, 3));
  }
  CHECK(pin_errors(engine, key) == 1);
  const std::uint8_t status = engine.get_key_protection_info(key)->protection_status;
  CHECK(status == (kPinProtected | kPukProtected | kPukBlocked));
  CHECK(status_of(engine.delete_key(key, secret("99999"))) == Status::authorization);
  CHECK(try_to_sign(engine, key, with_pin("1234")) == std::nullopt);
  CHECK(device.clock.slept() == 0);
}

TEST_CASE("PUK without retry limit: waits a second for every attempt and never blocks") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision_pin_key(engine, {.delete_protection = 2, .puk_retry_limit = 0}).key;
  const std::size_t commits = device.storage.memory.commit_count();
  for (unsigned i = 1; i <= 20; ++i) {
    CHECK(status_of(engine.delete_key(key, secret("wrong"))) == Status::authorization);
    CHECK(device.clock.slept() == i);
  }
  CHECK(puk_errors(engine, key) == 0);
  CHECK(device.storage.memory.commit_count() == commits);
  CHECK((engine.get_key_protection_info(key)->protection_status & kPukBlocked) == 0);
  CHECK(engine.delete_key(key, secret("99999")));
  CHECK(device.clock.slept() == 21);
}

TEST_CASE("getKeyProtectionInfo: reports the policies and the key as they were created") {
  Device device;
  device.config.biometric_support = true;
  device.restart();
  SecureKeyStore& engine = *device.engine;
  TestIssuer issuer(engine);
  REQUIRE(issuer.open());
  const PukPolicyHandle puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("AB")), 1, 77, {}}).value();
  const PinPolicyRequest policy{"PIN", puk, true, false, 2, 9, 3, 0x0B, 5, 20, 2, {}};
  KeyEntryRequest request = key_request(issuer.create_pin_policy(policy).value(), "pin-X");
  request.enable_pin_caching = true;
  request.biometric_protection = 1;
  request.export_protection = 3;
  request.delete_protection = 2;
  const KeyHandle key = issuer.create_certified_key(std::move(request)).value().handle;
  REQUIRE(issuer.close());
  CHECK(status_of(engine.verify_pin(key, secret("x"))) == Status::authorization);
  const KeyProtectionInfo info = engine.get_key_protection_info(key).value();
  CHECK(info.protection_status == (kPinProtected | kPukProtected));
  CHECK(info.puk_format == 1);
  CHECK(info.puk_retry_limit == 77);
  CHECK(info.puk_error_count == 0);
  CHECK(info.user_defined);
  CHECK_FALSE(info.user_modifiable);
  CHECK(info.format == 2);
  CHECK(info.retry_limit == 9);
  CHECK(info.grouping == 3);
  CHECK(info.pattern_restrictions == 0x0B);
  CHECK(info.min_length == 5);
  CHECK(info.max_length == 20);
  CHECK(info.input_method == 2);
  CHECK(info.pin_error_count == 1);
  CHECK(info.enable_pin_caching);
  CHECK(info.biometric_protection == 1);
  CHECK(info.export_protection == 3);
  CHECK(info.delete_protection == 2);
  CHECK(info.key_backup == 0);
}

}  // namespace sks::test
