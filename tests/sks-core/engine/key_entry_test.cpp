#include <doctest/doctest.h>

#include <algorithm>

#include "sks-core/base/encoding.h"
#include "tests/sks-core/engine/device.h"

// createKeyEntry, getKeyHandle and setCertificatePath: spec/sks-api.md 4.9 to 4.11.
namespace sks::test {
namespace {

// What a key may refer to in one session.
struct Policies {
  PinPolicyHandle user_defined;
  PinPolicyHandle issuer_set;
  PinPolicyHandle trusted_gui;
  PinPolicyHandle with_puk;
};

Policies create_policies(TestIssuer& issuer) {
  Policies made;
  PinPolicyRequest request = pin_policy_request();
  request.id = "user";
  made.user_defined = issuer.create_pin_policy(request).value();
  request.id = "issuer";
  request.user_defined = false;
  made.issuer_set = issuer.create_pin_policy(request).value();
  request = pin_policy_request();
  request.id = "gui";
  request.input_method = 2;
  made.trusted_gui = issuer.create_pin_policy(request).value();
  request = pin_policy_request(issuer.create_puk_policy({"puk", issuer.encrypt(as_bytes("1")), 0, 3, {}}).value());
  request.id = "with-puk";
  made.with_puk = issuer.create_pin_policy(request).value();
  return made;
}

struct Case {
  const char* name;
  std::optional<Status> status;  // none: accepted
  std::function<void(KeyEntryRequest&, const Policies&, TestIssuer&)> change;
};

void run(Device& device, const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    CAPTURE(c.name);
    TestIssuer issuer(*device.engine);
    const ProvisioningHandle session = issuer.open().value();
    const Policies policies = create_policies(issuer);
    KeyEntryRequest request = key_request();
    c.change(request, policies, issuer);
    const std::string id = request.id;
    const std::optional<Status> status = status_of(issuer.create_key_entry(std::move(request)));
    CHECK(status == c.status);
    CHECK(is_open(*device.engine, session) == !c.status.has_value());
    if (!c.status) {
      CHECK(device.engine->get_key_handle(session, id));
      REQUIRE(device.engine->abort_provisioning_session(session));
    }
    CHECK(status_of(device.engine->get_key_handle(session, id)) == Status::no_session);
  }
  CHECK(device.storage.memory.record_count() == 1);
}

auto pin(PinPolicyHandle Policies::*policy, const char* value) {
  return [=](KeyEntryRequest& r, const Policies& p, TestIssuer&) {
    r.pin_policy = p.*policy;
    r.pin_value = secret(value);
  };
}

}  // namespace

