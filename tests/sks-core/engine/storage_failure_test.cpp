#include <doctest/doctest.h>

#include "tests/sks-core/engine/storage_sweep.h"

// A storage that fails at any of its operations grants nothing, tears nothing and gives no PIN attempt back.
namespace sks::test {
namespace {

struct Run {
  std::unique_ptr<TestIssuer> issuer;
  PukPolicyHandle puk;
  PinPolicyHandle pin;
  CreatedKey key;
  std::size_t records = 0;
};

// A session that has come as far as `calls` of: PUK policy, PIN policy, key, certificate.
Run run_to(Device& device, int calls) {
  provision_pin_key(*device.engine);
  Run run;
  run.records = device.storage.memory.record_count();
  run.issuer = std::make_unique<TestIssuer>(*device.engine);
  TestIssuer& issuer = *run.issuer;
  REQUIRE(issuer.open());
  if (calls > 0) run.puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("1")), 0, 3, {}}).value();
  if (calls > 1) run.pin = issuer.create_pin_policy(pin_policy_request(run.puk)).value();
  if (calls > 2) run.key = issuer.create_key_entry(key_request(run.pin, "1234")).value();
  if (calls > 3) REQUIRE(issuer.set_certificate_path(run.key, "Key", {certify(run.key.public_key)}));
  return run;
}

std::optional<Status> next_call(Run& run, int calls) {
  TestIssuer& issuer = *run.issuer;
  if (calls == 0) return status_of(issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("1")), 0, 3, {}}));
  if (calls == 1) return status_of(issuer.create_pin_policy(pin_policy_request(run.puk)));
  if (calls == 2) return status_of(issuer.create_key_entry(key_request(run.pin, "1234")));
  if (calls == 3) return status_of(issuer.set_certificate_path(run.key, "Key", {certify(run.key.public_key)}));
  return status_of(issuer.close());
}

// The failed session is gone without a trace, the key of the other session is whole.
void check_aborted(Device& device, const Run& run) {
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
  CHECK(all_sessions(*device.engine, SessionState::closed).size() == 1);
  CHECK(all_keys(*device.engine) == std::vector{KeyHandle{1}});
  CHECK(device.storage.memory.record_count() == run.records);
  CHECK(try_to_sign(*device.engine, KeyHandle{1}, with_pin("1234")) == std::nullopt);
}

}  // namespace

TEST_CASE("storage failure: createProvisioningSession creates nothing") {
  sweep<int>([](Device&) { return 0; },
             [](Device& device, int&) { return status_of(TestIssuer(*device.engine).open()); },
             [](Device& device, int&) {
               CHECK(all_sessions(*device.engine, SessionState::open).empty());
               CHECK(device.storage.memory.record_count() == 0);
             });
}

TEST_CASE("storage failure: every session method aborts the session and leaves no trace of it") {
  for (int calls = 0; calls <= 4; ++calls) {
    CAPTURE(calls);
    sweep<Run>([calls](Device& device) { return run_to(device, calls); },
               [calls](Device&, Run& run) { return next_call(run, calls); }, check_aborted);
  }
}

TEST_CASE("storage failure: a session whose abort cannot be stored is gone, and stays gone once the storage works") {
  for (int calls = 0; calls <= 4; ++calls) {
    CAPTURE(calls);
    for (const MoodyStorage::Mood mood : {MoodyStorage::Mood::refuses, MoodyStorage::Mood::lies}) {
      CAPTURE(static_cast<int>(mood));
      Device device;
      Run run = run_to(device, calls);
      const KeyHandle last_key = run.key.handle;
      device.storage.mood = mood;
      CHECK(next_call(run, calls) == Status::storage);
      CHECK(all_sessions(*device.engine, SessionState::open).empty());
      CHECK(all_keys(*device.engine) == std::vector{KeyHandle{1}});
      CHECK(next_call(run, calls) == (calls == 3 ? Status::no_key : Status::no_session));
      device.storage.mood = MoodyStorage::Mood::good;
      const PinKey next = provision_pin_key(*device.engine);
      CHECK(next.key > last_key);
      device.restart();
      CHECK(all_sessions(*device.engine, SessionState::open).empty());
      CHECK(all_keys(*device.engine) == std::vector{KeyHandle{1}, next.key});
    }
  }
}

TEST_CASE("storage failure: an explicit abort succeeds and the storage catches up") {
  Device device;
  const Run run = run_to(device, 4);
  device.storage.mood = MoodyStorage::Mood::refuses;
  CHECK(device.engine->abort_provisioning_session(run.issuer->handle()));
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
  CHECK(device.storage.memory.record_count() > run.records);
  device.storage.mood = MoodyStorage::Mood::good;
  CHECK(device.engine->verify_pin(KeyHandle{1}, secret("1234")));
  CHECK(device.storage.memory.record_count() == run.records);
}

TEST_CASE("storage failure: the storage catches up at the latest when the engine goes") {
  for (int calls = 0; calls <= 4; ++calls) {
    CAPTURE(calls);
    Device device;
    Run run = run_to(device, calls);
    device.storage.mood = MoodyStorage::Mood::refuses;
    CHECK(next_call(run, calls) == Status::storage);
    device.storage.mood = MoodyStorage::Mood::good;
    device.restart();
    check_aborted(device, run);
  }
}

