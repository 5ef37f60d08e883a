#include <doctest/doctest.h>

#include <algorithm>

#include "sks-core/crypto/x509.h"
#include "tests/sks-core/engine/device.h"

// createProvisioningSession, closeProvisioningSession, abortProvisioningSession, enumerateProvisioningSessions and the
// counting of operations: spec/sks-api.md 3.7 and 4.2 to 4.5.
namespace sks::test {
namespace {

Bytes spki_of(std::string_view algorithm) { return generate_key(kSks + std::string(algorithm)).public_key().spki(); }

// A point of the right length that is not on P-256: the last byte of y is changed.
Bytes point_off_curve() {
  Bytes spki = spki_of("ec.nist.p256");
  spki.back() ^= 1;
  return spki;
}

}  // namespace

TEST_CASE("getDeviceInfo: reports the configuration, the device certificate and every algorithm in table order") {
  Device device;
  const DeviceInfo plain = device.engine->get_device_info().value();
  CHECK(plain.api_level == 106);
  CHECK(plain.device_type == 0x01);
  CHECK(plain.update_url.empty());
  CHECK(plain.vendor_name == "OpenSKS");
  CHECK(!plain.vendor_description.empty());
  CHECK(plain.certificate_path == device.identity.certificate_path());
  CHECK(plain.crypto_data_size == 16384);
  CHECK(plain.extension_data_size == 250000);
  CHECK_FALSE(plain.device_pin_support);
  CHECK_FALSE(plain.biometric_support);
  std::vector<std::string> uris;
  for (const Algorithm& algorithm : all_algorithms()) uris.emplace_back(algorithm.uri);
  CHECK(plain.supported_algorithms == uris);

  device.config.device_pin = &device.device_pin;
  device.config.biometric_support = true;
  device.restart();
  CHECK(device.engine->get_device_info()->device_pin_support);
  CHECK(device.engine->get_device_info()->biometric_support);
}

TEST_CASE("createProvisioningSession: attests the session in both modes on every curve") {
  for (const char* const device_algorithm : {"ec.nist.p256", "ec.nist.p384", "rsa2048"}) {
    CAPTURE(device_algorithm);
    Device device;
    device.identity = TestIdentity(kSks + device_algorithm);
    for (const char* const curve : {"ec.nist.p256", "ec.nist.p384", "ec.nist.p521"}) {
      CAPTURE(curve);
      TestIssuer anonymous(*device.engine, generate_key(kSks + curve));
      REQUIRE(anonymous.open());
      CHECK(anonymous.session_attestation_holds(nullptr));
      CHECK(anonymous.created().client_session_id.size() == 32);
      CHECK(anonymous.close());
      TestIssuer identified(*device.engine, generate_key(kSks + curve));
      identified.request.privacy_enabled = false;
      identified.request.key_management_key = spki_of("ec.nist.p384");
      REQUIRE(identified.open(device.identity.certificate_path().front()));
      CHECK(identified.session_attestation_holds(&device.identity.public_key()));
      CHECK(identified.close());
    }
  }
}

TEST_CASE("createProvisioningSession: refuses what the specification refuses and creates nothing") {
  struct Case {
    const char* name;
    Status status;
    std::function<void(SessionRequest&)> change;
  };
  const std::vector<Case> cases{
      {"another algorithm", Status::option, [](auto& r) { r.session_key_algorithm = kSks + "session.2"; }},
      {"no issuerUri", Status::option, [](auto& r) { r.issuer_uri.clear(); }},
      {"issuerUri of 1001 bytes", Status::option, [](auto& r) { r.issuer_uri.assign(1001, 'u'); }},
      {"issuerUri of 501 letters in 1002 bytes", Status::option,
       [](auto& r) {
         r.issuer_uri.clear();
         for (int i = 0; i < 501; ++i) r.issuer_uri += "\xC3\xA4";
       }},
      {"issuerUri that is not UTF-8", Status::option, [](auto& r) { r.issuer_uri = "\xFF"; }},
      {"garbage as server key", Status::crypto,
       [](auto& r) {
         r.server_ephemeral_key = {1, 2, 3};
       }},
      {"no server key", Status::crypto, [](auto& r) { r.server_ephemeral_key.clear(); }},
      {"server key with trailing byte", Status::crypto, [](auto& r) { r.server_ephemeral_key.push_back(0); }},
      {"server key off its curve", Status::crypto, [](auto& r) { r.server_ephemeral_key = point_off_curve(); }},
      {"RSA server key", Status::option, [](auto& r) { r.server_ephemeral_key = spki_of("rsa1024"); }},
      {"Ed25519 server key", Status::option, [](auto& r) { r.server_ephemeral_key = spki_of("ed25519"); }},
      {"garbage as KMK", Status::crypto,
       [](auto& r) {
         r.key_management_key = {1, 2, 3};
       }},
      {"KMK off its curve", Status::crypto, [](auto& r) { r.key_management_key = point_off_curve(); }},
      {"Ed25519 KMK", Status::option, [](auto& r) { r.key_management_key = spki_of("ed25519"); }},
      {"no serverSessionId", Status::option, [](auto& r) { r.server_session_id.clear(); }},
      {"serverSessionId of 33", Status::option, [](auto& r) { r.server_session_id.assign(33, 's'); }},
      {"serverSessionId with blank", Status::option, [](auto& r) { r.server_session_id = "a b"; }},
      {"serverSessionId with DEL", Status::option, [](auto& r) { r.server_session_id = "a\x7F"; }},
      {"server certificate that has no serialised form", Status::option,
       [](auto& r) { r.server_certificate.assign(65536, 0); }},
  };
  Device device;
  for (const Case& c : cases) {
    CAPTURE(c.name);
    TestIssuer issuer(*device.engine);
    c.change(issuer.request);
    CHECK(status_of(issuer.open()) == c.status);
    CHECK(device.storage.memory.commit_count() == 0);
  }
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
}

TEST_CASE("createProvisioningSession: an RSA KMK must have a supported size") {
  Device device;
  for (const unsigned bits : {1024U, 2048U, 1536U}) {
    CAPTURE(bits);
    Algorithm row = *find_algorithm(kSks + "rsa1024");
    row.size = static_cast<std::uint16_t>(bits);
    TestIssuer issuer(*device.engine);
    issuer.request.key_management_key = crypto::PrivateKey::generate(row).value().public_key().spki();
    CHECK(status_of(issuer.open()) == (bits == 1536 ? std::optional(Status::option) : std::nullopt));
  }
}

TEST_CASE("createProvisioningSession: the limits themselves are accepted") {
  Device device;
  TestIssuer issuer(*device.engine);
  issuer.request.issuer_uri.assign(1000, 'u');
  issuer.request.server_session_id = std::string(31, '!') + "~";
  issuer.request.server_certificate.clear();
  issuer.request.session_key_limit = 65535;
  issuer.request.client_time = 0xFFFFFFFF;
  REQUIRE(issuer.open());
  CHECK(issuer.session_attestation_holds(nullptr));
  CHECK(provision_plain_key(*device.engine) == KeyHandle{1});
}

TEST_CASE("createProvisioningSession: a key source that fails is a crypto failure") {
  class Broken final : public KeySource {
   public:
    Result<crypto::PrivateKey> generate(const Algorithm&, ByteView, ByteView) const override {
      return Error{Status::option, "no entropy"};
    }
  };
  const Broken broken;
  Device device;
  const auto engine =
      Engine::open({device.storage, device.identity, broken, device.random, device.clock}, device.config).value();
  TestIssuer issuer(*engine);
  CHECK(status_of(issuer.open()) == Status::crypto);
}

TEST_CASE("closeProvisioningSession: refuses what the specification refuses and aborts the session") {
  struct Case {
    const char* name;
    Status status;
    std::function<std::optional<Status>(TestIssuer&, SecureKeyStore&)> close;
  };
  const Bytes nonce(32, 1);
  const std::vector<Case> cases{
      {"empty nonce", Status::option, [](auto& i, auto&) { return status_of(i.close(ByteView())); }},
      {"nonce of 33 bytes", Status::option, [](auto& i, auto&) { return status_of(i.close(Bytes(33, 1))); }},
      {"wrong MAC", Status::mac,
       [&](auto& i, auto& e) { return status_of(e.close_provisioning_session(i.handle(), nonce, Bytes(32))); }},
      {"short MAC", Status::mac,
       [&](auto& i, auto& e) { return status_of(e.close_provisioning_session(i.handle(), nonce, Bytes(31))); }},
      {"no MAC", Status::mac,
       [&](auto& i, auto& e) { return status_of(e.close_provisioning_session(i.handle(), nonce, {})); }},
      {"MAC of the wrong counter", Status::mac,
       [&](auto& i, auto&) {
         i.set_counter(1);
         return status_of(i.close());
       }},
      {"PUK policy never referenced", Status::option,
       [](auto& i, auto&) {
         REQUIRE(i.create_puk_policy({"PUK", i.encrypt(as_bytes("1")), 0, 3, {}}));
         return status_of(i.close());
       }},
      {"PIN policy never referenced", Status::option,
       [](auto& i, auto&) {
         REQUIRE(i.create_pin_policy(pin_policy_request()));
         return status_of(i.close());
       }},
      {"PUK policy referenced by an unreferenced PIN policy", Status::option,
       [](auto& i, auto&) {
         const PukPolicyHandle puk = i.create_puk_policy({"PUK", i.encrypt(as_bytes("1")), 0, 3, {}}).value();
         REQUIRE(i.create_pin_policy(pin_policy_request(puk)));
         return status_of(i.close());
       }},
      {"certificate missing", Status::option,
       [](auto& i, auto&) {
         REQUIRE(i.create_key_entry(key_request()));
         return status_of(i.close());
       }},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Device device;
    TestIssuer issuer(*device.engine);
    const ProvisioningHandle session = issuer.open().value();
    CHECK(c.close(issuer, *device.engine) == c.status);
    CHECK_FALSE(is_open(*device.engine, session));
    CHECK(status_of(issuer.close()) == Status::no_session);
    CHECK(device.storage.memory.record_count() == 1);  // the counters
  }
}

TEST_CASE("closeProvisioningSession: nonces of 1 and 32 bytes are accepted") {
  Device device;
  for (const std::size_t size : {1U, 32U}) {
    TestIssuer issuer(*device.engine);
    REQUIRE(issuer.open());
    CHECK(issuer.close(Bytes(size, 9)));
  }
}

TEST_CASE("closeProvisioningSession: an argument without serialised form is refused without abort") {
  Device device;
  TestIssuer issuer(*device.engine);
  const ProvisioningHandle session = issuer.open().value();
  CHECK(status_of(device.engine->close_provisioning_session(session, Bytes(65536), Bytes(32))) == Status::option);
  CHECK(is_open(*device.engine, session));
  CHECK(issuer.close());
}

TEST_CASE("closeProvisioningSession: the certificate must match the key pair") {
  struct Case {
    const char* key;
    const char* certified;
    std::optional<Status> status;
  };
  const std::vector<Case> cases{
      {"ec.nist.p256", "ec.nist.p256", Status::option}, {"ec.nist.p256", "ec.nist.p384", Status::option},
      {"ec.nist.p256", "rsa1024", Status::option},      {"rsa1024", "ec.nist.p256", Status::option},
      {"rsa1024", "rsa1024", Status::option},           {"ed25519", "ec.nist.p256", Status::crypto},
      {"ec.nist.p256", "ed25519", Status::option},      {"ed25519", "ed25519", Status::option},
  };
  Device device;
  for (const Case& c : cases) {
    CAPTURE(c.key);
    CAPTURE(c.certified);
    TestIssuer issuer(*device.engine);
    REQUIRE(issuer.open());
    KeyEntryRequest request = key_request();
    request.key_algorithm = kSks + c.key;
    const CreatedKey key = issuer.create_key_entry(std::move(request)).value();
    REQUIRE(issuer.set_certificate_path(key, "Key", {certify(spki_of(c.certified))}));
    CHECK(status_of(issuer.close()) == c.status);
    CHECK(all_sessions(*device.engine, SessionState::open).empty());
  }
  for (const char* const algorithm : {"ec.nist.p384", "ec.nist.p521", "rsa2048", "ed25519"}) {
    CAPTURE(algorithm);
    KeyEntryRequest request = key_request();
    request.key_algorithm = kSks + algorithm;
    CHECK(provision_plain_key(*device.engine, std::move(request)));
  }
}

TEST_CASE("closeProvisioningSession: a certificate serves one key in the whole store") {
  Device device;
  TestIssuer first(*device.engine);
  REQUIRE(first.open());
  const crypto::PrivateKey pair = generate_key(kSks + "ec.nist.p256");
  const Bytes certificate = certify(pair.public_key().spki());
  const auto copy = [&] { return crypto::PrivateKey::from_pkcs8(pair.to_pkcs8()->view()).value(); };
  const auto add = [&](TestIssuer& issuer, const char* id) {
    device.keys.queue(copy());
    KeyEntryRequest request = key_request();
    request.id = id;
    const CreatedKey key = issuer.create_key_entry(std::move(request)).value();
    REQUIRE(issuer.set_certificate_path(key, id, {certificate}));
    return key;
  };
  add(first, "Key");

  SUBCASE("twice in one session") {
    add(first, "Other");
    CHECK(status_of(first.close()) == Status::option);
    CHECK(all_keys(*device.engine).empty());
  }
  SUBCASE("in another open session") {
    device.keys.queue(generate_key(kSks + "ec.nist.p256"));
    TestIssuer second(*device.engine);
    REQUIRE(second.open());
    add(second, "Key");
    CHECK(status_of(second.close()) == Status::option);
    CHECK(first.close());
  }
  SUBCASE("in a closed session, until that key is deleted") {
    REQUIRE(first.close());
    const KeyHandle old = all_keys(*device.engine).front();
    device.keys.queue(generate_key(kSks + "ec.nist.p256"));
    TestIssuer second(*device.engine);
    REQUIRE(second.open());
    add(second, "Key");
    CHECK(status_of(second.close()) == Status::option);
    REQUIRE(device.engine->delete_key(old, {}));
    device.keys.queue(generate_key(kSks + "ec.nist.p256"));
    TestIssuer third(*device.engine);
    REQUIRE(third.open());
    add(third, "Key");
    CHECK(third.close());
  }
}

TEST_CASE("closeProvisioningSession: every endorsed algorithm must fit the key") {
  struct Case {
    const char* key;
    std::string endorsed;
    std::optional<Status> status;
  };
  const std::vector<Case> cases{
      {"ec.nist.p256", kEcdsaSha256, std::nullopt},
      {"ec.nist.p256", kRsaSha256, Status::option},
      {"rsa1024", kRsaSha256, std::nullopt},
      {"rsa1024", kEcdsaSha256, Status::option},
      {"rsa1024", kSks + "rsa2048", std::nullopt},
      {"rsa1024", kSks + "ec.nist.p256", Status::option},
      {"ec.nist.p256", kSks + "ed25519", std::nullopt},
      {"ed25519", kSks + "ed25519", std::nullopt},
      {"rsa1024", kSks + "none", std::nullopt},
      {"ec.nist.p256", kSks + "none", std::nullopt},
      {"ec.nist.p256", kSks + "rsa1024", Status::option},
  };
  Device device;
  for (const Case& c : cases) {
    CAPTURE(c.key);
    CAPTURE(c.endorsed);
    TestIssuer issuer(*device.engine);
    REQUIRE(issuer.open());
    KeyEntryRequest request = key_request();
    request.key_algorithm = kSks + c.key;
    request.endorsed_algorithms = {c.endorsed};
    REQUIRE(issuer.create_certified_key(std::move(request)));
    CHECK(status_of(issuer.close()) == c.status);
  }
}

TEST_CASE("closeProvisioningSession: a session without keys disappears at once") {
  Device device;
  TestIssuer issuer(*device.engine);
  const ProvisioningHandle session = issuer.open().value();
  REQUIRE(issuer.close());
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
  CHECK(all_sessions(*device.engine, SessionState::closed).empty());
  CHECK(status_of(device.engine->abort_provisioning_session(session)) == Status::no_session);
}

TEST_CASE("closed and unknown sessions: every session method answers no_session and harms nothing") {
  Device device;
  const PinKey closed = provision_pin_key(*device.engine);
  const std::size_t records = device.storage.memory.record_count();
  for (const ProvisioningHandle session : {ProvisioningHandle{0}, closed.session, ProvisioningHandle{99}}) {
    CAPTURE(session.value);
    SecureKeyStore& engine = *device.engine;
    CHECK(status_of(engine.create_puk_policy(session, {})) == Status::no_session);
    CHECK(status_of(engine.create_pin_policy(session, {})) == Status::no_session);
    CHECK(status_of(engine.create_key_entry(session, {})) == Status::no_session);
    CHECK(status_of(engine.get_key_handle(session, "Key")) == Status::no_session);
    CHECK(status_of(engine.close_provisioning_session(session, Bytes(32), Bytes(32))) == Status::no_session);
    CHECK(status_of(engine.abort_provisioning_session(session)) == Status::no_session);
  }
  CHECK(device.storage.memory.record_count() == records);
  CHECK(all_keys(*device.engine).size() == 1);
}

TEST_CASE("abortProvisioningSession: deletes the session with everything made in it") {
  Device device;
  const PinKey other = provision_pin_key(*device.engine);
  const std::size_t records = device.storage.memory.record_count();
  TestIssuer issuer(*device.engine);
  const ProvisioningHandle session = issuer.open().value();
  const PukPolicyHandle puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes("1")), 0, 3, {}}).value();
  const PinPolicyHandle pin = issuer.create_pin_policy(pin_policy_request(puk)).value();
  const CreatedKey key = issuer.create_certified_key(key_request(pin, "1234")).value();
  CHECK(status_of(device.engine->get_key_attributes(key.handle)) == Status::no_key);
  CHECK(device.engine->abort_provisioning_session(session));
  CHECK_FALSE(is_open(*device.engine, session));
  CHECK(status_of(issuer.set_certificate_path(key, "Key", {certify(key.public_key)})) == Status::no_key);
  CHECK(device.storage.memory.record_count() == records);
  CHECK(all_keys(*device.engine) == std::vector{other.key});
}

