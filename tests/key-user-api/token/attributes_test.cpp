#include <doctest/doctest.h>
#include <openssl/core_names.h>
#include <openssl/x509.h>

#include <nlohmann/json.hpp>

#include "sks-core/base/encoding.h"
#include "tests/key-user-api/token/lab.h"

/// Attributes of stored keys, compared with what OpenSSL makes of their certificates. Spec: spec/sksd.md 6 and 8.
namespace sks::test {
namespace {

using token::kCkaSksAttestation;

struct View {
  explicit View(const crypto::Certificate& certificate) : der(certificate.der()) {
    const std::uint8_t* at = der.data();
    x509 = d2i_X509(nullptr, &at, static_cast<long>(der.size()));
    REQUIRE(x509 != nullptr);
    key = X509_get0_pubkey(x509);
    REQUIRE(key != nullptr);
  }
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  ~View() { X509_free(x509); }

  Bytes number(const char* name) const {
    BIGNUM* value = nullptr;
    REQUIRE(EVP_PKEY_get_bn_param(key, name, &value) == 1);
    Bytes bytes(static_cast<std::size_t>(BN_num_bytes(value)));
    BN_bn2bin(value, bytes.data());
    BN_free(value);
    return bytes;
  }
  Bytes octets(const char* name) const {
    std::size_t size = 0;
    REQUIRE(EVP_PKEY_get_octet_string_param(key, name, nullptr, 0, &size) == 1);
    Bytes bytes(size);
    REQUIRE(EVP_PKEY_get_octet_string_param(key, name, bytes.data(), size, &size) == 1);
    bytes.resize(size);
    return bytes;
  }
  /// SHA-1 of the bits of subjectPublicKey.
  Bytes key_hash() const {
    Bytes hash(20);
    unsigned size = 20;
    REQUIRE(X509_pubkey_digest(x509, EVP_sha1(), hash.data(), &size) == 1);
    return hash;
  }

  Bytes der;
  X509* x509;
  EVP_PKEY* key;
};

template <class Object, class Encode>
Bytes encoded(Object* object, Encode encode) {
  std::uint8_t* out = nullptr;
  const int size = encode(object, &out);
  REQUIRE(size > 0);
  const Bytes bytes(out, out + size);
  OPENSSL_free(out);
  return bytes;
}

Bytes octet_string(const Bytes& content) {
  ASN1_OCTET_STRING* const string = ASN1_OCTET_STRING_new();
  REQUIRE(ASN1_OCTET_STRING_set(string, content.data(), static_cast<int>(content.size())) == 1);
  Bytes der = encoded(string, i2d_ASN1_OCTET_STRING);
  ASN1_OCTET_STRING_free(string);
  return der;
}

Bytes object_identifier(const char* name) {
  ASN1_OBJECT* const object = OBJ_txt2obj(name, 0);
  REQUIRE(object != nullptr);
  Bytes der = encoded(object, i2d_ASN1_OBJECT);
  ASN1_OBJECT_free(object);
  return der;
}

}  // namespace

TEST_CASE("attributes: a certificate tells what OpenSSL reads in it") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}).front();
  lab.open_service();
  Client client(*lab.service);
  const View view(lab.certificate_of(key));
  const std::uint64_t object = object_of(key, 3);
  CHECK(client.number(0, object, CKA_CLASS) == CKO_CERTIFICATE);
  CHECK(client.number(0, object, CKA_CERTIFICATE_TYPE) == CKC_X_509);
  CHECK(client.number(0, object, CKA_CERTIFICATE_CATEGORY) == 1);
  CHECK(client.value(0, object, CKA_VALUE) == view.der);
  CHECK(client.value(0, object, CKA_SUBJECT) == encoded(X509_get_subject_name(view.x509), i2d_X509_NAME));
  CHECK(client.value(0, object, CKA_ISSUER) == encoded(X509_get_issuer_name(view.x509), i2d_X509_NAME));
  CHECK(client.value(0, object, CKA_SERIAL_NUMBER) == encoded(X509_get_serialNumber(view.x509), i2d_ASN1_INTEGER));
  CHECK(client.value(0, object, CKA_ID) == view.key_hash());
  CHECK(client.value(0, object, CKA_PUBLIC_KEY_INFO) == encoded(X509_get_X509_PUBKEY(view.x509), i2d_X509_PUBKEY));
  CHECK(to_string(client.value(0, object, CKA_LABEL)) == "ec");
  CHECK(to_string(client.value(0, object, CKA_START_DATE)) == "20200101");
  CHECK(to_string(client.value(0, object, CKA_END_DATE)) == "21000101");
  Bytes fingerprint(20);
  REQUIRE(X509_digest(view.x509, EVP_sha1(), fingerprint.data(), nullptr) == 1);
  fingerprint.resize(3);
  CHECK(client.value(0, object, CKA_CHECK_VALUE) == fingerprint);
  CHECK(client.yes(0, object, CKA_TOKEN));
  CHECK(!client.yes(0, object, CKA_PRIVATE));
  CHECK(!client.yes(0, object, CKA_TRUSTED));
  CHECK(!client.yes(0, object, CKA_MODIFIABLE));
  CHECK(!client.yes(0, object, CKA_DESTROYABLE));
  CHECK(client.get(0, object, CKA_KEY_TYPE).result == 1);
}