TEST_CASE("createKeyEntry: checks its plain arguments as the specification says") {
  Device device;
  run(device,
      {
          {"nothing special", std::nullopt, [](auto&, auto&, auto&) {}},
          {"another keyEntryAlgorithm", Status::algorithm,
           [](auto& r, auto&, auto&) { r.key_entry_algorithm = kSks + "key.2"; }},
          {"unknown keyAlgorithm", Status::option, [](auto& r, auto&, auto&) { r.key_algorithm = kSks + "ec.x"; }},
          {"a signature as keyAlgorithm", Status::option,
           [](auto& r, auto&, auto&) { r.key_algorithm = kEcdsaSha256; }},
          {"session.1 as keyAlgorithm", Status::option,
           [](auto& r, auto&, auto&) { r.key_algorithm = kSks + "session.1"; }},
          {"parameters for a curve", Status::option, [](auto& r, auto&, auto&) { r.key_parameters = {3}; }},
          {"no parameters for rsa1024.exp", Status::option,
           [](auto& r, auto&, auto&) { r.key_algorithm = kSks + "rsa1024.exp"; }},
          {"9 bytes of parameters", Status::option,
           [](auto& r, auto&, auto&) {
             r.key_algorithm = kSks + "rsa1024.exp";
             r.key_parameters = {0, 0, 0, 0, 0, 0, 1, 0, 1};
           }},
          {"8 bytes of parameters", std::nullopt,
           [](auto& r, auto&, auto&) {
             r.key_algorithm = kSks + "rsa1024.exp";
             r.key_parameters = {0, 0, 0, 0, 0, 1, 0, 1};
           }},
          {"even exponent", Status::crypto,
           [](auto& r, auto&, auto&) {
             r.key_algorithm = kSks + "rsa1024.exp";
             r.key_parameters = {4};
           }},
          {"negative exponent", Status::crypto,
           [](auto& r, auto&, auto&) {
             r.key_algorithm = kSks + "rsa1024.exp";
             r.key_parameters = {0x81};
           }},
          {"exponent 1", Status::crypto,
           [](auto& r, auto&, auto&) {
             r.key_algorithm = kSks + "rsa1024.exp";
             r.key_parameters = {1};
           }},
          {"serverSeed of 65", Status::option, [](auto& r, auto&, auto&) { r.server_seed.resize(65); }},
          {"serverSeed of 64", std::nullopt, [](auto& r, auto&, auto&) { r.server_seed.resize(64); }},
          {"exportProtection 4", Status::option, [](auto& r, auto&, auto&) { r.export_protection = 4; }},
          {"deleteProtection 4", Status::option, [](auto& r, auto&, auto&) { r.delete_protection = 4; }},
          {"appUsage 4", Status::option, [](auto& r, auto&, auto&) { r.app_usage = 4; }},
          {"biometricProtection 4", Status::option, [](auto& r, auto&, auto&) { r.biometric_protection = 4; }},
          {"friendlyName of 101 letters", Status::option,
           [](auto& r, auto&, auto&) { r.friendly_name.assign(101, 'f'); }},
          {"friendlyName of 100 letters in 200 bytes", std::nullopt,
           [](auto& r, auto&, auto&) {
             r.friendly_name.clear();
             for (int i = 0; i < 100; ++i) r.friendly_name += "\xC3\xA4";
           }},
          {"no friendlyName", std::nullopt, [](auto& r, auto&, auto&) { r.friendly_name.clear(); }},
          {"wrong MAC", Status::mac, [](auto& r, auto&, auto&) { r.mac = Bytes(32); }},
          {"short MAC", Status::mac, [](auto& r, auto&, auto&) { r.mac = Bytes(31); }},
          {"id in use and wrong MAC", Status::mac,
           [](auto& r, auto&, auto&) {
             r.id = "puk";
             r.mac = Bytes(32);
           }},
          {"id of a PUK policy", Status::option, [](auto& r, auto&, auto&) { r.id = "puk"; }},
          {"id of a PIN policy", Status::option, [](auto& r, auto&, auto&) { r.id = "gui"; }},
          {"empty id", Status::option, [](auto& r, auto&, auto&) { r.id = ""; }},
          {"id of 33", Status::option, [](auto& r, auto&, auto&) { r.id.assign(33, 'i'); }},
      });
}

