#include <doctest/doctest.h>

#include <algorithm>

#include "tests/sks-core/engine/managed_keys.h"
#include "tests/sks-core/engine/storage_sweep.h"

// closeProvisioningSession: the order of its checks, the certificates that operations set free, and commits that fail.
// Spec: spec/sks-api.md 1.5, 4.3 and 7.4.
namespace sks::test {
namespace {

const Bytes kNonce(32, 0x11);
const Bytes kWrongMac(32, 0x5A);

Result<void> close_with(SecureKeyStore& store, const TestIssuer& issuer, ByteView nonce, ByteView mac) {
  const Result<Bytes> closed = store.close_provisioning_session(issuer.handle(), nonce, mac);
  if (closed) return {};
  return closed.error();
}

crypto::PrivateKey p256() { return generate_key(kSks + "ec.nist.p256"); }
crypto::PrivateKey copy_of(const crypto::PrivateKey& key) {
  return crypto::PrivateKey::from_pkcs8(key.to_pkcs8()->view()).value();
}

// What is wrong with a key when close looks at it.
struct KeyFault {
  const char* key_algorithm = "ec.nist.p256";
  const char* certified = nullptr;  ///< another key than the generated one
  bool without_certificate = false;
  std::string endorsed = {};
};

CreatedKey add_faulty(TestIssuer& issuer, const std::string& id, const KeyFault& fault) {
  KeyEntryRequest request = key_request();
  request.id = id;
  request.key_algorithm = kSks + fault.key_algorithm;
  if (!fault.endorsed.empty()) request.endorsed_algorithms = {fault.endorsed};
  CreatedKey key = issuer.create_key_entry(std::move(request)).value();
  if (fault.without_certificate) return key;
  const Bytes spki =
      fault.certified == nullptr ? key.public_key : generate_key(kSks + fault.certified).public_key().spki();
  REQUIRE(issuer.set_certificate_path(key, id, {certify(spki)}));
  return key;
}

// A key with this certificate, of which `pair` is the key pair.
KeyHandle add_certified_as(Device& device, TestIssuer& issuer, const crypto::PrivateKey& pair, const Bytes& certificate,
                           const std::string& id, const std::string& endorsed = "") {
  device.keys.queue(copy_of(pair));
  KeyEntryRequest request = key_request();
  request.id = id;
  if (!endorsed.empty()) request.endorsed_algorithms = {endorsed};
  const CreatedKey key = issuer.create_key_entry(std::move(request)).value();
  REQUIRE(issuer.set_certificate_path(key, id, {certificate}));
  return key.handle;
}

// A closed session whose keys have certificates for one known key pair.
struct Twin {
  Owner owner;
  crypto::PrivateKey pair;
};

Twin provision_twin(Device& device, int keys = 1) {
  Twin twin{{p256(), {}, {}}, p256()};
  TestIssuer issuer = open_issuer(device, {.kmk = &twin.owner.kmk});
  twin.owner.session = issuer.handle();
  for (int i = 0; i < keys; ++i) {
    const Bytes certificate = certify(twin.pair.public_key().spki());
    const KeyHandle key = add_certified_as(device, issuer, twin.pair, certificate, "Key-" + std::to_string(i));
    twin.owner.keys.push_back({key, certificate});
  }
  REQUIRE(issuer.close());
  return twin;
}

}  // namespace

TEST_CASE("closeProvisioningSession: each step comes before the next, and every failure aborts") {
  struct Case {
    const char* name;
    Status status;
    const char* word;
    std::function<Result<void>(Device&, TestIssuer&)> run;
    std::uint16_t session_key_limit = 1000;
  };
  // The violations of the steps from 4 on; each case adds those of its own step and of all later ones.
  const auto add_unreferenced = [](TestIssuer& i) { REQUIRE(i.create_pin_policy(pin_policy_request())); };
  const auto add_lost_target = [](Device& d, TestIssuer& i) {
    const Owner owner = provision_owner(d);
    REQUIRE(i.post_delete_key(aim_at(i, owner)));
    REQUIRE(d.engine->delete_key(owner.key().handle, {}));
  };
  const std::vector<Case> cases{
      {"1+: nonce length before the operation", Status::option, "nonce",
       [](Device& d, TestIssuer& i) { return close_with(*d.engine, i, Bytes(33), kWrongMac); }, 0},
      {"2: no operation left for the MAC", Status::option, "sessionKeyLimit",
       [](Device& d, TestIssuer& i) { return close_with(*d.engine, i, kNonce, kWrongMac); }, 0},
      {"2: wrong MAC", Status::mac, "MAC mismatch",
       [&](Device& d, TestIssuer& i) {
         add_unreferenced(i);
         return close_with(*d.engine, i, kNonce, kWrongMac);
       },
       2},
      {"3: no operation left for the attestation", Status::option, "sessionKeyLimit",
       [&](Device&, TestIssuer& i) {
         add_unreferenced(i);
         return i.close();
       },
       2},
      {"4: unreferenced id", Status::option, "never referenced",
       [&](Device& d, TestIssuer& i) {
         add_lost_target(d, i);
         add_unreferenced(i);
         add_faulty(i, "A", {.without_certificate = true});
         return i.close();
       }},
      {"5a: certificate path", Status::option, "Certificate path missing: B",
       [&](Device& d, TestIssuer& i) {
         add_lost_target(d, i);
         add_faulty(i, "B", {.without_certificate = true, .endorsed = kRsaSha256});
         add_faulty(i, "A", {.certified = "rsa1024"});
         return i.close();
       }},
      {"5b: RSA certificate of an EC key", Status::option, "Key pair mismatch: B",
       [&](Device& d, TestIssuer& i) {
         add_lost_target(d, i);
         add_faulty(i, "B", {.certified = "rsa1024", .endorsed = kEcdsaSha256});
         add_faulty(i, "A", {.without_certificate = true});
         return i.close();
       }},
      {"5c: EC certificate of an Ed25519 key", Status::crypto, "Key pair mismatch: B",
       [&](Device& d, TestIssuer& i) {
         add_lost_target(d, i);
         add_faulty(i, "B", {.key_algorithm = "ed25519", .certified = "ec.nist.p256", .endorsed = kRsaSha256});
         add_faulty(i, "A", {.without_certificate = true});
         return i.close();
       }},
      {"5c: certificate of another key", Status::option, "Key pair mismatch: B",
       [&](Device& d, TestIssuer& i) {
         add_lost_target(d, i);
         add_faulty(i, "B", {.certified = "ec.nist.p256", .endorsed = kRsaSha256});
         return i.close();
       }},
      {"5d: certificate in use", Status::option, "Certificate already in use: B",
       [&](Device& d, TestIssuer& i) {
         const Twin twin = provision_twin(d);
         add_lost_target(d, i);
         add_certified_as(d, i, twin.pair, twin.owner.key().certificate, "B", kRsaSha256);
         add_faulty(i, "A", {.without_certificate = true});
         return i.close();
       }},
      {"5e: endorsed algorithm", Status::option, "Key B does not fit",
       [&](Device& d, TestIssuer& i) {
         add_lost_target(d, i);
         add_faulty(i, "B", {.endorsed = kRsaSha256});
         add_faulty(i, "A", {.without_certificate = true});
         return i.close();
       }},
      {"5: a key that is fine does not end the checks", Status::option, "Certificate path missing: A",
       [&](Device& d, TestIssuer& i) {
         add_lost_target(d, i);
         add_faulty(i, "B", {});
         add_faulty(i, "A", {.without_certificate = true});
         return i.close();
       }},
      {"6: lost target", Status::no_key, "Unknown key",
       [&](Device& d, TestIssuer& i) {
         add_lost_target(d, i);
         return i.close();
       }},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    ManagedDevice device;
    const Owner bystander = provision_owner(device);
    TestIssuer issuer = open_issuer(device, {.session_key_limit = c.session_key_limit});
    const Result<void> closed = c.run(device, issuer);
    REQUIRE_FALSE(static_cast<bool>(closed));
    CHECK(closed.error().status == c.status);
    CAPTURE(closed.error().detail);
    CHECK(closed.error().detail.find(c.word) != std::string::npos);
    CHECK(all_sessions(*device.engine, SessionState::open).empty());
    CHECK(status_of(issuer.close()) == Status::no_session);
    CHECK(owner_of(*device.engine, bystander.key().handle) == bystander.session);
  }
}

TEST_CASE("closeProvisioningSession: step 6 looks at the targets in the order of recording") {
  for (const bool deleted_first : {true, false}) {
    CAPTURE(deleted_first);
    ManagedDevice device;
    const Owner deleted = provision_owner(device);
    const Owner orphaned = provision_owner(device);
    TestIssuer issuer = open_issuer(device);
    REQUIRE(issuer.post_delete_key(aim_at(issuer, deleted_first ? deleted : orphaned)));
    REQUIRE(issuer.post_delete_key(aim_at(issuer, deleted_first ? orphaned : deleted)));
    REQUIRE(device.engine->delete_key(deleted.key().handle, {}));
    TestIssuer absorbing = open_issuer(device);
    REQUIRE(absorbing.post_unlock_key(aim_at(absorbing, orphaned)));
    REQUIRE(absorbing.close());
    CHECK(status_of(issuer.close()) == (deleted_first ? Status::no_key : Status::option));
    CHECK(all_keys(*device.engine) == std::vector{orphaned.key().handle});
  }
}

TEST_CASE(
    "closeProvisioningSession: a certificate is free for a new key when this session updates or deletes its owner") {
  enum class Operation { update, remove, clone, unlock, update_and_clone, activate, none };
  struct Case {
    const char* name;
    Operation operation;
    std::optional<Status> status;
  };
  const std::vector<Case> cases{
      {"update by the new key", Operation::update, std::nullopt},
      {"delete", Operation::remove, std::nullopt},
      {"clone, while another key updates the target", Operation::update_and_clone, std::nullopt},
      {"clone", Operation::clone, Status::option},
      {"unlock", Operation::unlock, Status::option},
      {"activate", Operation::activate, Status::option},
      {"no operation at all", Operation::none, Status::option},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    ManagedDevice device;
    const Twin twin = provision_twin(device);
    const Owner& owner = twin.owner;
    TestIssuer issuer = open_issuer(device);
    const KeyHandle key = add_certified_as(device, issuer, twin.pair, owner.key().certificate, "New");
    if (c.operation == Operation::update) REQUIRE(issuer.post_update_key(key, aim_at(issuer, owner)));
    if (c.operation == Operation::remove) REQUIRE(issuer.post_delete_key(aim_at(issuer, owner)));
    if (c.operation == Operation::unlock) CHECK_FALSE(issuer.post_unlock_key(aim_at(issuer, owner)));
    if (c.operation == Operation::activate)
      REQUIRE(issuer.activate(owner.key().handle, aim_at(issuer, owner).authorization));
    if (c.operation == Operation::clone || c.operation == Operation::update_and_clone)
      REQUIRE(issuer.post_clone_key_protection(key, aim_at(issuer, owner)));
    if (c.operation == Operation::update_and_clone)
      REQUIRE(issuer.post_update_key(add_key(issuer, "Other").handle, aim_at(issuer, owner)));
    // A target without PIN cannot be unlocked: that has aborted the session already.
    CHECK(status_of(issuer.close()) ==
          (c.operation == Operation::unlock ? std::optional(Status::no_session) : c.status));
    device.restart();
    CHECK(all_sessions(*device.engine, SessionState::closed).size() == 1);
  }
}

TEST_CASE("closeProvisioningSession: an unlocked target keeps its certificate to itself") {
  ManagedDevice device;
  const crypto::PrivateKey kmk = p256();
  const crypto::PrivateKey pair = p256();
  TestIssuer first = open_issuer(device, {.kmk = &kmk});
  const PinPolicyHandle policy = first.create_pin_policy(pin_policy_request()).value();
  device.keys.queue(copy_of(pair));
  const ManagedKey target{first.create_certified_key(key_request(policy, "1234")).value().handle, {}};
  REQUIRE(first.close());
  const Bytes certificate = first.end_entity(target.handle);
  TestIssuer second = open_issuer(device);
  add_certified_as(device, second, pair, certificate, "New");
  REQUIRE(second.post_unlock_key({target.handle, second.target_authorization(kmk, certificate), {}}));
  CHECK(status_of(second.close()) == Status::option);
}

TEST_CASE("closeProvisioningSession: only the session's own operations and targets free a certificate") {
  ManagedDevice device;
  const Twin twin = provision_twin(device, 2);
  TestIssuer other = open_issuer(device);
  REQUIRE(other.post_delete_key(aim_at(other, twin.owner)));
  TestIssuer issuer = open_issuer(device);
  const KeyHandle key = add_certified_as(device, issuer, twin.pair, twin.owner.key().certificate, "New");
  SUBCASE("the owner of the certificate is the target of another session") {}
  SUBCASE("another key is the target") {
    REQUIRE(issuer.post_update_key(key, aim_at(issuer, twin.owner, twin.owner.keys.at(1))));
  }
  SUBCASE("two new keys have the certificate of the target") {
    REQUIRE(issuer.post_update_key(key, aim_at(issuer, twin.owner)));
    add_certified_as(device, issuer, twin.pair, twin.owner.key().certificate, "Second");
  }
  CHECK(status_of(issuer.close()) == Status::option);
  CHECK(other.close());
}

TEST_CASE("closeProvisioningSession: leaves nothing of the session key behind") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  TestIssuer issuer = open_issuer(device);
  REQUIRE(issuer.post_update_key(add_key(issuer).handle, aim_at(issuer, owner)));
  const ByteView session_key = issuer.session_key().view();
  const auto records_with_it = [&] {
    int found = 0;
    const auto transaction = device.storage.begin().value();
    for (int kind = 1; kind <= 9; ++kind) {
      const auto look = [&](std::uint32_t, ByteView record) -> Result<void> {
        if (std::search(record.begin(), record.end(), session_key.begin(), session_key.end()) != record.end()) ++found;
        return {};
      };
      REQUIRE(transaction->scan(static_cast<RecordKind>(kind), look));
    }
    return found;
  };
  CHECK(records_with_it() == 1);
  REQUIRE(issuer.close());
  CHECK(records_with_it() == 0);
}

