#include "key-user-api/local_issuer/local_keys.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "key-user-api/local_issuer/local_issuer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/wire/client.h"
#include "tests/key-user-api/local_issuer/bare_openssl.h"
#include "tests/sks-core/engine/device.h"

/// Keys that their user makes or brings. Spec: spec/local-keys.md.
namespace sks::test {
namespace {

const std::string kEd25519 = kSks + "ed25519";
const std::string kHmacSha256 = kDsigMore + "hmac-sha256";

LocalKeySpec labelled(std::string label) {
  LocalKeySpec spec;
  spec.label = std::move(label);
  return spec;
}

NewPin new_pin(std::string_view value) {
  NewPin pin;
  pin.value = secret(value);
  pin.format = pin::Format::numeric;
  return pin;
}

GeneratedKey p256() { return {kSks + "ec.nist.p256"}; }

Result<LocalKey> create(Device& device, LocalKeySpec spec, const LocalPin& pin = {}) {
  return create_key(*device.engine, p256(), std::move(spec), pin, device.clock);
}

bool signs(Device& device, const LocalKey& key, const std::string& algorithm = kEcdsaSha256, const char* pin = "") {
  const ByteView message = as_bytes("message");
  const auto signature = device.engine->sign_data(key.handle, algorithm, {}, with_pin(pin), message);
  return signature && verifies_with_openssl(key.certificate, message, *signature);
}

bool is_untouched(SecureKeyStore& store) {
  return all_keys(store).empty() && all_sessions(store, SessionState::closed).empty() &&
         all_sessions(store, SessionState::open).empty();
}

SharedPin shared_pin(Device& device, KeyHandle key, std::string_view pin) {
  const auto manager = find_pin_manager(*device.engine, key);
  REQUIRE(manager);
  return {*manager, secret(pin)};
}

BroughtKey brought(const crypto::PrivateKey& key) { return {key.to_pkcs8().value(), {}}; }

/// A key store that lies in the answers to one method, in the last byte.
class LyingChannel final : public wire::Channel {
 public:
  LyingChannel(SecureKeyStore& store, std::uint8_t method) : honest_(store), method_(method) {}
  Result<SecureBytes> transact(ByteView request) override {
    SKS_LET(SecureBytes answer, honest_.transact(request));
    if (request[0] == method_) answer.data()[answer.size() - 1] ^= 1;
    return answer;
  }

