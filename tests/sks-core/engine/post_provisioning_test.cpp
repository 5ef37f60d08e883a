#include <doctest/doctest.h>

#include <algorithm>

#include "sks-core/base/encoding.h"
#include "tests/sks-core/engine/managed_keys.h"

// What close does with recorded operations: spec/sks-api.md 1.4 and 7.5 to 7.8.
namespace sks::test {
namespace {

constexpr const char* kOldType = "https://example.com/old";
constexpr const char* kNewType = "https://example.com/new";

ExtensionRequest extension(const char* type, std::string_view data) {
  ExtensionRequest request;
  request.type = type;
  request.data = to_bytes(as_bytes(data));
  return request;
}

std::optional<Status> pin_status(SecureKeyStore& store, const ManagedKey& key, std::string_view pin = "1234") {
  return try_to_sign(store, key.handle, with_pin(pin));
}

// The only closed session.
SessionInfo closed_session(SecureKeyStore& store) {
  REQUIRE(all_sessions(store, SessionState::closed).size() == 1);
  return store.enumerate_provisioning_sessions({}, SessionState::closed).value().value();
}

std::vector<KeyHandle> sorted(std::vector<KeyHandle> keys) {
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace

TEST_CASE("postDeleteKey: close removes the key, and its policies and sessions with the last one") {
  ManagedDevice device;
  const std::size_t records = device.storage.memory.record_count();
  const Owner owner = provision_owner(device, {.keys = 2});
  TestIssuer first = open_issuer(device, {.kmk = &owner.kmk});
  REQUIRE(first.post_delete_key(aim_at(first, owner, owner.keys.at(0))));
  REQUIRE(first.close());
  CHECK(all_keys(*device.engine) == std::vector{owner.keys.at(1).handle});
  CHECK(status_of(device.engine->get_key_attributes(owner.keys.at(0).handle)) == Status::no_key);
  CHECK(owner_of(*device.engine, owner.keys.at(1).handle) == first.handle());
  CHECK(pin_status(*device.engine, owner.keys.at(1)) == std::nullopt);
  CHECK(device.engine->set_pin(owner.keys.at(1).handle, secret("99999"), secret("5678")));

  TestIssuer second = open_issuer(device);
  REQUIRE(second.post_delete_key(aim_at(second, owner, owner.keys.at(1))));
  REQUIRE(second.close());
  CHECK(all_keys(*device.engine).empty());
  CHECK(all_sessions(*device.engine, SessionState::closed).empty());
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
  CHECK(device.storage.memory.record_count() == records + 1);  // the counters
  device.restart();
  CHECK(all_sessions(*device.engine, SessionState::closed).empty());
}

TEST_CASE("postDeleteKey: deleteProtection does not matter") {
  ManagedDevice device;
  const crypto::PrivateKey kmk = generate_key(kSks + "ec.nist.p256");
  TestIssuer issuer = open_issuer(device, {.kmk = &kmk});
  KeyEntryRequest request = key_request();
  request.delete_protection = 3;
  const KeyHandle key = issuer.create_certified_key(std::move(request)).value().handle;
  REQUIRE(issuer.close());
  CHECK(status_of(device.engine->delete_key(key, {})) == Status::not_allowed);
  TestIssuer next = open_issuer(device);
  REQUIRE(next.post_delete_key({key, next.target_authorization(kmk, issuer.end_entity(key)), {}}));
  REQUIRE(next.close());
  CHECK(all_keys(*device.engine).empty());
}

TEST_CASE("postUnlockKey: close clears the PIN errors of the whole group and the PUK errors of the policy") {
  for (std::uint8_t grouping = 0; grouping < 4; ++grouping) {
    CAPTURE(static_cast<int>(grouping));
    ManagedDevice device;
    const Owner owner = provision_owner(device, {.keys = 2, .grouping = grouping});
    for (const ManagedKey& key : owner.keys)
      if (pin_errors(*device.engine, key.handle) == 0) enter_wrong_pins(*device.engine, key.handle, 3);
    enter_wrong_puks(*device.engine, owner.key().handle, 3);
    CHECK(status_of(device.engine->unlock_key(owner.key().handle, secret("99999"))) == Status::authorization);
    TestIssuer issuer = open_issuer(device);
    REQUIRE(issuer.post_unlock_key(aim_at(issuer, owner)));
    CHECK(pin_status(*device.engine, owner.key()) == Status::authorization);
    REQUIRE(issuer.close());
    CHECK(pin_errors(*device.engine, owner.keys.at(0).handle) == 0);
    CHECK(pin_errors(*device.engine, owner.keys.at(1).handle) == (grouping == 0 ? 3 : 0));
    CHECK(puk_errors(*device.engine, owner.key().handle) == 0);
    CHECK(pin_status(*device.engine, owner.key()) == std::nullopt);
    CHECK(device.engine->unlock_key(owner.keys.at(1).handle, secret("99999")));
  }
}

TEST_CASE("postUnlockKey: works without a PUK policy, and after a right PIN") {
  ManagedDevice device;
  const crypto::PrivateKey kmk = generate_key(kSks + "ec.nist.p256");
  TestIssuer issuer = open_issuer(device, {.kmk = &kmk});
  const PinPolicyHandle policy = issuer.create_pin_policy(pin_policy_request()).value();
  const KeyHandle key = issuer.create_certified_key(key_request(policy, "1234")).value().handle;
  REQUIRE(issuer.close());
  const Bytes certificate = issuer.end_entity(key);
  enter_wrong_pins(*device.engine, key, 1);
  CHECK(try_to_sign(*device.engine, key, with_pin("1234")) == std::nullopt);
  TestIssuer next = open_issuer(device);
  REQUIRE(next.post_unlock_key({key, next.target_authorization(kmk, certificate), {}}));
  REQUIRE(next.close());
  CHECK(pin_errors(*device.engine, key) == 0);
  enter_wrong_pins(*device.engine, key, 2);
  CHECK(pin_errors(*device.engine, key) == 2);
  device.restart();
  CHECK(pin_errors(*device.engine, key) == 2);
}

TEST_CASE("postCloneKeyProtection: the new key joins the PIN group of the target and keeps all else") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  const ManagedKey& target = owner.key();
  enter_wrong_pins(*device.engine, target.handle, 1);
  TestIssuer issuer = open_issuer(device);
  const ManagedKey clone = add_key(issuer, "New", 2);
  REQUIRE(issuer.add_extension(clone.handle, extension(kNewType, "new")));
  REQUIRE(issuer.post_clone_key_protection(clone.handle, aim_at(issuer, owner)));
  enter_wrong_pins(*device.engine, target.handle, 1);
  REQUIRE(issuer.close());
  SecureKeyStore& store = *device.engine;
  CHECK(all_keys(store) == sorted({target.handle, clone.handle}));

  // The current error count, and from now on one for both.
  CHECK(pin_errors(store, clone.handle) == 2);
  CHECK(pin_status(store, clone) == std::nullopt);
  CHECK(pin_errors(store, target.handle) == 0);
  enter_wrong_pins(store, clone.handle, 3);
  CHECK(pin_status(store, target) == Status::authorization);
  CHECK(store.unlock_key(clone.handle, secret("99999")));
  CHECK(store.change_pin(target.handle, secret("1234"), secret("5678")));
  CHECK(signs_as(store, clone.handle, clone.certificate, "5678"));
  CHECK(signs_as(store, target.handle, target.certificate, "5678"));
  CHECK(store.set_pin(clone.handle, secret("99999"), secret("2468")));
  CHECK(pin_status(store, target, "2468") == std::nullopt);

  const KeyAttributes attributes = store.get_key_attributes(clone.handle).value();
  CHECK(attributes.app_usage == 2);
  CHECK(attributes.certificate_path.front() == clone.certificate);
  CHECK(attributes.extension_types == std::vector<std::string>{kNewType});
  KeyProtectionInfo info = store.get_key_protection_info(clone.handle).value();
  CHECK(info.protection_status == (kPinProtected | kPukProtected));
  CHECK(info.grouping == 1);

  // The policy lives as long as one of them.
  CHECK(store.delete_key(target.handle, {}));
  CHECK(pin_status(store, clone, "2468") == std::nullopt);
  device.restart();
  CHECK(pin_status(*device.engine, clone, "2468") == std::nullopt);
}

TEST_CASE("postCloneKeyProtection, postUpdateKey: a target without PIN passes on none, the device PIN is passed on") {
  for (const PinKind pin : {PinKind::none, PinKind::device}) {
    for (const bool update : {false, true}) {
      CAPTURE(update);
      ManagedDevice device;
      const Owner owner = provision_owner(device, {.pin = pin});
      TestIssuer issuer = open_issuer(device);
      const ManagedKey key = add_key(issuer);
      const Result<void> posted = update ? issuer.post_update_key(key.handle, aim_at(issuer, owner))
                                         : issuer.post_clone_key_protection(key.handle, aim_at(issuer, owner));
      REQUIRE(posted);
      REQUIRE(issuer.close());
      const KeyHandle handle = update ? owner.key().handle : key.handle;
      CHECK(device.engine->get_key_protection_info(handle)->protection_status ==
            (pin == PinKind::device ? kDevicePin : 0));
      CHECK(signs_as(*device.engine, handle, key.certificate, pin == PinKind::device ? "1234" : ""));
      CHECK_FALSE(signs_as(*device.engine, handle, key.certificate, pin == PinKind::device ? "" : "1234"));
    }
  }
}

TEST_CASE("postUpdateKey: the new key takes the target's handle and PIN, and nothing else of it") {
  for (std::uint8_t grouping = 0; grouping < 4; ++grouping) {
    CAPTURE(static_cast<int>(grouping));
    ManagedDevice device;
    const Owner owner = provision_owner(device, {.keys = 2, .grouping = grouping});
    const ManagedKey& target = owner.key();
    const ManagedKey& sibling = owner.keys.at(1);
    // So that the key cache holds the old secret.
    CHECK(signs_as(*device.engine, target.handle, target.certificate));
    enter_wrong_pins(*device.engine, target.handle, 2);
    TestIssuer issuer = open_issuer(device);
    KeyEntryRequest request = key_request();
    request.id = "New";
    request.friendly_name = "New name";
    request.endorsed_algorithms = {kEcdsaSha256};
    request.delete_protection = 3;
    const KeyHandle own = issuer.create_certified_key(std::move(request)).value().handle;
    const ManagedKey updated{target.handle, issuer.end_entity(own)};
    REQUIRE(issuer.post_update_key(own, aim_at(issuer, owner)));
    REQUIRE(issuer.close());

    for (const bool restarted : {false, true}) {
      CAPTURE(restarted);
      SecureKeyStore& store = *device.engine;
      CHECK(all_keys(store) == sorted({target.handle, sibling.handle}));
      CHECK(status_of(store.get_key_attributes(own)) == Status::no_key);
      CHECK(owner_of(store, target.handle) == issuer.handle());
      CHECK(pin_errors(store, target.handle) == 2);
      CHECK(pin_errors(store, sibling.handle) == (grouping == 0 ? 0 : 2));
      const KeyAttributes attributes = store.get_key_attributes(target.handle).value();
      CHECK(attributes.certificate_path.front() == updated.certificate);
      CHECK(attributes.friendly_name == "New name");
      CHECK(attributes.endorsed_algorithms == std::vector<std::string>{kEcdsaSha256});
      CHECK(store.get_key_protection_info(target.handle)->delete_protection == 3);
      device.restart();
    }
    CHECK(signs_as(*device.engine, target.handle, updated.certificate));
    CHECK_FALSE(signs_as(*device.engine, target.handle, target.certificate));
    CHECK(signs_as(*device.engine, sibling.handle, sibling.certificate));
    // Linked, not copied.
    CHECK(device.engine->change_pin(target.handle, secret("1234"), secret("5678")));
    CHECK(pin_status(*device.engine, sibling, grouping == 0 ? "1234" : "5678") == std::nullopt);
  }
}

TEST_CASE("postUpdateKey: the running engine serves the new secret at once, and never gives the freed handle away") {
  ManagedDevice device;
  const Owner owner = provision_owner(device, {.pin = PinKind::none});
  CHECK(signs_as(*device.engine, owner.key().handle, owner.key().certificate, ""));
  TestIssuer issuer = open_issuer(device, {.kmk = &owner.kmk});
  const ManagedKey key = add_key(issuer);
  REQUIRE(issuer.post_update_key(key.handle, aim_at(issuer, owner)));
  REQUIRE(issuer.close());
  CHECK(signs_as(*device.engine, owner.key().handle, key.certificate, ""));
  device.restart();
  CHECK(provision_plain_key(*device.engine) > key.handle);
}

TEST_CASE("postUpdateKey: the new key's extensions move with it, those of the target are gone for good") {
  ManagedDevice device;
  const crypto::PrivateKey kmk = generate_key(kSks + "ec.nist.p256");
  const auto add = [](TestIssuer& issuer, const char* type, std::string_view data) {
    const ManagedKey key = add_key(issuer);
    REQUIRE(issuer.add_extension(key.handle, extension(type, data)));
    REQUIRE(issuer.add_extension(key.handle, extension("https://example.com/both", data)));
    return key;
  };
  TestIssuer first = open_issuer(device, {.kmk = &kmk});
  const ManagedKey old = add(first, kOldType, "old");
  REQUIRE(first.close());
  const std::size_t records = device.storage.memory.record_count();
  TestIssuer second = open_issuer(device, {.kmk = &kmk});
  const ManagedKey key = add(second, kNewType, "new");
  REQUIRE(second.post_update_key(key.handle, {old.handle, second.target_authorization(kmk, old.certificate), {}}));
  // After the post call the new key may still get more.
  REQUIRE(second.add_extension(key.handle, extension("https://example.com/late", "late")));
  REQUIRE(second.close());
  for (const bool restarted : {false, true}) {
    CAPTURE(restarted);
    SecureKeyStore& store = *device.engine;
    const std::vector<std::string> types{kNewType, "https://example.com/both", "https://example.com/late"};
    CHECK(store.get_key_attributes(old.handle)->extension_types == types);
    CHECK(status_of(store.get_extension(old.handle, kOldType)) == Status::option);
    CHECK(equal(store.get_extension(old.handle, kNewType)->data.view(), as_bytes("new")));
    CHECK(equal(store.get_extension(old.handle, "https://example.com/both")->data.view(), as_bytes("new")));
    CHECK(equal(store.get_extension(old.handle, "https://example.com/late")->data.view(), as_bytes("late")));
    device.restart();
  }
  CHECK(device.storage.memory.record_count() == records + 1);  // the third extension
  CHECK(device.engine->delete_key(old.handle, {}));
  CHECK(device.storage.memory.record_count() == 1);
}

TEST_CASE("postUpdateKey: a symmetric key may take the place of an EC key") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  CHECK(signs_as(*device.engine, owner.key().handle, owner.key().certificate));
  TestIssuer issuer = open_issuer(device);
  const ManagedKey key = add_key(issuer);
  REQUIRE(issuer.post_update_key(key.handle, aim_at(issuer, owner)));
  REQUIRE(issuer.import_symmetric_key(key.handle, issuer.encrypt(Bytes(20, 0x0B))));
  REQUIRE(issuer.close());
  CHECK(device.engine->get_key_attributes(owner.key().handle)->symmetric_key_length == 20);
  // RFC 4231, test case 1.
  const Result<Bytes> mac = device.engine->perform_hmac(owner.key().handle, kDsigMore + "hmac-sha256", {},
                                                        with_pin("1234"), as_bytes("Hi There"));
  REQUIRE(mac);
  CHECK(mac.value() == from_hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7").value());
  CHECK(pin_status(*device.engine, owner.key()) == Status::algorithm);
}

TEST_CASE("postUpdateKey: a symmetric key is replaced by another of the same length at once") {
  ManagedDevice device;
  const crypto::PrivateKey kmk = generate_key(kSks + "ec.nist.p256");
  const auto add = [](TestIssuer& issuer, std::uint8_t fill) {
    const ManagedKey key = add_key(issuer);
    REQUIRE(issuer.import_symmetric_key(key.handle, issuer.encrypt(Bytes(20, fill))));
    return key;
  };
  const auto mac_is = [&](KeyHandle key, std::string_view data, std::string_view expected) {
    return device.engine->perform_hmac(key, kDsigMore + "hmac-sha256", {}, with_pin(""), as_bytes(data)).value() ==
           from_hex(expected).value();
  };
  // RFC 4231, test case 1, and the same message under the key of test case 3: openssl dgst -sha256 -mac HMAC.
  const char* const under_0b = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
  const char* const under_aa = "8d2b67f5ef2861123b44abac34456ce09ff60d4ced892ee7891c7477f70e206a";
  TestIssuer first = open_issuer(device, {.kmk = &kmk});
  const ManagedKey old = add(first, 0x0B);
  REQUIRE(first.close());
  CHECK(mac_is(old.handle, "Hi There", under_0b));
  TestIssuer second = open_issuer(device);
  const ManagedKey key = add(second, 0xAA);
  REQUIRE(second.post_update_key(key.handle, {old.handle, second.target_authorization(kmk, old.certificate), {}}));
  CHECK(mac_is(old.handle, "Hi There", under_0b));
  REQUIRE(second.close());
  CHECK(mac_is(old.handle, "Hi There", under_aa));
}

TEST_CASE("postUpdateKey: an update and a clone of one key inherit from the old key, in either order") {
  for (const bool update_first : {true, false}) {
    CAPTURE(update_first);
    ManagedDevice device;
    const Owner owner = provision_owner(device);
    enter_wrong_pins(*device.engine, owner.key().handle, 1);
    TestIssuer issuer = open_issuer(device);
    const ManagedKey updated = add_key(issuer, "New-1");
    const ManagedKey cloned = add_key(issuer, "New-2", 3);
    if (!update_first) REQUIRE(issuer.post_clone_key_protection(cloned.handle, aim_at(issuer, owner)));
    REQUIRE(issuer.post_update_key(updated.handle, aim_at(issuer, owner)));
    if (update_first) REQUIRE(issuer.post_clone_key_protection(cloned.handle, aim_at(issuer, owner)));
    REQUIRE(issuer.close());
    CHECK(all_keys(*device.engine) == sorted({owner.key().handle, cloned.handle}));
    CHECK(pin_errors(*device.engine, owner.key().handle) == 1);
    CHECK(pin_errors(*device.engine, cloned.handle) == 1);
    CHECK(signs_as(*device.engine, owner.key().handle, updated.certificate));
    CHECK(signs_as(*device.engine, cloned.handle, cloned.certificate));
    enter_wrong_pins(*device.engine, cloned.handle, 3);
    CHECK(pin_status(*device.engine, owner.key()) == Status::authorization);
  }
}

TEST_CASE("postUpdateKey: with postUnlockKey of the same key the errors are cleared, in either order") {
  for (std::uint8_t grouping = 0; grouping < 4; ++grouping) {
    for (const bool update_first : {true, false}) {
      CAPTURE(static_cast<int>(grouping));
      CAPTURE(update_first);
      ManagedDevice device;
      const Owner owner = provision_owner(device, {.grouping = grouping});
      enter_wrong_pins(*device.engine, owner.key().handle, 3);
      enter_wrong_puks(*device.engine, owner.key().handle, 3);
      TestIssuer issuer = open_issuer(device);
      const ManagedKey updated = add_key(issuer);
      if (!update_first) REQUIRE(issuer.post_unlock_key(aim_at(issuer, owner)));
      REQUIRE(issuer.post_update_key(updated.handle, aim_at(issuer, owner)));
      if (update_first) REQUIRE(issuer.post_unlock_key(aim_at(issuer, owner)));
      REQUIRE(issuer.close());
      CHECK(pin_errors(*device.engine, owner.key().handle) == 0);
      CHECK(puk_errors(*device.engine, owner.key().handle) == 0);
      CHECK(signs_as(*device.engine, owner.key().handle, updated.certificate));
    }
  }
}

TEST_CASE("reassignment: all keys of every absorbed session follow, with their policies, and the sessions are gone") {
  ManagedDevice device;
  const Owner one = provision_owner(device, {.keys = 3, .grouping = 0});
  const Owner two = provision_owner(device, {.pin = PinKind::none, .keys = 2});
  const Owner bystander = provision_owner(device);
  TestIssuer issuer = open_issuer(device, {.kmk = &bystander.kmk});
  REQUIRE(issuer.post_unlock_key(aim_at(issuer, one, one.keys.at(1))));
  REQUIRE(issuer.post_delete_key(aim_at(issuer, two, two.keys.at(0))));
  REQUIRE(issuer.close());
  for (const bool restarted : {false, true}) {
    CAPTURE(restarted);
    SecureKeyStore& store = *device.engine;
    for (const ManagedKey& key : one.keys) {
      CHECK(owner_of(store, key.handle) == issuer.handle());
      CHECK(signs_as(store, key.handle, key.certificate));
      CHECK(store.unlock_key(key.handle, secret("99999")));
    }
    CHECK(owner_of(store, two.keys.at(1).handle) == issuer.handle());
    CHECK(owner_of(store, bystander.key().handle) == bystander.session);
    CHECK(all_sessions(store, SessionState::closed) == std::vector{bystander.session, issuer.handle()});
    device.restart();
  }

  // The new owner's key management key rules them, and nobody else's.
  TestIssuer next = open_issuer(device);
  const Owner again{crypto::PrivateKey::from_pkcs8(bystander.kmk.to_pkcs8()->view()).value(), issuer.handle(),
                    one.keys};
  CHECK(next.post_unlock_key(aim_at(next, again, one.keys.at(2))));
  CHECK(status_of(next.post_unlock_key(aim_at(next, one, one.keys.at(0)))) == Status::option);

  for (const KeyHandle key : all_keys(*device.engine)) CHECK(device.engine->delete_key(key, {}));
  CHECK(all_sessions(*device.engine, SessionState::closed).empty());
  CHECK(device.storage.memory.record_count() == 1);
}

TEST_CASE("reassignment: without a key management key the keys can never be managed again") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  TestIssuer issuer = open_issuer(device);
  REQUIRE(issuer.post_unlock_key(aim_at(issuer, owner)));
  REQUIRE(issuer.close());
  CHECK(closed_session(*device.engine).handle == issuer.handle());
  CHECK(closed_session(*device.engine).key_management_key.empty());
  TestIssuer next = open_issuer(device);
  CHECK(status_of(next.post_unlock_key(aim_at(next, owner))) == Status::option);
  const Bytes spki = owner.kmk.public_key().spki();
  CHECK(status_of(device.engine->update_key_management_key(
            issuer.handle(), spki, roll_over_authorization(owner.kmk, spki))) == Status::not_allowed);
}

TEST_CASE("reassignment: an update of the only key moves its policies, whatever else the session loses") {
  for (const bool update_first : {true, false}) {
    CAPTURE(update_first);
    ManagedDevice device;
    const Owner owner = provision_owner(device, {.keys = 2, .grouping = 0});
    TestIssuer issuer = open_issuer(device);
    const ManagedKey updated = add_key(issuer);
    if (!update_first) REQUIRE(issuer.post_delete_key(aim_at(issuer, owner, owner.keys.at(1))));
    REQUIRE(issuer.post_update_key(updated.handle, aim_at(issuer, owner)));
    if (update_first) REQUIRE(issuer.post_delete_key(aim_at(issuer, owner, owner.keys.at(1))));
    REQUIRE(issuer.close());
    device.restart();
    CHECK(all_keys(*device.engine) == std::vector{owner.key().handle});
    CHECK(closed_session(*device.engine).handle == issuer.handle());
    CHECK(device.engine->set_pin(owner.key().handle, secret("99999"), secret("5678")));
    CHECK(signs_as(*device.engine, owner.key().handle, updated.certificate, "5678"));
    CHECK(device.engine->delete_key(owner.key().handle, {}));
    CHECK(device.storage.memory.record_count() == 1);
  }
}

TEST_CASE("reassignment: ids and policies of absorbed sessions may be named alike") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  TestIssuer issuer = open_issuer(device, {.kmk = &owner.kmk});
  const PukPolicyHandle puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("77777")), 0, 3, {}}).value();
  const PinPolicyHandle pin = issuer.create_pin_policy(pin_policy_request(puk)).value();
  KeyEntryRequest request = key_request(pin, "8642");
  request.id = "Key-1";
  const KeyHandle key = issuer.create_certified_key(std::move(request)).value().handle;
  REQUIRE(issuer.post_unlock_key(aim_at(issuer, owner)));
  REQUIRE(issuer.close());
  device.restart();
  CHECK(try_to_sign(*device.engine, key, with_pin("8642")) == std::nullopt);
  CHECK(pin_status(*device.engine, owner.key()) == std::nullopt);
  CHECK(device.engine->unlock_key(key, secret("77777")));
  CHECK(device.engine->unlock_key(owner.key().handle, secret("99999")));
}

