#include <doctest/doctest.h>

#include <array>

#include "tests/sks-core/engine/managed_keys.h"

// updateKeyManagementKey, postDeleteKey, postUnlockKey, postUpdateKey and postCloneKeyProtection: spec/sks-api.md 3.6,
// 3.7, 4.6, 4.15, 4.16 and 7.2.
namespace sks::test {
namespace {

Bytes spki_of(std::string_view algorithm) { return generate_key(kSks + std::string(algorithm)).public_key().spki(); }

Bytes rsa_spki(std::uint16_t bits) {
  Algorithm row = *find_algorithm(kSks + "rsa1024");
  row.size = bits;
  return crypto::PrivateKey::generate(row).value().public_key().spki();
}

enum class Method { delete_key, unlock, update, clone, activate, deactivate };
constexpr std::array kTargetMethods{Method::delete_key, Method::unlock};
constexpr std::array kHeirMethods{Method::update, Method::clone};
constexpr std::array kAllMethods{Method::delete_key, Method::unlock,   Method::update,
                                 Method::clone,      Method::activate, Method::deactivate};

std::string_view name_of(Method method) {
  constexpr std::array<std::string_view, 6> kNames{"postDeleteKey",          "postUnlockKey", "postUpdateKey",
                                                   "postCloneKeyProtection", "activate",      "deactivate"};
  return kNames.at(static_cast<std::size_t>(method));
}

bool needs_heir(Method method) { return method == Method::update || method == Method::clone; }

template <class T>
Result<void> without_value(const Result<T>& result) {
  if (result) return {};
  return result.error();
}

Result<void> call(TestIssuer& issuer, Method method, KeyHandle heir, TargetAuthorization target) {
  switch (method) {
    case Method::delete_key:
      return issuer.post_delete_key(std::move(target));
    case Method::unlock:
      return issuer.post_unlock_key(std::move(target));
    case Method::update:
      return issuer.post_update_key(heir, std::move(target));
    case Method::clone:
      return issuer.post_clone_key_protection(heir, std::move(target));
    case Method::activate:
      return without_value(issuer.activate(target.target, target.authorization, target.mac));
    case Method::deactivate:
      return without_value(issuer.deactivate(target.target, target.authorization, target.mac));
  }
  SKS_CHECK(false);
}

// A refused call: its status, and a word of its text that tells which of several equal statuses it is.
void check_refused(const Result<void>& result, Status status, std::string_view word) {
  REQUIRE_FALSE(static_cast<bool>(result));
  CHECK(result.error().status == status);
  CAPTURE(result.error().detail);
  CHECK(result.error().detail.find(word) != std::string::npos);
}

const Bytes kWrongMac(32, 0x5A);

// Well-formed, but of no key management key.
Bytes foreign_signature(const TestIssuer& issuer, const ManagedKey& key) {
  return issuer.target_authorization(generate_key(kSks + "ec.nist.p256"), key.certificate);
}

void check_aborted(Device& device, TestIssuer& issuer) {
  CHECK_FALSE(is_open(*device.engine, issuer.handle()));
  CHECK(status_of(issuer.close()) == Status::no_session);
}

void check_untouched(Device& device, const Owner& owner) {
  const std::vector<ProvisioningHandle> closed = all_sessions(*device.engine, SessionState::closed);
  CHECK(std::find(closed.begin(), closed.end(), owner.session) != closed.end());
  for (const ManagedKey& key : owner.keys) CHECK(owner_of(*device.engine, key.handle) == owner.session);
}

}  // namespace

TEST_CASE("updateKeyManagementKey: each step of its table comes before the next, and none aborts") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  const Owner without_kmk = provision_owner(device, {.has_kmk = false});
  TestIssuer open = open_issuer(device, {.kmk = &owner.kmk});
  const Bytes next = spki_of("ec.nist.p256");
  Bytes off_curve = next;
  off_curve.back() ^= 1;
  Bytes trailing = next;
  trailing.push_back(0);
  const Bytes short_signature(63, 1);
  const Bytes right = roll_over_authorization(owner.kmk, next);
  Bytes surplus = right;
  surplus.push_back(0);
  Bytes zero_r = right;
  std::fill(zero_r.begin(), zero_r.begin() + 32, std::uint8_t{0});
  Bytes zero_s = right;
  std::fill(zero_s.begin() + 32, zero_s.end(), std::uint8_t{0});
  Bytes wrong = right;
  wrong.back() ^= 1;
  struct Case {
    const char* name;
    Status status;
    ProvisioningHandle session;
    Bytes kmk;
    Bytes authorization;
  };
  const std::vector<Case> cases{
      {"1: unknown session", Status::no_session, ProvisioningHandle{999}, {}, short_signature},
      {"1: handle 0", Status::no_session, ProvisioningHandle{}, {}, short_signature},
      {"1: open session", Status::not_allowed, open.handle(), {}, short_signature},
      {"2: no KMK", Status::not_allowed, without_kmk.session, {}, short_signature},
      {"3: empty", Status::option, owner.session, {}, short_signature},
      {"3: garbage", Status::crypto, owner.session, {1, 2, 3}, wrong},
      {"3: trailing byte", Status::crypto, owner.session, trailing, wrong},
      {"3: point off its curve", Status::crypto, owner.session, off_curve, wrong},
      {"3: Ed25519", Status::option, owner.session, spki_of("ed25519"), short_signature},
      {"3: X25519", Status::option, owner.session, spki_of("x25519"), short_signature},
      {"3: RSA of 1536 bits", Status::option, owner.session, rsa_spki(1536), short_signature},
      {"4: no authorization", Status::crypto, owner.session, next, {}},
      {"4: a byte short", Status::crypto, owner.session, next, short_signature},
      {"4: a byte long", Status::crypto, owner.session, next, surplus},
      {"4: r is zero", Status::crypto, owner.session, next, zero_r},
      {"4: s is zero", Status::crypto, owner.session, next, zero_s},
      {"4: wrong", Status::option, owner.session, next, wrong},
      {"4: for another key", Status::option, owner.session, spki_of("ec.nist.p384"), right},
      {"4: by another key", Status::option, owner.session, next, roll_over_authorization(without_kmk.kmk, next)},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(status_of(device.engine->update_key_management_key(c.session, c.kmk, c.authorization)) == c.status);
    CHECK(is_open(*device.engine, open.handle()));
    check_untouched(device, owner);
  }
  CHECK(status_of(device.engine->update_key_management_key(owner.session, next, Bytes(65536))) == Status::option);
  CHECK(device.engine->update_key_management_key(owner.session, next, right));
}