namespace {

// A close with an operation of every kind, and what was there before it.
struct BigClose {
  Owner owner;
  Bytes extended;  ///< certificate of the updated key, which had an extension
  std::unique_ptr<TestIssuer> issuer;
  std::vector<KeyHandle> old_keys;
  std::size_t records = 0;  ///< without the session
};

constexpr const char* kType = "https://example.com/extension";

ExtensionRequest extension(std::string_view data) {
  ExtensionRequest request;
  request.type = kType;
  request.data = to_bytes(as_bytes(data));
  return request;
}

BigClose prepare_big_close(Device& device) {
  BigClose big{provision_owner(device, {.keys = 4}), {}, nullptr, {}, 0};
  const crypto::PrivateKey& kmk = big.owner.kmk;
  TestIssuer extended = open_issuer(device, {.kmk = &kmk});
  const ManagedKey with_extension = add_key(extended);
  REQUIRE(extended.add_extension(with_extension.handle, extension("old")));
  REQUIRE(extended.close());
  big.extended = with_extension.certificate;
  big.owner.keys.push_back(with_extension);
  enter_wrong_pins(*device.engine, big.owner.key().handle, 3);
  big.old_keys = all_keys(*device.engine);
  // Aborting a session erases all of it, so this is what an abort must come back to.
  big.records = device.storage.memory.record_count();

  big.issuer = std::make_unique<TestIssuer>(open_issuer(device));
  TestIssuer& issuer = *big.issuer;
  const auto aim = [&](std::size_t i) { return aim_at(issuer, big.owner, big.owner.keys.at(i)); };
  const ManagedKey update = add_key(issuer, "New-1");
  REQUIRE(issuer.add_extension(update.handle, extension("new")));
  REQUIRE(issuer.post_unlock_key(aim(0)));
  REQUIRE(issuer.post_update_key(update.handle, aim(4)));
  REQUIRE(issuer.post_update_key(add_key(issuer, "New-2").handle, aim(1)));
  REQUIRE(issuer.post_clone_key_protection(add_key(issuer, "New-3").handle, aim(0)));
  REQUIRE(issuer.post_delete_key(aim(2)));
  REQUIRE(issuer.deactivate(big.owner.keys.at(3).handle, aim(3).authorization));
  return big;
}

void check_nothing_happened(Device& device, BigClose& big) {
  SecureKeyStore& store = *device.engine;
  CHECK(all_sessions(store, SessionState::open).empty());
  CHECK(all_keys(store) == big.old_keys);
  for (std::size_t i = 0; i < 4; ++i) {
    const KeyHandle key = big.owner.keys.at(i).handle;
    CHECK(owner_of(store, key) == big.owner.session);
    const KeyProtectionInfo info = store.get_key_protection_info(key).value();
    CHECK(info.pin_error_count == 3);
    CHECK((info.protection_status & kSuspended) == 0);
    CHECK(store.get_key_attributes(key)->certificate_path.front() == big.owner.keys.at(i).certificate);
  }
  const KeyHandle extended = big.owner.keys.at(4).handle;
  CHECK(equal(store.get_extension(extended, kType)->data.view(), as_bytes("old")));
  CHECK(signs_as(store, extended, big.extended, ""));
}

// The old secrets are still there: PIN and errors permitting, every key works.
void check_usable(Device& device, const BigClose& big) {
  SecureKeyStore& store = *device.engine;
  CHECK(store.unlock_key(big.owner.key().handle, secret("99999")));
  for (std::size_t i = 0; i < 4; ++i)
    CHECK(signs_as(store, big.owner.keys.at(i).handle, big.owner.keys.at(i).certificate));
}

}  // namespace

