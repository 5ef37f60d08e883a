#include <doctest/doctest.h>

#include <array>

#include "tests/sks-core/engine/managed_keys.h"

// activate and deactivate: spec/sks-extensions.md.
namespace sks::test {
namespace {

constexpr std::uint8_t kByUser = 0x01;
constexpr std::uint8_t kByIssuer = 0x02;
constexpr std::uint8_t kBoth = 0x03;
constexpr std::uint8_t kActive = 0x00;

const Bytes kWrongMac(32, 0x5A);

enum class Switch { activate, deactivate };
constexpr std::array kSwitches{Switch::activate, Switch::deactivate};

Result<std::uint8_t> locally(SecureKeyStore& store, Switch to, KeyHandle key, std::string_view pin) {
  const ActivationRequest request{{}, key, secret(pin), {}};
  return to == Switch::activate ? store.activate(request) : store.deactivate(request);
}

Result<std::uint8_t> by_issuer(TestIssuer& issuer, Switch to, const TargetAuthorization& target) {
  return to == Switch::activate ? issuer.activate(target.target, target.authorization, target.mac)
                                : issuer.deactivate(target.target, target.authorization, target.mac);
}

// By the issuer, in a session of its own that ends with this. The keys belong to that session afterwards.
void suspend_by_issuer(Device& device, Owner& owner) {
  TestIssuer issuer = open_issuer(device, {.kmk = &owner.kmk});
  REQUIRE(issuer.deactivate(owner.key().handle, aim_at(issuer, owner).authorization).value() != kActive);
  REQUIRE(issuer.close());
  owner.session = issuer.handle();
}

bool is_suspended(SecureKeyStore& store, KeyHandle key) {
  return (store.get_key_protection_info(key)->protection_status & kSuspended) != 0;
}

void check_refused(const Result<std::uint8_t>& result, Status status, std::string_view word) {
  REQUIRE_FALSE(static_cast<bool>(result));
  CHECK(result.error().status == status);
  CAPTURE(result.error().detail);
  CHECK(result.error().detail.find(word) != std::string::npos);
}

}  // namespace

TEST_CASE("activate, deactivate: the user switches the user's bit, the issuer the issuer's, and both may repeat it") {
  // From every state by every call: the state that holds afterwards.
  struct Case {
    std::uint8_t before;
    bool issuer;
    Switch to;
    std::uint8_t after;
  };
  const std::vector<Case> cases{
      {kActive, false, Switch::deactivate, kByUser},    {kActive, false, Switch::activate, kActive},
      {kActive, true, Switch::deactivate, kByIssuer},   {kActive, true, Switch::activate, kActive},
      {kByUser, false, Switch::deactivate, kByUser},    {kByUser, false, Switch::activate, kActive},
      {kByUser, true, Switch::deactivate, kBoth},       {kByUser, true, Switch::activate, kByUser},
      {kByIssuer, false, Switch::deactivate, kBoth},    {kByIssuer, false, Switch::activate, kByIssuer},
      {kByIssuer, true, Switch::deactivate, kByIssuer}, {kByIssuer, true, Switch::activate, kActive},
      {kBoth, false, Switch::deactivate, kBoth},        {kBoth, false, Switch::activate, kByIssuer},
      {kBoth, true, Switch::deactivate, kBoth},         {kBoth, true, Switch::activate, kByUser},
  };
  for (const Case& c : cases) {
    CAPTURE(static_cast<int>(c.before));
    CAPTURE(c.issuer);
    CAPTURE(static_cast<int>(c.to));
    ManagedDevice device;
    Owner owner = provision_owner(device);
    const KeyHandle key = owner.key().handle;
    if ((c.before & kByIssuer) != 0) suspend_by_issuer(device, owner);
    if ((c.before & kByUser) != 0) CHECK(locally(*device.engine, Switch::deactivate, key, "1234").value() == c.before);
    if (c.issuer) {
      TestIssuer issuer = open_issuer(device);
      const Result<std::uint8_t> state = by_issuer(issuer, c.to, aim_at(issuer, owner));
      REQUIRE(state);
      CHECK(state.value() == c.after);
      // Deferred: until close nothing changes.
      CHECK(is_suspended(*device.engine, key) == (c.before != kActive));
      REQUIRE(issuer.close());
    } else {
      const Result<std::uint8_t> state = locally(*device.engine, c.to, key, "1234");
      REQUIRE(state);
      CHECK(state.value() == c.after);
    }
    for (const bool restarted : {false, true}) {
      CAPTURE(restarted);
      CHECK(is_suspended(*device.engine, key) == (c.after != kActive));
      CHECK(try_to_sign(*device.engine, key, with_pin("1234")) ==
            (c.after == kActive ? std::nullopt : std::optional(Status::not_allowed)));
      device.restart();
    }
    // The rest of the state: an idle call by the user tells it.
    const Switch idle = (c.after & kByUser) != 0 ? Switch::deactivate : Switch::activate;
    CHECK(locally(*device.engine, idle, key, "1234").value() == c.after);
  }
}

TEST_CASE("activate, deactivate: a suspended key does no work, whatever the PIN, and cannot be locked by guessing") {
  for (const bool by_user : {true, false}) {
    CAPTURE(by_user);
    ManagedDevice device;
    Owner owner = provision_owner(device);
    const KeyHandle key = owner.key().handle;
    enter_wrong_pins(*device.engine, key, 1);
    if (by_user) {
      REQUIRE(locally(*device.engine, Switch::deactivate, key, "1234"));
    } else {
      suspend_by_issuer(device, owner);
    }
    SecureKeyStore& store = *device.engine;
    const std::uint16_t errors = pin_errors(store, key);
    for (int i = 0; i < 5; ++i) {
      for (const char* const pin : {"0000", "1234", ""}) {
        CAPTURE(pin);
        const Authorization authorization = with_pin(pin);
        CHECK(status_of(store.sign_data(key, "nonsense", {}, authorization, {})) == Status::not_allowed);
        CHECK(status_of(store.sign_hashed_data(key, "nonsense", {}, authorization, {})) == Status::not_allowed);
        CHECK(status_of(store.asymmetric_key_decrypt(key, "nonsense", {}, authorization, {})) == Status::not_allowed);
        CHECK(status_of(store.key_agreement(key, "nonsense", {}, authorization, {})) == Status::not_allowed);
        CHECK(status_of(store.perform_hmac(key, "nonsense", {}, authorization, {})) == Status::not_allowed);
        CHECK(status_of(store.symmetric_key_encrypt(key, "nonsense", CipherMode::encrypt, {}, authorization, {})) ==
              Status::not_allowed);
        CHECK(status_of(store.verify_pin(key, secret(pin))) == Status::not_allowed);
        CHECK(status_of(store.export_key(key, secret(pin))) == Status::not_allowed);
      }
    }
    CHECK(pin_errors(store, key) == errors);
    CHECK(store.get_key_protection_info(key)->protection_status == (kPinProtected | kPukProtected | kSuspended));
  }
}

TEST_CASE("activate, deactivate: a suspended key is still listed, read, unlocked, and deleted") {
  ManagedDevice device;
  Owner owner = provision_owner(device);
  const KeyHandle key = owner.key().handle;
  suspend_by_issuer(device, owner);
  SecureKeyStore& store = *device.engine;
  CHECK(all_keys(store) == std::vector{key});
  CHECK(store.get_key_attributes(key));
  CHECK(status_of(store.get_extension(key, "https://example.com/none")) == Status::option);
  CHECK(store.change_pin(key, secret("1234"), secret("5678")));
  CHECK(status_of(store.change_pin(key, secret("0000"), secret("5678"))) == Status::authorization);
  CHECK(store.set_pin(key, secret("99999"), secret("2468")));
  CHECK(store.unlock_key(key, secret("99999")));
  CHECK(pin_errors(store, key) == 0);
  CHECK(store.delete_key(key, {}));
  CHECK(all_keys(store).empty());
}

TEST_CASE("activate, deactivate by the user: refuse what the specification refuses, in its order") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  const KeyHandle key = owner.key().handle;
  TestIssuer open = open_issuer(device);
  const KeyHandle unfinished = add_key(open).handle;
  SecureKeyStore& store = *device.engine;
  for (const Switch to : kSwitches) {
    CAPTURE(static_cast<int>(to));
    const auto call = [&](KeyHandle target, std::string_view pin, const Bytes& mac) {
      const ActivationRequest request{{}, target, secret(pin), mac};
      return to == Switch::activate ? store.activate(request) : store.deactivate(request);
    };
    check_refused(call(KeyHandle{}, "0000", kWrongMac), Status::no_key, "Unknown key");
    check_refused(call(KeyHandle{999}, "0000", kWrongMac), Status::no_key, "Unknown key");
    check_refused(call(unfinished, "0000", kWrongMac), Status::no_key, "still being provisioned");
    check_refused(call(key, "0000", kWrongMac), Status::option, "MAC");
    CHECK(pin_errors(store, key) == 0);
    CHECK(status_of(call(key, "1234", Bytes(65536))) == Status::option);
    check_refused(call(key, "0000", {}), Status::authorization, "Authorization failed");
    CHECK(pin_errors(store, key) == 1);
    check_refused(call(key, "", {}), Status::authorization, "Authorization failed");
    CHECK(pin_errors(store, key) == 2);
    CHECK(call(key, "1234", {}));
    CHECK(pin_errors(store, key) == 0);
    CHECK(is_suspended(store, key) == (to == Switch::deactivate));
  }
  CHECK(is_open(store, open.handle()));
  REQUIRE(locally(store, Switch::activate, key, "1234"));
  for (int i = 0; i < 3; ++i) check_refused(locally(store, Switch::deactivate, key, "9"), Status::authorization, "");
  check_refused(locally(store, Switch::deactivate, key, "1234"), Status::authorization, "");
  CHECK_FALSE(is_suspended(store, key));
}

