#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "tests/sks-core/engine/device.h"
#include "tests/support/sharing_storage.h"

// Calls in open sessions share the wait for the storage, and nobody is told of what is not durable: storage.h.
namespace sks::test {
namespace {

struct SharedDevice {
  SharingStorage storage;
  TestIdentity identity;
  FakeClock clock{1700000000};
  std::unique_ptr<Engine> engine = open();

  std::unique_ptr<Engine> open() {
    return std::move(Engine::open({storage, identity, system_key_source(), system_random(), clock}).value());
  }
};

enum class Managed { no, yes };

/// An issuer with an open session.
struct AtWork {
  /// `managed`: the keys of the session can be targets.
  explicit AtWork(SecureKeyStore& store, Managed managed = Managed::no) : issuer(store) {
    issuer.request.privacy_enabled = true;
    if (managed == Managed::yes) issuer.request.key_management_key = kmk.public_key().spki();
    REQUIRE(issuer.open());
  }
  /// Creates a key in a thread of its own.
  std::thread create_key() {
    return std::thread([this] { outcome = status_of(issuer.create_key_entry(key_request())); });
  }
  /// A key that waits for the close of its session.
  KeyHandle make_key() {
    const auto key = issuer.create_key_entry(key_request());
    REQUIRE(key);
    REQUIRE(issuer.set_certificate_path(*key, "Key", {certify(key->public_key)}));
    return key->handle;
  }
  std::thread close() {
    return std::thread([this] { outcome = status_of(issuer.close()); });
  }
  /// An operation on a key of `owner`, as that allows it.
  TargetAuthorization aim_at(AtWork& owner, KeyHandle key) const {
    TargetAuthorization target;
    target.target = key;
    target.authorization = issuer.target_authorization(owner.kmk, owner.issuer.end_entity(key));
    return target;
  }
  crypto::PrivateKey kmk = generate_key(kSks + "ec.nist.p256");
  TestIssuer issuer;
  std::optional<Status> outcome = Status::internal;
};

}  // namespace

TEST_CASE(
    "Engine: what a call in a session was told is durable, and each call shares its commit but a close that performs "
    "operations") {
  SharedDevice device;
  TestIssuer issuer(*device.engine);
  int shared = 0;
  const auto is_shared = [&] { return device.storage.is_durable() && device.storage.shared_commits() == ++shared; };
  issuer.request.key_management_key = generate_key(kSks + "ec.nist.p256").public_key().spki();
  REQUIRE(issuer.open());
  CHECK(is_shared());
  const auto puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("99999")), 0, 3, {}});
  CHECK(is_shared());
  REQUIRE(puk);
  const auto policy = issuer.create_pin_policy(pin_policy_request(*puk));
  CHECK(is_shared());
  REQUIRE(policy);
  const auto key = issuer.create_key_entry(key_request(*policy, "1234"));
  CHECK(is_shared());
  REQUIRE(key);
  CHECK(issuer.set_certificate_path(*key, "Key", {certify(key->public_key)}));
  CHECK(is_shared());
  CHECK(issuer.import_symmetric_key(key->handle, issuer.encrypt(Bytes(16, 7))));
  CHECK(is_shared());
  CHECK(issuer.add_extension(key->handle, {"https://example.com/x", 0, "", to_bytes(as_bytes("data")), {}}));
  CHECK(is_shared());
  CHECK(issuer.deactivate(key->handle));
  CHECK(is_shared());
  CHECK(issuer.close());  // performs what was recorded
  CHECK(device.storage.is_durable());
  CHECK(device.storage.shared_commits() == shared);
}

TEST_CASE("Engine: what users do is durable before anything else happens") {
  SharedDevice device;
  const PinKey made = provision_pin_key(*device.engine);
  const int shared = device.storage.shared_commits();
  const int syncs = device.storage.syncs();
  SecureKeyStore& store = *device.engine;
  CHECK(try_to_sign(store, made.key, with_pin("0000")) == Status::authorization);
  CHECK(try_to_sign(store, made.key, with_pin("1234")) == std::nullopt);
  CHECK(store.change_pin(made.key, secret("1234"), secret("5678")));
  CHECK(store.unlock_key(made.key, secret("99999")));
  CHECK(store.delete_key(made.key, {}));
  CHECK(device.storage.is_durable());
  CHECK(device.storage.shared_commits() == shared);
  CHECK(device.storage.syncs() == syncs);
}