TEST_CASE("updateKeyManagementKey: takes every supported kind of key, and a used authorization is no longer one") {
  ManagedDevice device;
  Owner owner = provision_owner(device);
  std::optional<Bytes> used;
  for (const char* const algorithm : {"ec.nist.p384", "rsa1024", "ec.nist.p521", "ec.nist.p256"}) {
    CAPTURE(algorithm);
    crypto::PrivateKey next = generate_key(kSks + algorithm);
    const Bytes spki = next.public_key().spki();
    const Bytes authorization = roll_over_authorization(owner.kmk, spki);
    REQUIRE(device.engine->update_key_management_key(owner.session, spki, authorization));
    CHECK_FALSE(device.engine->update_key_management_key(owner.session, spki, authorization));
    owner.kmk = std::move(next);
    const auto info = device.engine->enumerate_provisioning_sessions({}, SessionState::closed).value();
    REQUIRE(info);
    CHECK(info->handle == owner.session);
    CHECK(info->key_management_key == spki);

    // It rules the keys at once, and after a restart.
    device.restart();
    TestIssuer issuer = open_issuer(device);
    CHECK(issuer.post_unlock_key(aim_at(issuer, owner)));
    REQUIRE(device.engine->abort_provisioning_session(issuer.handle()));
  }
}

TEST_CASE("updateKeyManagementKey: an RSA key verifies signatures of exactly its length") {
  ManagedDevice device;
  const Owner owner = provision_owner(device, {.kmk_algorithm = "rsa1024"});
  const Bytes next = spki_of("ec.nist.p256");
  const Bytes right = roll_over_authorization(owner.kmk, next);
  const auto update = [&](ByteView authorization) {
    return status_of(device.engine->update_key_management_key(owner.session, next, authorization));
  };
  CHECK(update(ByteView(right).first(127)) == Status::crypto);
  CHECK(update(concat({right, Bytes(1)})) == Status::crypto);
  CHECK(update(Bytes(128, 0xFF)) == Status::option);
  CHECK(update(right) == std::nullopt);
}