TEST_CASE("races: an operation follows its target into the session that has absorbed it meanwhile") {
  for (const bool with_kmk : {true, false}) {
    CAPTURE(with_kmk);
    ManagedDevice device;
    const Owner owner = provision_owner(device, {.keys = 2});
    TestIssuer slow = open_issuer(device);
    REQUIRE(slow.post_unlock_key(aim_at(slow, owner)));
    TestIssuer quick = open_issuer(device, {.kmk = with_kmk ? &owner.kmk : nullptr});
    const ManagedKey own = add_key(quick);
    REQUIRE(quick.post_unlock_key(aim_at(quick, owner, owner.keys.at(1))));
    REQUIRE(quick.close());
    enter_wrong_pins(*device.engine, owner.key().handle, 2);
    CHECK(status_of(slow.close()) == (with_kmk ? std::nullopt : std::optional(Status::option)));
    CHECK(all_sessions(*device.engine, SessionState::open).empty());
    CHECK(closed_session(*device.engine).handle == (with_kmk ? slow.handle() : quick.handle()));
    CHECK(pin_errors(*device.engine, owner.key().handle) == (with_kmk ? 0 : 2));
    CHECK(all_keys(*device.engine) == sorted({owner.keys.at(0).handle, owner.keys.at(1).handle, own.handle}));
  }
}

