#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"
#include "sks-core/engine/records.h"
#include "tests/sks-core/engine/storage_sweep.h"

// exportKey and deleteKey: spec/sks-api.md 4.22; what suspended keys refuse: spec/sks-extensions.md, rule 3.
namespace sks::test {
namespace {

const std::string kPin = "1234";
const std::string kPuk = "99999";

constexpr std::uint8_t kNone = 0;
constexpr std::uint8_t kByPin = 1;
constexpr std::uint8_t kByPuk = 2;
constexpr std::uint8_t kNever = 3;

enum class Pin : std::uint8_t { none, device, local };

/// A closed key whose deleteProtection and exportProtection are `protection`.
KeyHandle provision(SecureKeyStore& engine, Pin pin, std::uint8_t protection) {
  TestIssuer issuer(engine);
  REQUIRE(issuer.open());
  KeyEntryRequest request = key_request();
  if (pin == Pin::local) {
    const PukPolicyHandle puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes(kPuk)), 0, 3, {}}).value();
    request = key_request(issuer.create_pin_policy(pin_policy_request(puk)).value(), kPin);
  }
  request.device_pin_protection = pin == Pin::device;
  request.delete_protection = protection;
  request.export_protection = protection;
  const KeyHandle key = issuer.create_certified_key(std::move(request)).value().handle;
  REQUIRE(issuer.close());
  return key;
}

/// What the store knows of a key, as deactivate leaves it.
void suspend(Device& device, KeyHandle key, std::uint8_t state) {
  std::unique_ptr<Storage::Transaction> transaction = device.storage.begin().value();
  const RecordId id{RecordKind::key, key.value};
  const std::optional<SecureBytes> record = transaction->get(id).value();
  engine::KeyEntry entry = engine::KeyEntry::decode(key, record->view()).value();
  entry.activation_state = state;
  REQUIRE(transaction->put(id, entry.encode().view()));
  REQUIRE(transaction->commit());
  transaction.reset();
  device.restart();
}

std::uint8_t key_backup(SecureKeyStore& engine, KeyHandle key) {
  return engine.get_key_protection_info(key).value().key_backup;
}

bool belongs(ByteView pkcs8, SecureKeyStore& engine, KeyHandle key) {
  const Result<crypto::PrivateKey> private_key = crypto::PrivateKey::from_pkcs8(pkcs8);
  const Bytes certificate = engine.get_key_attributes(key)->certificate_path.front();
  const unsigned char* position = certificate.data();
  const ossl::Cert decoded(d2i_X509(nullptr, &position, static_cast<long>(certificate.size())));
  const crypto::PublicKey certified = crypto::PublicKey::from_openssl(X509_get0_pubkey(decoded.get())).value();
  return private_key && private_key->public_key().spki() == certified.spki();
}

}  // namespace