TEST_CASE("enumerateProvisioningSessions: walks the sessions of one state in ascending order") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  CHECK_FALSE(engine.enumerate_provisioning_sessions({}, SessionState::open).value());
  const ProvisioningHandle closed = provision_pin_key(engine).session;
  TestIssuer first(engine);
  first.request.key_management_key = spki_of("ec.nist.p256");
  first.request.session_life_time = 65535;
  const ProvisioningHandle open1 = first.open().value();
  TestIssuer second(engine);
  const ProvisioningHandle open2 = second.open().value();
  CHECK(all_sessions(engine, SessionState::open) == std::vector{open1, open2});
  CHECK(all_sessions(engine, SessionState::closed) == std::vector{closed});
  // From a session of the other state, and from one that does not exist.
  CHECK(engine.enumerate_provisioning_sessions(closed, SessionState::open).value()->handle == open1);
  CHECK_FALSE(engine.enumerate_provisioning_sessions(ProvisioningHandle{77}, SessionState::open).value());
  const SessionInfo info = engine.enumerate_provisioning_sessions({}, SessionState::open).value().value();
  CHECK(info.session_key_algorithm == kSks + "session.1");
  CHECK(info.privacy_enabled);
  CHECK(info.key_management_key == first.request.key_management_key);
  CHECK(info.client_time == 1611905400);
  CHECK(info.session_life_time == 65535);
  CHECK(info.server_session_id == "S-1");
  CHECK(info.client_session_id == first.created().client_session_id);
  CHECK(info.issuer_uri == first.request.issuer_uri);
}