TEST_CASE("updateKeyManagementKey: operations recorded before stay valid, later ones need the new key") {
  ManagedDevice device;
  const Owner owner = provision_owner(device, {.keys = 2});
  const crypto::PrivateKey next = generate_key(kSks + "ec.nist.p256");
  const Bytes spki = next.public_key().spki();
  TestIssuer early = open_issuer(device);
  TestIssuer late = open_issuer(device);
  REQUIRE(early.post_delete_key(aim_at(early, owner, owner.keys.at(0))));
  REQUIRE(device.engine->update_key_management_key(owner.session, spki, roll_over_authorization(owner.kmk, spki)));
  check_refused(late.post_delete_key(aim_at(late, owner, owner.keys.at(1))), Status::option, "Authorization");
  CHECK(early.close());
  CHECK(all_keys(*device.engine).empty() == false);
  CHECK(status_of(device.engine->get_key_attributes(owner.keys.at(0).handle)) == Status::no_key);
}

TEST_CASE("postDeleteKey, postUnlockKey: step 1 refuses unknown and closed sessions and aborts nothing") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  TestIssuer issuer = open_issuer(device);
  const TargetAuthorization nothing{KeyHandle{999}, {}, kWrongMac};
  for (const ProvisioningHandle session : {ProvisioningHandle{}, ProvisioningHandle{999}, owner.session}) {
    CHECK(status_of(device.engine->post_delete_key(session, nothing)) == Status::no_session);
    CHECK(status_of(device.engine->post_unlock_key(session, nothing)) == Status::no_session);
  }
  CHECK(is_open(*device.engine, issuer.handle()));
  check_untouched(device, owner);
}

TEST_CASE("post methods: an argument without serialised form is refused without abort") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  TestIssuer issuer = open_issuer(device);
  const ManagedKey heir = add_key(issuer);
  for (const Method method : kAllMethods) {
    CAPTURE(name_of(method));
    const std::uint16_t counter = issuer.counter();
    CHECK(status_of(call(issuer, method, heir.handle, {owner.key().handle, {}, Bytes(65536)})) == Status::option);
    CHECK(issuer.counter() == counter);
    CHECK(is_open(*device.engine, issuer.handle()));
  }
  CHECK(issuer.close());
}

TEST_CASE("postDeleteKey, postUnlockKey: each later step comes before the next and aborts the calling session") {
  struct Case {
    const char* name;
    Status status;
    const char* word;
    // Violates its own step and, as far as that is possible, all later ones.
    std::function<Result<void>(Device&, Method, TestIssuer&, const Owner&)> run;
    IssuerOptions options = {};
  };
  const auto wrong = [](TestIssuer& issuer, const ManagedKey& key) {
    return TargetAuthorization{key.handle, foreign_signature(issuer, key), kWrongMac};
  };
  const std::vector<Case> cases{
      {"2: unknown target",
       Status::no_key,
       "Unknown key 999",
       [](Device&, Method m, TestIssuer& i, const Owner&) {
         return call(i, m, {}, {KeyHandle{999}, {}, kWrongMac});
       },
       {.session_key_limit = 0}},
      {"2: target of the session itself",
       Status::option,
       "cannot be managed",
       [](Device&, Method m, TestIssuer& i, const Owner&) {
         return call(i, m, {}, {add_key(i).handle, {}, kWrongMac});
       },
       {.session_key_limit = 3}},
      {"2: target in another open session",
       Status::option,
       "cannot be managed",
       [](Device& d, Method m, TestIssuer& i, const Owner& o) {
         TestIssuer other = open_issuer(d, {.kmk = &o.kmk});
         return call(i, m, {}, {add_key(other).handle, {}, kWrongMac});
       },
       {.session_key_limit = 0}},
      {"2: target without KMK",
       Status::option,
       "cannot be managed",
       [](Device& d, Method m, TestIssuer& i, const Owner&) {
         const Owner other = provision_owner(d, {.pin = PinKind::none, .has_kmk = false});
         return call(i, m, {}, {other.key().handle, {}, kWrongMac});
       },
       {.session_key_limit = 0}},
      {"4: no operation left for the MAC",
       Status::option,
       "sessionKeyLimit",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) { return call(i, m, {}, wrong(i, o.key())); },
       {.privacy_enabled = false, .session_key_limit = 0}},
      {"5: privacyEnabled differs",
       Status::option,
       "privacyEnabled",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) { return call(i, m, {}, wrong(i, o.key())); },
       {.privacy_enabled = false, .session_key_limit = 1}},
      {"6: wrong MAC",
       Status::mac,
       "MAC mismatch",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return call(i, m, {}, wrong(i, o.key()));
       },
       {.session_key_limit = 3}},
      {"6: MAC of 31 bytes",
       Status::mac,
       "MAC mismatch",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         return call(i, m, {}, {o.key().handle, foreign_signature(i, o.key()), Bytes(31)});
       },
       {.session_key_limit = 1}},
      {"6: MAC of another method", Status::mac, "MAC mismatch",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         TargetAuthorization target = aim_at(i, o);
         const Bytes data = concat({Bytes{0, 64}, target.authorization});
         target.mac = i.mac(m == Method::unlock ? "postDeleteKey" : "postUnlockKey", data);
         return call(i, m, {}, target);
       }},
      {"7: no operation left for the target key reference",
       Status::option,
       "sessionKeyLimit",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return call(i, m, {}, {o.key().handle, Bytes(63), {}});
       },
       {.session_key_limit = 3}},
      {"7: authorization of a wrong length", Status::crypto, "Authorization",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return call(i, m, {}, {o.key().handle, Bytes(63), {}});
       }},
      {"7: no authorization", Status::crypto, "Authorization",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         return call(i, m, {}, {o.key().handle, {}, {}});
       }},
      {"7: authorization by another key", Status::option, "Authorization",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return call(i, m, {}, {o.key().handle, foreign_signature(i, o.key()), {}});
       }},
      {"8: conflict",
       Status::option,
       "Conflicting",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return call(i, m, {}, aim_at(i, o));
       },
       {.session_key_limit = 4}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    for (const Method method : kTargetMethods) {
      CAPTURE(name_of(method));
      ManagedDevice device;
      const Owner owner = provision_owner(device);
      TestIssuer issuer = open_issuer(device, c.options);
      check_refused(c.run(device, method, issuer, owner), c.status, c.word);
      check_aborted(device, issuer);
      check_untouched(device, owner);
    }
  }
}

