#include <doctest/doctest.h>

#include <array>

#include "tests/sks-core/engine/device.h"

// PIN attempts that stay paid after a right PIN (EngineConfig::prepay_pin_attempts): whatever becomes of the process
// and of the storage, nobody gets more attempts than the retry limit.
namespace sks::test {
namespace {

using Mood = MoodyStorage::Mood;

EngineConfig prepaying() {
  EngineConfig config;
  config.prepay_pin_attempts = true;
  return config;
}

// As if the process were killed: the engine that goes changes nothing in the storage.
void crash(Device& device) {
  device.storage.mood = Mood::refuses;
  device.restart();
  device.storage.mood = Mood::good;
}

std::optional<Status> try_pin(Device& device, KeyHandle key, std::string_view pin) {
  return status_of(device.engine->verify_pin(key, secret(pin)));
}

KeyHandle provision_key_with_limit(Device& device, std::uint16_t retry_limit) {
  TestIssuer issuer(*device.engine);
  REQUIRE(issuer.open());
  PinPolicyRequest policy = pin_policy_request();
  policy.retry_limit = retry_limit;
  const PinPolicyHandle pin = issuer.create_pin_policy(policy).value();
  const KeyHandle key = issuer.create_certified_key(key_request(pin, "1234")).value().handle;
  REQUIRE(issuer.close());
  return key;
}

}  // namespace

TEST_CASE("prepaid attempts: a right PIN after another costs no commit, and no error is seen") {
  Device device(prepaying());
  const KeyHandle key = provision_pin_key(*device.engine).key;
  CHECK(try_pin(device, key, "1234") == std::nullopt);
  const std::size_t commits = device.storage.memory.commit_count();
  for (int i = 0; i < 5; ++i) {
    CHECK(try_to_sign(*device.engine, key, with_pin("1234")) == std::nullopt);
    CHECK(pin_errors(*device.engine, key) == 0);
  }
  CHECK(device.storage.memory.commit_count() == commits);
  device.restart();
  CHECK(pin_errors(*device.engine, key) == 0);
}

TEST_CASE("prepaid attempts: wrong PINs count as ever") {
  Device device(prepaying());
  const KeyHandle key = provision_pin_key(*device.engine).key;
  CHECK(try_pin(device, key, "1234") == std::nullopt);
  for (int i = 1; i <= 5; ++i) {
    CHECK(try_pin(device, key, "0000") == Status::authorization);
    CHECK(pin_errors(*device.engine, key) == std::min(i, 3));
  }
  CHECK(try_pin(device, key, "1234") == Status::authorization);
  CHECK(device.engine->unlock_key(key, secret("99999")));
  CHECK(try_pin(device, key, "1234") == std::nullopt);
}

TEST_CASE("prepaid attempts: a process that dies loses one attempt, and never the last one") {
  for (const std::uint16_t limit : std::array<std::uint16_t, 3>{1, 2, 3}) {
    CAPTURE(limit);
    Device device(prepaying());
    const KeyHandle key = provision_key_with_limit(device, limit);
    for (int i = 0; i < 4; ++i) {
      CHECK(try_pin(device, key, "1234") == std::nullopt);
      crash(device);
      CHECK(pin_errors(*device.engine, key) == (limit > 1 ? 1 : 0));
    }
  }
}

TEST_CASE("prepaid attempts: a process that dies after every guess grants none") {
  for (const bool used_before : {false, true}) {
    CAPTURE(used_before);
    Device device(prepaying());
    const KeyHandle key = provision_pin_key(*device.engine).key;
    if (used_before) CHECK(try_pin(device, key, "1234") == std::nullopt);
    for (int i = 1; i <= 5; ++i) {
      CHECK(try_pin(device, key, "0000") == Status::authorization);
      crash(device);
      CHECK(pin_errors(*device.engine, key) == std::min(i, 3));
    }
    CHECK(try_pin(device, key, "1234") == Status::authorization);
  }
}

TEST_CASE("prepaid attempts: unlockKey, setPin and changePin start anew") {
  Device device(prepaying());
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision_pin_key(engine).key;
  CHECK(try_pin(device, key, "1234") == std::nullopt);
  CHECK(engine.unlock_key(key, secret("99999")));
  CHECK(pin_errors(engine, key) == 0);
  CHECK(try_pin(device, key, "0000") == Status::authorization);
  CHECK(pin_errors(engine, key) == 1);
  CHECK(engine.set_pin(key, secret("99999"), secret("5678")));
  CHECK(pin_errors(engine, key) == 0);
  CHECK(engine.change_pin(key, secret("5678"), secret("1234")));
  CHECK(pin_errors(engine, key) == 0);
  CHECK(try_pin(device, key, "5678") == Status::authorization);
  CHECK(pin_errors(engine, key) == 1);
  crash(device);
  CHECK(pin_errors(*device.engine, key) == 1);
}

TEST_CASE("prepaid attempts: a commit that fails takes away no payment, though the storage says otherwise") {
  for (const Mood mood : {Mood::refuses, Mood::lies_once_then_refuses}) {
    CAPTURE(static_cast<int>(mood));
    Device device(prepaying());
    const KeyHandle key = provision_pin_key(*device.engine, {.puk_retry_limit = 0}).key;
    int judged = 0;
    for (int i = 0; i < 6; ++i) {
      if (pin_errors(*device.engine, key) == 0) CHECK(try_pin(device, key, "1234") == std::nullopt);
      device.storage.mood = mood;
      CHECK(status_of(device.engine->unlock_key(key, secret("99999"))) == Status::storage);
      if (try_pin(device, key, "0000") == Status::authorization) ++judged;
      crash(device);
    }
    CHECK(judged <= pin_errors(*device.engine, key));
  }
}

TEST_CASE("prepaid attempts: once the storage works again the next one is judged, and stays counted") {
  Device device(prepaying());
  const KeyHandle key = provision_pin_key(*device.engine, {.puk_retry_limit = 0}).key;
  CHECK(try_pin(device, key, "1234") == std::nullopt);
  device.storage.mood = Mood::lies;
  CHECK(status_of(device.engine->unlock_key(key, secret("99999"))) == Status::storage);
  device.storage.mood = Mood::good;
  CHECK(try_pin(device, key, "0000") == Status::authorization);
  crash(device);
  CHECK(pin_errors(*device.engine, key) == 1);
}

TEST_CASE("an attempt that is refused as one too many finds the errors in the storage, whatever a commit did to them") {
  for (const bool prepay : {false, true}) {
    CAPTURE(prepay);
    Device device(prepay ? prepaying() : EngineConfig{});
    const KeyHandle key = provision_pin_key(*device.engine).key;
    for (int i = 0; i < 2; ++i) {
      CHECK(try_pin(device, key, "0000") == Status::authorization);
      CHECK(status_of(device.engine->unlock_key(key, secret("0"))) == Status::authorization);
    }
    // The payment is made; that it is given back is reported as a failure.
    for (const bool pin : {true, false}) {
      device.storage.good_commits = 1;
      device.storage.mood = Mood::lies;
      const std::optional<Status> answer =
          pin ? try_pin(device, key, "1234") : status_of(device.engine->unlock_key(key, secret("99999")));
      CHECK(answer == Status::storage);
      CHECK(pin_errors(*device.engine, key) == 3);
      device.storage.mood = Mood::refuses;
      CHECK(try_pin(device, key, "1234") == Status::storage);
      device.storage.mood = Mood::good;
      if (pin) CHECK(try_pin(device, key, "1234") == Status::authorization);
    }
    CHECK(puk_errors(*device.engine, key) == 3);
    CHECK(status_of(device.engine->unlock_key(key, secret("99999"))) == Status::authorization);
    crash(device);
    CHECK(pin_errors(*device.engine, key) == 3);
    CHECK(puk_errors(*device.engine, key) == 3);
  }
}

TEST_CASE("prepaid attempts: the number of payments is bounded") {
  constexpr int kMost = 64;
  Device device(prepaying());
  std::vector<KeyHandle> keys;
  for (int i = 0; i < kMost + 6; ++i) {
    keys.push_back(provision_key_with_limit(device, 3));
    CHECK(try_pin(device, keys.back(), "1234") == std::nullopt);
  }
  for (const KeyHandle key : keys) CHECK(pin_errors(*device.engine, key) == 0);
  crash(device);
  int paid = 0;
  for (const KeyHandle key : keys) paid += pin_errors(*device.engine, key);
  CHECK(paid == kMost);
}

}  // namespace sks::test