namespace {

// PIN policy, key, certificate, close. The status of the first call that fails, and how many succeeded.
std::pair<std::optional<Status>, int> run_with_limit(SecureKeyStore& engine, std::uint16_t limit, bool issuer_set_pin) {
  TestIssuer issuer(engine);
  issuer.request.session_key_limit = limit;
  REQUIRE(issuer.open());
  PinPolicyRequest policy = pin_policy_request();
  policy.user_defined = !issuer_set_pin;
  const auto pin = issuer.create_pin_policy(policy);
  if (!pin) return {status_of(pin), 0};
  KeyEntryRequest request = key_request(*pin, "1234");
  if (issuer_set_pin) request.pin_value = issuer.encrypted_pin("1234");
  const auto key = issuer.create_key_entry(std::move(request));
  if (!key) return {status_of(key), 1};
  const auto path = issuer.set_certificate_path(*key, "Key", {certify(key->public_key)});
  if (!path) return {status_of(path), 2};
  const auto closed = issuer.close();
  return {status_of(closed), closed ? 4 : 3};
}

}  // namespace

TEST_CASE("sessionKeyLimit: a run needs exactly the operations that the specification counts") {
  struct Case {
    bool issuer_set_pin;
    std::uint16_t limit;
    int calls;
  };
  // PIN policy 1; key 2, or 3 with an issuer-set PIN; certificate 1; close 2.
  const std::vector<Case> cases{{false, 6, 4}, {false, 5, 3}, {false, 4, 3}, {false, 3, 2}, {false, 2, 1},
                                {false, 1, 1}, {false, 0, 0}, {true, 7, 4},  {true, 6, 3},  {true, 5, 3},
                                {true, 4, 2},  {true, 3, 1},  {true, 2, 1},  {true, 1, 1}};
  Device device;
  for (const Case& c : cases) {
    CAPTURE(c.issuer_set_pin);
    CAPTURE(c.limit);
    const auto [status, calls] = run_with_limit(*device.engine, c.limit, c.issuer_set_pin);
    CHECK(calls == c.calls);
    CHECK(status == (c.calls == 4 ? std::nullopt : std::optional(Status::option)));
    CHECK(all_sessions(*device.engine, SessionState::open).empty());
  }
}