TEST_CASE("createKeyEntry: checks the PIN arrangement as the specification says") {
  Device device;
  device.config.device_pin = &device.device_pin;
  device.restart();
  const auto without_pin = [](auto change) {
    return [=](KeyEntryRequest& r, const Policies&, TestIssuer&) { change(r); };
  };
  const auto with = [](PinPolicyHandle Policies::*policy, auto change) {
    return [=](KeyEntryRequest& r, const Policies& p, TestIssuer& i) {
      pin(policy, "1234")(r, p, i);
      change(r);
    };
  };
  const auto device_pin = [](auto change) {
    return [=](KeyEntryRequest& r, const Policies& p, TestIssuer&) {
      r.device_pin_protection = true;
      change(r, p);
    };
  };
  run(device,
      {
          {"device PIN", std::nullopt, device_pin([](auto&, auto&) {})},
          {"device PIN with policy", Status::option,
           device_pin([](auto& r, auto& p) { r.pin_policy = p.user_defined; })},
          {"device PIN with value and caching", std::nullopt, device_pin([](auto& r, auto&) {
             r.pin_value = secret("ignored");
             r.enable_pin_caching = true;
           })},
          {"device PIN, pin deletion", std::nullopt, device_pin([](auto& r, auto&) { r.delete_protection = 1; })},
          {"device PIN, puk deletion", Status::option, device_pin([](auto& r, auto&) { r.delete_protection = 2; })},
          {"unknown policy", Status::option, [](auto& r, auto&, auto&) { r.pin_policy = PinPolicyHandle{4711}; }},
          {"caching without trusted GUI", Status::option,
           with(&Policies::user_defined, [](auto& r) { r.enable_pin_caching = true; })},
          {"caching with trusted GUI", std::nullopt,
           with(&Policies::trusted_gui, [](auto& r) { r.enable_pin_caching = true; })},
          {"no PIN, pin deletion", Status::option, without_pin([](auto& r) { r.delete_protection = 1; })},
          {"no PIN, puk deletion", Status::option, without_pin([](auto& r) { r.delete_protection = 2; })},
          {"no PIN, no deletion", std::nullopt, without_pin([](auto& r) { r.delete_protection = 3; })},
          {"no PIN, pin export", Status::option, without_pin([](auto& r) { r.export_protection = 1; })},
          {"no PIN, puk export", Status::option, without_pin([](auto& r) { r.export_protection = 2; })},
          {"no PIN, no export", std::nullopt, without_pin([](auto& r) { r.export_protection = 3; })},
          {"no PIN, caching", Status::option, without_pin([](auto& r) { r.enable_pin_caching = true; })},
          {"no PIN, PIN value", Status::option, without_pin([](auto& r) { r.pin_value = secret("1234"); })},
          {"PIN, pin deletion", std::nullopt, with(&Policies::user_defined, [](auto& r) { r.delete_protection = 1; })},
          {"PIN without PUK, puk deletion", Status::option,
           with(&Policies::user_defined, [](auto& r) { r.delete_protection = 2; })},
          {"PIN without PUK, puk export", Status::option,
           with(&Policies::user_defined, [](auto& r) { r.export_protection = 2; })},
          {"PIN with PUK, puk deletion and export", std::nullopt,
           with(&Policies::with_puk,
                [](auto& r) {
                  r.delete_protection = 2;
                  r.export_protection = 2;
                })},
          {"biometrics without support", Status::option,
           with(&Policies::user_defined, [](auto& r) { r.biometric_protection = 1; })},
      });
}

TEST_CASE("createKeyEntry: a policy of another session and a device PIN without support are refused") {
  Device device;
  TestIssuer first(*device.engine);
  REQUIRE(first.open());
  const PinPolicyHandle foreign = first.create_pin_policy(pin_policy_request()).value();
  TestIssuer second(*device.engine);
  const ProvisioningHandle session = second.open().value();
  CHECK(status_of(second.create_key_entry(key_request(foreign, "1234"))) == Status::option);
  CHECK_FALSE(is_open(*device.engine, session));
  CHECK(is_open(*device.engine, first.handle()));
  KeyEntryRequest request = key_request();
  request.device_pin_protection = true;
  CHECK(status_of(first.create_key_entry(std::move(request))) == Status::option);
  CHECK_FALSE(is_open(*device.engine, first.handle()));
}

TEST_CASE("createKeyEntry: biometricProtection must fit the PIN arrangement") {
  Device device;
  device.config.biometric_support = true;
  device.config.device_pin = &device.device_pin;
  device.restart();
  enum class Pin { none, of_device, of_policy };
  for (const Pin arrangement : {Pin::none, Pin::of_device, Pin::of_policy}) {
    for (std::uint8_t biometrics = 0; biometrics <= 3; ++biometrics) {
      CAPTURE(static_cast<int>(arrangement));
      CAPTURE(biometrics);
      TestIssuer issuer(*device.engine);
      REQUIRE(issuer.open());
      KeyEntryRequest request = key_request();
      if (arrangement == Pin::of_policy)
        request = key_request(issuer.create_pin_policy(pin_policy_request()).value(), "1234");
      request.device_pin_protection = arrangement == Pin::of_device;
      request.biometric_protection = biometrics;
      const bool fits = biometrics == 0 || (biometrics == 3) == (arrangement == Pin::none);
      CHECK(static_cast<bool>(issuer.create_key_entry(std::move(request))) == fits);
    }
  }
}

