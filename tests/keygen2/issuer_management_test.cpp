#include <doctest/doctest.h>

#include <functional>

#include "keygen2/enumerations.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/private_key.h"
#include "tests/keygen2/enrolment.h"
#include "tests/keygen2/json_edit.h"

// Runs of both halves that come back to keys of earlier ones, that are suspended, or that deliver more than a
// certificate: ClientSession over an Engine against IssuerSession.
using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

constexpr const char* kHmacSha256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";
constexpr std::string_view kPin = "2468";
constexpr std::string_view kData = "data";

std::string_view class_of(const Outcome<std::string>& outcome) {
  return outcome ? std::string_view() : to_string(outcome.error().error_class);
}

/// One key under a PIN of the user, kPin.
IssuancePlan plan_with_pin(std::uint8_t grouping = 0) {
  IssuancePlan plan = plan_with_key();
  plan.keys.clear();
  plan.pin_policies.emplace_back();
  plan.pin_policies.back().grouping = grouping;
  plan.pin_policies.back().keys.push_back(key_spec());
  return plan;
}

/// A device on which a first run has created the keys of a plan, under a key management key.
class ManagedDevice {
 public:
  explicit ManagedDevice(IssuancePlan first, const EngineConfig& config = {})
      : run(std::move(first), config), management_key(run.authority.add_management_key()) {
    run.saves_issuer = true;
    run.plan.key_management_key = management_key;
    run.user.pins = {std::string(kPin)};
    run.start();
    run.pass_all();
    REQUIRE(run.issuer->phase() == IssuerPhase::done);
  }

  TargetKey found(std::size_t index) const { return target_of(run.authority.found.at(index), run.plan); }

  /// Discovery, what `decide` adds to the operations, and the rest of the run.
  void manage(const std::function<void(TargetOperations&)>& decide) {
    manage(plan_with_lookup(management_key), decide);
  }
  void manage(IssuancePlan plan, const std::function<void(TargetOperations&)>& decide) {
    run.authority.decide = [decide](const std::vector<FoundKey>&) {
      Management management;
      decide(management.operations);
      return management;
    };
    run.start_another(std::move(plan));
    run.pass_all();
    CHECK(run.issuer->phase() == IssuerPhase::done);
    CHECK(run.client->committed());
    CHECK(run.count_sessions(SessionState::open) == 0);
  }

  Result<Bytes> sign(KeyHandle key, std::string_view pin = {}) {
    return run.store->sign_data(key, kEcdsaSha256, {}, {secret(pin), false}, as_bytes(kData));
  }
  /// Whether the signature of a key verifies with its certificate.
  bool signs(KeyHandle key, std::string_view pin = {}) {
    const Result<Bytes> signature = sign(key, pin);
    if (!signature) return false;
    const auto certificate = crypto::Certificate::from_der(certificate_of(key));
    REQUIRE(certificate);
    return static_cast<bool>(crypto::verify_signature(*certificate->public_key(), as_bytes(kData), *signature));
  }
  Bytes certificate_of(KeyHandle key) {
    const auto attributes = run.store->get_key_attributes(key);
    REQUIRE(attributes);
    return attributes->certificate_path.front();
  }
  /// Uses up the PIN attempts of a key.
  void block(KeyHandle key) {
    for (int i = 0; i < 3; ++i) CHECK_FALSE(sign(key, "1357"));
    CHECK_FALSE(sign(key, kPin));
  }
  SessionInfo only_session() {
    REQUIRE(run.count_sessions(SessionState::closed) == 1);
    return **run.store->enumerate_provisioning_sessions({}, SessionState::closed);
  }

  Enrolment run;
  Bytes management_key;
};

/// A plan that looks for keys of `key` and creates one without PIN.
IssuancePlan replacement_plan(const Bytes& key) {
  IssuancePlan plan = plan_with_lookup(key);
  plan.keys.push_back(key_spec());
  return plan;
}

}  // namespace