TEST_CASE("Engine: two sessions share one sync, and hold up nobody who needs none") {
  SharedDevice device;
  const KeyHandle key = provision_plain_key(*device.engine);
  AtWork first(*device.engine);
  AtWork second(*device.engine);
  const int syncs = device.storage.syncs();
  device.storage.hold();
  std::thread one = first.create_key();
  CHECK(device.storage.reaches_waiting(1));
  std::thread two = second.create_key();
  CHECK(device.storage.reaches_waiting(2));
  CHECK_FALSE(device.storage.is_durable());
  CHECK(try_to_sign(*device.engine, key, {}) == std::nullopt);
  device.storage.release();
  one.join();
  two.join();
  CHECK(first.outcome == std::nullopt);
  CHECK(second.outcome == std::nullopt);
  CHECK(device.storage.syncs() == syncs + 1);
  CHECK(device.storage.is_durable());
}

TEST_CASE("Engine: a sync that fails aborts every session that waited for it, and nothing comes back") {
  SharedDevice device;
  AtWork first(*device.engine);
  AtWork second(*device.engine);
  AtWork idle(*device.engine);
  device.storage.hold();
  std::thread one = first.create_key();
  std::thread two = second.create_key();
  CHECK(device.storage.reaches_waiting(2));
  device.storage.fail_syncs(1);
  device.storage.release();
  one.join();
  two.join();
  CHECK(first.outcome == Status::storage);
  CHECK(second.outcome == Status::storage);
  CHECK(all_sessions(*device.engine, SessionState::open) == std::vector{idle.issuer.handle()});
  CHECK(device.storage.is_durable());
  device.engine = device.open();
  CHECK(all_sessions(*device.engine, SessionState::open) == std::vector{idle.issuer.handle()});
  CHECK(status_of(device.engine->get_key_handle(first.issuer.handle(), "Key")) == Status::no_session);
}

TEST_CASE("Engine: a session whose creation is not durable is not there") {
  SharedDevice device;
  TestIssuer issuer(*device.engine);
  device.storage.fail_syncs(1);
  CHECK(status_of(issuer.open()) == Status::storage);
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
  device.engine = device.open();
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
}

TEST_CASE("Engine: nobody sees what a close makes before it is durable, and two closes share one sync") {
  SharedDevice device;
  AtWork first(*device.engine);
  AtWork second(*device.engine);
  const KeyHandle key = first.make_key();
  const KeyHandle other = second.make_key();
  const int syncs = device.storage.syncs();
  device.storage.hold();
  std::thread one = first.close();
  std::thread two = second.close();
  CHECK(device.storage.reaches_waiting(2));
  CHECK_FALSE(device.storage.is_durable());
  CHECK(all_keys(*device.engine).empty());
  CHECK(status_of(device.engine->get_key_attributes(key)) == Status::no_key);
  CHECK(try_to_sign(*device.engine, key, {}) == Status::no_key);
  CHECK(all_sessions(*device.engine, SessionState::closed).empty());
  // Neither is it open for anybody.
  CHECK(status_of(device.engine->abort_provisioning_session(first.issuer.handle())) == Status::no_session);
  CHECK(status_of(device.engine->set_certificate_path(key, {Bytes(1)}, {})) == Status::no_key);
  device.storage.release();
  one.join();
  two.join();
  CHECK(first.outcome == std::nullopt);
  CHECK(second.outcome == std::nullopt);
  CHECK(device.storage.syncs() == syncs + 1);
  CHECK(all_keys(*device.engine) == std::vector{key, other});
  CHECK(try_to_sign(*device.engine, key, {}) == std::nullopt);
  CHECK(try_to_sign(*device.engine, other, {}) == std::nullopt);
}