TEST_CASE("closeProvisioningSession: is one commit, however much it does") {
  ManagedDevice device;
  BigClose big = prepare_big_close(device);
  const std::size_t commits = device.storage.memory.commit_count();
  REQUIRE(big.issuer->close());
  CHECK(device.storage.memory.commit_count() == commits + 1);
  device.restart();
  CHECK(all_keys(*device.engine).size() == big.old_keys.size());  // one more by the clone, one less by the delete
  CHECK(all_sessions(*device.engine, SessionState::closed) == std::vector{big.issuer->handle()});
}

TEST_CASE("storage failure: a close with operations does all or nothing, wherever the storage fails") {
  sweep<BigClose>(
      prepare_big_close, [](Device&, BigClose& big) { return status_of(big.issuer->close()); },
      [](Device& device, BigClose& big) {
        check_nothing_happened(device, big);
        CHECK(device.storage.memory.record_count() == big.records);
      });
}

TEST_CASE("storage failure: a close that is reported as failed has not happened, even when the storage did it") {
  for (const MoodyStorage::Mood mood :
       {MoodyStorage::Mood::refuses, MoodyStorage::Mood::lies, MoodyStorage::Mood::lies_once_then_refuses}) {
    for (const bool cold : {false, true}) {
      CAPTURE(static_cast<int>(mood));
      CAPTURE(cold);
      ManagedDevice device;
      BigClose big = prepare_big_close(device);
      // After a restart no object and no secret is in a cache.
      if (cold) {
        device.restart();
        big.issuer->use(*device.engine);
      }
      device.storage.mood = mood;
      CHECK(status_of(big.issuer->close()) == Status::storage);
      check_nothing_happened(device, big);
      device.storage.mood = MoodyStorage::Mood::good;
      const KeyHandle next = provision_plain_key(*device.engine);
      big.old_keys.push_back(next);
      check_nothing_happened(device, big);
      device.restart();
      check_nothing_happened(device, big);
      check_usable(device, big);
    }
  }
}

