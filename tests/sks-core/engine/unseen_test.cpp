#include <doctest/doctest.h>

#include "sks-core/engine/unseen_calls.h"
#include "tests/sks-core/engine/device.h"
#include "tests/support/sharing_storage.h"

// Sessions that nobody is told of before they are closed: unseen_calls.h.
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
  /// As after a crash.
  void reopen() {
    engine.reset();
    engine = open();
  }
};

/// A session with a key under a PIN and a PUK, with an extension, which is ready to be closed.
struct UnseenSession {
  explicit UnseenSession(SecureKeyStore& store) : issuer(store) {
    const UnseenCalls calls;
    REQUIRE(issuer.open());
    const auto puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("99999")), 0, 3, {}});
    REQUIRE(puk);
    const auto policy = issuer.create_pin_policy(pin_policy_request(*puk));
    REQUIRE(policy);
    const auto made = issuer.create_key_entry(key_request(*policy, "1234"));
    REQUIRE(made);
    key = made->handle;
    REQUIRE(issuer.set_certificate_path(*made, "Key", {certify(made->public_key)}));
    REQUIRE(issuer.add_extension(key, {"https://example.com/x", 0, "", to_bytes(as_bytes("data")), {}}));
  }
  TestIssuer issuer;
  KeyHandle key;
};

bool is_whole(SecureKeyStore& store, KeyHandle key) {
  const auto extension = store.get_extension(key, "https://example.com/x");
  return try_to_sign(store, key, with_pin("1234")) == std::nullopt &&
         try_to_sign(store, key, with_pin("0000")) == Status::authorization && extension &&
         store.unlock_key(key, secret("99999"));
}

}  // namespace

TEST_CASE("Engine: an unseen session comes to the storage in one commit, when it is closed") {
  SharedDevice device;
  const std::size_t commits = device.storage.memory.commit_count();
  UnseenSession session(*device.engine);
  CHECK(device.storage.memory.commit_count() == commits);
  CHECK(device.storage.syncs() == 0);
  CHECK(session.issuer.close());
  CHECK(device.storage.memory.commit_count() == commits + 1);
  CHECK(device.storage.syncs() == 1);
  CHECK(is_whole(*device.engine, session.key));
  device.reopen();
  CHECK(is_whole(*device.engine, session.key));
}

TEST_CASE("Engine: a crash takes an unseen session as a whole, and leaves what others did meanwhile") {
  SharedDevice device;
  const KeyHandle before = provision_plain_key(*device.engine);
  UnseenSession session(*device.engine);
  const PinKey meanwhile = provision_pin_key(*device.engine);
  CHECK(try_to_sign(*device.engine, meanwhile.key, with_pin("0000")) == Status::authorization);
  CHECK(device.engine->delete_key(before, {}));
  device.reopen();
  CHECK(all_keys(*device.engine) == std::vector{meanwhile.key});
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
  CHECK(pin_errors(*device.engine, meanwhile.key) == 1);
}

TEST_CASE("Engine: an unseen session that somebody gets to see is in the storage from then on") {
  SharedDevice device;
  UnseenSession session(*device.engine);
  SUBCASE("by a list of the open sessions") {
    CHECK(all_sessions(*device.engine, SessionState::open) == std::vector{session.issuer.handle()});
  }
  SUBCASE("by a look for its key") {
    CHECK(device.engine->get_key_handle(session.issuer.handle(), "Key").value() == session.key);
  }
  SUBCASE("by a call that is not unseen") {
    PinPolicyRequest policy = pin_policy_request();
    policy.id = "PIN2";
    CHECK(session.issuer.create_pin_policy(std::move(policy)));
  }
  CHECK(device.storage.is_durable());
  // Further unseen calls are only as late as calls that share a sync.
  const UnseenCalls calls;
  KeyEntryRequest request = key_request();
  request.id = "Second";
  CHECK(session.issuer.create_key_entry(std::move(request)));
  CHECK_FALSE(device.storage.is_durable());
  device.reopen();
  CHECK(all_sessions(*device.engine, SessionState::open) == std::vector{session.issuer.handle()});
  CHECK(device.engine->get_key_handle(session.issuer.handle(), "Key").value() == session.key);
}