TEST_CASE("attributes: the authority of a path is a certificate of its own") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}).front();
  lab.open_service();
  Client client(*lab.service);
  const View view(lab.authority());
  const std::uint64_t object = object_of(key, 4);
  CHECK(client.value(0, object, CKA_VALUE) == view.der);
  CHECK(client.number(0, object, CKA_CERTIFICATE_CATEGORY) == 2);
  CHECK(client.value(0, object, CKA_ID) == view.key_hash());
  CHECK(to_string(client.value(0, object, CKA_LABEL)) == "CN=Token test CA");
  CHECK(client.value(0, object, CKA_SUBJECT) == client.value(0, object_of(key, 3), CKA_ISSUER));
}

TEST_CASE("attributes: the device certificate is a certificate of the slot without PIN") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const std::uint64_t object = client.find_one(0, Attributes().number(CKA_CLASS, CKO_CERTIFICATE));
  CHECK(object == 4);
  CHECK(client.value(0, object, CKA_VALUE) == lab.device.identity.certificate_path().front());
  CHECK(client.number(0, object, CKA_CERTIFICATE_CATEGORY) == 2);
}

TEST_CASE("attributes: an RSA pair") {
  Lab lab;
  const KeyHandle key = lab.provision({{"rsa", "rsa2048"}}, WantedPin{Lab::kPin}).front();
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(key);
  Client client(*lab.service);
  REQUIRE(client.login(slot, Lab::kPin) == CKR_OK);
  const View view(lab.certificate_of(key));
  for (const unsigned part : {1U, 2U}) {
    const std::uint64_t object = object_of(key, part);
    CHECK(client.number(slot, object, CKA_CLASS) == (part == 1 ? CKO_PRIVATE_KEY : CKO_PUBLIC_KEY));
    CHECK(client.number(slot, object, CKA_KEY_TYPE) == CKK_RSA);
    CHECK(client.value(slot, object, CKA_MODULUS) == view.number(OSSL_PKEY_PARAM_RSA_N));
    CHECK(client.value(slot, object, CKA_PUBLIC_EXPONENT) == view.number(OSSL_PKEY_PARAM_RSA_E));
    CHECK(client.value(slot, object, CKA_ID) == view.key_hash());
    CHECK(client.value(slot, object, CKA_SUBJECT) == encoded(X509_get_subject_name(view.x509), i2d_X509_NAME));
    CHECK(client.number(slot, object, CKA_KEY_GEN_MECHANISM) == CKM_RSA_PKCS_KEY_PAIR_GEN);
    CHECK(client.yes(slot, object, CKA_LOCAL));
    CHECK(!client.yes(slot, object, CKA_DERIVE));
    CHECK(client.value(slot, object, CKA_START_DATE).empty());
    CHECK(client.yes(slot, object, CKA_PRIVATE) == (part == 1));
  }
  CHECK(client.number(slot, object_of(key, 2), CKA_MODULUS_BITS) == 2048);
  for (const CK_ATTRIBUTE_TYPE type : {CKA_ENCRYPT, CKA_VERIFY, CKA_WRAP})
    CHECK(client.yes(slot, object_of(key, 2), type));
  for (const CK_ATTRIBUTE_TYPE type :
       {CKA_DECRYPT, CKA_SIGN, CKA_UNWRAP, CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE, CKA_DESTROYABLE})
    CHECK(client.yes(slot, object_of(key, 1), type));
  for (const CK_ATTRIBUTE_TYPE type : {CKA_EXTRACTABLE, CKA_SIGN_RECOVER, CKA_ALWAYS_AUTHENTICATE, CKA_MODIFIABLE,
                                       CKA_COPYABLE, CKA_WRAP_WITH_TRUSTED})
    CHECK(!client.yes(slot, object_of(key, 1), type));
  for (const CK_ATTRIBUTE_TYPE type :
       {CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT})
    CHECK(client.get(slot, object_of(key, 1), type).result == 2);
  CHECK(client.get(slot, object_of(key, 1), CKA_VALUE).result == 1);
}