TEST_CASE("createKeyEntry: PIN values are decrypted and tested in the order of the specification") {
  Device device;
  const auto issuer_pin = [](const char* value, bool wrong_mac = false) {
    return [=](KeyEntryRequest& r, const Policies& p, TestIssuer& i) {
      r.pin_policy = p.issuer_set;
      r.pin_value = i.encrypted_pin(value);
      if (wrong_mac) r.mac = Bytes(32);
    };
  };
  run(device, {
                  {"user-defined", std::nullopt, pin(&Policies::user_defined, "1234")},
                  {"user-defined, too short", Status::option, pin(&Policies::user_defined, "123")},
                  {"user-defined, absent", Status::option, pin(&Policies::user_defined, "")},
                  {"user-defined, bad and wrong MAC", Status::mac,
                   [](auto& r, auto& p, auto& i) {
                     pin(&Policies::user_defined, "x")(r, p, i);
                     r.mac = Bytes(32);
                   }},
                  {"issuer-set", std::nullopt, issuer_pin("12345678")},
                  {"issuer-set, too long", Status::option, issuer_pin("123456789")},
                  {"issuer-set, wrong syntax", Status::option, issuer_pin("12a4")},
                  {"issuer-set, wrong MAC", Status::mac, issuer_pin("1234", true)},
                  {"issuer-set, absent", Status::internal, pin(&Policies::issuer_set, "")},
                  {"issuer-set, in clear", Status::internal, pin(&Policies::issuer_set, "1234")},
                  {"issuer-set, broken block", Status::crypto, pin(&Policies::issuer_set, "12345678901234567")},
              });
}

TEST_CASE("createKeyEntry: endorsed algorithms must be known, ascending and unique, #none alone") {
  Device device;
  const auto endorse = [](std::vector<std::string> uris, bool wrong_mac = false) {
    return [=](KeyEntryRequest& r, const Policies&, TestIssuer&) {
      r.endorsed_algorithms = uris;
      if (wrong_mac) r.mac = Bytes(32);
    };
  };
  run(device, {
                  {"one", std::nullopt, endorse({kEcdsaSha256})},
                  {"two", std::nullopt, endorse({kEcdsaSha256, kRsaSha256})},
                  {"descending", Status::option, endorse({kRsaSha256, kEcdsaSha256})},
                  {"twice", Status::option, endorse({kRsaSha256, kRsaSha256})},
                  {"empty", Status::option, endorse({""})},
                  {"unknown", Status::option, endorse({kDsigMore + "ecdsa-sha999"})},
                  {"unknown and wrong MAC", Status::option, endorse({"x"}, true)},
                  {"session.1", Status::option, endorse({kSks + "session.1"})},
                  {"key.1", Status::option, endorse({kSks + "key.1"})},
                  {"key generation", std::nullopt, endorse({kSks + "ec.nist.p256"})},
                  {"none", std::nullopt, endorse({kSks + "none"})},
                  {"none and another", Status::option, endorse({kEcdsaSha256, kSks + "none"})},
                  {"256 of them", Status::option, endorse(std::vector<std::string>(256, kEcdsaSha256))},
              });
}

TEST_CASE("system_key_source: a seed never decides the key") {
  const Algorithm& p256 = *find_algorithm(kSks + "ec.nist.p256");
  const Bytes seed(64, 7);
  const auto first = system_key_source().generate(p256, {}, seed);
  const auto second = system_key_source().generate(p256, {}, seed);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->public_key().spki() != second->public_key().spki());
}