TEST_CASE("Engine: aborting an unseen session needs no storage") {
  SharedDevice device;
  UnseenSession session(*device.engine);
  device.storage.memory.fail_after(1);
  CHECK(device.engine->abort_provisioning_session(session.issuer.handle()));
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
  CHECK(status_of(device.engine->update_firmware({})) == Status::not_allowed);
  device.storage.memory.fail_after(0);
  device.reopen();
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
}

TEST_CASE("Engine: the close of an unseen session fails at any write, and leaves nothing") {
  for (int n = 1;; ++n) {
    CAPTURE(n);
    SharedDevice device;
    const KeyHandle other = provision_plain_key(*device.engine);
    UnseenSession session(*device.engine);
    device.storage.memory.fail_after(n);
    const Result<void> closed = session.issuer.close();
    device.storage.memory.fail_after(0);
    if (closed) {
      CHECK(n > 10);  // records, pages, counters
      break;
    }
    CHECK(closed.error().status == Status::storage);
    CHECK(all_keys(*device.engine) == std::vector{other});
    CHECK(all_sessions(*device.engine, SessionState::open).empty());
    CHECK(try_to_sign(*device.engine, other, {}) == std::nullopt);
    const PinKey next = provision_pin_key(*device.engine);
    device.reopen();
    CHECK(all_keys(*device.engine) == std::vector{other, next.key});
  }
}

TEST_CASE("Engine: an unseen session that could not be written for somebody to see it goes on unseen") {
  for (int n = 1;; ++n) {
    CAPTURE(n);
    SharedDevice device;
    const KeyHandle other = provision_plain_key(*device.engine);
    UnseenSession session(*device.engine);
    device.storage.memory.fail_after(n);
    const auto seen = device.engine->enumerate_provisioning_sessions({}, SessionState::open);
    device.storage.memory.fail_after(0);
    if (seen) {
      CHECK(n > 10);  // records, pages, counters
      break;
    }
    CHECK(seen.error().status == Status::storage);
    std::vector<KeyHandle> keys{other};
    switch (n % 3) {
      case 0:  // it is closed
        CHECK(session.issuer.close());
        keys.push_back(session.key);
        break;
      case 1:  // others go on, and it is closed
        CHECK(device.engine->delete_key(other, {}));
        CHECK(session.issuer.close());
        keys = {session.key};
        break;
      default:  // it is aborted
        CHECK(device.engine->abort_provisioning_session(session.issuer.handle()));
    }
    CHECK(all_keys(*device.engine) == keys);
    device.reopen();
    CHECK(all_keys(*device.engine) == keys);
    CHECK(all_sessions(*device.engine, SessionState::open).empty());
    if (n % 3 != 2) CHECK(is_whole(*device.engine, session.key));
  }
}

TEST_CASE("Engine: handles of an aborted unseen session are not given out again by this engine") {
  SharedDevice device;
  ProvisioningHandle session;
  KeyHandle key;
  {
    UnseenSession unseen(*device.engine);
    session = unseen.issuer.handle();
    key = unseen.key;
    CHECK(device.engine->abort_provisioning_session(session));
  }
  const PinKey next = provision_pin_key(*device.engine);
  CHECK(next.key > key);
  CHECK(next.session > session);
  device.reopen();
  CHECK(provision_plain_key(*device.engine) > next.key);
}

TEST_CASE("Engine: unseen sessions take a bounded part of the memory") {
  SharedDevice device;
  TestIssuer issuer(*device.engine);
  const UnseenCalls calls;
  REQUIRE(issuer.open());
  const std::size_t commits = device.storage.memory.commit_count();
  const Bytes data(60000, 7);
  const auto made = issuer.create_key_entry(key_request());
  REQUIRE(made);
  REQUIRE(issuer.set_certificate_path(*made, "Key", {certify(made->public_key)}));
  int extensions = 0;
  while (device.storage.memory.commit_count() == commits && extensions < 100) {
    const std::string type = "https://example.com/" + std::to_string(++extensions);
    REQUIRE(issuer.add_extension(made->handle, {type, 0, "", data, {}}));
  }
  CHECK(extensions > 10);
  CHECK(extensions < 20);  // 1 MiB
}

}  // namespace sks::test