TEST_CASE("postUnlockKey: step 3 wants a PIN policy before the MAC is looked at") {
  for (const PinKind pin : {PinKind::none, PinKind::device}) {
    ManagedDevice device;
    const Owner owner = provision_owner(device, {.pin = pin});
    TestIssuer issuer = open_issuer(device, {.privacy_enabled = false, .session_key_limit = 0});
    check_refused(issuer.post_unlock_key({owner.key().handle, {}, kWrongMac}), Status::option, "no PIN policy");
    check_aborted(device, issuer);
  }
}

TEST_CASE("postUpdateKey, postCloneKeyProtection: step 1 refuses unknown and provisioned keys and aborts nothing") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  TestIssuer issuer = open_issuer(device);
  const TargetAuthorization nothing{KeyHandle{999}, {}, kWrongMac};
  for (const KeyHandle key : {KeyHandle{}, KeyHandle{999}, owner.key().handle}) {
    CHECK(status_of(device.engine->post_update_key(key, nothing)) == Status::no_key);
    CHECK(status_of(device.engine->post_clone_key_protection(key, nothing)) == Status::no_key);
  }
  CHECK(is_open(*device.engine, issuer.handle()));
  check_untouched(device, owner);
}

namespace {

// A new key that has a PIN of its own and no certificate path.
KeyHandle add_pin_key(TestIssuer& issuer, bool device_pin, std::uint8_t app_usage) {
  KeyEntryRequest request = key_request();
  request.app_usage = app_usage;
  request.device_pin_protection = device_pin;
  if (!device_pin) {
    request.pin_policy = issuer.create_pin_policy(pin_policy_request()).value();
    request.pin_value = secret("1234");
  }
  return issuer.create_key_entry(std::move(request)).value().handle;
}

KeyHandle add_bare_key(TestIssuer& issuer, std::uint8_t app_usage) {
  KeyEntryRequest request = key_request();
  request.app_usage = app_usage;
  return issuer.create_key_entry(std::move(request)).value().handle;
}

}  // namespace