TEST_CASE("getKeyHandle: finds keys only, only in its session, and never aborts") {
  Device device;
  TestIssuer issuer(*device.engine);
  const ProvisioningHandle session = issuer.open().value();
  const PinPolicyHandle policy = issuer.create_pin_policy(pin_policy_request()).value();
  const CreatedKey key = issuer.create_key_entry(key_request(policy, "1234")).value();
  TestIssuer other(*device.engine);
  const ProvisioningHandle other_session = other.open().value();
  SecureKeyStore& engine = *device.engine;
  CHECK(engine.get_key_handle(session, "Key").value() == key.handle);
  CHECK(status_of(engine.get_key_handle(session, "PIN")) == Status::option);
  CHECK(status_of(engine.get_key_handle(session, "no such id, not even a valid one")) == Status::option);
  CHECK(status_of(engine.get_key_handle(session, "\xFF")) == Status::option);
  CHECK(status_of(engine.get_key_handle(other_session, "Key")) == Status::option);
  CHECK(is_open(engine, session));
  CHECK(is_open(engine, other_session));
}

TEST_CASE("setCertificatePath: refuses what the specification refuses and aborts the session") {
  const Bytes valid = certify(generate_key(kSks + "ec.nist.p256").public_key().spki());
  Bytes trailing = valid;
  trailing.push_back(0);
  struct PathCase {
    const char* name;
    Status status;
    std::vector<Bytes> path;
    bool wrong_mac;
  };
  const std::vector<PathCase> cases{
      {"a certificate of 16385 bytes", Status::option, {Bytes(16385)}, false},
      {"too long and wrong MAC", Status::option, {Bytes(16385)}, true},
      {"wrong MAC", Status::mac, {valid}, true},
      {"no certificate", Status::internal, {}, false},
      {"no certificate and wrong MAC", Status::mac, {}, true},
      {"garbage", Status::crypto, {{1, 2, 3}}, false},
      {"garbage of 16384 bytes", Status::crypto, {Bytes(16384)}, false},
      {"empty certificate", Status::crypto, {{}}, false},
      {"trailing byte", Status::crypto, {trailing}, false},
      {"garbage behind a good one", Status::crypto, {valid, {1, 2, 3}}, false},
  };
  Device device;
  for (const PathCase& c : cases) {
    CAPTURE(c.name);
    TestIssuer issuer(*device.engine);
    const ProvisioningHandle session = issuer.open().value();
    const CreatedKey key = issuer.create_key_entry(key_request()).value();
    if (c.wrong_mac) issuer.set_counter(9);
    CHECK(status_of(issuer.set_certificate_path(key, "Key", c.path)) == c.status);
    CHECK_FALSE(is_open(*device.engine, session));
    CHECK(status_of(issuer.set_certificate_path(key, "Key", {valid})) == Status::no_key);
  }
}

TEST_CASE("setCertificatePath: an unsupported RSA size is refused, a key of another type is not tested") {
  Device device;
  const auto attempt = [&](ByteView spki) {
    TestIssuer issuer(*device.engine);
    REQUIRE(issuer.open());
    const CreatedKey key = issuer.create_key_entry(key_request()).value();
    return status_of(issuer.set_certificate_path(key, "Key", {certify(spki)}));
  };
  Algorithm rsa = *find_algorithm(kSks + "rsa1024");
  rsa.size = 1536;
  CHECK(attempt(crypto::PrivateKey::generate(rsa).value().public_key().spki()) == Status::option);
  CHECK(attempt(generate_key(kSks + "rsa1024").public_key().spki()) == std::nullopt);
  CHECK(attempt(generate_key(kSks + "ed25519").public_key().spki()) == std::nullopt);
}