TEST_CASE("activate, deactivate by the user: a key without PIN takes none, a key under the device PIN takes that") {
  for (const PinKind pin : {PinKind::none, PinKind::device}) {
    const bool with_device_pin = pin == PinKind::device;
    CAPTURE(with_device_pin);
    ManagedDevice device;
    const Owner owner = provision_owner(device, {.pin = pin, .has_kmk = false});
    const KeyHandle key = owner.key().handle;
    const char* const right = with_device_pin ? "1234" : "";
    SecureKeyStore& store = *device.engine;
    for (const Switch to : {Switch::deactivate, Switch::activate}) {
      check_refused(locally(store, to, key, with_device_pin ? "" : "1234"),
                    with_device_pin ? Status::authorization : Status::option, "");
      check_refused(locally(store, to, key, "4321"), with_device_pin ? Status::authorization : Status::option, "");
      CHECK(locally(store, to, key, right).value() == (to == Switch::deactivate ? kByUser : kActive));
      CHECK(store.get_key_protection_info(key)->protection_status ==
            ((with_device_pin ? kDevicePin : 0) | (to == Switch::deactivate ? kSuspended : 0)));
    }
    CHECK(signs_as(store, key, owner.key().certificate, right));
  }
}

TEST_CASE("activate, deactivate by the issuer: step 1 refuses unknown and closed sessions and aborts nothing") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  TestIssuer issuer = open_issuer(device);
  for (const ProvisioningHandle session : {ProvisioningHandle{999}, owner.session}) {
    CHECK(status_of(device.engine->activate({session, KeyHandle{999}, {}, kWrongMac})) == Status::no_session);
    CHECK(status_of(device.engine->deactivate({session, KeyHandle{999}, {}, kWrongMac})) == Status::no_session);
  }
  CHECK(is_open(*device.engine, issuer.handle()));
}