TEST_CASE("postUpdateKey, postCloneKeyProtection: each later step comes before the next and aborts") {
  // The targets have appUsage 1 and a PIN that is not shared.
  constexpr std::uint8_t kOtherUsage = 2;
  struct Case {
    const char* name;
    Status status;
    const char* word;
    std::function<Result<void>(Device&, Method, TestIssuer&, const Owner&)> run;
    IssuerOptions options = {};
    std::uint8_t grouping = 1;
  };
  const auto wrong = [](TestIssuer& issuer, const ManagedKey& key) {
    return TargetAuthorization{key.handle, foreign_signature(issuer, key), kWrongMac};
  };
  const std::vector<Case> cases{
      {"2: unknown target",
       Status::no_key,
       "Unknown key 999",
       [](Device&, Method m, TestIssuer& i, const Owner&) {
         return call(i, m, add_pin_key(i, true, kOtherUsage), {KeyHandle{999}, {}, kWrongMac});
       },
       {.session_key_limit = 2}},
      {"2: the new key itself as target",
       Status::option,
       "cannot be managed",
       [](Device&, Method m, TestIssuer& i, const Owner&) {
         const KeyHandle key = add_pin_key(i, true, kOtherUsage);
         return call(i, m, key, {key, {}, kWrongMac});
       },
       {.session_key_limit = 2}},
      {"2: target in another open session",
       Status::option,
       "cannot be managed",
       [](Device& d, Method m, TestIssuer& i, const Owner& o) {
         TestIssuer other = open_issuer(d, {.kmk = &o.kmk});
         return call(i, m, add_pin_key(i, true, kOtherUsage), {add_key(other).handle, {}, kWrongMac});
       },
       {.session_key_limit = 2}},
      {"2: target without KMK",
       Status::option,
       "cannot be managed",
       [](Device& d, Method m, TestIssuer& i, const Owner&) {
         const Owner other = provision_owner(d, {.grouping = 0, .has_kmk = false});
         return call(i, m, add_pin_key(i, true, kOtherUsage), {other.key().handle, {}, kWrongMac});
       },
       {.session_key_limit = 2}},
      {"3: new key with a PIN policy",
       Status::option,
       "PIN of its own",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         return call(i, m, add_pin_key(i, false, kOtherUsage), wrong(i, o.key()));
       },
       {.privacy_enabled = false, .session_key_limit = 3},
       0},
      {"3: new key with the device PIN",
       Status::option,
       "PIN of its own",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         return call(i, m, add_pin_key(i, true, kOtherUsage), wrong(i, o.key()));
       },
       {.privacy_enabled = false, .session_key_limit = 2},
       0},
      {"5: no certificate path",
       Status::option,
       "Certificate path missing",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         return call(i, m, add_bare_key(i, 1), wrong(i, o.key()));
       },
       {.privacy_enabled = false, .session_key_limit = 2}},
      {"6: no operation left for the MAC",
       Status::option,
       "sessionKeyLimit",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         return call(i, m, add_key(i).handle, wrong(i, o.key()));
       },
       {.privacy_enabled = false, .session_key_limit = 3}},
      {"7: privacyEnabled differs",
       Status::option,
       "privacyEnabled",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         return call(i, m, add_key(i).handle, wrong(i, o.key()));
       },
       {.privacy_enabled = false, .session_key_limit = 4}},
      {"8: wrong MAC",
       Status::mac,
       "MAC mismatch",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         const KeyHandle key = add_key(i).handle;
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return call(i, m, key, wrong(i, o.key()));
       },
       {.session_key_limit = 6}},
      {"8: MAC without the new key's certificate", Status::mac, "MAC mismatch",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         const KeyHandle key = add_key(i).handle;
         TargetAuthorization target = aim_at(i, o);
         target.mac = i.mac(name_of(m), concat({Bytes{0, 64}, target.authorization}));
         return call(i, m, key, target);
       }},
      {"9: no operation left for the target key reference",
       Status::option,
       "sessionKeyLimit",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         const KeyHandle key = add_key(i).handle;
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return call(i, m, key, {o.key().handle, Bytes(63), {}});
       },
       {.session_key_limit = 6}},
      {"9: authorization of a wrong length", Status::crypto, "Authorization",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         const KeyHandle key = add_key(i).handle;
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return call(i, m, key, {o.key().handle, Bytes(63), {}});
       }},
      {"9: authorization for the new key instead of the target", Status::option, "Authorization",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         const ManagedKey key = add_key(i);
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return call(i, m, key.handle, {o.key().handle, i.target_authorization(o.kmk, key.certificate), {}});
       }},
      {"10: conflict",
       Status::option,
       "Conflicting",
       [&](Device&, Method m, TestIssuer& i, const Owner& o) {
         const KeyHandle key = add_key(i).handle;
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return call(i, m, key, aim_at(i, o));
       },
       {.session_key_limit = 7}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    for (const Method method : kHeirMethods) {
      CAPTURE(name_of(method));
      ManagedDevice device;
      const Owner owner = provision_owner(device, {.grouping = c.grouping});
      TestIssuer issuer = open_issuer(device, c.options);
      check_refused(c.run(device, method, issuer, owner), c.status, c.word);
      check_aborted(device, issuer);
      check_untouched(device, owner);
    }
  }
}