TEST_CASE("attributes: elliptic curves of every kind") {
  struct Case {
    const char* algorithm;
    CK_KEY_TYPE type;
    const char* curve;
    CK_MECHANISM_TYPE made_by;
    bool signs;
    bool derives;
  };
  constexpr CK_MECHANISM_TYPE kMontgomery = token::kCkmEcMontgomeryKeyPairGen;
  const std::vector<Case> cases{
      {"ec.nist.p256", CKK_EC, "prime256v1", CKM_EC_KEY_PAIR_GEN, true, true},
      {"ec.nist.p384", CKK_EC, "secp384r1", CKM_EC_KEY_PAIR_GEN, true, true},
      {"ec.nist.p521", CKK_EC, "secp521r1", CKM_EC_KEY_PAIR_GEN, true, true},
      {"ed25519", CKK_EC_EDWARDS, "ED25519", CKM_EC_EDWARDS_KEY_PAIR_GEN, true, false},
      {"x25519", token::kCkkEcMontgomery, "X25519", kMontgomery, false, true},
  };
  Lab lab;
  std::vector<KeyHandle> keys;
  for (const Case& c : cases) keys.push_back(lab.provision({{c.algorithm, c.algorithm}}).front());
  lab.open_service();
  Client client(*lab.service);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    CAPTURE(c.algorithm);
    const View view(lab.certificate_of(keys[i]));
    const std::uint64_t private_key = object_of(keys[i], 1);
    const std::uint64_t public_key = object_of(keys[i], 2);
    CHECK(client.number(0, private_key, CKA_KEY_TYPE) == c.type);
    CHECK(client.number(0, public_key, CKA_KEY_TYPE) == c.type);
    CHECK(client.value(0, private_key, CKA_EC_PARAMS) == object_identifier(c.curve));
    CHECK(client.value(0, public_key, CKA_EC_PARAMS) == object_identifier(c.curve));
    CHECK(client.value(0, public_key, CKA_EC_POINT) == octet_string(view.octets(OSSL_PKEY_PARAM_PUB_KEY)));
    CHECK(client.value(0, public_key, CKA_ID) == view.key_hash());
    CHECK(client.number(0, private_key, CKA_KEY_GEN_MECHANISM) == c.made_by);
    CHECK(client.yes(0, private_key, CKA_SIGN) == c.signs);
    CHECK(client.yes(0, public_key, CKA_VERIFY) == c.signs);
    CHECK(client.yes(0, private_key, CKA_DERIVE) == c.derives);
    CHECK(!client.yes(0, private_key, CKA_DECRYPT));
    CHECK(!client.yes(0, public_key, CKA_ENCRYPT));
    CHECK(client.get(0, private_key, CKA_VALUE).result == 2);
    CHECK(client.get(0, public_key, CKA_MODULUS).result == 1);
    CHECK(!client.yes(0, private_key, CKA_PRIVATE));  // nobody can log in here
  }
}