TEST_CASE("exportKey, deleteKey: each protection asks for its own authorization") {
  struct Case {
    const char* name;
    Pin pin;
    std::uint8_t protection;
    std::string authorization;
    std::optional<Status> status;
    int pin_errors;  // starting from 1, and from 1 of the PUK
    int puk_errors;
  };
  constexpr auto kAuth = Status::authorization;
  constexpr auto kOption = Status::option;
  constexpr auto kNotAllowed = Status::not_allowed;
  const std::vector<Case> cases{
      {"2a: none, empty", Pin::none, kNone, "", std::nullopt, 0, 0},
      {"2a: none, something", Pin::none, kNone, "0", kOption, 0, 0},
      {"2a: none, key with PIN, empty", Pin::local, kNone, "", std::nullopt, 1, 1},
      {"2a: none, key with PIN, the PIN", Pin::local, kNone, kPin, kOption, 1, 1},
      {"2a: none, device PIN, empty", Pin::device, kNone, "", std::nullopt, 0, 0},
      {"2a: none, device PIN, the PIN", Pin::device, kNone, kPin, kOption, 0, 0},
      {"2b: pin, right", Pin::local, kByPin, kPin, std::nullopt, 0, 1},
      {"2b: pin, wrong", Pin::local, kByPin, "0000", kAuth, 2, 1},
      {"2b: pin, empty", Pin::local, kByPin, "", kAuth, 2, 1},
      {"2b: pin, the PUK", Pin::local, kByPin, kPuk, kAuth, 2, 1},
      {"2b: device PIN, right", Pin::device, kByPin, kPin, std::nullopt, 0, 0},
      {"2b: device PIN, wrong", Pin::device, kByPin, "0000", kAuth, 0, 0},
      {"2b: device PIN, empty", Pin::device, kByPin, "", kAuth, 0, 0},
      {"2c: puk, right", Pin::local, kByPuk, kPuk, std::nullopt, 1, 0},
      {"2c: puk, wrong", Pin::local, kByPuk, "0000", kAuth, 1, 2},
      {"2c: puk, the PIN", Pin::local, kByPuk, kPin, kAuth, 1, 2},
      {"2c: puk, empty", Pin::local, kByPuk, "", kAuth, 1, 2},
      {"2d: never, empty", Pin::local, kNever, "", kNotAllowed, 1, 1},
      {"2d: never, the PIN", Pin::local, kNever, kPin, kNotAllowed, 1, 1},
      {"2d: never, the PUK", Pin::local, kNever, kPuk, kNotAllowed, 1, 1},
      {"2d: never, no PIN", Pin::none, kNever, "", kNotAllowed, 0, 0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Device device;
    device.config.device_pin = &device.device_pin;
    device.restart();
    SecureKeyStore& engine = *device.engine;
    const KeyHandle key = provision(engine, c.pin, c.protection);
    if (c.pin == Pin::local) {
      REQUIRE(status_of(engine.verify_pin(key, secret("0"))) == kAuth);
      REQUIRE(status_of(engine.unlock_key(key, secret("0"))) == kAuth);
    }
    const Result<SecureBytes> exported = engine.export_key(key, secret(c.authorization));
    CHECK(status_of(exported) == c.status);
    CHECK(key_backup(engine, key) == (c.status ? 0 : kExported));
    CHECK(pin_errors(engine, key) == c.pin_errors);
    CHECK(puk_errors(engine, key) == c.puk_errors);
    if (exported) CHECK(belongs(exported->view(), engine, key));

    CHECK(status_of(engine.delete_key(key, secret(c.authorization))) == c.status);
    device.restart();
    CHECK((status_of(device.engine->get_key_attributes(key)) == Status::no_key) == !c.status);
  }
}

TEST_CASE("exportKey, deleteKey: an unknown key, or one of an open session, is refused first") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  TestIssuer issuer(engine);
  REQUIRE(issuer.open());
  KeyEntryRequest request = key_request();
  request.export_protection = kNever;
  request.delete_protection = kNever;
  const KeyHandle unfinished = issuer.create_certified_key(std::move(request)).value().handle;
  for (const KeyHandle key : {KeyHandle{}, KeyHandle{99}, unfinished}) {
    CHECK(status_of(engine.export_key(key, secret("0"))) == Status::no_key);
    CHECK(status_of(engine.delete_key(key, secret("0"))) == Status::no_key);
  }
  CHECK(is_open(engine, issuer.handle()));
  CHECK(status_of(engine.export_key(unfinished, SecureBytes(65536))) == Status::option);
  CHECK(status_of(engine.delete_key(unfinished, SecureBytes(65536))) == Status::option);
}

TEST_CASE("exportKey, deleteKey: three wrong PINs block, and biometrics play no role") {
  Device device;
  device.config.biometric_support = true;
  device.restart();
  SecureKeyStore& engine = *device.engine;
  for (const bool exports : {true, false}) {
    CAPTURE(exports);
    TestIssuer issuer(engine);
    REQUIRE(issuer.open());
    KeyEntryRequest request = key_request(issuer.create_pin_policy(pin_policy_request()).value(), kPin);
    request.delete_protection = kByPin;
    request.export_protection = kByPin;
    request.biometric_protection = 2;  // combined
    const KeyHandle key = issuer.create_certified_key(std::move(request)).value().handle;
    REQUIRE(issuer.close());
    const auto attempt = [&](const std::string& pin) {
      return exports ? status_of(engine.export_key(key, secret(pin))) : status_of(engine.delete_key(key, secret(pin)));
    };
    if (exports) CHECK(attempt(kPin) == std::nullopt);
    for (int i = 0; i < 3; ++i) CHECK(attempt("0000") == Status::authorization);
    CHECK(attempt(kPin) == Status::authorization);
    CHECK(pin_errors(engine, key) == 3);
  }
}