TEST_CASE("postUpdateKey: step 4 wants the appUsage of the target before a certificate path") {
  for (std::uint8_t usage = 0; usage < 4; ++usage) {
    CAPTURE(static_cast<int>(usage));
    ManagedDevice device;
    const Owner owner = provision_owner(device);
    TestIssuer issuer = open_issuer(device, {.privacy_enabled = false, .session_key_limit = 2});
    const KeyHandle key = add_bare_key(issuer, usage);
    check_refused(issuer.post_update_key(key, {owner.key().handle, {}, kWrongMac}), Status::option,
                  usage == 1 ? "Certificate path missing" : "appUsage");
    check_aborted(device, issuer);
  }
}

TEST_CASE("postCloneKeyProtection: step 4 wants a shared PIN, or none, before a certificate path") {
  const auto try_clone = [](const OwnerOptions& target, const char* word) {
    ManagedDevice device;
    const Owner owner = provision_owner(device, target);
    TestIssuer issuer = open_issuer(device, {.privacy_enabled = false, .session_key_limit = 2});
    const KeyHandle key = add_bare_key(issuer, 2);
    check_refused(issuer.post_clone_key_protection(key, {owner.key().handle, {}, kWrongMac}), Status::option, word);
    check_aborted(device, issuer);
  };
  for (std::uint8_t grouping = 0; grouping < 4; ++grouping) {
    CAPTURE(static_cast<int>(grouping));
    try_clone({.grouping = grouping}, grouping == 1 ? "Certificate path missing" : "not meant to be shared");
  }
  try_clone({.pin = PinKind::none}, "Certificate path missing");
  try_clone({.pin = PinKind::device}, "Certificate path missing");
}

TEST_CASE("post methods: two operations on one key go together as the table says, in either order") {
  // delete, unlock, update, clone: chapter 7.2. activate, deactivate: sks-extensions.md, which knows no other conflict
  // than that with delete.
  constexpr std::array<std::array<bool, 6>, 6> kGoesWith{{
      {false, false, false, false, false, false},
      {false, false, true, true, true, true},
      {false, true, false, true, true, true},
      {false, true, true, true, true, true},
      {false, true, true, true, true, true},
      {false, true, true, true, true, true},
  }};
  for (const Method first : kAllMethods) {
    for (const Method second : kAllMethods) {
      CAPTURE(name_of(first));
      CAPTURE(name_of(second));
      ManagedDevice device;
      const Owner owner = provision_owner(device, {.keys = 2});
      TestIssuer issuer = open_issuer(device);
      const KeyHandle one = needs_heir(first) ? add_key(issuer, "New-1").handle : KeyHandle{};
      const KeyHandle two = needs_heir(second) ? add_key(issuer, "New-2").handle : KeyHandle{};
      // Another target in between changes nothing.
      REQUIRE(call(issuer, first, one, aim_at(issuer, owner)));
      REQUIRE(issuer.post_unlock_key(aim_at(issuer, owner, owner.keys.at(1))));
      const Result<void> recorded = call(issuer, second, two, aim_at(issuer, owner));
      if (kGoesWith.at(static_cast<std::size_t>(first)).at(static_cast<std::size_t>(second))) {
        CHECK(recorded);
        CHECK(issuer.close());
      } else {
        check_refused(recorded, Status::option, "Conflicting");
        check_aborted(device, issuer);
        check_untouched(device, owner);
      }
    }
  }
}

TEST_CASE("post methods: a key goes with three operations that each go together") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  TestIssuer issuer = open_issuer(device);
  for (const char* const id : {"New-1", "New-2"})
    REQUIRE(issuer.post_clone_key_protection(add_key(issuer, id).handle, aim_at(issuer, owner)));
  REQUIRE(issuer.post_update_key(add_key(issuer, "New-3").handle, aim_at(issuer, owner)));
  REQUIRE(issuer.post_unlock_key(aim_at(issuer, owner)));
  SUBCASE("and close performs them") { CHECK(issuer.close()); }
  SUBCASE("but not with a second update behind them") {
    check_refused(issuer.post_update_key(add_key(issuer, "New-4").handle, aim_at(issuer, owner)), Status::option,
                  "Conflicting");
    check_aborted(device, issuer);
  }
  SUBCASE("but not with a delete behind them") {
    check_refused(issuer.post_delete_key(aim_at(issuer, owner)), Status::option, "Conflicting");
    check_aborted(device, issuer);
  }
}