TEST_CASE("Engine: a close whose sync fails leaves nothing, whoever else waits for it") {
  SharedDevice device;
  AtWork work(*device.engine);
  const auto key = work.issuer.create_key_entry(key_request());
  REQUIRE(key);
  device.storage.hold();
  std::optional<Status> outcome = Status::internal;
  std::thread certifier(
      [&] { outcome = status_of(work.issuer.set_certificate_path(*key, "Key", {certify(key->public_key)})); });
  CHECK(device.storage.reaches_waiting(1));
  std::thread closer = work.close();
  CHECK(device.storage.reaches_waiting(2));
  device.storage.fail_syncs(1);
  device.storage.release();
  certifier.join();
  closer.join();
  CHECK(outcome == Status::storage);
  CHECK(work.outcome == Status::storage);
  CHECK(all_keys(*device.engine).empty());
  CHECK(device.storage.is_durable());
  device.engine = device.open();
  CHECK(all_keys(*device.engine).empty());
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
  CHECK(all_sessions(*device.engine, SessionState::closed).empty());
}

TEST_CASE("Engine: a close is told of the failure that an earlier call has aborted its session for") {
  SharedDevice device;
  AtWork work(*device.engine);
  const auto key = work.issuer.create_key_entry(key_request());
  REQUIRE(key);
  std::optional<Status> outcome = Status::internal;
  const std::unique_ptr<PendingCall> path = device.engine->begin_call(
      [&] { outcome = status_of(work.issuer.set_certificate_path(*key, "Key", {certify(key->public_key)})); });
  REQUIRE(outcome == std::nullopt);
  const std::unique_ptr<PendingCall> end = device.engine->begin_call([&] { outcome = status_of(work.issuer.close()); });
  REQUIRE(outcome == std::nullopt);
  REQUIRE(end != nullptr);
  device.storage.fail_syncs(1);
  CHECK(status_of(path->finish()) == Status::storage);
  CHECK(device.storage.is_durable());  // the abort
  CHECK(status_of(end->finish()) == Status::storage);
  CHECK(all_keys(*device.engine).empty());
}

TEST_CASE("Engine: a close that nobody waits for is finished all the same") {
  SharedDevice device;
  AtWork work(*device.engine);
  const KeyHandle key = work.make_key();
  std::unique_ptr<PendingCall> end = device.engine->begin_call([&] { CHECK(work.issuer.close()); });
  REQUIRE(end != nullptr);
  CHECK(all_keys(*device.engine).empty());
  end.reset();
  CHECK(device.storage.is_durable());
  CHECK(all_keys(*device.engine) == std::vector{key});
}

TEST_CASE("Engine: a key is no target of others before the close of its session is durable") {
  SharedDevice device;
  AtWork work(*device.engine, Managed::yes);
  const KeyHandle key = work.make_key();
  AtWork other(*device.engine, Managed::yes);
  const std::unique_ptr<PendingCall> end = device.engine->begin_call([&] { CHECK(work.issuer.close()); });
  REQUIRE(end != nullptr);
  const Bytes next = generate_key(kSks + "ec.nist.p256").public_key().spki();
  const Bytes authorization = roll_over_authorization(work.kmk, next);
  const ProvisioningHandle session = work.issuer.handle();
  CHECK(status_of(device.engine->update_key_management_key(session, next, authorization)) == Status::not_allowed);
  CHECK(status_of(other.issuer.post_delete_key(other.aim_at(work, key))) == Status::option);
  CHECK(end->finish());
  CHECK(all_keys(*device.engine) == std::vector{key});
  AtWork later(*device.engine, Managed::yes);
  CHECK(later.issuer.post_delete_key(later.aim_at(work, key)));
  CHECK(device.engine->update_key_management_key(session, next, authorization));
}

TEST_CASE("Engine: a close that performs operations is done, whatever becomes of later calls") {
  SharedDevice device;
  AtWork owner(*device.engine, Managed::yes);
  const KeyHandle key = owner.make_key();
  REQUIRE(owner.issuer.close());
  AtWork deleter(*device.engine, Managed::yes);
  REQUIRE(deleter.issuer.post_delete_key(deleter.aim_at(owner, key)));
  AtWork other(*device.engine);
  const std::unique_ptr<PendingCall> end = device.engine->begin_call([&] { CHECK(deleter.issuer.close()); });
  const std::unique_ptr<PendingCall> after =
      device.engine->begin_call([&] { CHECK(other.issuer.create_key_entry(key_request())); });
  REQUIRE(after != nullptr);
  device.storage.fail_syncs(1);
  CHECK((end == nullptr || end->finish()));
  CHECK(status_of(after->finish()) == Status::storage);
  CHECK(all_keys(*device.engine).empty());
}