TEST_CASE("exportKey: private keys of every type come as version-0 PKCS#8, across a restart") {
  struct Case {
    const char* type;
    const char* head;  ///< version and AlgorithmIdentifier after the outer header, RFC 5208, RFC 5480, RFC 8410
    std::size_t head_at;
  };
  const std::vector<Case> cases{
      {"rsa2048", "020100300d06092a864886f70d0101010500", 4},
      {"ec.nist.p256", "020100301306072a8648ce3d020106082a8648ce3d030107", 3},
      {"ec.nist.p384", "020100301006072a8648ce3d020106052b81040022", 3},
      {"ec.nist.p521", "020100301006072a8648ce3d020106052b81040023", 3},
      {"ed25519", "020100300506032b6570", 2},
      {"x448", "020100300506032b656f", 2},
  };
  Device device;
  for (const Case& c : cases) {
    CAPTURE(c.type);
    KeyEntryRequest request = key_request();
    request.key_algorithm = kSks + c.type;
    const KeyHandle key = provision_plain_key(*device.engine, std::move(request));
    const Result<SecureBytes> exported = device.engine->export_key(key, {});
    REQUIRE(exported);
    CHECK(belongs(exported->view(), *device.engine, key));
    const Bytes head = from_hex(c.head).value();
    CHECK(equal(exported->view().subspan(c.head_at, head.size()), head));
    device.restart();
    CHECK(key_backup(*device.engine, key) == kExported);
    const Result<SecureBytes> again = device.engine->export_key(key, {});
    REQUIRE(again);
    CHECK(equal(again->view(), exported->view()));
    CHECK(device.engine->delete_key(key, {}));
  }
}

TEST_CASE("exportKey: an exported key goes on working") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const KeyHandle key = provision_plain_key(engine);
  REQUIRE(try_to_sign(engine, key, {}) == std::nullopt);
  REQUIRE(engine.export_key(key, {}));
  CHECK(try_to_sign(engine, key, {}) == std::nullopt);
}

TEST_CASE("exportKey: a symmetric key comes raw, an imported private key as its own") {
  Device device;
  SecureKeyStore& engine = *device.engine;
  const Bytes raw = from_hex("000102030405060708090a0b0c0d0e0f").value();
  for (const bool symmetric : {true, false}) {
    CAPTURE(symmetric);
    const crypto::PrivateKey imported = generate_key(kSks + "rsa1024");
    TestIssuer issuer(engine);
    REQUIRE(issuer.open());
    const CreatedKey key = issuer.create_key_entry(key_request()).value();
    const Bytes spki = symmetric ? key.public_key : imported.public_key().spki();
    REQUIRE(issuer.set_certificate_path(key, "Key", {certify(spki)}));
    if (symmetric) {
      REQUIRE(issuer.import_symmetric_key(key.handle, issuer.encrypt(raw)));
    } else {
      REQUIRE(issuer.import_private_key(key.handle, issuer.encrypt(imported.to_pkcs8()->view())));
    }
    REQUIRE(issuer.close());
    const Result<SecureBytes> exported = engine.export_key(key.handle, {});
    REQUIRE(exported);
    CHECK(key_backup(engine, key.handle) == (kImported | kExported));
    if (symmetric) CHECK(equal(exported->view(), raw));
    if (!symmetric) CHECK(belongs(exported->view(), engine, key.handle));
  }
}

TEST_CASE("exportKey: a key with the endorsed algorithm #none is exported all the same") {
  Device device;
  KeyEntryRequest request = key_request();
  request.endorsed_algorithms = {kSks + "none"};
  const KeyHandle key = provision_plain_key(*device.engine, std::move(request));
  CHECK(try_to_sign(*device.engine, key, {}) == Status::algorithm);
  CHECK(device.engine->export_key(key, {}));
}

TEST_CASE("exportKey: a storage that fails hands out nothing") {
  for (const bool has_pin : {false, true}) {
    CAPTURE(has_pin);
    const std::string pin = has_pin ? kPin : "";
    sweep<KeyHandle>(
        [&](Device& device) {
          return provision(*device.engine, has_pin ? Pin::local : Pin::none, has_pin ? kByPin : kNone);
        },
        [&](Device& device, KeyHandle& key) { return status_of(device.engine->export_key(key, secret(pin))); },
        [&](Device& device, KeyHandle& key) {
          CHECK(key_backup(*device.engine, key) == 0);
          CHECK(pin_errors(*device.engine, key) <= 1);
        });
  }
}