TEST_CASE("Management: a new key takes the place and the PIN of an old one") {
  ManagedDevice device(plan_with_pin());
  const KeyHandle old = device.run.keys().at(0);
  const Bytes old_certificate = device.certificate_of(old);
  device.run.authority.adjust = [&](const AttestedKey&, CredentialSpec& spec) {
    spec.update = device.found(0);
    spec.update->app_usage = 1;
  };
  device.manage(replacement_plan(device.management_key), [](TargetOperations&) {});
  CHECK(device.run.messages.size() == 11);  // 10, and the empty one at the end
  CHECK(device.run.client->summary().updated == 1);
  REQUIRE(device.run.keys() == std::vector<KeyHandle>{old});
  CHECK(device.certificate_of(old) != old_certificate);
  CHECK(device.signs(old, kPin));
  CHECK_FALSE(device.signs(old));
  // The session of the old key has merged into the new one. Spec: keygen2.md 7.11.
  CHECK(device.only_session().server_session_id == device.run.issuer->server_session_id());
  CHECK(device.only_session().client_session_id == device.run.issuer->client_session_id());
}

TEST_CASE("Management: new keys share the PIN of an old one") {
  ManagedDevice device(plan_with_pin(kGroupingShared));
  IssuancePlan plan = replacement_plan(device.management_key);
  plan.keys.push_back(key_spec());
  device.run.authority.adjust = [&](const AttestedKey&, CredentialSpec& spec) { spec.clone = device.found(0); };
  device.manage(std::move(plan), [](TargetOperations&) {});
  CHECK(device.run.client->summary().cloned == 2);
  const std::vector<KeyHandle> keys = device.run.keys();
  REQUIRE(keys.size() == 3);
  for (const KeyHandle key : keys) CHECK(device.signs(key, kPin));
  // It is one PIN: what locks it for one key locks it for all.
  device.block(keys[1]);
  for (const KeyHandle key : keys) CHECK_FALSE(device.signs(key, kPin));
  // All of them belong to the current session now, as the next discovery tells.
  device.run.authority.adjust = nullptr;
  const std::string server = device.run.issuer->server_session_id();
  device.manage([](TargetOperations&) {});
  REQUIRE(device.run.authority.found.size() == 3);
  for (const FoundKey& key : device.run.authority.found) {
    CHECK(key.credential.owner.server == server);
    CHECK(key.credential.locked);
  }
}

TEST_CASE("Management: a blocked PIN is unlocked, without new keys") {
  for (const std::uint8_t action : {kActionManage, kActionUnlock}) {
    CAPTURE(action);
    ManagedDevice device(plan_with_pin());
    const KeyHandle key = device.run.keys().at(0);
    device.block(key);
    IssuancePlan plan = plan_with_lookup(device.management_key);
    plan.action = action;
    device.manage(std::move(plan), [&](TargetOperations& operations) {
      CHECK(device.run.authority.found.at(0).credential.locked);
      operations.unlock.push_back(device.found(0));
    });
    CHECK(device.run.messages.size() == 9);  // 1 2 3 5 of keygen2.md 1.2, and the empty one at the end
    CHECK(device.run.user.consents.back().action == (action == kActionManage ? "manage" : "unlock"));
    CHECK(device.run.client->summary().unlocked == 1);
    CHECK(device.run.store->get_key_protection_info(key)->pin_error_count == 0);
    CHECK(device.signs(key, kPin));
  }
}

TEST_CASE("Management: a key is deleted, and others of its session stay") {
  IssuancePlan plan = plan_with_key();
  plan.keys.push_back(key_spec());
  ManagedDevice device(std::move(plan));
  const std::vector<KeyHandle> before = device.run.keys();
  const Bytes deleted = device.certificate_of(before.at(0));
  device.manage([&](TargetOperations& operations) {
    for (const FoundKey& key : device.run.authority.found)
      if (key.credential.certificate_path.front() == deleted)
        operations.remove.push_back(target_of(key, device.run.plan));
  });
  CHECK(device.run.client->summary().deleted == 1);
  CHECK(device.run.keys() == std::vector<KeyHandle>{before.at(1)});
  CHECK(device.signs(before.at(1)));
  CHECK(device.only_session().server_session_id == device.run.issuer->server_session_id());
}

TEST_CASE("Management: operations on one target that go together do") {
  ManagedDevice device(plan_with_pin());
  const KeyHandle key = device.run.keys().at(0);
  device.block(key);
  device.run.authority.adjust = [&](const AttestedKey&, CredentialSpec& spec) { spec.update = device.found(0); };
  device.manage(replacement_plan(device.management_key),
                [&](TargetOperations& operations) { operations.unlock.push_back(device.found(0)); });
  CHECK(device.signs(key, kPin));
}