TEST_CASE("races: a target that is gone at close, or that another session has replaced, fails the close") {
  enum class Rival { user_deletes, session_deletes, session_updates };
  for (const Rival rival : {Rival::user_deletes, Rival::session_deletes, Rival::session_updates}) {
    for (int method = 0; method < 6; ++method) {
      CAPTURE(static_cast<int>(rival));
      CAPTURE(method);
      ManagedDevice device;
      const Owner owner = provision_owner(device, {.keys = 2});
      TestIssuer slow = open_issuer(device);
      const KeyHandle target = owner.key().handle;
      const TargetAuthorization aim = aim_at(slow, owner);
      // A harmless operation on the other key does not happen either.
      REQUIRE(slow.post_unlock_key(aim_at(slow, owner, owner.keys.at(1))));
      if (method == 0) REQUIRE(slow.post_delete_key(aim));
      if (method == 1) REQUIRE(slow.post_unlock_key(aim));
      if (method == 2) REQUIRE(slow.post_update_key(add_key(slow).handle, aim));
      if (method == 3) REQUIRE(slow.post_clone_key_protection(add_key(slow).handle, aim));
      if (method == 4) REQUIRE(slow.activate(target, aim.authorization));
      if (method == 5) REQUIRE(slow.deactivate(target, aim.authorization));
      std::optional<ManagedKey> winner;
      ProvisioningHandle session = owner.session;
      if (rival == Rival::user_deletes) {
        REQUIRE(device.engine->delete_key(target, {}));
      } else {
        TestIssuer quick = open_issuer(device, {.kmk = &owner.kmk});
        session = quick.handle();
        if (rival == Rival::session_updates) winner = add_key(quick);
        const Result<void> posted = winner ? quick.post_update_key(winner->handle, aim_at(quick, owner))
                                           : quick.post_delete_key(aim_at(quick, owner));
        REQUIRE(posted);
        REQUIRE(quick.close());
      }
      enter_wrong_pins(*device.engine, owner.keys.at(1).handle, 1);
      CHECK(status_of(slow.close()) == Status::no_key);
      CHECK(all_sessions(*device.engine, SessionState::open).empty());
      CHECK(closed_session(*device.engine).handle == session);
      CHECK(pin_errors(*device.engine, owner.keys.at(1).handle) == 1);
      if (winner) CHECK(signs_as(*device.engine, target, winner->certificate));
      CHECK(all_keys(*device.engine).size() == (winner ? 2 : 1));
    }
  }
}

TEST_CASE("races: the user may use a target and change its PIN until close") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  TestIssuer issuer = open_issuer(device);
  const ManagedKey updated = add_key(issuer);
  REQUIRE(issuer.post_update_key(updated.handle, aim_at(issuer, owner)));
  CHECK(signs_as(*device.engine, owner.key().handle, owner.key().certificate));
  CHECK(device.engine->change_pin(owner.key().handle, secret("1234"), secret("5678")));
  REQUIRE(issuer.close());
  CHECK(signs_as(*device.engine, owner.key().handle, updated.certificate, "5678"));
}

}  // namespace sks::test