TEST_CASE("exportKey: only the first export is stored") {
  Device device;
  const KeyHandle key = provision_plain_key(*device.engine);
  REQUIRE(device.engine->export_key(key, {}));
  device.storage.mood = MoodyStorage::Mood::refuses;
  CHECK(device.engine->export_key(key, {}));
}

TEST_CASE("deleteKey: a storage that fails deletes nothing") {
  sweep<KeyHandle>(
      [](Device& device) { return provision(*device.engine, Pin::local, kByPin); },
      [](Device& device, KeyHandle& key) { return status_of(device.engine->delete_key(key, secret(kPin))); },
      [](Device& device, KeyHandle& key) {
        CHECK(all_keys(*device.engine) == std::vector{key});
        CHECK(try_to_sign(*device.engine, key, with_pin(kPin)) == std::nullopt);
      });
}

TEST_CASE("suspended keys: exportKey and verifyPin refuse before any PIN is looked at") {
  for (const std::uint8_t state : {kSuspendedByUser, kSuspendedByIssuer}) {
    CAPTURE(state);
    Device device;
    const KeyHandle key = provision(*device.engine, Pin::local, kByPin);
    const KeyHandle never = provision(*device.engine, Pin::none, kNever);
    suspend(device, key, state);
    suspend(device, never, state);
    SecureKeyStore& engine = *device.engine;
    for (const std::string& pin : {kPin, std::string("0000"), std::string()}) {
      CHECK(status_of(engine.export_key(key, secret(pin))) == Status::not_allowed);
      CHECK(status_of(engine.verify_pin(key, secret(pin))) == Status::not_allowed);
      CHECK(pin_errors(engine, key) == 0);
    }
    const Result<SecureBytes> refused = engine.export_key(never, secret("0"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().detail.find("suspended") != std::string::npos);
    CHECK(key_backup(engine, key) == 0);
    suspend(device, key, 0);
    CHECK(device.engine->verify_pin(key, secret(kPin)));
    CHECK(device.engine->export_key(key, secret(kPin)));
  }
}

TEST_CASE("suspended keys: getters and the management of PINs go on, and the key can be deleted") {
  Device device;
  TestIssuer issuer(*device.engine);
  REQUIRE(issuer.open());
  const PukPolicyHandle puk = issuer.create_puk_policy({"PUK", issuer.encrypt(as_bytes(kPuk)), 0, 3, {}}).value();
  KeyEntryRequest request = key_request(issuer.create_pin_policy(pin_policy_request(puk)).value(), kPin);
  request.delete_protection = kByPin;
  const KeyHandle key = issuer.create_certified_key(std::move(request)).value().handle;
  // a = b, writable.
  REQUIRE(issuer.add_extension(key, {"urn:x", 2, "", from_hex("00016101000162").value(), {}}));
  REQUIRE(issuer.close());
  suspend(device, key, kSuspendedByUser | kSuspendedByIssuer);
  SecureKeyStore& engine = *device.engine;
  CHECK(engine.get_key_protection_info(key)->protection_status == (kPinProtected | kPukProtected | kSuspended));
  CHECK(engine.get_key_attributes(key));
  CHECK(engine.get_extension(key, "urn:x"));
  CHECK(engine.set_property(key, "urn:x", "a", "c"));
  CHECK(all_keys(engine) == std::vector{key});
  CHECK(engine.unlock_key(key, secret(kPuk)));
  CHECK(engine.change_pin(key, secret(kPin), secret("5678")));
  CHECK(engine.set_pin(key, secret(kPuk), secret("8765")));
  CHECK(status_of(engine.change_pin(key, secret("0000"), secret("5678"))) == Status::authorization);
  CHECK(pin_errors(engine, key) == 1);
  CHECK(status_of(engine.delete_key(key, secret("0000"))) == Status::authorization);
  CHECK(engine.delete_key(key, secret("8765")));
  CHECK(all_keys(engine).empty());
}

}  // namespace sks::test