TEST_CASE("activate, deactivate by the issuer: each later step comes before the next and aborts") {
  struct Case {
    const char* name;
    Status status;
    const char* word;
    std::function<Result<std::uint8_t>(Device&, Switch, TestIssuer&, const Owner&)> run;
    IssuerOptions options = {};
  };
  const auto wrong = [](TestIssuer& issuer, const ManagedKey& key) {
    const crypto::PrivateKey nobody = generate_key(kSks + "ec.nist.p256");
    return TargetAuthorization{key.handle, issuer.target_authorization(nobody, key.certificate), kWrongMac};
  };
  const auto bare_key = [](TestIssuer& issuer) { return issuer.create_key_entry(key_request()).value().handle; };
  const std::vector<Case> cases{
      {"unknown target",
       Status::no_key,
       "Unknown key 999",
       [](Device&, Switch s, TestIssuer& i, const Owner&) {
         return by_issuer(i, s, {KeyHandle{999}, {}, kWrongMac});
       },
       {.session_key_limit = 0}},
      {"target in another open session",
       Status::option,
       "cannot be managed",
       [](Device& d, Switch s, TestIssuer& i, const Owner& o) {
         TestIssuer other = open_issuer(d, {.kmk = &o.kmk});
         return by_issuer(i, s, {add_key(other).handle, {}, kWrongMac});
       },
       {.session_key_limit = 0}},
      {"target without KMK",
       Status::option,
       "cannot be managed",
       [](Device& d, Switch s, TestIssuer& i, const Owner&) {
         const Owner other = provision_owner(d, {.has_kmk = false});
         return by_issuer(i, s, {other.key().handle, {}, kWrongMac});
       },
       {.session_key_limit = 0}},
      {"no operation left for the MAC",
       Status::option,
       "sessionKeyLimit",
       [&](Device&, Switch s, TestIssuer& i, const Owner& o) { return by_issuer(i, s, wrong(i, o.key())); },
       {.privacy_enabled = false, .session_key_limit = 0}},
      {"privacyEnabled differs",
       Status::option,
       "privacyEnabled",
       [&](Device&, Switch s, TestIssuer& i, const Owner& o) { return by_issuer(i, s, wrong(i, o.key())); },
       {.privacy_enabled = false, .session_key_limit = 1}},
      {"wrong MAC",
       Status::mac,
       "MAC mismatch",
       [&](Device&, Switch s, TestIssuer& i, const Owner& o) {
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return by_issuer(i, s, wrong(i, o.key()));
       },
       {.session_key_limit = 3}},
      {"MAC of the other method", Status::mac, "MAC mismatch",
       [&](Device&, Switch s, TestIssuer& i, const Owner& o) {
         TargetAuthorization target = aim_at(i, o);
         const Bytes data = concat({Bytes{0, 64}, target.authorization});
         target.mac = i.mac(s == Switch::activate ? "deactivate" : "activate", data);
         return by_issuer(i, s, target);
       }},
      {"no operation left for the target key reference",
       Status::option,
       "sessionKeyLimit",
       [&](Device&, Switch s, TestIssuer& i, const Owner& o) {
         return by_issuer(i, s, {o.key().handle, Bytes(63), {}});
       },
       {.session_key_limit = 1}},
      {"authorization of a wrong length", Status::crypto, "Authorization",
       [&](Device&, Switch s, TestIssuer& i, const Owner& o) {
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return by_issuer(i, s, {o.key().handle, Bytes(63), {}});
       }},
      {"authorization by another key", Status::option, "Authorization",
       [&](Device&, Switch s, TestIssuer& i, const Owner& o) {
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         TargetAuthorization target = wrong(i, o.key());
         target.mac.clear();
         return by_issuer(i, s, target);
       }},
      {"conflict with delete",
       Status::option,
       "Conflicting",
       [&](Device&, Switch s, TestIssuer& i, const Owner& o) {
         REQUIRE(i.post_delete_key(aim_at(i, o)));
         return by_issuer(i, s, aim_at(i, o));
       },
       {.session_key_limit = 4}},
      {"own key without certificate path",
       Status::option,
       "Certificate path missing",
       [&](Device&, Switch s, TestIssuer& i, const Owner&) {
         return by_issuer(i, s, {bare_key(i), Bytes(1), kWrongMac});
       },
       {.session_key_limit = 2}},
      {"own key, no operation left",
       Status::option,
       "sessionKeyLimit",
       [&](Device&, Switch s, TestIssuer& i, const Owner&) {
         return by_issuer(i, s, {add_key(i).handle, Bytes(1), kWrongMac});
       },
       {.session_key_limit = 3}},
      {"own key, wrong MAC",
       Status::mac,
       "MAC mismatch",
       [&](Device&, Switch s, TestIssuer& i, const Owner&) {
         return by_issuer(i, s, {add_key(i).handle, Bytes(1), kWrongMac});
       },
       {.session_key_limit = 4}},
      {"own key, MAC without the certificate", Status::mac, "MAC mismatch",
       [&](Device&, Switch s, TestIssuer& i, const Owner&) {
         const KeyHandle key = add_key(i).handle;
         return by_issuer(i, s, {key, {}, i.mac(s == Switch::activate ? "activate" : "deactivate", Bytes{0, 0})});
       }},
      {"own key with an authorization", Status::option, "takes no authorization",
       [&](Device&, Switch s, TestIssuer& i, const Owner&) {
         return by_issuer(i, s, {add_key(i).handle, Bytes(1), {}});
       }},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    for (const Switch to : kSwitches) {
      CAPTURE(static_cast<int>(to));
      ManagedDevice device;
      const Owner owner = provision_owner(device);
      TestIssuer issuer = open_issuer(device, c.options);
      check_refused(c.run(device, to, issuer, owner), c.status, c.word);
      CHECK_FALSE(is_open(*device.engine, issuer.handle()));
      CHECK(owner_of(*device.engine, owner.key().handle) == owner.session);
      CHECK_FALSE(is_suspended(*device.engine, owner.key().handle));
    }
  }
}