TEST_CASE("sessionKeyLimit: a PUK policy costs two operations and the limit wins over a wrong MAC") {
  Device device;
  for (std::uint16_t limit = 0; limit <= 2; ++limit) {
    CAPTURE(limit);
    TestIssuer issuer(*device.engine);
    issuer.request.session_key_limit = limit;
    const ProvisioningHandle session = issuer.open().value();
    PukPolicyRequest puk{"PUK", issuer.encrypt(as_bytes("1")), 0, 3, Bytes(32)};
    CHECK(status_of(issuer.create_puk_policy(puk)) == (limit == 2 ? Status::mac : Status::option));
    CHECK_FALSE(is_open(*device.engine, session));
  }
}

TEST_CASE("macSequenceCounter: the MAC of an earlier call is refused") {
  Device device;
  TestIssuer issuer(*device.engine);
  issuer.request.session_key_limit = 65535;
  REQUIRE(issuer.open());
  const CreatedKey key = issuer.create_key_entry(key_request()).value();
  CHECK(issuer.counter() == 2);
  // A MAC made with the counter of an earlier call is refused.
  issuer.set_counter(1);
  CHECK(status_of(issuer.set_certificate_path(key, "Key", {certify(key.public_key)})) == Status::mac);
}

}  // namespace sks::test