TEST_CASE("storage failure: every recording of an operation aborts the session and leaves no trace") {
  for (int method = 0; method < 6; ++method) {
    CAPTURE(method);
    struct State {
      Owner owner;
      std::size_t records;
      std::unique_ptr<TestIssuer> issuer;
      KeyHandle key;
    };
    sweep<State>(
        [](Device& device) {
          State state{provision_owner(device), 0, nullptr, {}};
          state.records = device.storage.memory.record_count();
          state.issuer = std::make_unique<TestIssuer>(open_issuer(device));
          state.key = add_key(*state.issuer).handle;
          return state;
        },
        [method](Device&, State& state) -> std::optional<Status> {
          TestIssuer& issuer = *state.issuer;
          TargetAuthorization aim = aim_at(issuer, state.owner);
          switch (method) {
            case 0:
              return status_of(issuer.post_delete_key(std::move(aim)));
            case 1:
              return status_of(issuer.post_unlock_key(std::move(aim)));
            case 2:
              return status_of(issuer.post_update_key(state.key, std::move(aim)));
            case 3:
              return status_of(issuer.post_clone_key_protection(state.key, std::move(aim)));
            case 4:
              return status_of(issuer.activate(aim.target, aim.authorization));
            default:
              return status_of(issuer.deactivate(aim.target, aim.authorization));
          }
        },
        [](Device& device, State& state) {
          CHECK(all_sessions(*device.engine, SessionState::open).empty());
          CHECK(all_keys(*device.engine) == std::vector{state.owner.key().handle});
          CHECK(device.storage.memory.record_count() == state.records);
        });
  }
}

TEST_CASE("storage failure: updateKeyManagementKey replaces the key or leaves it") {
  sweep<Owner>([](Device& device) { return provision_owner(device); },
               [](Device& device, Owner& owner) {
                 const Bytes next = p256().public_key().spki();
                 return status_of(device.engine->update_key_management_key(owner.session, next,
                                                                           roll_over_authorization(owner.kmk, next)));
               },
               [](Device& device, Owner& owner) {
                 TestIssuer issuer = open_issuer(device);
                 CHECK(issuer.post_unlock_key(aim_at(issuer, owner)));
                 CHECK(device.engine->abort_provisioning_session(issuer.handle()));
               });
}

}  // namespace sks::test