TEST_CASE("deactivate by the issuer: is rolled back with its session") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  TestIssuer issuer = open_issuer(device);
  REQUIRE(issuer.deactivate(owner.key().handle, aim_at(issuer, owner).authorization));
  REQUIRE(device.engine->abort_provisioning_session(issuer.handle()));
  CHECK(signs_as(*device.engine, owner.key().handle, owner.key().certificate));
}

TEST_CASE("deactivate by the issuer: delivers a key of its own session suspended, for one operation") {
  ManagedDevice device;
  const crypto::PrivateKey kmk = generate_key(kSks + "ec.nist.p256");
  // Key and certificate 3, deactivate 1, close 2.
  for (const std::uint16_t limit : {std::uint16_t{6}, std::uint16_t{5}}) {
    CAPTURE(limit);
    TestIssuer issuer = open_issuer(device, {.kmk = &kmk, .session_key_limit = limit});
    const ManagedKey key = add_key(issuer);
    const std::uint16_t counter = issuer.counter();
    CHECK(issuer.deactivate(key.handle).value() == kByIssuer);
    CHECK(issuer.counter() == counter + 1);
    device.restart();
    issuer.use(*device.engine);
    CHECK(status_of(issuer.close()) == (limit == 6 ? std::nullopt : std::optional(Status::option)));
    if (limit != 6) continue;
    CHECK(is_suspended(*device.engine, key.handle));
    CHECK(locally(*device.engine, Switch::activate, key.handle, "").value() == kByIssuer);
    TestIssuer next = open_issuer(device);
    const Bytes authorization = next.target_authorization(kmk, key.certificate);
    CHECK(next.activate(key.handle, authorization).value() == kActive);
    REQUIRE(next.close());
    CHECK(signs_as(*device.engine, key.handle, key.certificate, ""));
  }
}

