#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "tests/sks-core/engine/device.h"

// Several threads on one store: spec/sks-api.md 1.7. Built with ThreadSanitizer this file proves more than it checks.
namespace sks::test {
namespace {

// Runs every job in a thread of its own, all starting together.
void run_together(const std::vector<std::function<void()>>& jobs) {
  std::atomic<std::size_t> waiting = jobs.size();
  std::vector<std::thread> threads;
  for (const auto& job : jobs) {
    threads.emplace_back([&waiting, &job] {
      for (--waiting; waiting > 0;) std::this_thread::yield();
      job();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

constexpr int kRounds = 20;

}  // namespace

TEST_CASE("Engine: users of several keys, issuers and listeners work at the same time") {
  Device device;
  SecureKeyStore& store = *device.engine;
  const KeyHandle plain = provision_plain_key(store);
  const PinKey with_right_pin = provision_pin_key(store);
  const PinKey with_wrong_pin = provision_pin_key(store);
  std::atomic<int> failures = 0;
  const auto require = [&failures](bool holds) {
    if (!holds) ++failures;
  };
  const auto sign = [&](KeyHandle key, std::string_view pin, std::optional<Status> expected) {
    return [&store, &require, key, pin, expected] {
      for (int i = 0; i < kRounds; ++i) require(try_to_sign(store, key, with_pin(pin)) == expected);
    };
  };
  const auto provision = [&] {
    for (int i = 0; i < kRounds / 4; ++i) {
      const KeyHandle key = provision_plain_key(store);
      require(try_to_sign(store, key, {}) == std::nullopt);
      require(static_cast<bool>(store.delete_key(key, {})));
    }
  };
  const auto abort_sessions = [&] {
    for (int i = 0; i < kRounds / 4; ++i) {
      TestIssuer issuer(store);
      require(static_cast<bool>(issuer.open()));
      require(static_cast<bool>(issuer.create_certified_key(key_request())));
      require(static_cast<bool>(store.abort_provisioning_session(issuer.handle())));
    }
  };
  const auto list = [&] {
    for (int i = 0; i < kRounds; ++i) {
      for (const KeyHandle key : all_keys(store)) {
        const Result<KeyAttributes> attributes = store.get_key_attributes(key);
        require(attributes || attributes.error().status == Status::no_key);  // deleted meanwhile
      }
      require(static_cast<bool>(store.get_key_protection_info(with_wrong_pin.key)));
    }
  };
  run_together({sign(plain, "", std::nullopt), sign(plain, "", std::nullopt),
                sign(with_right_pin.key, "1234", std::nullopt), sign(with_right_pin.key, "1234", std::nullopt),
                sign(with_wrong_pin.key, "0000", Status::authorization), provision, provision, abort_sessions, list});
  CHECK(failures == 0);
  CHECK(pin_errors(store, with_right_pin.key) == 0);
  CHECK(pin_errors(store, with_wrong_pin.key) == 3);
  CHECK(all_keys(store).size() == 3);
  CHECK(all_sessions(store, SessionState::open).empty());
}

TEST_CASE("Engine: threads that guess a PIN together get no more attempts than one") {
  Device device;
  const PinKey made = provision_pin_key(*device.engine);
  std::atomic<int> right = 0;
  const auto guess = [&](std::string_view pin) {
    return [&device, &right, &made, pin] {
      if (try_to_sign(*device.engine, made.key, with_pin(pin)) == std::nullopt) ++right;
    };
  };
  run_together({guess("0001"), guess("0002"), guess("0003"), guess("0004"), guess("0005"), guess("0006")});
  CHECK(right == 0);
  CHECK(pin_errors(*device.engine, made.key) == 3);
  CHECK(try_to_sign(*device.engine, made.key, with_pin("1234")) == Status::authorization);
}

TEST_CASE("Engine: a key is used while another one is being generated") {
  // A key source that makes its key only after the other thread has signed.
  class PatientSource final : public KeySource {
   public:
    Result<crypto::PrivateKey> generate(const Algorithm& algorithm, ByteView parameters, ByteView seed) const override {
      started = true;
      while (patient && !signed_meanwhile) std::this_thread::yield();
      return system_key_source().generate(algorithm, parameters, seed);
    }
    mutable std::atomic<bool> started = false;
    std::atomic<bool> patient = false;
    std::atomic<bool> signed_meanwhile = false;
  };
  InMemoryStorage storage;
  const TestIdentity identity;
  PatientSource keys;
  const std::unique_ptr<Engine> engine = std::move(Engine::open({storage, identity, keys}).value());
  const KeyHandle key = provision_plain_key(*engine);
  TestIssuer issuer(*engine);
  REQUIRE(issuer.open());
  keys.patient = true;
  keys.started = false;
  std::thread user([&] {
    while (!keys.started) std::this_thread::yield();
    keys.signed_meanwhile = try_to_sign(*engine, key, {}) == std::nullopt;
    if (!keys.signed_meanwhile) keys.patient = false;
  });
  CHECK(issuer.create_certified_key(key_request()));
  user.join();
  CHECK(keys.signed_meanwhile);
  CHECK(issuer.close());
}

namespace {

// A key source that does not go on before it is told to.
class HeldSource final : public KeySource {
 public:
  Result<crypto::PrivateKey> generate(const Algorithm& algorithm, ByteView parameters, ByteView seed) const override {
    if (holds) started = true;
    while (holds) std::this_thread::yield();
    return system_key_source().generate(algorithm, parameters, seed);
  }
  void wait_for_caller() const {
    while (!started) std::this_thread::yield();
  }
  std::atomic<bool> holds = false;
  mutable std::atomic<bool> started = false;
};

// Long enough for a call of another thread to be waiting.
void let_others_queue() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

}  // namespace

TEST_CASE("Engine: getKeyHandle waits for the createKeyEntry that came before it") {
  InMemoryStorage storage;
  const TestIdentity identity;
  HeldSource keys;
  const std::unique_ptr<Engine> engine = std::move(Engine::open({storage, identity, keys}).value());
  TestIssuer issuer(*engine);
  REQUIRE(issuer.open());
  keys.holds = true;
  std::optional<KeyHandle> created;
  std::thread creator([&] {
    if (const auto key = issuer.create_key_entry(key_request())) created = key->handle;
  });
  keys.wait_for_caller();
  std::optional<KeyHandle> found;
  std::thread finder([&] {
    if (const auto key = engine->get_key_handle(issuer.handle(), "Key")) found = *key;
  });
  let_others_queue();
  keys.holds = false;
  creator.join();
  finder.join();
  CHECK(created);
  CHECK(found == created);
}

TEST_CASE("Engine: whoever has just been served does not overtake a call that has been waiting") {
  InMemoryStorage storage;
  const TestIdentity identity;
  HeldSource keys;
  const std::unique_ptr<Engine> engine = std::move(Engine::open({storage, identity, keys}).value());
  TestIssuer issuer(*engine);
  REQUIRE(issuer.open());
  const TestIssuer other(*engine);
  keys.holds = true;
  std::atomic<bool> opened = false;
  std::optional<Status> next;
  std::thread busy([&] {
    opened = static_cast<bool>(engine->create_provisioning_session(other.request));
    next = status_of(engine->get_key_handle(issuer.handle(), "Key"));
  });
  keys.wait_for_caller();
  std::atomic<bool> aborted = false;
  std::thread waiting([&] { aborted = static_cast<bool>(engine->abort_provisioning_session(issuer.handle())); });
  let_others_queue();
  keys.holds = false;
  busy.join();
  waiting.join();
  CHECK(opened);
  CHECK(aborted);
  CHECK(next == Status::no_session);
}

}  // namespace sks::test