TEST_CASE("attributes: usages follow the endorsed algorithms") {
  Lab lab;
  const std::vector<KeyHandle> keys = lab.provision({{"agrees", "ec.nist.p256", {kSks + "ecdh.raw"}},
                                                     {"signs", "rsa2048", {kRsaSha256}},
                                                     {"decrypts", "rsa2048", {kSks + "rsa.oaep.sha256"}},
                                                     {"nothing", "ec.nist.p256", {kSks + "none"}},
                                                     {"leaves", "ec.nist.p256", {}, 0, 3}});
  lab.open_service();
  Client client(*lab.service);
  struct Case {
    std::size_t key;
    bool signs;
    bool decrypts;
    bool derives;
  };
  for (const Case& c : {Case{0, false, false, true}, Case{1, true, false, false}, Case{2, false, true, false},
                        Case{3, false, false, false}, Case{4, true, false, true}}) {
    CAPTURE(c.key);
    const std::uint64_t object = object_of(keys[c.key], 1);
    CHECK(client.yes(0, object, CKA_SIGN) == c.signs);
    CHECK(client.yes(0, object_of(keys[c.key], 2), CKA_VERIFY) == c.signs);
    CHECK(client.yes(0, object, CKA_DECRYPT) == c.decrypts);
    CHECK(client.yes(0, object, CKA_UNWRAP) == c.decrypts);
    CHECK(client.yes(0, object_of(keys[c.key], 2), CKA_ENCRYPT) == c.decrypts);
    CHECK(client.yes(0, object, CKA_DERIVE) == c.derives);
    CHECK(client.yes(0, object, CKA_EXTRACTABLE) == (c.key == 4));
    CHECK(client.yes(0, object, CKA_NEVER_EXTRACTABLE) == (c.key != 4));
    CHECK(client.yes(0, object, CKA_DESTROYABLE) == (c.key != 4));
  }
}

TEST_CASE("attributes: symmetric keys are secret keys without certificate") {
  Lab lab;
  const std::vector<KeyHandle> keys =
      lab.provision({{"aes", "ec.nist.p256", {}, 3, 0, false, Bytes(32, 1)},
                     {"hmac", "ec.nist.p256", {kDsigMore + "hmac-sha256"}, 3, 0, false, Bytes(32, 2)},
                     {"odd", "ec.nist.p256", {}, 3, 0, false, Bytes(20, 3)}},
                    WantedPin{Lab::kPin});
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(keys[0]);
  Client client(*lab.service);
  CHECK(client.find(slot, Attributes().number(CKA_CLASS, CKO_SECRET_KEY)).empty());
  REQUIRE(client.login(slot, Lab::kPin) == CKR_OK);
  CHECK(client.find(slot, Attributes().number(CKA_CLASS, CKO_SECRET_KEY)) ==
        std::vector<std::uint64_t>{object_of(keys[0], 1), object_of(keys[1], 1), object_of(keys[2], 1)});
  CHECK(client.find(slot, Attributes().number(CKA_CLASS, CKO_CERTIFICATE)).empty());
  CHECK(client.find(slot, Attributes().number(CKA_CLASS, CKO_PUBLIC_KEY)).empty());
  CHECK(client.number(slot, object_of(keys[0], 1), CKA_KEY_TYPE) == CKK_AES);
  CHECK(client.number(slot, object_of(keys[1], 1), CKA_KEY_TYPE) == CKK_GENERIC_SECRET);
  CHECK(client.number(slot, object_of(keys[2], 1), CKA_KEY_TYPE) == CKK_GENERIC_SECRET);
  CHECK(client.number(slot, object_of(keys[0], 1), CKA_VALUE_LEN) == 32);
  CHECK(client.number(slot, object_of(keys[2], 1), CKA_VALUE_LEN) == 20);
  CHECK(client.yes(slot, object_of(keys[0], 1), CKA_ENCRYPT));
  CHECK(client.yes(slot, object_of(keys[1], 1), CKA_SIGN));
  CHECK(!client.yes(slot, object_of(keys[1], 1), CKA_ENCRYPT));
  for (const KeyHandle key : keys) {
    CHECK(client.get(slot, object_of(key, 1), CKA_VALUE).result == 2);
    CHECK(!client.yes(slot, object_of(key, 1), CKA_LOCAL));
    CHECK(!client.yes(slot, object_of(key, 1), CKA_ALWAYS_SENSITIVE));
    CHECK(client.yes(slot, object_of(key, 1), CKA_SENSITIVE));
    CHECK(client.number(slot, object_of(key, 1), CKA_KEY_GEN_MECHANISM) == CK_UNAVAILABLE_INFORMATION);
  }
}