TEST_CASE("post methods: a new key serves one update or clone") {
  for (const Method first : kHeirMethods) {
    for (const Method second : kHeirMethods) {
      CAPTURE(name_of(first));
      CAPTURE(name_of(second));
      ManagedDevice device;
      const Owner owner = provision_owner(device, {.keys = 2});
      TestIssuer issuer = open_issuer(device);
      const KeyHandle key = add_key(issuer).handle;
      REQUIRE(call(issuer, first, key, aim_at(issuer, owner, owner.keys.at(0))));
      check_refused(call(issuer, second, key, aim_at(issuer, owner, owner.keys.at(1))), Status::option, "used twice");
      check_aborted(device, issuer);
    }
  }
}

TEST_CASE("post methods: open sessions do not see each other's operations") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  TestIssuer one = open_issuer(device);
  TestIssuer two = open_issuer(device);
  CHECK(one.post_delete_key(aim_at(one, owner)));
  CHECK(two.post_delete_key(aim_at(two, owner)));
  CHECK(try_to_sign(*device.engine, owner.key().handle, with_pin("1234")) == std::nullopt);
}

TEST_CASE("post methods: every supported key management key authorizes, in both privacy modes") {
  for (const char* const algorithm : {"ec.nist.p256", "ec.nist.p384", "ec.nist.p521", "rsa1024", "rsa2048"}) {
    CAPTURE(algorithm);
    for (const bool privacy : {true, false}) {
      CAPTURE(privacy);
      ManagedDevice device;
      const Owner owner = provision_owner(device, {.keys = 2, .privacy_enabled = privacy, .kmk_algorithm = algorithm});
      TestIssuer issuer = open_issuer(device, {.privacy_enabled = privacy});
      CHECK(issuer.post_unlock_key(aim_at(issuer, owner)));
      CHECK(issuer.post_update_key(add_key(issuer).handle, aim_at(issuer, owner)));
      CHECK(issuer.post_delete_key(aim_at(issuer, owner, owner.keys.at(1))));
      CHECK(issuer.close());
    }
  }
}

TEST_CASE("post methods: an authorization is good for one session, one key and one device mode") {
  ManagedDevice device;
  const Owner owner = provision_owner(device, {.keys = 2});
  TestIssuer first = open_issuer(device);
  const Bytes authorization = first.target_authorization(owner.kmk, owner.key().certificate);
  REQUIRE(first.post_unlock_key({owner.key().handle, authorization, {}}));
  REQUIRE(device.engine->abort_provisioning_session(first.handle()));

  TestIssuer second = open_issuer(device);
  check_refused(second.post_unlock_key({owner.key().handle, authorization, {}}), Status::option, "Authorization");
  TestIssuer third = open_issuer(device);
  check_refused(third.post_unlock_key({owner.keys.at(1).handle, aim_at(third, owner).authorization, {}}),
                Status::option, "Authorization");
}

TEST_CASE("post methods: a malformed EC authorization is a failure of cryptography") {
  const auto try_authorization = [](const std::function<void(Bytes&)>& spoil) {
    ManagedDevice device;
    const Owner owner = provision_owner(device);
    TestIssuer issuer = open_issuer(device);
    TargetAuthorization target = aim_at(issuer, owner);
    spoil(target.authorization);
    const std::optional<Status> status = status_of(issuer.post_unlock_key(std::move(target)));
    check_aborted(device, issuer);
    return status;
  };
  CHECK(try_authorization([](Bytes& a) { a.push_back(0); }) == Status::crypto);
  CHECK(try_authorization([](Bytes& a) { a.pop_back(); }) == Status::crypto);
  CHECK(try_authorization([](Bytes& a) { std::fill(a.begin(), a.begin() + 32, std::uint8_t{0}); }) == Status::crypto);
  CHECK(try_authorization([](Bytes& a) { std::fill(a.begin() + 32, a.end(), std::uint8_t{0}); }) == Status::crypto);
  CHECK(try_authorization([](Bytes& a) { a.at(40) ^= 1; }) == Status::option);
}