TEST_CASE("Engine: a call whose session was closed meanwhile is as durable as the close") {
  SharedDevice device;
  AtWork work(*device.engine);
  const auto key = work.issuer.create_key_entry(key_request());
  REQUIRE(key);
  std::optional<Status> outcome = Status::internal;
  const std::unique_ptr<PendingCall> pending = device.engine->begin_call(
      [&] { outcome = status_of(work.issuer.set_certificate_path(*key, "Key", {certify(key->public_key)})); });
  REQUIRE(outcome == std::nullopt);
  CHECK(work.issuer.close());
  CHECK(pending->finish());
  CHECK(all_keys(*device.engine) == std::vector{key->handle});
}

TEST_CASE("Engine: what an open session holds is shown when it is durable") {
  SharedDevice device;
  AtWork work(*device.engine);
  device.storage.hold();
  std::thread creator = work.create_key();
  CHECK(device.storage.reaches_waiting(1));
  const ProvisioningHandle session = work.issuer.handle();
  std::atomic<int> told_too_early = 0;
  std::thread finder([&] {
    CHECK(device.engine->get_key_handle(session, "Key"));
    if (!device.storage.is_durable()) ++told_too_early;
  });
  std::thread listener([&] {
    CHECK(device.engine->enumerate_provisioning_sessions({}, SessionState::open));
    if (!device.storage.is_durable()) ++told_too_early;
  });
  CHECK(device.storage.reaches_waiting(3));
  device.storage.release();
  creator.join();
  finder.join();
  listener.join();
  CHECK(told_too_early == 0);
  device.storage.hold();
  CHECK(device.engine->enumerate_provisioning_sessions({}, SessionState::closed));  // waits for nothing
}

TEST_CASE("Engine: the wait of a call can be left to another thread") {
  SharedDevice device;
  AtWork work(*device.engine);
  std::optional<Status> outcome = Status::internal;
  const auto create = [&](const std::string& id) {
    return device.engine->begin_call([&, id] {
      KeyEntryRequest request = key_request();
      request.id = id;
      outcome = status_of(work.issuer.create_key_entry(std::move(request)));
    });
  };
  std::unique_ptr<PendingCall> pending = create("A");
  CHECK(outcome == std::nullopt);
  REQUIRE(pending != nullptr);
  CHECK_FALSE(device.storage.is_durable());
  std::thread finisher([&] { CHECK(pending->finish()); });
  finisher.join();
  CHECK(device.storage.is_durable());

  // After it the thread waits as before.
  CHECK(device.engine->get_key_handle(work.issuer.handle(), "A"));
  CHECK(status_of(work.issuer.create_pin_policy(pin_policy_request())) == std::nullopt);
  CHECK(device.storage.is_durable());

  pending = create("B");
  CHECK(outcome == std::nullopt);
  REQUIRE(pending != nullptr);
  device.storage.fail_syncs(1);
  CHECK(status_of(pending->finish()) == Status::storage);
  CHECK(all_sessions(*device.engine, SessionState::open).empty());

  pending = create("C");
  CHECK(outcome == Status::no_session);
  CHECK(pending == nullptr);
}

TEST_CASE("Engine: what an aborted session left behind is erased durably, also by a call that shares its commit") {
  SharedDevice device;
  AtWork gone(*device.engine);
  AtWork work(*device.engine);
  device.storage.memory.fail_after(1);
  CHECK(device.engine->abort_provisioning_session(gone.issuer.handle()));
  const int shared = device.storage.shared_commits();
  CHECK(work.issuer.create_key_entry(key_request()));
  CHECK(device.storage.shared_commits() == shared);
  CHECK(work.issuer.create_pin_policy(pin_policy_request()));
  CHECK(device.storage.shared_commits() == shared + 1);
}

}  // namespace sks::test
