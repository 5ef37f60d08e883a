#include <doctest/doctest.h>

#include "tests/sks-core/engine/device.h"

// The order of the steps of createProvisioningSession, createPukPolicy, createPinPolicy, createKeyEntry and
// setCertificatePath: spec/sks-api.md 4.2, 4.7 to 4.9 and 4.11.
namespace sks::test {
namespace {

const Bytes kWrongMac(32, 0x5A);

/// One step of a method, and an argument that only this step and those before it can refuse.
template <class Arguments>
struct Step {
  const char* name;
  Status status;
  const char* word;  ///< tells steps with the same status apart
  std::function<void(Arguments&, TestIssuer&)> violate;
};

/// Each round violates one step and, as far as the arguments allow, all later ones. `call` aborts the session.
template <class Arguments>
void check_order(const std::vector<Step<Arguments>>& steps, const std::function<Arguments(TestIssuer&)>& sound,
                 const std::function<Result<void>(Device&, TestIssuer&, Arguments&)>& call) {
  for (auto step = steps.begin(); step != steps.end(); ++step) {
    CAPTURE(step->name);
    Device device;
    TestIssuer issuer(*device.engine);
    Arguments arguments = sound(issuer);
    for (auto later = steps.end(); later != step; --later) std::prev(later)->violate(arguments, issuer);
    const Result<void> result = call(device, issuer, arguments);
    REQUIRE_FALSE(result);
    CHECK(result.error().status == step->status);
    CAPTURE(result.error().detail);
    CHECK(result.error().detail.find(step->word) != std::string::npos);
    CHECK(all_sessions(*device.engine, SessionState::open).empty());
  }
}

template <class T>
Result<void> outcome(const Result<T>& result) {
  if (!result) return result.error();
  return {};
}

Bytes spki_of(std::string_view algorithm) { return generate_key(kSks + std::string(algorithm)).public_key().spki(); }

Bytes unsupported_rsa_spki() {
  Algorithm row = *find_algorithm(kSks + "rsa1024");
  row.size = 1536;
  return crypto::PrivateKey::generate(row).value().public_key().spki();
}

constexpr int kOps = 10;

/// The arguments of a call in a session, and the operations that are left for it.
template <class Request>
struct Attempt {
  Request request;
  int ops = kOps;
};

PinPolicyHandle create_policy(TestIssuer& issuer, std::string id) {
  PinPolicyRequest policy = pin_policy_request();
  policy.id = std::move(id);
  policy.user_defined = false;
  return issuer.create_pin_policy(policy).value();
}

/// A session with a PIN policy of the id "used" and kOps operations left.
PinPolicyHandle open_with_policy(TestIssuer& issuer) {
  issuer.request.session_key_limit = kOps + 1;
  REQUIRE(issuer.open());
  return create_policy(issuer, "used");
}

void leave_ops(TestIssuer& issuer, int ops) {
  for (int i = ops; i < kOps; ++i) create_policy(issuer, "policy-" + std::to_string(i));
}

}  // namespace

TEST_CASE("createProvisioningSession: each step comes before the next") {
  check_order<SessionRequest>(
      {
          {"1", Status::option, "session.2", [](auto& r, auto&) { r.session_key_algorithm = kSks + "session.2"; }},
          {"2", Status::option, "issuerUri", [](auto& r, auto&) { r.issuer_uri.clear(); }},
          {"3", Status::crypto, "", [](auto& r, auto&) { r.server_ephemeral_key = Bytes(91); }},
          {"4", Status::option, "serverEphemeralKey",
           [](auto& r, auto&) { r.server_ephemeral_key = spki_of("rsa1024"); }},
          {"5", Status::crypto, "", [](auto& r, auto&) { r.key_management_key = Bytes(91); }},
          {"6", Status::option, "keyManagementKey: RSA",
           [](auto& r, auto&) { r.key_management_key = unsupported_rsa_spki(); }},
          {"7", Status::option, "keyManagementKey", [](auto& r, auto&) { r.key_management_key = spki_of("x25519"); }},
          {"8", Status::option, "id syntax", [](auto& r, auto&) { r.server_session_id = "a b"; }},
      },
      [](TestIssuer& issuer) { return issuer.request; },
      [](Device& device, TestIssuer&, SessionRequest& request) {
        return outcome(device.engine->create_provisioning_session(request));
      });
}

TEST_CASE("createPukPolicy: each step comes before the next, and every failure aborts") {
  using Puk = Attempt<PukPolicyRequest>;
  check_order<Puk>(
      {
          {"2", Status::option, "format", [](auto& a, auto&) { a.request.format = 4; }},
          {"3", Status::option, "retryLimit", [](auto& a, auto&) { a.request.retry_limit = 10001; }},
          {"4: op", Status::option, "sessionKeyLimit", [](auto& a, auto&) { a.ops = 0; }},
          {"4: no IV", Status::internal, "IV", [](auto& a, auto&) { a.request.encrypted_puk = Bytes(15); }},
          {"4: blocks", Status::crypto, "blocks", [](auto& a, auto&) { a.request.encrypted_puk = Bytes(33); }},
          {"5", Status::option, "PUK length",
           [](auto& a, auto& i) { a.request.encrypted_puk = i.encrypt(Bytes(129)); }},
          {"6", Status::option, "PUK syntax",
           [](auto& a, auto& i) { a.request.encrypted_puk = i.encrypt(as_bytes("x")); }},
          {"7: op", Status::option, "sessionKeyLimit", [](auto& a, auto&) { a.ops = 1; }},
          {"7", Status::mac, "createPUKPolicy", [](auto& a, auto&) { a.request.mac = kWrongMac; }},
          {"8", Status::option, "already used", [](auto& a, auto&) { a.request.id = "used"; }},
          {"9", Status::option, "id syntax", [](auto& a, auto&) { a.request.id = ""; }},
      },
      [](TestIssuer& issuer) {
        open_with_policy(issuer);
        return Puk{{"PUK", issuer.encrypt(as_bytes("1")), 0, 3, {}}};
      },
      [](Device&, TestIssuer& issuer, Puk& attempt) {
        leave_ops(issuer, attempt.ops);
        return outcome(issuer.create_puk_policy(attempt.request));
      });
}

TEST_CASE("createPinPolicy: each step comes before the next, and every failure aborts") {
  using Pin = Attempt<PinPolicyRequest>;
  check_order<Pin>(
      {
          {"2", Status::option, "grouping", [](auto& a, auto&) { a.request.grouping = 4; }},
          {"3", Status::option, "inputMethod", [](auto& a, auto&) { a.request.input_method = 3; }},
          {"4", Status::option, "format", [](auto& a, auto&) { a.request.format = 4; }},
          {"5", Status::option, "retryLimit", [](auto& a, auto&) { a.request.retry_limit = 0; }},
          {"6", Status::option, "patternRestrictions", [](auto& a, auto&) { a.request.pattern_restrictions = 0x20; }},
          {"7", Status::option, "PUK policy", [](auto& a, auto&) { a.request.puk_policy = PukPolicyHandle{77}; }},
          {"8", Status::option, "missing-group", [](auto& a, auto&) { a.request.pattern_restrictions = 0x10; }},
          {"9", Status::option, "minLength", [](auto& a, auto&) { a.request.min_length = 0; }},
          {"10: op", Status::option, "sessionKeyLimit", [](auto& a, auto&) { a.ops = 0; }},
          {"10", Status::mac, "createPINPolicy", [](auto& a, auto&) { a.request.mac = kWrongMac; }},
          {"11", Status::option, "already used", [](auto& a, auto&) { a.request.id = "used"; }},
          {"12", Status::option, "id syntax", [](auto& a, auto&) { a.request.id = ""; }},
      },
      [](TestIssuer& issuer) {
        open_with_policy(issuer);
        return Pin{pin_policy_request()};
      },
      [](Device&, TestIssuer& issuer, Pin& attempt) {
        leave_ops(issuer, attempt.ops);
        return outcome(issuer.create_pin_policy(attempt.request));
      });
}

TEST_CASE("createKeyEntry: each step comes before the next, and every failure aborts") {
  using Key = Attempt<KeyEntryRequest>;
  check_order<Key>(
      {
          {"2", Status::algorithm, "key.2", [](auto& a, auto&) { a.request.key_entry_algorithm = kSks + "key.2"; }},
          {"3", Status::option, "key.1", [](auto& a, auto&) { a.request.key_algorithm = kSks + "key.1"; }},
          {"4", Status::option, "do not fit", [](auto& a, auto&) { a.request.key_parameters.clear(); }},
          {"5", Status::option, "serverSeed", [](auto& a, auto&) { a.request.server_seed.resize(65); }},
          {"6", Status::option, "exportProtection out", [](auto& a, auto&) { a.request.export_protection = 4; }},
          {"7", Status::option, "deleteProtection out", [](auto& a, auto&) { a.request.delete_protection = 4; }},
          {"8", Status::option, "appUsage", [](auto& a, auto&) { a.request.app_usage = 4; }},
          {"9", Status::option, "biometricProtection out", [](auto& a, auto&) { a.request.biometric_protection = 4; }},
          {"E1", Status::option, "friendlyName", [](auto& a, auto&) { a.request.friendly_name.assign(101, 'f'); }},
          {"10A", Status::option, "no device PIN", [](auto& a, auto&) { a.request.device_pin_protection = true; }},
          {"10B: policy", Status::option, "PIN policy",
           [](auto& a, auto&) { a.request.pin_policy = PinPolicyHandle{77}; }},
          {"10B: caching", Status::option, "trusted-gui", [](auto& a, auto&) { a.request.enable_pin_caching = true; }},
          {"11", Status::option, "biometric", [](auto& a, auto&) { a.request.biometric_protection = 1; }},
          {"12", Status::option, "needs a PUK", [](auto& a, auto&) { a.request.delete_protection = 2; }},
          {"13: op", Status::option, "sessionKeyLimit", [](auto& a, auto&) { a.ops = 0; }},
          {"14: op", Status::option, "sessionKeyLimit", [](auto& a, auto&) { a.ops = 1; }},
          {"14: no IV", Status::internal, "IV", [](auto& a, auto&) { a.request.pin_value = secret("1234"); }},
          {"14: blocks", Status::crypto, "blocks",
           [](auto& a, auto&) { a.request.pin_value = SecureBytes::copy_of(Bytes(33)); }},
          {"15", Status::option, "not supported: x", [](auto& a, auto&) { a.request.endorsed_algorithms = {"x"}; }},
          {"16", Status::mac, "createKeyEntry", [](auto& a, auto&) { a.request.mac = kWrongMac; }},
          {"17", Status::option, "PIN", [](auto& a, auto& i) { a.request.pin_value = i.encrypted_pin("12a4"); }},
          {"18", Status::option, "keyParameters are too long",
           [](auto& a, auto&) { a.request.key_parameters = Bytes(9, 1); }},
          {"19", Status::option, "already used", [](auto& a, auto&) { a.request.id = "used"; }},
          {"20", Status::option, "id syntax", [](auto& a, auto&) { a.request.id = ""; }},
          {"21", Status::crypto, "exponent", [](auto& a, auto&) { a.request.key_parameters = {4}; }},
          {"22: op", Status::option, "sessionKeyLimit", [](auto& a, auto&) { a.ops = 2; }},
      },
      [](TestIssuer& issuer) {
        Key attempt{key_request(open_with_policy(issuer), "")};
        attempt.request.pin_value = issuer.encrypted_pin("1234");
        attempt.request.key_algorithm = kSks + "rsa1024.exp";
        attempt.request.key_parameters = {3};
        return attempt;
      },
      [](Device&, TestIssuer& issuer, Key& attempt) {
        leave_ops(issuer, attempt.ops);
        return outcome(issuer.create_key_entry(std::move(attempt.request)));
      });
}

TEST_CASE("setCertificatePath: each step comes before the next, and every failure aborts") {
  struct Certification {
    CreatedKey key;
    std::vector<Bytes> path;
    bool right_mac = true;
  };
  using Path = Attempt<Certification>;
  check_order<Path>(
      {
          {"2: op", Status::option, "sessionKeyLimit", [](auto& a, auto&) { a.ops = 0; }},
          {"3", Status::option, "too long", [](auto& a, auto&) { a.request.path = {Bytes(16385)}; }},
          {"4", Status::mac, "setCertificatePath", [](auto& a, auto&) { a.request.right_mac = false; }},
          {"5", Status::internal, "empty", [](auto& a, auto&) { a.request.path.clear(); }},
          {"6", Status::crypto, "", [](auto& a, auto&) { a.request.path.emplace_back(3); }},
          {"7", Status::option, "certificate: RSA",
           [](auto& a, auto&) { a.request.path = {certify(unsupported_rsa_spki())}; }},
          {"8", Status::option, "path already", [](auto&, auto&) {}},
      },
      [](TestIssuer& issuer) {
        issuer.request.session_key_limit = kOps + 3;
        REQUIRE(issuer.open());
        Path attempt{{issuer.create_key_entry(key_request()).value(), {}}};
        attempt.request.path = {certify(attempt.request.key.public_key)};
        REQUIRE(issuer.set_certificate_path(attempt.request.key, "Key", attempt.request.path));
        return attempt;
      },
      [](Device&, TestIssuer& issuer, Path& attempt) {
        leave_ops(issuer, attempt.ops);
        if (!attempt.request.right_mac) issuer.set_counter(0);
        return issuer.set_certificate_path(attempt.request.key, "Key", attempt.request.path);
      });
}

}  // namespace sks::test