 private:
  wire::LocalChannel honest_;
  std::uint8_t method_;
};

}  // namespace

TEST_CASE("local keys: keys of every kind are made in the store, with a certificate of a local name") {
  Device device;
  struct Case {
    const char* algorithm;
    std::string signs_with;
  };
  const std::vector<Case> cases{{"ec.nist.p256", kEcdsaSha256}, {"ec.nist.p384", kEcdsaSha256},
                                {"ec.nist.p521", kEcdsaSha256}, {"rsa2048", kRsaSha256},
                                {"ed25519", kEd25519},          {"x25519", ""}};
  for (const Case& c : cases) {
    CAPTURE(c.algorithm);
    const auto key = create_key(*device.engine, {kSks + c.algorithm}, labelled(c.algorithm), {}, device.clock);
    REQUIRE(key);
    CHECK(subject_of(key->certificate) == "CN=" + std::string(c.algorithm));
    CHECK(issuer_of(key->certificate) == "CN=Local issuer");
    if (!c.signs_with.empty()) CHECK(signs(device, *key, c.signs_with));
    const KeyAttributes attributes = device.engine->get_key_attributes(key->handle).value();
    CHECK(attributes.certificate_path == std::vector<Bytes>{key->certificate});
    CHECK(attributes.friendly_name == c.algorithm);
    CHECK(attributes.app_usage == 3);
    const KeyProtectionInfo info = device.engine->get_key_protection_info(key->handle).value();
    CHECK(info.export_protection == 3);
    CHECK(info.key_backup == 0);
    CHECK(info.protection_status == 0);
  }
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
}

TEST_CASE("local keys: an RSA key gets the exponent that was asked for") {
  Device device;
  const auto key = create_key(*device.engine, {kSks + "rsa2048.exp", {0x03}}, labelled("three"), {}, device.clock);
  REQUIRE(key);
  CHECK(crypto::Certificate::from_der(key->certificate)->public_key()->rsa_exponent() == Bytes{0x03});
  CHECK(signs(device, *key, kRsaSha256));
}

TEST_CASE("local keys: what the key is for is what was asked for") {
  Device device;
  LocalKeySpec spec = labelled("Login");
  spec.app_usage = AppUsage::authentication;
  spec.endorsed_algorithms = {kSks + "ecdh.raw", kEcdsaSha256};
  spec.export_protection = Protection::none;
  spec.delete_protection = Protection::forbidden;
  const auto key = create(device, std::move(spec));
  REQUIRE(key);
  const KeyAttributes attributes = device.engine->get_key_attributes(key->handle).value();
  CHECK(attributes.app_usage == 1);
  CHECK(attributes.endorsed_algorithms == std::vector<std::string>{kEcdsaSha256, kSks + "ecdh.raw"});
  CHECK(device.engine->export_key(key->handle, {}));
  CHECK(status_of(device.engine->delete_key(key->handle, {})) == Status::not_allowed);
  CHECK(status_of(device.engine->sign_data(key->handle, kDsigMore + "ecdsa-sha512", {}, {}, as_bytes("x"))) ==
        Status::algorithm);
}

TEST_CASE("local keys: id and label for PKCS#11 are there to be changed") {
  Device device;
  LocalKeySpec spec = labelled("Brief");
  spec.pkcs11_id = {0x01, 0xab};
  const auto key = create(device, std::move(spec));
  REQUIRE(key);
  const auto bag = [&] {
    return to_string(device.engine->get_extension(key->handle, "urn:sks:ext:pkcs11").value().data.view());
  };
  using namespace std::string_literals;
  const std::string certificates = "\0\14certificates\1\0\0"s;
  CHECK(bag() == "\0\2id\1\0\4"s + "01ab" + "\0\5label\1\0\5Brief"s + certificates);
  REQUIRE(device.engine->set_property(key->handle, kPkcs11ExtensionType, "label", "Letter"));
  REQUIRE(device.engine->set_property(key->handle, kPkcs11ExtensionType, "id", ""));
  CHECK(bag() == "\0\2id\1\0\0"s + "\0\5label\1\0\6Letter"s + certificates);
}

TEST_CASE("local keys: a long label or none makes a name that X.509 takes") {
  Device device;
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "\xc3\xa4";
  const auto key = create(device, labelled(umlauts));
  REQUIRE(key);
  CHECK(subject_of(key->certificate) == "CN=" + umlauts.substr(0, 128));
  CHECK(device.engine->get_key_attributes(key->handle)->friendly_name == umlauts);
  const auto nameless = create(device, labelled(""));
  REQUIRE(nameless);
  CHECK(subject_of(nameless->certificate) == "CN=Key");
}

TEST_CASE("local keys: what SKS cannot express is refused before anything happens") {
  Device device;
  const crypto::PrivateKey key = generate_key(kSks + "ec.nist.p256");
  CHECK(status_of(create(device, labelled(std::string(101, 'x')))) == Status::option);
  CHECK(status_of(create(device, labelled("\xff"))) == Status::option);
  CHECK(status_of(import_symmetric_key(*device.engine, {SecureBytes()}, labelled("K"))) == Status::option);
  CHECK(status_of(import_symmetric_key(*device.engine, {SecureBytes(129)}, labelled("K"))) == Status::option);
  CHECK(status_of(import_key(*device.engine, {secret("no key at all, but long enough"), {}}, labelled("K"))) ==
        Status::crypto);
  const Bytes other = certify(generate_key(kSks + "ec.nist.p256").public_key().spki());
  CHECK(status_of(import_key(*device.engine, {key.to_pkcs8().value(), {other}}, labelled("K"))) == Status::option);
  CHECK(status_of(import_key(*device.engine, {key.to_pkcs8().value(), {{1, 2, 3}}}, labelled("K"))) == Status::crypto);
  CHECK(is_untouched(*device.engine));
}

TEST_CASE("local keys: what the key store refuses leaves nothing behind") {
  Device device;
  LocalKeySpec spec = labelled("K");
  spec.export_protection = Protection::pin;  // and there is none
  CHECK(status_of(create(device, spec)) == Status::option);
  spec.export_protection = Protection::none;
  spec.endorsed_algorithms = {kRsaSha256};  // only close finds that it does not fit
  CHECK(status_of(create(device, spec)) == Status::option);
  CHECK(status_of(create_key(*device.engine, {kSks + "no-such-algorithm"}, labelled("K"))) == Status::option);
  CHECK(status_of(create(device, labelled("K"), new_pin("12"))) == Status::option);
  CHECK(is_untouched(*device.engine));
}

TEST_CASE("local keys: keys of one call come all or not at all") {
  Device device;
  std::vector<LocalKeyRequest> requests;
  const Bytes value(32, 0x0b);
  requests.push_back({p256(), labelled("made")});
  requests.push_back({brought(generate_key(kSks + "rsa2048")), labelled("brought")});
  requests.push_back({BroughtSymmetricKey{SecureBytes::copy_of(value)}, labelled("secret")});
  requests[2].spec.export_protection = Protection::none;
  const auto keys = provision_local_keys(*device.engine, requests, {}, device.clock);
  REQUIRE(keys);
  REQUIRE(keys->size() == 3);
  CHECK(all_keys(*device.engine).size() == 3);
  CHECK(all_sessions(*device.engine, SessionState::closed).size() == 1);
  CHECK(signs(device, keys->at(0)));
  CHECK(signs(device, keys->at(1), kRsaSha256));
  CHECK(device.engine->get_key_attributes(keys->at(2).handle)->symmetric_key_length == 32);
  CHECK(equal(device.engine->export_key(keys->at(2).handle, {}).value().view(), value));

  requests[2].spec.endorsed_algorithms = {kEcdsaSha256};
  CHECK(status_of(provision_local_keys(*device.engine, requests, {}, device.clock)) == Status::option);
  CHECK(all_keys(*device.engine).size() == 3);
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
}

TEST_CASE("local keys: HMAC with an imported symmetric key is that of RFC 4231, test case 1") {
  Device device;
  const auto key =
      import_symmetric_key(*device.engine, {SecureBytes::copy_of(Bytes(20, 0x0b))}, labelled("K"), {}, device.clock);
  REQUIRE(key);
  const auto mac = device.engine->perform_hmac(key->handle, kHmacSha256, {}, {}, as_bytes("Hi There"));
  REQUIRE(mac);
  CHECK(*mac == from_hex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7").value());
}

TEST_CASE("local keys: a brought key keeps its certificate path") {
  Device device;
  const crypto::PrivateKey key = generate_key(kSks + "ec.nist.p384");
  const std::vector<Bytes> path{certify(key.public_key().spki()),
                                certify(generate_key(kSks + "ec.nist.p256").public_key().spki())};
  const auto imported = import_key(*device.engine, {key.to_pkcs8().value(), path}, labelled("Mine"), {}, device.clock);
  REQUIRE(imported);
  CHECK(imported->certificate == path[0]);
  CHECK(device.engine->get_key_attributes(imported->handle)->certificate_path == path);
  CHECK(device.engine->get_key_protection_info(imported->handle)->key_backup == kImported);
  CHECK(signs(device, *imported));
  // It is there already.
  CHECK(status_of(import_key(*device.engine, {key.to_pkcs8().value(), path}, labelled("Mine"), {}, device.clock)) ==
        Status::option);
  CHECK(all_keys(*device.engine).size() == 1);
}

TEST_CASE("local keys: a PIN guards the key by its policy, and a PUK lifts the lock") {
  Device device;
  NewPin pin = new_pin("1234");
  pin.retry_limit = 2;
  pin.puk = NewPuk{secret("99999"), pin::Format::numeric, 3};
  LocalKeySpec spec = labelled("K");
  spec.export_protection = Protection::puk;
  spec.delete_protection = Protection::pin;
  const auto key = create(device, std::move(spec), std::move(pin));
  REQUIRE(key);
  CHECK(signs(device, *key, kEcdsaSha256, "1234"));
  CHECK_FALSE(signs(device, *key, kEcdsaSha256, ""));
  CHECK_FALSE(signs(device, *key, kEcdsaSha256, "4321"));
  CHECK_FALSE(signs(device, *key, kEcdsaSha256, "1234"));
  REQUIRE(device.engine->unlock_key(key->handle, secret("99999")));
  REQUIRE(device.engine->change_pin(key->handle, secret("1234"), secret("2468")));
  CHECK(signs(device, *key, kEcdsaSha256, "2468"));
  CHECK(status_of(device.engine->export_key(key->handle, secret("2468"))) == Status::authorization);
  CHECK(device.engine->export_key(key->handle, secret("99999")));
  CHECK(device.engine->delete_key(key->handle, secret("2468")));
}

TEST_CASE("local keys: a later key joins the PIN of an earlier one, with its counter") {
  Device device;
  const auto first = create(device, labelled("first"), new_pin("1234"));
  REQUIRE(first);
  const auto second = create(device, labelled("second"), shared_pin(device, first->handle, "1234"));
  REQUIRE(second);
  device.restart();
  // By way of the second key, and by the same manager: keys that joined can be asked for it too.
  const auto third = create_key(*device.engine, {kSks + "rsa2048"}, labelled("third"),
                                shared_pin(device, second->handle, "1234"), device.clock);
  REQUIRE(third);
  CHECK(signs(device, *first, kEcdsaSha256, "1234"));
  CHECK(signs(device, *second, kEcdsaSha256, "1234"));
  CHECK(signs(device, *third, kRsaSha256, "1234"));
  CHECK(find_pin_manager(*device.engine, first->handle)->key == find_pin_manager(*device.engine, third->handle)->key);
  CHECK_FALSE(signs(device, *second, kEcdsaSha256, "9999"));
  CHECK(pin_errors(*device.engine, first->handle) == 1);
  CHECK(pin_errors(*device.engine, third->handle) == 1);
  REQUIRE(device.engine->change_pin(third->handle, secret("1234"), secret("5678")));
  CHECK(signs(device, *first, kEcdsaSha256, "5678"));
  CHECK(create(device, labelled("fourth"), shared_pin(device, first->handle, "5678")));
  CHECK(all_sessions(*device.engine, SessionState::closed).size() == 1);
}

TEST_CASE("local keys: symmetric and imported keys join a PIN as well, several at once") {
  Device device;
  const auto first = create(device, labelled("first"), new_pin("1234"));
  REQUIRE(first);
  std::vector<LocalKeyRequest> requests;
  requests.push_back({BroughtSymmetricKey{SecureBytes::copy_of(Bytes(16, 1))}, labelled("secret")});
  requests.push_back({brought(generate_key(kSks + "ed25519")), labelled("brought")});
  const auto keys = provision_local_keys(*device.engine, requests, shared_pin(device, first->handle, "1234"));
  REQUIRE(keys);
  CHECK(signs(device, keys->at(1), kEd25519, "1234"));
  CHECK_FALSE(signs(device, keys->at(1), kEd25519, ""));
  CHECK(device.engine->perform_hmac(keys->at(0).handle, kHmacSha256, {}, with_pin("1234"), as_bytes("x")));
  CHECK_FALSE(device.engine->perform_hmac(keys->at(0).handle, kHmacSha256, {}, with_pin("4321"), as_bytes("x")));
}

TEST_CASE("local keys: joining a PIN takes that PIN, and a wrong one counts and leaves nothing") {
  Device device;
  const auto first = create(device, labelled("first"), new_pin("1234"));
  REQUIRE(first);
  const std::size_t before = all_keys(*device.engine).size();
  CHECK(status_of(create(device, labelled("second"), shared_pin(device, first->handle, "4321"))) ==
        Status::authorization);
  CHECK(pin_errors(*device.engine, first->handle) == 1);
  CHECK(status_of(create(device, labelled("second"), shared_pin(device, first->handle, "4321"))) ==
        Status::authorization);
  CHECK(status_of(create(device, labelled("second"), shared_pin(device, first->handle, "4321"))) ==
        Status::authorization);
  // Locked: neither the right PIN nor the manager gets around that.
  CHECK(status_of(create(device, labelled("second"), shared_pin(device, first->handle, "1234"))) ==
        Status::authorization);
  CHECK(all_keys(*device.engine).size() == before);
  CHECK(all_sessions(*device.engine, SessionState::open).empty());
}

TEST_CASE("local keys: a key that joins a PIN asks for it neither for export nor for deletion") {
  Device device;
  const auto first = create(device, labelled("first"), new_pin("1234"));
  REQUIRE(first);
  LocalKeySpec spec = labelled("second");
  spec.export_protection = Protection::pin;
  CHECK(status_of(create(device, spec, shared_pin(device, first->handle, "1234"))) == Status::option);
  spec.export_protection = Protection::none;
  spec.delete_protection = Protection::puk;
  CHECK(status_of(create(device, spec, shared_pin(device, first->handle, "1234"))) == Status::option);
}

TEST_CASE("local keys: no key joins a PIN that is not there, is an issuer's, or has lost its manager") {
  Device device;
  const auto plain = create(device, labelled("plain"));
  REQUIRE(plain);
  CHECK(status_of(find_pin_manager(*device.engine, plain->handle)) == Status::option);
  const PinKey issued = provision_pin_key(*device.engine);
  CHECK(status_of(find_pin_manager(*device.engine, issued.key)) == Status::option);
  CHECK(status_of(find_pin_manager(*device.engine, KeyHandle{4711})) == Status::no_key);
  const auto key = create(device, labelled("K"), new_pin("1234"));
  REQUIRE(key);
  const KeyHandle manager = find_pin_manager(*device.engine, key->handle)->key;
  const LocalPin shared = shared_pin(device, key->handle, "1234");
  REQUIRE(device.engine->delete_key(manager, {}));
  CHECK(status_of(find_pin_manager(*device.engine, key->handle)) == Status::option);
  CHECK(status_of(create(device, labelled("late"), shared)) == Status::no_key);
  CHECK(signs(device, *key, kEcdsaSha256, "1234"));
}

TEST_CASE("local keys: the manager of a PIN signs nothing without it, and cannot be taken out") {
  Device device;
  const auto key = create(device, labelled("K"), new_pin("1234"));
  REQUIRE(key);
  const PinManager manager = find_pin_manager(*device.engine, key->handle).value();
  CHECK(manager.key != key->handle);
  CHECK(status_of(device.engine->sign_data(manager.key, kEcdsaSha256, {}, {}, as_bytes("x"))) == Status::authorization);
  CHECK(status_of(device.engine->export_key(manager.key, secret("1234"))) == Status::not_allowed);
  CHECK(device.engine->get_extension(manager.key, "urn:sks:ext:pin-manager"));
}

TEST_CASE("local keys: threads make keys at the same time, also under one PIN") {
  Device device;
  const auto first = create(device, labelled("first"), new_pin("1234"));
  REQUIRE(first);
  const PinManager manager = find_pin_manager(*device.engine, first->handle).value();
  std::atomic<int> made{0};
  const auto work = [&](bool shared) {
    for (int i = 0; i < 8; ++i) {
      LocalPin pin;
      if (shared) pin = SharedPin{manager, secret("1234")};
      if (create(device, labelled("K"), pin)) ++made;
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back(work, i % 2 == 0);
  }
  CHECK(made == 32);
  CHECK(all_keys(*device.engine).size() == 34);
  device.restart();
  for (const KeyHandle key : all_keys(*device.engine)) {
    const bool has_pin = device.engine->get_key_protection_info(key)->protection_status != 0;
    CHECK_FALSE(try_to_sign(*device.engine, key, with_pin(has_pin ? "1234" : "")));
  }
}

TEST_CASE("local keys: a store whose attestations are wrong is found out") {
  for (const std::uint8_t method : {std::uint8_t{3}, std::uint8_t{10}}) {
    CAPTURE(method);
    Device device;
    wire::RemoteKeyStore store(std::make_unique<LyingChannel>(*device.engine, method));
    CHECK(status_of(create_key(store, p256(), labelled("K"), {}, device.clock)) == Status::crypto);
    CHECK(all_sessions(*device.engine, SessionState::open).empty());
  }
}

TEST_CASE("local keys: a disk that fails leaves no key behind") {
  Device device;
  device.storage.mood = MoodyStorage::Mood::refuses;
  device.storage.has_room_aside = true;
  CHECK(status_of(create(device, labelled("K"))) == Status::storage);
  device.storage.mood = MoodyStorage::Mood::good;
  CHECK(is_untouched(*device.engine));
  CHECK(create(device, labelled("K")));
}

}  // namespace sks::test