TEST_CASE("attributes: the attestation tells who made a key and how it is protected") {
  Lab lab;
  const KeyHandle key = lab.provision({{"my \"key\""}}, WantedPin{Lab::kPin, Lab::kPuk}).front();
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(key);
  Client client(*lab.service);
  REQUIRE(client.login(slot, Lab::kPin) == CKR_OK);
  const Bytes text = client.value(slot, object_of(key, 1), kCkaSksAttestation);
  const auto json = nlohmann::json::parse(to_string(text));
  CHECK(json["friendlyName"] == "my \"key\"");
  CHECK(json["keyAlgorithm"] == kSks + "ec.nist.p256");
  CHECK(json["session"]["issuerUri"] == "https://main.example.com:8443/sks");
  const auto session =
      lab.device.engine->enumerate_provisioning_sessions(ProvisioningHandle{}, SessionState::closed).value().value();
  CHECK(json["session"]["clientSessionId"] == session.client_session_id);
  CHECK(json["session"]["serverSessionId"] == session.server_session_id);
  CHECK(json["deviceCertificatePath"][0] == to_base64url(lab.device.identity.certificate_path().front()));
  CHECK(json["certificatePath"][0] == to_base64url(lab.certificate_of(key).der()));
  CHECK(json["protection"]["pinProtected"] == true);
  CHECK(json["protection"]["exportProtection"] == "non-exportable");
  CHECK(json["protection"]["grouping"] == "shared");

  const std::uint64_t object = object_of(key, 200);
  CHECK(client.find(slot, Attributes().number(CKA_CLASS, CKO_DATA).text(CKA_APPLICATION, "SKS attestation")) ==
        std::vector<std::uint64_t>{object});
  CHECK(client.value(slot, object, CKA_VALUE) == text);
  CHECK(to_string(client.value(slot, object, CKA_LABEL)) == "my \"key\"");
  REQUIRE(client.logout(slot) == CKR_OK);
  CHECK(client.value(slot, object, CKA_VALUE) == text);  // nothing in it is secret
}

TEST_CASE("getAttributes: answers every question in its place") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}).front();
  lab.open_service();
  Client client(*lab.service);
  const Answer answer = client.call(
      request(171).u32(0).u64(object_of(key, 1)).u16(4).u64(CKA_VALUE).u64(CKA_SIGN).u64(0x12345).u64(CKA_SIGN).view());
  REQUIRE(answer.ok());
  CHECK(answer.body == Bytes{0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1});
}

TEST_CASE("getAttributes: an object that is none, or of another slot, is refused") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}, WantedPin{Lab::kPin}).front();
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(key);
  Client client(*lab.service);
  const auto rv = [&](std::uint32_t in_slot, std::uint64_t object) {
    return client.call(request(171).u32(in_slot).u64(object).u16(0).view()).rv;
  };
  CHECK(rv(slot, object_of(key, 3)) == CKR_OK);
  for (const std::uint64_t object : {std::uint64_t{0}, object_of(key, 0), object_of(key, 1), object_of(key, 5),
                                     object_of(key, 199), object_of(key, 201), object_of(KeyHandle{key.value + 1}, 2),
                                     std::uint64_t{1} << 40, std::uint64_t{1} << 48, ~std::uint64_t{0}})
    CHECK(rv(slot, object) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(rv(0, object_of(key, 3)) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(rv(slot + 100, object_of(key, 3)) == CKR_OBJECT_HANDLE_INVALID);
}

}  // namespace sks::test