TEST_CASE("post methods: take two operations and one MAC counter step each") {
  struct Case {
    Method method;
    std::uint16_t operations;  // of the whole session
  };
  // New key and its certificate: 3, with attestation; post method: 2; close: 2.
  for (const Case& c : {Case{Method::delete_key, 4}, Case{Method::unlock, 4}, Case{Method::update, 7},
                        Case{Method::clone, 7}, Case{Method::activate, 4}, Case{Method::deactivate, 4}}) {
    CAPTURE(name_of(c.method));
    for (const int spare : {0, -1}) {
      ManagedDevice device;
      const Owner owner = provision_owner(device);
      TestIssuer issuer = open_issuer(device, {.session_key_limit = static_cast<std::uint16_t>(c.operations + spare)});
      const KeyHandle key = needs_heir(c.method) ? add_key(issuer).handle : KeyHandle{};
      const std::uint16_t before = issuer.counter();
      REQUIRE(call(issuer, c.method, key, aim_at(issuer, owner)));
      CHECK(issuer.counter() == before + 1);
      CHECK(status_of(issuer.close()) == (spare == 0 ? std::nullopt : std::optional(Status::option)));
    }
  }
}

TEST_CASE("post methods: nothing happens to a target before close, and nothing at all after an abort") {
  ManagedDevice device;
  const Owner owner = provision_owner(device, {.keys = 3});
  enter_wrong_pins(*device.engine, owner.key().handle, 3);
  enter_wrong_puks(*device.engine, owner.key().handle, 2);
  const auto check_as_before = [&] {
    check_untouched(device, owner);
    for (const ManagedKey& key : owner.keys) {
      CHECK(pin_errors(*device.engine, key.handle) == 3);
      CHECK(puk_errors(*device.engine, key.handle) == 2);
      CHECK(device.engine->get_key_attributes(key.handle)->certificate_path.front() == key.certificate);
    }
  };
  TestIssuer issuer = open_issuer(device);
  REQUIRE(issuer.post_unlock_key(aim_at(issuer, owner, owner.keys.at(0))));
  REQUIRE(issuer.post_update_key(add_key(issuer, "New-1").handle, aim_at(issuer, owner, owner.keys.at(0))));
  REQUIRE(issuer.post_clone_key_protection(add_key(issuer, "New-2").handle, aim_at(issuer, owner, owner.keys.at(1))));
  REQUIRE(issuer.post_delete_key(aim_at(issuer, owner, owner.keys.at(2))));
  check_as_before();
  SUBCASE("abort") { REQUIRE(device.engine->abort_provisioning_session(issuer.handle())); }
  SUBCASE("close with a wrong MAC") {
    issuer.set_counter(77);
    CHECK(status_of(issuer.close()) == Status::mac);
  }
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
  check_as_before();
  device.restart();
  check_as_before();
  CHECK(all_keys(*device.engine).size() == 3);
}

TEST_CASE("post methods: recorded operations survive a restart") {
  ManagedDevice device;
  const Owner owner = provision_owner(device, {.keys = 3});
  enter_wrong_pins(*device.engine, owner.key().handle, 3);
  TestIssuer issuer = open_issuer(device);
  const ManagedKey updated = add_key(issuer, "New-1");
  const ManagedKey cloned = add_key(issuer, "New-2");
  const auto restart = [&] {
    device.restart();
    issuer.use(*device.engine);
  };
  REQUIRE(issuer.post_unlock_key(aim_at(issuer, owner, owner.keys.at(0))));
  restart();
  REQUIRE(issuer.post_update_key(updated.handle, aim_at(issuer, owner, owner.keys.at(0))));
  restart();
  REQUIRE(issuer.post_clone_key_protection(cloned.handle, aim_at(issuer, owner, owner.keys.at(1))));
  restart();
  REQUIRE(issuer.post_delete_key(aim_at(issuer, owner, owner.keys.at(2))));
  restart();
  REQUIRE(issuer.close());
  restart();
  const std::vector<KeyHandle> expected{owner.keys.at(0).handle, owner.keys.at(1).handle, cloned.handle};
  CHECK(all_keys(*device.engine) == expected);
  CHECK(signs_as(*device.engine, owner.keys.at(0).handle, updated.certificate));
  CHECK(signs_as(*device.engine, owner.keys.at(1).handle, owner.keys.at(1).certificate));
  CHECK(signs_as(*device.engine, cloned.handle, cloned.certificate));
}

}  // namespace sks::test