TEST_CASE("Management: operations on one target that exclude each other end the run [keygen2.md 7.11]") {
  ManagedDevice device(plan_with_pin());
  device.run.authority.decide = [&](const std::vector<FoundKey>&) {
    Management management;
    management.operations.unlock.push_back(device.found(0));
    management.operations.remove.push_back(device.found(0));
    return management;
  };
  device.run.start_another(plan_with_lookup(device.management_key));
  CHECK(class_of(device.run.to_issuer(device.run.pass(5))) == "VALUE");
}

TEST_CASE("Management: keys of several generations are managed with the newest key alone") {
  ManagedDevice device(plan_with_key());
  const Bytes oldest = device.management_key;
  const Bytes middle = device.run.authority.add_management_key(kRsa2048);
  const Bytes newest = device.run.authority.add_management_key();
  IssuancePlan second = plan_with_key();
  second.key_management_key = middle;
  device.run.start_another(std::move(second));
  device.run.pass_all();
  REQUIRE(device.run.count_sessions(SessionState::closed) == 2);

  IssuancePlan plan = plan_with_lookup(newest);
  std::vector<RollOver> below;
  below.push_back(device.run.authority.roll_over(oldest, middle));
  plan.roll_overs.push_back(device.run.authority.roll_over(middle, newest, std::move(below)));
  plan.lookups.push_back({oldest, std::nullopt});
  plan.lookups.push_back({middle, std::nullopt});
  device.manage(std::move(plan), [&](TargetOperations& operations) {
    // Nothing is left under the older keys.
    REQUIRE(device.run.authority.found.size() == 2);
    for (const FoundKey& key : device.run.authority.found) CHECK(key.lookup == 0);
    operations.remove.push_back(device.found(0));
  });
  CHECK(device.run.keys().size() == 1);
  for (const Bytes& older : {oldest, middle}) {
    device.manage(plan_with_lookup(older), [](TargetOperations&) {});
    CHECK(device.run.authority.found.empty());
  }
  // An authorization by an older key is worth nothing any more, though the issuer could still sign it.
  device.run.authority.decide = [&](const std::vector<FoundKey>&) {
    Management management;
    management.operations.remove.push_back(device.found(0));
    management.operations.remove.back().key_management_key = middle;
    return management;
  };
  device.run.start_another(plan_with_lookup(newest));
  CHECK(class_of(device.run.to_client(device.run.pass(6))) == "SKS");
  CHECK(device.run.keys().size() == 1);
}

TEST_CASE("Management: only keys that the filter selects are found") {
  IssuancePlan first = plan_with_key();
  first.keys.push_back(key_spec(kP256, 0));
  ManagedDevice device(std::move(first));
  IssuancePlan plan = plan_with_lookup(device.management_key);
  plan.lookups.front().filter = SearchFilter();
  plan.lookups.front().filter->subject_reg_ex = "CN=Key\\.[2-9]";
  plan.lookups.push_back({device.management_key, SearchFilter()});
  plan.lookups.back().filter->app_usage = 1;
  device.manage(std::move(plan), [](TargetOperations&) {});
  REQUIRE(device.run.authority.found.size() == 2);
  CHECK(device.run.authority.found[0].credential.certificate_path.front() ==
        device.certificate_of(device.run.keys().at(1)));
  CHECK(device.run.authority.found[1].credential.certificate_path.front() ==
        device.certificate_of(device.run.keys().at(0)));
}

TEST_CASE("Management: an anonymous key is managed in anonymous sessions, and found in no other") {
  IssuancePlan first = plan_with_key();
  first.privacy_enabled = true;
  ManagedDevice device(std::move(first));
  device.manage([](TargetOperations&) {});
  CHECK(device.run.authority.found.empty());
  IssuancePlan plan = plan_with_lookup(device.management_key);
  plan.privacy_enabled = true;
  device.manage(std::move(plan), [&](TargetOperations& operations) { operations.remove.push_back(device.found(0)); });
  CHECK(device.run.keys().empty());
  CHECK(device.run.authority.devices.size() == 1);  // of the one session that was not anonymous
}