TEST_CASE("setCertificatePath: a malformed key of a known type is refused, one of an unknown type is not looked at") {
  Device device;
  Bytes der = certify(generate_key(kSks + "ed25519").public_key().spki());
  const Bytes ed25519_oid{0x06, 0x03, 0x2b, 0x65, 0x70};
  const auto attempt = [&](std::uint8_t last_arc, std::uint8_t unused_bits) {
    Bytes changed = der;
    const auto at = std::search(changed.begin(), changed.end(), ed25519_oid.begin(), ed25519_oid.end());
    REQUIRE(changed.end() - at > 40);
    at[4] = last_arc;
    at[7] = unused_bits;
    TestIssuer issuer(*device.engine);
    REQUIRE(issuer.open());
    const CreatedKey key = issuer.create_key_entry(key_request()).value();
    return status_of(issuer.set_certificate_path(key, "Key", {changed}));
  };
  CHECK(attempt(0x70, 0) == std::nullopt);
  CHECK(attempt(0x70, 1) == Status::crypto);  // 255 bits are no Ed25519 key
  CHECK(attempt(0x71, 0) == Status::crypto);  // 32 bytes are no Ed448 key
  CHECK(attempt(0x7F, 0) == std::nullopt);
}

TEST_CASE("setCertificatePath: a path is set once and only while the session is open") {
  Device device;
  TestIssuer issuer(*device.engine);
  const ProvisioningHandle session = issuer.open().value();
  const CreatedKey key = issuer.create_certified_key(key_request()).value();
  CHECK(status_of(issuer.set_certificate_path(key, "Key", {certify(key.public_key)})) == Status::option);
  CHECK_FALSE(is_open(*device.engine, session));

  const KeyHandle closed = provision_plain_key(*device.engine);
  for (const KeyHandle handle : {closed, KeyHandle{0}, KeyHandle{99}})
    CHECK(status_of(device.engine->set_certificate_path(handle, {certify(key.public_key)}, Bytes(32))) ==
          Status::no_key);
  CHECK(all_keys(*device.engine) == std::vector{closed});
}

TEST_CASE("setCertificatePath: a path is refused unless the largest answer of getKeyAttributes fits into a frame") {
  constexpr std::size_t kMaxPath = 786'432;
  constexpr std::size_t kTypes = 255;
  constexpr std::size_t kTypeSize = 1000;
  Device device;
  for (const bool fits : {true, false}) {
    CAPTURE(fits);
    TestIssuer issuer(*device.engine);
    REQUIRE(issuer.open());
    KeyEntryRequest request = key_request();
    request.friendly_name.clear();
    for (int i = 0; i < 100; ++i) request.friendly_name += "\xF0\x9F\x94\x91";
    const CreatedKey key = issuer.create_key_entry(std::move(request)).value();
    const Bytes certificate = certify(key.public_key);
    const std::vector<Bytes> path(kMaxPath / (2 + certificate.size()) + (fits ? 0 : 1), certificate);
    CHECK(status_of(issuer.set_certificate_path(key, "Key", path)) ==
          (fits ? std::nullopt : std::optional(Status::option)));
    CHECK(is_open(*device.engine, issuer.handle()) == fits);
    if (!fits) break;
    for (std::size_t i = 0; i < kTypes; ++i) {
      std::string type = std::to_string(i);
      type.resize(kTypeSize, '/');
      REQUIRE(issuer.add_extension(key.handle, {type, 0, "", {}, {}}));
    }
    REQUIRE(issuer.close());
    const KeyAttributes attributes = device.engine->get_key_attributes(key.handle).value();
    CHECK(attributes.certificate_path == path);
    CHECK(attributes.extension_types.size() == kTypes);
  }
}

TEST_CASE("setCertificatePath: paths are returned byte for byte") {
  Device device;
  TestIssuer issuer(*device.engine);
  REQUIRE(issuer.open());
  const CreatedKey key = issuer.create_key_entry(key_request()).value();
  const std::vector<Bytes> path{certify(key.public_key),
                                certify(generate_key(kSks + "ec.nist.p384").public_key().spki())};
  REQUIRE(issuer.set_certificate_path(key, "Key", path));
  REQUIRE(issuer.close());
  const KeyAttributes attributes = device.engine->get_key_attributes(key.handle).value();
  CHECK(attributes.certificate_path == path);
  CHECK(attributes.app_usage == 1);
  CHECK(attributes.friendly_name == "A key");
  CHECK(attributes.symmetric_key_length == 0);
  CHECK(attributes.endorsed_algorithms.empty());
  CHECK(attributes.extension_types.empty());
}

}  // namespace sks::test