TEST_CASE("activate, deactivate by the issuer: may be repeated and mixed, the last one counts") {
  struct Case {
    std::vector<Switch> calls;
    std::uint8_t after;
  };
  constexpr Switch on = Switch::activate;
  constexpr Switch off = Switch::deactivate;
  for (const bool own : {false, true}) {
    for (const Case& c : {Case{{on, off}, kByIssuer}, Case{{off, on}, kActive}, Case{{off, off}, kByIssuer},
                          Case{{off, on, off}, kByIssuer}, Case{{on, on}, kActive}}) {
      CAPTURE(own);
      ManagedDevice device;
      const Owner owner = provision_owner(device);
      TestIssuer issuer = open_issuer(device);
      const TargetAuthorization target =
          own ? TargetAuthorization{add_key(issuer).handle, {}, {}} : aim_at(issuer, owner);
      for (const Switch to : c.calls)
        CHECK(by_issuer(issuer, to, target).value() == (to == Switch::activate ? kActive : kByIssuer));
      REQUIRE(issuer.close());
      CHECK(is_suspended(*device.engine, target.target) == (c.after != kActive));
    }
  }
}

TEST_CASE("activate, deactivate with postUpdateKey: the new key takes the state over, then its own calls count") {
  enum class Step { update, off_target, on_target, off_own, on_own };
  struct Case {
    const char* name;
    std::uint8_t before;
    std::vector<Step> steps;
    std::uint8_t after;
  };
  const std::vector<Case> cases{
      {"active key", kActive, {Step::update}, kActive},
      {"key suspended by the user", kByUser, {Step::update}, kByUser},
      {"key suspended by the issuer", kByIssuer, {Step::update}, kByIssuer},
      {"key suspended by both", kBoth, {Step::update}, kBoth},
      {"target suspended before", kActive, {Step::off_target, Step::update}, kByIssuer},
      {"target suspended after", kActive, {Step::update, Step::off_target}, kByIssuer},
      {"target activated before", kBoth, {Step::on_target, Step::update}, kByUser},
      {"target activated after", kBoth, {Step::update, Step::on_target}, kByUser},
      {"new key suspended before", kByUser, {Step::off_own, Step::update}, kBoth},
      {"new key suspended after", kByUser, {Step::update, Step::off_own}, kBoth},
      {"new key activated before", kByIssuer, {Step::on_own, Step::update}, kActive},
      {"new key activated after", kByIssuer, {Step::update, Step::on_own}, kActive},
      {"the last of both counts", kActive, {Step::off_own, Step::update, Step::on_target}, kActive},
      {"whichever that is", kActive, {Step::on_target, Step::update, Step::off_own}, kByIssuer},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    ManagedDevice device;
    Owner owner = provision_owner(device);
    const KeyHandle target = owner.key().handle;
    if ((c.before & kByIssuer) != 0) suspend_by_issuer(device, owner);
    if ((c.before & kByUser) != 0) REQUIRE(locally(*device.engine, Switch::deactivate, target, "1234"));
    TestIssuer issuer = open_issuer(device, {.kmk = &owner.kmk});
    const ManagedKey key = add_key(issuer);
    const TargetAuthorization aim = aim_at(issuer, owner);
    std::optional<std::uint8_t> told;
    for (const Step step : c.steps) {
      if (step == Step::update) REQUIRE(issuer.post_update_key(key.handle, aim));
      if (step == Step::off_target) told = issuer.deactivate(target, aim.authorization).value();
      if (step == Step::on_target) told = issuer.activate(target, aim.authorization).value();
      if (step == Step::off_own) told = issuer.deactivate(key.handle).value();
      if (step == Step::on_own) told = issuer.activate(key.handle).value();
    }
    // What the last call says holds after the commit, unless the update that decides it came later.
    if (c.steps.back() != Step::update) CHECK(told == c.after);
    REQUIRE(issuer.close());
    device.restart();
    const Switch idle = (c.after & kByUser) != 0 ? Switch::deactivate : Switch::activate;
    CHECK(locally(*device.engine, idle, target, "1234").value() == c.after);
    CHECK(signs_as(*device.engine, target, key.certificate) == (c.after == kActive));
  }
}