TEST_CASE("Delivery: a symmetric key and a private key replace generated ones") {
  IssuancePlan plan = plan_with_key();
  plan.keys.front().endorsed_algorithms = {kHmacSha256};
  plan.keys.push_back(key_spec(kP256, 2));
  plan.reserve.imported_keys = 2;
  Enrolment run(std::move(plan));
  auto imported = crypto::PrivateKey::generate(*find_algorithm(kP256));
  REQUIRE(imported);
  run.authority.adjust = [&](const AttestedKey& key, CredentialSpec& spec) {
    if (key.index == 0) {
      spec.symmetric_key = secret("key");
      return;
    }
    auto pkcs8 = imported->to_pkcs8();
    REQUIRE(pkcs8);
    spec.private_key = std::move(pkcs8).value();
    spec.certificate_path = std::vector<Bytes>{run.authority.certificate_for(imported->public_key(), "imported").der()};
  };
  run.start();
  run.pass_all();
  const std::vector<KeyHandle> keys = run.keys();
  REQUIRE(keys.size() == 2);
  // printf 'The quick brown fox jumps over the lazy dog' | openssl dgst -sha256 -hmac key
  const auto mac =
      run.store->perform_hmac(keys[0], kHmacSha256, {}, {}, as_bytes("The quick brown fox jumps over the lazy dog"));
  REQUIRE(mac);
  CHECK(to_hex(*mac) == "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
  const auto signature = run.store->sign_data(keys[1], kEcdsaSha256, {}, {}, as_bytes(kData));
  REQUIRE(signature);
  CHECK(crypto::verify_signature(imported->public_key(), as_bytes(kData), *signature));
  CHECK(run.store->get_key_protection_info(keys[1])->key_backup == kImported);
}

TEST_CASE("Delivery: extensions of all kinds are read back as they were issued") {
  IssuancePlan plan = plan_with_key();
  plan.reserve.extensions = 3;
  plan.reserve.encrypted_extensions = 1;
  Enrolment run(std::move(plan));
  run.authority.adjust = [](const AttestedKey&, CredentialSpec& spec) {
    // In another order than the message has them.
    spec.extensions.push_back(
        {kLogotype, "https://webpki.github.io/keygen2/logotype#card", "image/png", secret("\x89PNG"), {}});
    spec.extensions.push_back(
        {kPropertyBag, "urn:ietf:rfc:4226", {}, SecureBytes(), {{"Counter", "0", true}, {"Digits", "8", false}}});
    spec.extensions.push_back({kEncryptedExtension, "urn:example:enc", {}, secret("secret"), {}});
    spec.extensions.push_back({0, "urn:example:ext", {}, secret("open"), {}});
  };
  run.start();
  const std::string request = run.pass(6);
  CHECK(request.find(to_base64url(as_bytes("secret"))) == std::string::npos);
  run.pass_all();
  const KeyHandle key = run.keys().at(0);
  const auto check = [&](const char* type, std::uint8_t sub_type, std::string_view qualifier, std::string_view hex) {
    const auto content = run.store->get_extension(key, type);
    REQUIRE(content);
    CHECK(content->sub_type == sub_type);
    CHECK(content->qualifier == qualifier);
    CHECK(to_hex(content->data.view()) == hex);
  };
  check("urn:example:ext", 0, "", "6f70656e");
  check("urn:example:enc", 1, "", "736563726574");
  // The property bag of keygen2.md, Appendix C.2.
  check("urn:ietf:rfc:4226", 2, "", "0007436f756e74657201000130000644696769747300000138");
  check("https://webpki.github.io/keygen2/logotype#card", 3, "image/png", "89504e47");
  CHECK(run.store->set_property(key, "urn:ietf:rfc:4226", "Counter", "1"));
  CHECK_FALSE(run.store->set_property(key, "urn:ietf:rfc:4226", "Digits", "6"));
}

TEST_CASE("Delivery: a PUK unlocks the PIN that the issuer preset") {
  IssuancePlan plan = plan_with_key();
  plan.keys.clear();
  plan.puk_policies.emplace_back();
  plan.puk_policies.back().puk = secret("97531864");
  plan.puk_policies.back().pin_policies.emplace_back();
  plan.puk_policies.back().pin_policies.back().keys.push_back(key_spec());
  plan.puk_policies.back().pin_policies.back().keys.back().preset_pin = secret(kPin);
  ManagedDevice device(std::move(plan));
  const KeyHandle key = device.run.keys().at(0);
  CHECK(device.run.user.requests.empty());
  CHECK(device.signs(key, kPin));
  device.block(key);
  CHECK_FALSE(device.run.store->unlock_key(key, secret("97531865")));
  CHECK(device.run.store->unlock_key(key, secret("97531864")));
  CHECK(device.signs(key, kPin));
}

TEST_CASE("Delivery: a key under the device PIN is made where there is one") {
  class OneDevicePin final : public DevicePinVerifier {
    bool verify(ByteView pin) override { return equal(pin, as_bytes("0000")); }
  } verifier;
  for (const bool supported : {true, false}) {
    CAPTURE(supported);
    IssuancePlan plan = plan_with_key();
    plan.keys.front().device_pin_protection = true;
    EngineConfig config;
    if (supported) config.device_pin = &verifier;
    Enrolment run(std::move(plan), config);
    run.start();
    const auto outcome = run.to_issuer(run.pass(1));
    CHECK(class_of(outcome) == (supported ? "" : "POLICY"));
    if (!supported) continue;
    run.last = *outcome;
    const auto response = run.to_client(*outcome);
    REQUIRE(response);
    const auto creation = run.to_issuer(*response);
    REQUIRE(creation);
    CHECK(edit::get(*creation, "/keyEntrySpecifiers/0/id") == "Key.1");
    const auto created = run.to_client(*creation);
    REQUIRE(created);
    const auto finalization = run.to_issuer(*created);
    REQUIRE(finalization);
    REQUIRE(run.to_client(*finalization));
    const KeyHandle key = run.keys().at(0);
    CHECK(run.store->get_key_protection_info(key)->protection_status == kDevicePin);
    CHECK(run.store->sign_data(key, kEcdsaSha256, {}, {secret("0000"), false}, as_bytes(kData)));
    CHECK_FALSE(run.store->sign_data(key, kEcdsaSha256, {}, {secret("0001"), false}, as_bytes(kData)));
  }
}

namespace {

IssuancePlan deferred_plan() {
  IssuancePlan plan = plan_with_pin();
  plan.deferred_issuance = true;
  plan.session_life_time = 600;
  return plan;
}

/// Up to the suspension.
void suspend(Enrolment& run) {
  run.user.pins = {std::string(kPin)};
  run.start();
  CHECK(run.pass(6).empty());
  CHECK(run.issuer->phase() == IssuerPhase::suspended);
  CHECK(run.authority.certified.empty());
  const auto ending = run.client->terminated();
  REQUIRE(ending);
  CHECK(*ending == Ending::suspended);
  CHECK(run.count_sessions(SessionState::open) == 1);
}

}  // namespace

TEST_CASE("Deferred issuance: a run is resumed by another client [keygen2.md 8.8]") {
  for (const bool saves : {false, true}) {
    CAPTURE(saves);
    Enrolment run(deferred_plan());
    run.saves_issuer = saves;
    suspend(run);
    run.clock.set(kNow + 600);
    run.issuer_clock.set(kNow + 600);
    run.replace_client();
    REQUIRE(run.resume_issuer());
    CHECK(run.authority.certified == std::vector<std::string>{"Key.1"});
    CHECK(run.pass(2).empty());
    CHECK(run.issuer->phase() == IssuerPhase::done);
    CHECK(run.client->committed());
    REQUIRE(run.keys().size() == 1);
    CHECK(run.store->sign_data(run.keys()[0], kEcdsaSha256, {}, {secret(kPin), false}, as_bytes(kData)));
    CHECK(class_of(run.resume_issuer()) == "STATE");
  }
}

TEST_CASE("Deferred issuance: after its life time a session is not resumed [keygen2.md 8.8]") {
  Enrolment run(deferred_plan());
  suspend(run);
  run.issuer_clock.set(kNow + 601);
  CHECK(class_of(run.resume_issuer()) == "SESSION");
  run.issuer_clock.set(kNow);
  CHECK(class_of(run.resume_issuer()) == "STATE");
  CHECK(run.authority.certified.empty());
}

TEST_CASE("Deferred issuance: a run that is not suspended cannot be resumed") {
  Enrolment run(deferred_plan());
  run.user.pins = {std::string(kPin)};
  run.start();
  run.pass(4);
  CHECK(class_of(run.resume_issuer()) == "STATE");
  CHECK(class_of(run.to_issuer(run.pass(1))) == "STATE");
}

namespace {

IssuancePlan suspension_plan(IssuancePlan plan) {
  plan.capability_queries = {std::string(kKeySuspension)};
  plan.reserve.target_operations = 10;
  return plan;
}

/// A device whose only key was delivered suspended.
class SuspendedDevice : public ManagedDevice {
 public:
  SuspendedDevice() : ManagedDevice(suspension_plan(plan_with_pin())) {
    run.authority.adjust = [](const AttestedKey&, CredentialSpec& spec) { spec.deactivated = true; };
    run.user.pins = {std::string(kPin)};
    IssuancePlan plan = suspension_plan(plan_with_pin());
    plan.key_management_key = management_key;
    run.start_another(std::move(plan));
    run.pass_all();
    run.authority.adjust = nullptr;
    REQUIRE(run.keys().size() == 2);
    key = run.keys().at(1);
  }

  /// The target whose certificate the suspended key has.
  TargetKey target() {
    for (const FoundKey& found_key : run.authority.found)
      if (found_key.credential.certificate_path.front() == certificate_of(key)) return target_of(found_key, run.plan);
    FAIL("the key was not found");
    return {};
  }

  KeyHandle key;
};

}  // namespace

TEST_CASE("Key suspension: a key is delivered suspended, activated, and deactivated again [sks-extensions.md]") {
  SuspendedDevice device;
  CHECK(device.run.client->summary().deactivated == 1);
  CHECK(device.sign(device.key, kPin).error().status == Status::not_allowed);
  CHECK(device.signs(device.run.keys().at(0), kPin));
  device.manage(suspension_plan(plan_with_lookup(device.management_key)),
                [&](TargetOperations& operations) { operations.activate.push_back(device.target()); });
  CHECK(device.run.client->summary().activated == 1);
  CHECK(device.signs(device.key, kPin));
  device.manage(suspension_plan(plan_with_lookup(device.management_key)),
                [&](TargetOperations& operations) { operations.deactivate.push_back(device.target()); });
  CHECK(device.sign(device.key, kPin).error().status == Status::not_allowed);
}

TEST_CASE("Key suspension: nothing of it goes to a client that has not announced it [sks-extensions.md]") {
  struct Wish {
    const char* name;
    std::vector<TargetKey> TargetOperations::*list;  ///< null: delivered suspended
  };
  for (const Wish& wish : {Wish{"activate", &TargetOperations::activate},
                           Wish{"deactivate", &TargetOperations::deactivate}, Wish{"deliver suspended", nullptr}}) {
    for (const bool asked : {false, true}) {
      CAPTURE(wish.name);
      CAPTURE(asked);
      ManagedDevice device(plan_with_key());
      IssuancePlan plan = replacement_plan(device.management_key);
      if (asked) plan.capability_queries = {std::string(kKeySuspension)};
      device.run.authority.decide = [&](const std::vector<FoundKey>&) {
        Management management;
        if (wish.list != nullptr) (management.operations.*wish.list).push_back(device.found(0));
        return management;
      };
      device.run.authority.adjust = [&](const AttestedKey&, CredentialSpec& spec) {
        spec.deactivated = wish.list == nullptr;
      };
      std::string message = device.run.start_another(std::move(plan));
      for (int i = 0; i < 3; ++i) {
        auto response = device.run.to_client(message);
        REQUIRE(response);
        if (asked && i == 0) response = edit::with(*response, "/clientCapabilities/0/supported", "false");
        auto request = device.run.to_issuer(*response);
        REQUIRE(request);
        message = std::move(request).value();
      }
      const auto response = device.run.to_client(message);
      REQUIRE(response);
      CHECK(class_of(device.run.to_issuer(*response)) == "POLICY");
    }
  }
}