TEST_CASE(
    "storage failure: a full storage gives up the room it set aside, so that an aborted session is durably gone") {
  for (int calls = 0; calls <= 4; ++calls) {
    CAPTURE(calls);
    Device device;
    Run run = run_to(device, calls);
    device.storage.mood = MoodyStorage::Mood::refuses;
    device.storage.has_room_aside = true;
    CHECK(next_call(run, calls) == Status::storage);
    device.restart();
    check_aborted(device, run);
  }
}

TEST_CASE("storage failure: a session that cannot be read is aborted like any other") {
  class Unreadable final : public Storage {
   public:
    bool readable = true;
    Result<std::unique_ptr<Transaction>> begin() override {
      if (!readable) return Error{Status::storage, "no disk"};
      return memory_.begin();
    }

   private:
    InMemoryStorage memory_;
  };
  Device device;
  Unreadable storage;
  const auto engine =
      Engine::open({storage, device.identity, device.keys, device.random, device.clock}, device.config).value();
  TestIssuer first(*engine);
  REQUIRE(first.open());
  TestIssuer second(*engine);
  REQUIRE(second.open());
  // More than the engine keeps in memory.
  SessionRequest request = first.request;
  request.issuer_uri.assign(1000, 'u');
  for (int i = 0; i < 1100; ++i) REQUIRE(engine->create_provisioning_session(request));
  const PukPolicyRequest puk{"PUK", first.encrypt(as_bytes("1")), 0, 3, {}};
  storage.readable = false;
  CHECK(status_of(first.create_puk_policy(puk)) == Status::storage);
  CHECK(status_of(first.create_puk_policy(puk)) == Status::no_session);
  CHECK(engine->abort_provisioning_session(second.handle()));
  CHECK(status_of(engine->abort_provisioning_session(second.handle())) == Status::no_session);
  storage.readable = true;
  CHECK_FALSE(is_open(*engine, first.handle()));
  CHECK_FALSE(is_open(*engine, second.handle()));
}

TEST_CASE("storage failure: a wrong MAC is still a wrong MAC when the abort cannot be stored") {
  Device device;
  Run run = run_to(device, 0);
  device.storage.mood = MoodyStorage::Mood::refuses;
  run.issuer->set_counter(5);
  CHECK(next_call(run, 0) == Status::mac);
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
}

TEST_CASE("storage failure: a right PIN gives no signature unless the attempt is paid and given back") {
  sweep<PinKey>([](Device& device) { return provision_pin_key(*device.engine); },
                [](Device& device, PinKey& made) { return try_to_sign(*device.engine, made.key, with_pin("1234")); },
                [](Device& device, PinKey& made) { CHECK(pin_errors(*device.engine, made.key) <= 1); });
}

TEST_CASE("storage failure: a wrong PIN is only judged after its attempt is durable") {
  for (int n = 1; n <= 3; ++n) {
    CAPTURE(n);
    Device device;
    const KeyHandle key = provision_pin_key(*device.engine).key;
    device.storage.memory.fail_after(n);
    const std::optional<Status> status = try_to_sign(*device.engine, key, with_pin("0000"));
    // Payment is one put and one commit.
    CHECK(status == (n <= 2 ? Status::storage : Status::authorization));
    device.restart();
    CHECK(pin_errors(*device.engine, key) == (n <= 2 ? 0 : 1));
  }
}

TEST_CASE("storage failure: a storage that fails after each payment still ends all guessing after three attempts") {
  Device device;
  const KeyHandle key = provision_pin_key(*device.engine).key;
  int judged = 0;
  for (int i = 0; i < 10; ++i) {
    device.storage.memory.fail_after(3);  // the give-back of a right PIN, if it comes to that
    const std::optional<Status> status = try_to_sign(*device.engine, key, with_pin(i == 1 ? "1234" : "0000"));
    device.storage.memory.fail_after(0);
    CHECK(status != std::nullopt);
    device.restart();
    if (pin_errors(*device.engine, key) > judged) judged = pin_errors(*device.engine, key);
  }
  CHECK(judged == 3);
  CHECK(try_to_sign(*device.engine, key, with_pin("1234")) == Status::authorization);
}

TEST_CASE("storage failure: a PUK is treated like a PIN") {
  for (int n = 1; n <= 3; ++n) {
    CAPTURE(n);
    Device device;
    const KeyHandle key = provision_pin_key(*device.engine, {.delete_protection = 2}).key;
    device.storage.memory.fail_after(n);
    CHECK(status_of(device.engine->delete_key(key, secret("0"))) == (n <= 2 ? Status::storage : Status::authorization));
    device.restart();
    CHECK(puk_errors(*device.engine, key) == (n <= 2 ? 0 : 1));
  }
}

TEST_CASE("storage failure: deleteKey deletes the whole key or nothing") {
  sweep<PinKey>(
      [](Device& device) { return provision_pin_key(*device.engine, {.delete_protection = 1}); },
      [](Device& device, PinKey& made) { return status_of(device.engine->delete_key(made.key, secret("1234"))); },
      [](Device& device, PinKey& made) {
        CHECK(all_keys(*device.engine) == std::vector{made.key});
        CHECK(try_to_sign(*device.engine, made.key, with_pin("1234")) == std::nullopt);
      });
}

TEST_CASE("storage failure: Engine::open reports a storage that cannot be read") {
  class Unreadable final : public Storage {
   public:
    Result<std::unique_ptr<Transaction>> begin() override { return Error{Status::storage, "no disk"}; }
  };
  Unreadable storage;
  const TestIdentity identity;
  CHECK(status_of(Engine::open({storage, identity})) == Status::storage);
}

}  // namespace sks::test