TEST_CASE("activate, deactivate with postCloneKeyProtection: each key keeps its own state") {
  ManagedDevice device;
  Owner owner = provision_owner(device);
  suspend_by_issuer(device, owner);
  TestIssuer issuer = open_issuer(device);
  const ManagedKey key = add_key(issuer);
  REQUIRE(issuer.post_clone_key_protection(key.handle, aim_at(issuer, owner)));
  REQUIRE(issuer.close());
  CHECK(is_suspended(*device.engine, owner.key().handle));
  CHECK(signs_as(*device.engine, key.handle, key.certificate));
}

TEST_CASE("activate, deactivate: an issuer's call and a user's call in between do not disturb each other") {
  ManagedDevice device;
  const Owner owner = provision_owner(device);
  const KeyHandle key = owner.key().handle;
  TestIssuer issuer = open_issuer(device);
  CHECK(issuer.deactivate(key, aim_at(issuer, owner).authorization).value() == kByIssuer);
  CHECK(locally(*device.engine, Switch::deactivate, key, "1234").value() == kByUser);
  REQUIRE(issuer.close());
  CHECK(locally(*device.engine, Switch::activate, key, "1234").value() == kByIssuer);
}

TEST_CASE(
    "activate, deactivate: reach a key whose session is absorbed by the same close, and make its issuer the owner") {
  ManagedDevice device;
  const Owner owner = provision_owner(device, {.keys = 2});
  TestIssuer issuer = open_issuer(device);
  REQUIRE(issuer.deactivate(owner.key().handle, aim_at(issuer, owner).authorization));
  REQUIRE(issuer.close());
  for (const ManagedKey& key : owner.keys) CHECK(owner_of(*device.engine, key.handle) == issuer.handle());
  CHECK(is_suspended(*device.engine, owner.keys.at(0).handle));
  CHECK(signs_as(*device.engine, owner.keys.at(1).handle, owner.keys.at(1).certificate));
}

TEST_CASE("storage failure: deactivate by the user suspends or does not, and a PIN is paid for first") {
  for (int n = 1; n <= 8; ++n) {
    CAPTURE(n);
    ManagedDevice device;
    const Owner owner = provision_owner(device, {.pin = PinKind::none});
    const KeyHandle key = owner.key().handle;
    device.storage.memory.fail_after(n);
    const std::optional<Status> status = status_of(locally(*device.engine, Switch::deactivate, key, ""));
    device.storage.memory.fail_after(0);
    for (const bool restarted : {false, true}) {
      CAPTURE(restarted);
      CHECK(is_suspended(*device.engine, key) == !status);
      device.restart();
    }
    if (!status) {
      CHECK(n > 1);
      return;
    }
    CHECK(status == Status::storage);
  }
  FAIL("the call never succeeds");
}

}  // namespace sks::test
