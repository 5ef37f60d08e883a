#include <doctest/doctest.h>
#include <openssl/core_names.h>

#include "key-user-api/local_issuer/local_keys.h"
#include "key-user-api/token/session_object.h"
#include "sks-core/base/encoding.h"
#include "tests/conformance/forwarding_store.h"
#include "tests/key-user-api/token/lab.h"

/// Objects that applications make, change and destroy. Spec: spec/sksd.md 6.
namespace sks::test {
namespace {

using Objects = std::vector<std::uint64_t>;

/// DER of prime256v1, from RFC 5480.
const Bytes kP256{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
/// Ed25519 and X25519, from RFC 8410, and the names of PKCS#11 3.0.
const Bytes kEd25519Oid{0x06, 0x03, 0x2b, 0x65, 0x70};
const Bytes kX25519Oid{0x06, 0x03, 0x2b, 0x65, 0x6e};
const Bytes kEd25519Name{0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9'};

Attributes ec_params() { return Attributes().bytes(CKA_EC_PARAMS, kP256); }
Attributes token_key() { return Attributes().boolean(CKA_TOKEN, true); }

/// A local token with a PIN and its first key.
struct LocalLab : Lab {
  LocalLab() {
    NewPin pin;
    pin.value = secret(kPin);
    pin.format = pin::Format::numeric;
    LocalKeySpec spec;
    spec.label = "first";
    key = create_key(*device.engine, {kSks + "ec.nist.p256"}, spec, LocalPin(std::move(pin)), device.clock)
              .value()
              .handle;
    open_service();
    slot = slot_of(key);
  }
  KeyHandle key;
  std::uint32_t slot = 0;
};

KeyHandle stored(std::uint64_t object) { return KeyHandle{static_cast<std::uint32_t>(object >> 8)}; }

bool signs(Lab& lab, KeyHandle key, const char* pin = "") {
  const auto signature = lab.device.engine->sign_data(key, kEcdsaSha256, {}, with_pin(pin), as_bytes("message"));
  if (!signature) return false;
  const crypto::PublicKey public_key = lab.certificate_of(key).public_key().value();
  return static_cast<bool>(crypto::verify_signature(public_key, as_bytes("message"), *signature));
}

const crypto::PrivateKey& private_key_of(Client& client, std::uint64_t object) {
  return *client.application().find_object(object)->private_key;
}

Bytes number_of(EVP_PKEY* key, const char* name) {
  BIGNUM* value = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(key, name, &value) == 1);
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(value)));
  BN_bn2bin(value, bytes.data());
  BN_free(value);
  return bytes;
}

}  // namespace

TEST_CASE("generateKeyPair: into the slot without PIN, found at once by label and id") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto made = client.generate_pair(0, CKM_EC_KEY_PAIR_GEN, ec_params().text(CKA_LABEL, "public"),
                                         token_key().text(CKA_LABEL, "mine").bytes(CKA_ID, Bytes{1, 2, 3}));
  REQUIRE(made.rv == CKR_OK);
  CHECK(client.find(0, Attributes().bytes(CKA_ID, Bytes{1, 2, 3})) ==
        Objects{made.second, made.object, made.second + 2});
  CHECK(to_string(client.value(0, made.second, CKA_LABEL)) == "mine");
  CHECK(client.yes(0, made.second, CKA_TOKEN));
  CHECK(client.yes(0, made.second, CKA_LOCAL));
  CHECK(signs(lab, stored(made.second)));
  CHECK(lab.device.engine->get_key_protection_info(stored(made.second)).value().export_protection == 3);
  // Others see it too, and it stays.
  Client other(*lab.service);
  CHECK(other.find(0, Attributes().number(CKA_CLASS, CKO_PRIVATE_KEY)) == Objects{made.second});
  lab.service.reset();
  lab.open_service();
  Client later(*lab.service);
  CHECK(later.find(0, Attributes().bytes(CKA_ID, Bytes{1, 2, 3})).size() == 3);
}

TEST_CASE("generateKeyPair: every kind of key, in the token and in the session") {
  struct Case {
    CK_MECHANISM_TYPE mechanism;
    Attributes parameters;
    CK_KEY_TYPE type;
  };
  std::vector<Case> cases;
  cases.push_back({CKM_EC_KEY_PAIR_GEN, ec_params(), CKK_EC});
  cases.push_back({CKM_RSA_PKCS_KEY_PAIR_GEN, Attributes().number(CKA_MODULUS_BITS, 2048), CKK_RSA});
  cases.push_back({CKM_EC_EDWARDS_KEY_PAIR_GEN, Attributes().bytes(CKA_EC_PARAMS, kEd25519Oid), CKK_EC_EDWARDS});
  cases.push_back({CKM_EC_EDWARDS_KEY_PAIR_GEN, Attributes().bytes(CKA_EC_PARAMS, kEd25519Name), CKK_EC_EDWARDS});
  cases.push_back(
      {token::kCkmEcMontgomeryKeyPairGen, Attributes().bytes(CKA_EC_PARAMS, kX25519Oid), token::kCkkEcMontgomery});
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  for (const Case& c : cases)
    for (const bool in_token : {false, true}) {
      CAPTURE(c.mechanism);
      CAPTURE(in_token);
      const auto made = client.generate_pair(0, c.mechanism, c.parameters, Attributes().boolean(CKA_TOKEN, in_token));
      REQUIRE(made.rv == CKR_OK);
      CHECK((made.object >= std::uint64_t{1} << 48) == !in_token);
      CHECK(client.number(0, made.object, CKA_KEY_TYPE) == c.type);
      CHECK(client.number(0, made.second, CKA_KEY_TYPE) == c.type);
      CHECK(client.yes(0, made.second, CKA_TOKEN) == in_token);
      CHECK(client.value(0, made.object, CKA_ID) == client.value(0, made.second, CKA_ID));
      CHECK(client.number(0, made.second, CKA_KEY_GEN_MECHANISM) == c.mechanism);
      CHECK(client.yes(0, made.second, CKA_NEVER_EXTRACTABLE));
    }
}

TEST_CASE("generateKeyPair: an RSA key gets the exponent that was asked for") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  for (const bool in_token : {false, true}) {
    const auto made = client.generate_pair(
        0, CKM_RSA_PKCS_KEY_PAIR_GEN, Attributes().number(CKA_MODULUS_BITS, 2048).bytes(CKA_PUBLIC_EXPONENT, Bytes{3}),
        Attributes().boolean(CKA_TOKEN, in_token));
    REQUIRE(made.rv == CKR_OK);
    CHECK(client.value(0, made.object, CKA_PUBLIC_EXPONENT) == Bytes{3});
  }
}

TEST_CASE("generateKeyPair: refusals") {
  LocalLab lab;
  const KeyHandle managed = lab.provision({{"managed"}}, WantedPin{Lab::kPin}).front();
  lab.service->store_changed();
  Client client(*lab.service);
  struct Case {
    const char* name;
    std::uint32_t slot;
    CK_MECHANISM_TYPE mechanism;
    Attributes public_attributes;
    Attributes private_attributes;
    CK_RV rv;
  };
  const auto rsa = [](std::uint64_t bits) { return Attributes().number(CKA_MODULUS_BITS, bits); };
  std::vector<Case> cases;
  cases.push_back({"slot", 999, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key(), CKR_SLOT_ID_INVALID});
  cases.push_back({"mechanism", 0, CKM_DSA_KEY_PAIR_GEN, {}, token_key(), CKR_MECHANISM_INVALID});
  cases.push_back({"no curve", 0, CKM_EC_KEY_PAIR_GEN, {}, token_key(), CKR_TEMPLATE_INCOMPLETE});
  cases.push_back({"no size", 0, CKM_RSA_PKCS_KEY_PAIR_GEN, {}, token_key(), CKR_TEMPLATE_INCOMPLETE});
  cases.push_back({"unknown curve", 0, CKM_EC_KEY_PAIR_GEN, Attributes().bytes(CKA_EC_PARAMS, Bytes{6, 1, 1}),
                   token_key(), CKR_CURVE_NOT_SUPPORTED});
  cases.push_back({"other curve", 0, CKM_EC_KEY_PAIR_GEN, Attributes().bytes(CKA_EC_PARAMS, kX25519Oid), token_key(),
                   CKR_CURVE_NOT_SUPPORTED});
  cases.push_back({"size", 0, CKM_RSA_PKCS_KEY_PAIR_GEN, rsa(2047), token_key(), CKR_KEY_SIZE_RANGE});
  cases.push_back({"small", 0, CKM_RSA_PKCS_KEY_PAIR_GEN, rsa(1024), token_key(), CKR_KEY_SIZE_RANGE});
  cases.push_back({"small in the session", 0, CKM_RSA_PKCS_KEY_PAIR_GEN, rsa(1024), {}, CKR_KEY_SIZE_RANGE});
  cases.push_back({"small with exponent", 0, CKM_RSA_PKCS_KEY_PAIR_GEN, rsa(1024).bytes(CKA_PUBLIC_EXPONENT, Bytes{3}),
                   token_key(), CKR_KEY_SIZE_RANGE});
  cases.push_back({"exponent", 0, CKM_RSA_PKCS_KEY_PAIR_GEN, rsa(2048).bytes(CKA_PUBLIC_EXPONENT, Bytes{4}),
                   token_key(), CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"exponent 1", 0, CKM_RSA_PKCS_KEY_PAIR_GEN, rsa(2048).bytes(CKA_PUBLIC_EXPONENT, Bytes{1}),
                   token_key(), CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"public alone", 0, CKM_EC_KEY_PAIR_GEN, ec_params().boolean(CKA_TOKEN, true), {}, CKR_TEMPLATE_INCONSISTENT});
  cases.push_back({"class", 0, CKM_EC_KEY_PAIR_GEN, ec_params().number(CKA_CLASS, CKO_PRIVATE_KEY), token_key(),
                   CKR_TEMPLATE_INCONSISTENT});
  cases.push_back({"type", 0, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key().number(CKA_KEY_TYPE, CKK_RSA),
                   CKR_TEMPLATE_INCONSISTENT});
  cases.push_back(
      {"twice", 0, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key().boolean(CKA_TOKEN, true), CKR_TEMPLATE_INCONSISTENT});
  cases.push_back({"value", 0, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key().bytes(CKA_VALUE, Bytes(32, 1)),
                   CKR_TEMPLATE_INCONSISTENT});
  cases.push_back(
      {"computed", 0, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key().boolean(CKA_LOCAL, true), CKR_ATTRIBUTE_READ_ONLY});
  cases.push_back({"unknown attribute", 0, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key().number(0x4711, 1),
                   CKR_ATTRIBUTE_TYPE_INVALID});
  cases.push_back({"attribute of others", 0, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key().bytes(CKA_MODULUS, Bytes{1}),
                   CKR_ATTRIBUTE_TYPE_INVALID});
  cases.push_back({"no bool", 0, CKM_EC_KEY_PAIR_GEN, ec_params(), Attributes().bytes(CKA_TOKEN, Bytes{2}),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"no label", 0, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key().bytes(CKA_LABEL, Bytes{0xFF}),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"long label", 0, CKM_EC_KEY_PAIR_GEN, ec_params(),
                   token_key().text(CKA_LABEL, std::string(101, 'x')), CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"PIN each time", 0, CKM_EC_KEY_PAIR_GEN, ec_params(),
                   token_key().boolean(CKA_ALWAYS_AUTHENTICATE, true), CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"trusted", 0, CKM_EC_KEY_PAIR_GEN, ec_params().boolean(CKA_TRUSTED, true), token_key(),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"recovery", 0, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key().boolean(CKA_SIGN_RECOVER, true),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"fixed", 0, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key().boolean(CKA_MODIFIABLE, false),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"fixed public key", 0, CKM_EC_KEY_PAIR_GEN, ec_params().boolean(CKA_MODIFIABLE, false), token_key(),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"of an issuer", lab.slot_of(managed), CKM_EC_KEY_PAIR_GEN, ec_params(), token_key(), CKR_TOKEN_WRITE_PROTECTED});
  cases.push_back({"no login", lab.slot, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key(), CKR_USER_NOT_LOGGED_IN});
  cases.push_back({"private without login", lab.slot, CKM_EC_KEY_PAIR_GEN, ec_params(),
                   Attributes().boolean(CKA_PRIVATE, true), CKR_USER_NOT_LOGGED_IN});
  const std::size_t before = all_keys(*lab.device.engine).size();
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(client.generate_pair(c.slot, c.mechanism, c.public_attributes, c.private_attributes).rv == c.rv);
  }
  CHECK(all_keys(*lab.device.engine).size() == before);
  CHECK(client.application().objects(0, 0).empty());
  CHECK(client.call(request(175).u32(0).u64(CKM_EC_KEY_PAIR_GEN).u32(1).u8(0).u16(0).u16(0).view()).rv ==
        CKR_MECHANISM_PARAM_INVALID);
}

TEST_CASE("generateKeyPair: a key joins the PIN of a local token") {
  LocalLab lab;
  Client client(*lab.service);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  for (int i = 0; i < 3; ++i) {
    const auto made = client.generate_pair(lab.slot, CKM_EC_KEY_PAIR_GEN, ec_params(),
                                           token_key().text(CKA_LABEL, "more").boolean(CKA_PRIVATE, true));
    REQUIRE(made.rv == CKR_OK);
    CHECK(lab.slot_of(stored(made.second)) == lab.slot);
    CHECK(client.yes(lab.slot, made.second, CKA_PRIVATE));
    CHECK(signs(lab, stored(made.second), Lab::kPin));
    CHECK(!signs(lab, stored(made.second), "0000"));
    REQUIRE(client.application().pin_of(lab.slot, token::LoggedIn::user));
  }
  CHECK(token_of(client, lab.slot).issuer == "local-issuer");
  // The manager of the PIN is no key of the user's.
  CHECK(client.find(lab.slot, Attributes().number(CKA_CLASS, CKO_PRIVATE_KEY)).size() == 4);
  CHECK(client.find(lab.slot, Attributes().text(CKA_LABEL, "PIN manager")).empty());
  lab.service->store_changed();
  CHECK(client.find(lab.slot, Attributes().number(CKA_CLASS, CKO_PRIVATE_KEY)).size() == 4);
}

TEST_CASE("generateKeyPair: a PIN that was changed elsewhere ends the login, and costs one attempt") {
  LocalLab lab;
  Client client(*lab.service);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  REQUIRE(lab.device.engine->change_pin(lab.key, secret(Lab::kPin), secret("7777")));
  for (int i = 0; i < 5; ++i)
    CHECK(client.generate_pair(lab.slot, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key()).rv == CKR_USER_NOT_LOGGED_IN);
  CHECK(pin_errors(*lab.device.engine, lab.key) == 1);
}

TEST_CASE("generateKeyPair: what is not wanted is not endorsed") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto made = client.generate_pair(0, CKM_EC_KEY_PAIR_GEN, ec_params(),
                                         token_key().boolean(CKA_SIGN, false).boolean(CKA_EXTRACTABLE, true));
  REQUIRE(made.rv == CKR_OK);
  CHECK(!client.yes(0, made.second, CKA_SIGN));
  CHECK(!client.yes(0, made.object, CKA_VERIFY));
  CHECK(client.yes(0, made.second, CKA_DERIVE));
  CHECK(client.yes(0, made.second, CKA_EXTRACTABLE));
  CHECK(client.yes(0, made.second, CKA_SENSITIVE));
  CHECK(!signs(lab, stored(made.second)));
  CHECK(lab.device.engine->export_key(stored(made.second), {}));
}

TEST_CASE("generateKey: AES and generic secrets") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  for (const bool in_token : {false, true}) {
    CAPTURE(in_token);
    const auto aes =
        client.generate(0, CKM_AES_KEY_GEN, Attributes().number(CKA_VALUE_LEN, 32).boolean(CKA_TOKEN, in_token));
    REQUIRE(aes.rv == CKR_OK);
    CHECK(client.number(0, aes.object, CKA_KEY_TYPE) == CKK_AES);
    CHECK(client.number(0, aes.object, CKA_VALUE_LEN) == 32);
    CHECK(client.yes(0, aes.object, CKA_ENCRYPT));
    const auto hmac =
        client.generate(0, CKM_GENERIC_SECRET_KEY_GEN,
                        Attributes().number(CKA_VALUE_LEN, 32).boolean(CKA_TOKEN, in_token).text(CKA_LABEL, "mac"));
    REQUIRE(hmac.rv == CKR_OK);
    CHECK(client.number(0, hmac.object, CKA_KEY_TYPE) == CKK_GENERIC_SECRET);
    CHECK(client.yes(0, hmac.object, CKA_SIGN));
    CHECK(!client.yes(0, hmac.object, CKA_ENCRYPT));
    CHECK(to_string(client.value(0, hmac.object, CKA_LABEL)) == "mac");
    if (in_token)
      CHECK(lab.device.engine->perform_hmac(stored(hmac.object), kDsigMore + "hmac-sha256", {}, {}, as_bytes("x")));
  }
  const auto rv = [&](CK_MECHANISM_TYPE mechanism, const Attributes& attributes) {
    return client.generate(0, mechanism, attributes).rv;
  };
  CHECK(rv(CKM_AES_KEY_GEN, {}) == CKR_TEMPLATE_INCOMPLETE);
  CHECK(rv(CKM_AES_KEY_GEN, Attributes().number(CKA_VALUE_LEN, 20)) == CKR_KEY_SIZE_RANGE);
  CHECK(rv(CKM_GENERIC_SECRET_KEY_GEN, Attributes().number(CKA_VALUE_LEN, 0)) == CKR_KEY_SIZE_RANGE);
  CHECK(rv(CKM_GENERIC_SECRET_KEY_GEN, Attributes().number(CKA_VALUE_LEN, ~std::uint64_t{0})) == CKR_KEY_SIZE_RANGE);
  CHECK(rv(CKM_DES3_KEY_GEN, Attributes()) == CKR_MECHANISM_INVALID);
  CHECK(rv(CKM_AES_KEY_GEN, Attributes().number(CKA_VALUE_LEN, 32).bytes(CKA_VALUE, Bytes(32))) ==
        CKR_TEMPLATE_INCONSISTENT);
  CHECK(rv(CKM_AES_KEY_GEN, Attributes().number(CKA_VALUE_LEN, 32).number(CKA_KEY_TYPE, CKK_RSA)) ==
        CKR_TEMPLATE_INCONSISTENT);
}

TEST_CASE("createObject: secrets leave a session only where the template says so") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto secret_key = [&](bool sensitive, bool extractable) {
    const auto made = client.create(0, Attributes()
                                           .number(CKA_CLASS, CKO_SECRET_KEY)
                                           .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                                           .bytes(CKA_VALUE, Bytes(20, 9))
                                           .boolean(CKA_SENSITIVE, sensitive)
                                           .boolean(CKA_EXTRACTABLE, extractable));
    REQUIRE(made.rv == CKR_OK);
    return made.object;
  };
  CHECK(client.value(0, secret_key(false, true), CKA_VALUE) == Bytes(20, 9));
  for (const std::uint64_t object : {secret_key(true, true), secret_key(false, false), secret_key(true, false)}) {
    CHECK(client.get(0, object, CKA_VALUE).result == 2);
    CHECK(!client.yes(0, object, CKA_ALWAYS_SENSITIVE));
    CHECK(!client.yes(0, object, CKA_NEVER_EXTRACTABLE));
    CHECK(!client.yes(0, object, CKA_LOCAL));
  }
  // Somebody who guesses does not find out either.
  CHECK(client.find(0, Attributes().bytes(CKA_VALUE, Bytes(20, 9))).size() == 1);
}

TEST_CASE("createObject: an RSA private key of a session, and into the token") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const crypto::PrivateKey key = generate_key(kSks + "rsa2048");
  const auto numbers = [&] {
    Attributes attributes;
    attributes.number(CKA_CLASS, CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, CKK_RSA);
    attributes.bytes(CKA_MODULUS, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_N))
        .bytes(CKA_PUBLIC_EXPONENT, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_E))
        .bytes(CKA_PRIVATE_EXPONENT, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_D))
        .bytes(CKA_PRIME_1, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_FACTOR1))
        .bytes(CKA_PRIME_2, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_FACTOR2))
        .bytes(CKA_EXPONENT_1, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_EXPONENT1))
        .bytes(CKA_EXPONENT_2, number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_EXPONENT2));
    return attributes;
  };
  const Bytes coefficient = number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
  CHECK(client.create(0, numbers()).rv == CKR_TEMPLATE_INCOMPLETE);
  const auto in_session = client.create(
      0, numbers().bytes(CKA_COEFFICIENT, coefficient).boolean(CKA_SENSITIVE, false).boolean(CKA_EXTRACTABLE, true));
  REQUIRE(in_session.rv == CKR_OK);
  CHECK(private_key_of(client, in_session.object).public_key().spki() == key.public_key().spki());
  CHECK(client.value(0, in_session.object, CKA_PRIME_1) == number_of(key.openssl(), OSSL_PKEY_PARAM_RSA_FACTOR1));
  CHECK(client.value(0, in_session.object, CKA_COEFFICIENT) == coefficient);

  const auto in_token = client.create(0, numbers().bytes(CKA_COEFFICIENT, coefficient).boolean(CKA_TOKEN, true));
  REQUIRE(in_token.rv == CKR_OK);
  CHECK(lab.certificate_of(stored(in_token.object)).public_key()->spki() == key.public_key().spki());
  CHECK(!client.yes(0, in_token.object, CKA_LOCAL));
  CHECK(lab.device.engine->sign_data(stored(in_token.object), kRsaSha256, {}, {}, as_bytes("x")));
}

TEST_CASE("createObject: an EC private key and its public key") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const crypto::PrivateKey key = generate_key(kSks + "ec.nist.p256");
  const Bytes scalar = number_of(key.openssl(), OSSL_PKEY_PARAM_PRIV_KEY);
  const auto numbers = [&] {
    return Attributes()
        .number(CKA_CLASS, CKO_PRIVATE_KEY)
        .number(CKA_KEY_TYPE, CKK_EC)
        .bytes(CKA_EC_PARAMS, kP256)
        .bytes(CKA_VALUE, scalar);
  };
  const auto in_session = client.create(0, numbers().boolean(CKA_SENSITIVE, false).boolean(CKA_EXTRACTABLE, true));
  REQUIRE(in_session.rv == CKR_OK);
  CHECK(private_key_of(client, in_session.object).public_key().spki() == key.public_key().spki());
  const Bytes value = client.value(0, in_session.object, CKA_VALUE);
  CHECK(value.size() == 32);
  CHECK(crypto::PrivateKey::from_ec_scalar(Curve::p256, value)->public_key().spki() == key.public_key().spki());
  const auto in_token = client.create(0, numbers().boolean(CKA_TOKEN, true).text(CKA_LABEL, "brought"));
  REQUIRE(in_token.rv == CKR_OK);
  CHECK(signs(lab, stored(in_token.object)));

  const Bytes point = client.value(0, in_session.object, CKA_EC_POINT);
  const auto public_key = [&] {
    return Attributes()
        .number(CKA_CLASS, CKO_PUBLIC_KEY)
        .number(CKA_KEY_TYPE, CKK_EC)
        .bytes(CKA_EC_PARAMS, kP256)
        .bytes(CKA_EC_POINT, point);
  };
  const auto session_public = client.create(0, public_key());
  REQUIRE(session_public.rv == CKR_OK);
  CHECK(client.value(0, session_public.object, CKA_PUBLIC_KEY_INFO) == key.public_key().spki());
  // The public key of a stored pair is there already.
  const auto stored_public = client.create(0, public_key().boolean(CKA_TOKEN, true).text(CKA_LABEL, "renamed"));
  CHECK(stored_public.rv == CKR_OK);
  CHECK(stored_public.object == object_of(stored(in_token.object), 2));
  CHECK(to_string(client.value(0, in_token.object, CKA_LABEL)) == "renamed");
}

TEST_CASE("createObject: refusals") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto of = [](CK_OBJECT_CLASS object_class) { return Attributes().number(CKA_CLASS, object_class); };
  struct Case {
    const char* name;
    Attributes attributes;
    CK_RV rv;
  };
  std::vector<Case> cases;
  cases.push_back({"no class", Attributes(), CKR_TEMPLATE_INCOMPLETE});
  cases.push_back({"class", of(CKO_DOMAIN_PARAMETERS), CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"no type", of(CKO_SECRET_KEY).bytes(CKA_VALUE, Bytes(16)), CKR_TEMPLATE_INCOMPLETE});
  cases.push_back({"type", of(CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_DES3).bytes(CKA_VALUE, Bytes(16)),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"no value", of(CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES), CKR_TEMPLATE_INCOMPLETE});
  cases.push_back({"length", of(CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES).bytes(CKA_VALUE, Bytes(17)),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"other length",
       of(CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES).bytes(CKA_VALUE, Bytes(16)).number(CKA_VALUE_LEN, 32),
       CKR_TEMPLATE_INCONSISTENT});
  cases.push_back({"long secret for the token",
                   of(CKO_SECRET_KEY)
                       .number(CKA_KEY_TYPE, CKK_GENERIC_SECRET)
                       .bytes(CKA_VALUE, Bytes(129))
                       .boolean(CKA_TOKEN, true),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"scalar",
       of(CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, CKK_EC).bytes(CKA_EC_PARAMS, kP256).bytes(CKA_VALUE, Bytes(33, 1)),
       CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"scalar zero",
       of(CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, CKK_EC).bytes(CKA_EC_PARAMS, kP256).bytes(CKA_VALUE, Bytes(32)),
       CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"point",
       of(CKO_PUBLIC_KEY).number(CKA_KEY_TYPE, CKK_EC).bytes(CKA_EC_PARAMS, kP256).bytes(CKA_EC_POINT, Bytes(65, 4)),
       CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"curve of another type",
                   of(CKO_PUBLIC_KEY)
                       .number(CKA_KEY_TYPE, CKK_EC)
                       .bytes(CKA_EC_PARAMS, kX25519Oid)
                       .bytes(CKA_EC_POINT, Bytes(32, 4)),
                   CKR_TEMPLATE_INCONSISTENT});
  cases.push_back({"certificate", of(CKO_CERTIFICATE).bytes(CKA_VALUE, Bytes{0x30, 0}), CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"attribute certificate",
       of(CKO_CERTIFICATE).number(CKA_CERTIFICATE_TYPE, CKC_X_509_ATTR_CERT).bytes(CKA_VALUE, lab.authority().der()),
       CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"certificate of no key",
                   of(CKO_CERTIFICATE).bytes(CKA_VALUE, lab.authority().der()).boolean(CKA_TOKEN, true),
                   CKR_TEMPLATE_INCONSISTENT});
  cases.push_back({"data in the token", of(CKO_DATA).boolean(CKA_TOKEN, true), CKR_TEMPLATE_INCONSISTENT});
  cases.push_back({"trusted", of(CKO_CERTIFICATE).bytes(CKA_VALUE, lab.authority().der()).boolean(CKA_TRUSTED, true),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back(
      {"trusted in the token",
       of(CKO_CERTIFICATE).bytes(CKA_VALUE, lab.authority().der()).boolean(CKA_TOKEN, true).boolean(CKA_TRUSTED, true),
       CKR_ATTRIBUTE_VALUE_INVALID});
  cases.push_back({"boolean of a stored key",
                   of(CKO_SECRET_KEY)
                       .number(CKA_KEY_TYPE, CKK_AES)
                       .bytes(CKA_VALUE, Bytes(16))
                       .boolean(CKA_TOKEN, true)
                       .bytes(CKA_SENSITIVE, Bytes{2}),
                   CKR_ATTRIBUTE_VALUE_INVALID});
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(client.create(0, c.attributes).rv == c.rv);
  }
  CHECK(client.create(99, of(CKO_DATA)).rv == CKR_SLOT_ID_INVALID);
  CHECK(client.application().objects(0, 0).empty());
  CHECK(all_keys(*lab.device.engine).empty());
}

TEST_CASE("createObject: data and certificates of a session are seen by their application alone") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  Client other(*lab.service);
  const auto data = client.create(0, Attributes()
                                         .number(CKA_CLASS, CKO_DATA)
                                         .text(CKA_LABEL, "note")
                                         .text(CKA_APPLICATION, "app")
                                         .text(CKA_VALUE, "text"));
  REQUIRE(data.rv == CKR_OK);
  CHECK(to_string(client.value(0, data.object, CKA_VALUE)) == "text");
  CHECK(client.find(0, Attributes().text(CKA_APPLICATION, "app")) == Objects{data.object});
  CHECK(other.find(0, Attributes().text(CKA_APPLICATION, "app")).empty());
  CHECK(other.call(request(171).u32(0).u64(data.object).u16(0).view()).rv == CKR_OBJECT_HANDLE_INVALID);
  CHECK(other.destroy(0, data.object) == CKR_OBJECT_HANDLE_INVALID);
  const auto certificate =
      client.create(0, Attributes().number(CKA_CLASS, CKO_CERTIFICATE).bytes(CKA_VALUE, lab.authority().der()));
  REQUIRE(certificate.rv == CKR_OK);
  CHECK(client.value(0, certificate.object, CKA_SUBJECT) == lab.authority().subject_der());
  CHECK(client.destroy(0, data.object) == CKR_OK);
  CHECK(client.destroy(0, data.object) == CKR_OBJECT_HANDLE_INVALID);
}

TEST_CASE("createObject: 4,096 session objects are enough, and so are 8 MiB in them") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const Attributes small = Attributes().number(CKA_CLASS, CKO_DATA);
  std::uint64_t last = 0;
  for (int i = 0; i < 4096; ++i) last = client.create(0, small).object;
  CHECK(last != 0);
  CHECK(client.create(0, small).rv == CKR_HOST_MEMORY);
  CHECK(client.destroy(0, last) == CKR_OK);
  CHECK(client.create(0, small).rv == CKR_OK);

  Client other(*lab.service);
  const Attributes large = Attributes().number(CKA_CLASS, CKO_DATA).bytes(CKA_VALUE, Bytes(65536));
  std::uint64_t rv = CKR_OK;
  int count = 0;
  for (; rv == CKR_OK && count < 1000; ++count) rv = other.create(0, large).rv;
  CHECK(rv == CKR_HOST_MEMORY);
  CHECK(count > 100);
  CHECK(count <= 128);
}

TEST_CASE("session objects: those of all applications together are limited") {
  const auto object = [](std::uint64_t handle, std::size_t bytes) {
    auto made = std::make_shared<token::SessionObject>();
    made->facts.handle = handle;
    made->certificate = Bytes(bytes);
    return made;
  };
  const auto memory = std::make_shared<token::MemoryPool>(300'000);
  token::Application one(memory);
  token::Application other(memory);
  CHECK(one.add_object(object(1, 100'000)));
  CHECK(other.add_object(object(1, 100'000)));
  CHECK(other.add_object(object(2, 200'000)).error().code == CKR_HOST_MEMORY);
  CHECK(other.find_object(2) == nullptr);
  CHECK(other.replace_object(other.find_object(1), object(1, 250'000)).error().code == CKR_HOST_MEMORY);
  {
    token::Application third(memory);
    CHECK(third.add_object(object(1, 90'000)));
    CHECK(third.add_object(object(2, 90'000)).error().code == CKR_HOST_MEMORY);
  }
  CHECK(one.erase_object(1));
  CHECK(other.replace_object(other.find_object(1), object(1, 250'000)));
}

TEST_CASE("logout: takes the private objects of the session with it") {
  LocalLab lab;
  Client client(*lab.service);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  const Attributes data = Attributes().number(CKA_CLASS, CKO_DATA);
  const auto open = client.create(lab.slot, data);
  const auto hidden = client.create(lab.slot, Attributes().number(CKA_CLASS, CKO_DATA).boolean(CKA_PRIVATE, true));
  const auto elsewhere = client.create(0, Attributes().number(CKA_CLASS, CKO_DATA).boolean(CKA_PRIVATE, true));
  REQUIRE(client.logout(lab.slot) == CKR_OK);
  CHECK(client.destroy(lab.slot, hidden.object) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(client.destroy(lab.slot, open.object) == CKR_OK);
  CHECK(client.destroy(0, elsewhere.object) == CKR_OK);
}

TEST_CASE("setAttributes: label and id of a local key, for all its objects and for good") {
  LocalLab lab;
  Client client(*lab.service);
  const Attributes names = Attributes().text(CKA_LABEL, "renamed").bytes(CKA_ID, Bytes{0xAB, 0xCD});
  CHECK(client.set(lab.slot, object_of(lab.key, 2), names) == CKR_USER_NOT_LOGGED_IN);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  const Bytes old_id = client.value(lab.slot, object_of(lab.key, 1), CKA_ID);
  CHECK(client.set(lab.slot, object_of(lab.key, 1), names) == CKR_OK);
  const Objects whole_key{object_of(lab.key, 1), object_of(lab.key, 2), object_of(lab.key, 3)};
  CHECK(client.find(lab.slot, Attributes().bytes(CKA_ID, Bytes{0xAB, 0xCD})) == whole_key);
  CHECK(client.find(lab.slot, Attributes().bytes(CKA_ID, old_id)).empty());
  CHECK(to_string(client.value(lab.slot, object_of(lab.key, 3), CKA_LABEL)) == "renamed");
  CHECK(client.yes(lab.slot, object_of(lab.key, 1), CKA_MODIFIABLE));
  lab.service.reset();
  lab.open_service();
  Client later(*lab.service);
  CHECK(later.find(lab.slot, Attributes().text(CKA_LABEL, "renamed").number(CKA_CLASS, CKO_CERTIFICATE)) ==
        Objects{object_of(lab.key, 3)});
  // An empty id is the one that the key has by itself.
  REQUIRE(later.login(lab.slot, Lab::kPin) == CKR_OK);
  CHECK(later.set(lab.slot, object_of(lab.key, 1), Attributes().bytes(CKA_ID, {})) == CKR_OK);
  CHECK(later.value(lab.slot, object_of(lab.key, 1), CKA_ID) == old_id);
}

TEST_CASE("setAttributes: what was set before a failure is seen and found") {
  class NoLabels final : public ForwardingStore {
   public:
    using ForwardingStore::ForwardingStore;
    Result<void> set_property(KeyHandle key, std::string_view type, std::string_view name,
                              std::string_view value) override {
      if (name == kPkcs11Label) return Error{Status::storage, "the disk is full"};
      return ForwardingStore::set_property(key, type, name, value);
    }
  };
  Lab lab;
  NoLabels store(*lab.device.engine);
  const KeyHandle key =
      create_key(store, GeneratedKey{kSks + "ec.nist.p256", {}}, LocalKeySpec{}, {}, lab.device.clock)->handle;
  lab.service = token::Service::open({store, [&](KeyHandle each) { return lab.device.real_engine->pin_group(each); },
                                      lab.device.clock, system_random(), lab.dialog})
                    .value();
  Client client(*lab.service);
  CHECK(client.set(0, object_of(key, 1), Attributes().text(CKA_LABEL, "new").bytes(CKA_ID, Bytes{0xAB})) ==
        CKR_DEVICE_ERROR);
  CHECK(client.value(0, object_of(key, 1), CKA_ID) == Bytes{0xAB});
  CHECK(client.find(0, Attributes().bytes(CKA_ID, Bytes{0xAB})).size() == 3);
  CHECK(client.find(0, Attributes().text(CKA_LABEL, "new")).empty());
  lab.service.reset();
}

TEST_CASE("propertiesChanged: names that others have set are seen and found") {
  LocalLab lab;
  Client client(*lab.service);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  const std::uint64_t key = object_of(lab.key, 1);
  CHECK(to_string(client.value(lab.slot, key, CKA_LABEL)) == "first");
  REQUIRE(lab.device.engine->set_property(lab.key, kPkcs11ExtensionType, kPkcs11Label, "by others"));
  lab.service->properties_changed(lab.key);
  CHECK(to_string(client.value(lab.slot, key, CKA_LABEL)) == "by others");
  CHECK(client.find(lab.slot, Attributes().text(CKA_LABEL, "by others").number(CKA_CLASS, CKO_PRIVATE_KEY)) ==
        Objects{key});
  CHECK(client.find(lab.slot, Attributes().text(CKA_LABEL, "first")).empty());
  lab.service->properties_changed(KeyHandle{4711});
  CHECK(client.find(lab.slot, Attributes().text(CKA_LABEL, "by others")).size() == 4);
}

TEST_CASE("setAttributes: refusals") {
  LocalLab lab;
  const KeyHandle managed = lab.provision({{"managed"}}).front();
  lab.service->store_changed();
  Client client(*lab.service);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  const std::uint64_t key = object_of(lab.key, 1);
  CHECK(client.set(0, object_of(managed, 1), Attributes().text(CKA_LABEL, "x")) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(0, object_of(managed, 1), Attributes().bytes(CKA_ID, Bytes{1})) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(0, object_of(managed, 1), Attributes().text(CKA_LABEL, "managed")) == CKR_OK);  // as it is
  CHECK(client.set(lab.slot, key, Attributes().boolean(CKA_SIGN, false)) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(lab.slot, key, Attributes().boolean(CKA_SIGN, true)) == CKR_OK);
  CHECK(client.set(lab.slot, key, Attributes().boolean(CKA_EXTRACTABLE, true)) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(lab.slot, key, Attributes().bytes(CKA_VALUE, Bytes(32))) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(lab.slot, key, Attributes().number(0x4711, 1)) == CKR_ATTRIBUTE_TYPE_INVALID);
  CHECK(client.set(lab.slot, key, Attributes().bytes(CKA_LABEL, Bytes{0xFF})) == CKR_ATTRIBUTE_VALUE_INVALID);
  CHECK(client.set(lab.slot, key, Attributes().bytes(CKA_ID, Bytes(257))) == CKR_ATTRIBUTE_VALUE_INVALID);
  CHECK(client.set(lab.slot, key, Attributes().text(CKA_LABEL, "a").text(CKA_LABEL, "b")) == CKR_TEMPLATE_INCONSISTENT);
  CHECK(client.set(lab.slot, object_of(lab.key, 200), Attributes().text(CKA_LABEL, "a")) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(lab.slot, object_of(managed, 1), Attributes()) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(to_string(client.value(lab.slot, key, CKA_LABEL)) == "first");
}

TEST_CASE("setAttributes: a session key becomes more secret, never less") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto made = client.create(0, Attributes()
                                         .number(CKA_CLASS, CKO_SECRET_KEY)
                                         .number(CKA_KEY_TYPE, CKK_AES)
                                         .bytes(CKA_VALUE, Bytes(16, 1))
                                         .boolean(CKA_SENSITIVE, false)
                                         .boolean(CKA_EXTRACTABLE, true));
  REQUIRE(made.rv == CKR_OK);
  CHECK(client.set(0, made.object, Attributes().text(CKA_LABEL, "new").bytes(CKA_ID, Bytes{1})) == CKR_OK);
  CHECK(client.find(0, Attributes().text(CKA_LABEL, "new")) == Objects{made.object});
  CHECK(client.set(0, made.object, Attributes().boolean(CKA_ENCRYPT, false)) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(0, made.object, Attributes().boolean(CKA_SENSITIVE, true)) == CKR_OK);
  CHECK(client.get(0, made.object, CKA_VALUE).result == 2);
  CHECK(client.set(0, made.object, Attributes().boolean(CKA_SENSITIVE, false)) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(0, made.object, Attributes().boolean(CKA_EXTRACTABLE, false)) == CKR_OK);
  CHECK(client.set(0, made.object, Attributes().boolean(CKA_EXTRACTABLE, true)) == CKR_ATTRIBUTE_READ_ONLY);
  const auto fixed = client.create(0, Attributes().number(CKA_CLASS, CKO_DATA).boolean(CKA_MODIFIABLE, false));
  CHECK(client.set(0, fixed.object, Attributes().text(CKA_LABEL, "x")) == CKR_ACTION_PROHIBITED);
}

TEST_CASE("setAttributes: a certificate stays what it says") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto made =
      client.create(0, Attributes().number(CKA_CLASS, CKO_CERTIFICATE).bytes(CKA_VALUE, lab.authority().der()));
  REQUIRE(made.rv == CKR_OK);
  const Bytes subject = client.value(0, made.object, CKA_SUBJECT);
  CHECK(client.set(0, made.object, Attributes().bytes(CKA_SUBJECT, Bytes{0x30, 0})) == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.set(0, made.object, Attributes().bytes(CKA_SUBJECT, subject)) == CKR_OK);
  CHECK(client.copy(0, made.object, Attributes().bytes(CKA_SUBJECT, Bytes{0x30, 0})).rv == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.value(0, made.object, CKA_SUBJECT) == subject);
}

TEST_CASE("copyObject: a session key into another, and into the token") {
  LocalLab lab;
  Client client(*lab.service);
  const auto pair = client.generate_pair(lab.slot, CKM_EC_KEY_PAIR_GEN, ec_params(), Attributes().text(CKA_LABEL, "k"));
  REQUIRE(pair.rv == CKR_OK);
  const auto copy = client.copy(lab.slot, pair.second, Attributes().text(CKA_LABEL, "copy"));
  REQUIRE(copy.rv == CKR_OK);
  CHECK(copy.object != pair.second);
  CHECK(to_string(client.value(lab.slot, copy.object, CKA_LABEL)) == "copy");
  CHECK(client.value(lab.slot, copy.object, CKA_ID) == client.value(lab.slot, pair.second, CKA_ID));
  CHECK(client.copy(lab.slot, pair.second, token_key()).rv == CKR_USER_NOT_LOGGED_IN);
  REQUIRE(client.login(lab.slot, Lab::kPin) == CKR_OK);
  const auto in_token = client.copy(lab.slot, pair.second, token_key().bytes(CKA_ID, Bytes{5}));
  REQUIRE(in_token.rv == CKR_OK);
  CHECK(lab.slot_of(stored(in_token.object)) == lab.slot);
  CHECK(signs(lab, stored(in_token.object), Lab::kPin));
  CHECK(to_string(client.value(lab.slot, in_token.object, CKA_LABEL)) == "k");
  CHECK(client.value(lab.slot, in_token.object, CKA_ID) == Bytes{5});
  CHECK(!client.yes(lab.slot, in_token.object, CKA_EXTRACTABLE));

  const auto aes = client.generate(lab.slot, CKM_AES_KEY_GEN, Attributes().number(CKA_VALUE_LEN, 16));
  const auto stored_aes = client.copy(lab.slot, aes.object, token_key());
  REQUIRE(stored_aes.rv == CKR_OK);
  CHECK(client.number(lab.slot, stored_aes.object, CKA_KEY_TYPE) == CKK_AES);

  const auto lasting = client.generate(lab.slot, CKM_AES_KEY_GEN,
                                       Attributes().number(CKA_VALUE_LEN, 16).boolean(CKA_DESTROYABLE, false));
  const auto stored_lasting = client.copy(lab.slot, lasting.object, token_key());
  REQUIRE(stored_lasting.rv == CKR_OK);
  CHECK(!client.yes(lab.slot, stored_lasting.object, CKA_DESTROYABLE));
}

TEST_CASE("copyObject: refusals") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}).front();
  lab.open_service();
  Client client(*lab.service);
  CHECK(client.copy(0, object_of(key, 1), {}).rv == CKR_ACTION_PROHIBITED);
  CHECK(client.copy(0, object_of(key, 3), {}).rv == CKR_ACTION_PROHIBITED);
  CHECK(client.copy(0, object_of(key, 9), {}).rv == CKR_OBJECT_HANDLE_INVALID);
  const auto secret_key = client.generate(0, CKM_AES_KEY_GEN, Attributes().number(CKA_VALUE_LEN, 16));
  CHECK(client.copy(0, secret_key.object, Attributes().boolean(CKA_EXTRACTABLE, true)).rv == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.copy(0, secret_key.object, token_key().boolean(CKA_EXTRACTABLE, true)).rv == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.copy(0, secret_key.object, Attributes().number(CKA_KEY_TYPE, CKK_RSA)).rv == CKR_ATTRIBUTE_READ_ONLY);
  CHECK(client.copy(0, secret_key.object, Attributes().number(0x4711, 1)).rv == CKR_ATTRIBUTE_TYPE_INVALID);
  const auto data = client.create(0, Attributes().number(CKA_CLASS, CKO_DATA));
  CHECK(client.copy(0, data.object, token_key()).rv == CKR_TEMPLATE_INCONSISTENT);
  const auto unique = client.create(0, Attributes().number(CKA_CLASS, CKO_DATA).boolean(CKA_COPYABLE, false));
  CHECK(client.copy(0, unique.object, {}).rv == CKR_ACTION_PROHIBITED);
}

TEST_CASE("destroyObject: a key of the store goes as its deleteProtection says") {
  Lab lab;
  const std::vector<KeyHandle> keys = lab.provision({{"free", "ec.nist.p256", {}, 3, 0},
                                                     {"pin", "ec.nist.p256", {}, 3, 1},
                                                     {"puk", "ec.nist.p256", {}, 3, 2},
                                                     {"never", "ec.nist.p256", {}, 3, 3}},
                                                    WantedPin{Lab::kPin, Lab::kPuk});
  lab.open_service();
  const std::uint32_t slot = lab.slot_of(keys[0]);
  Client client(*lab.service);
  CHECK(client.destroy(slot, object_of(keys[0], 1)) == CKR_OBJECT_HANDLE_INVALID);
  REQUIRE(client.login(slot, Lab::kPin) == CKR_OK);
  CHECK(client.destroy(slot, object_of(keys[2], 1)) == CKR_ACTION_PROHIBITED);
  CHECK(client.destroy(slot, object_of(keys[3], 1)) == CKR_ACTION_PROHIBITED);
  for (const unsigned part : {2U, 3U, 4U, 200U})
    CHECK(client.destroy(slot, object_of(keys[0], part)) == CKR_ACTION_PROHIBITED);
  for (const std::size_t i : {0U, 1U}) {
    CHECK(client.destroy(slot, object_of(keys[i], 1)) == CKR_OK);
    CHECK(client.destroy(slot, object_of(keys[i], 1)) == CKR_OBJECT_HANDLE_INVALID);
    for (const unsigned part : {2U, 3U}) {  // went with the key, which this application deleted
      CHECK(client.destroy(slot, object_of(keys[i], part)) == CKR_OK);
      CHECK(Client(*lab.service).destroy(slot, object_of(keys[i], part)) == CKR_OBJECT_HANDLE_INVALID);
    }
    CHECK(client.find(slot, Attributes().text(CKA_LABEL, i == 0 ? "free" : "pin")).empty());
  }
  CHECK(all_keys(*lab.device.engine) == std::vector<KeyHandle>{keys[2], keys[3]});
}

TEST_CASE("certificates: a local key gets the certificate that somebody issued, and its path") {
  Lab lab;
  lab.open_service();
  Client client(*lab.service);
  const auto made = client.generate_pair(0, CKM_EC_KEY_PAIR_GEN, ec_params(), token_key().text(CKA_LABEL, "mine"));
  REQUIRE(made.rv == CKR_OK);
  const std::uint64_t object = made.second + 2;
  const Bytes own = client.value(0, object, CKA_VALUE);
  const crypto::PrivateKey authority_key = generate_key(kSks + "ec.nist.p256");
  const crypto::Certificate authority =
      crypto::issue_certificate({crypto::CertificateKind::ca, {{"CN", "Other CA"}}, 0, 4102444800, {}, {}, {}},
                                authority_key.public_key(), nullptr, authority_key)
          .value();
  const crypto::Certificate issued =
      crypto::issue_certificate({crypto::CertificateKind::tls_client, {{"CN", "Me"}}, 0, 4102444800, {}, {}, {}},
                                lab.certificate_of(stored(made.second)).public_key().value(), &authority, authority_key)
          .value();
  const auto write = [&](const crypto::Certificate& certificate) {
    return client.create(0, Attributes()
                                .number(CKA_CLASS, CKO_CERTIFICATE)
                                .number(CKA_CERTIFICATE_TYPE, CKC_X_509)
                                .boolean(CKA_TOKEN, true)
                                .bytes(CKA_VALUE, certificate.der()));
  };
  CHECK(write(authority).rv == CKR_TEMPLATE_INCONSISTENT);  // it is above no key yet
  CHECK(write(issued).object == object);
  CHECK(client.value(0, object, CKA_VALUE) == issued.der());
  CHECK(client.value(0, made.second, CKA_SUBJECT) == issued.subject_der());
  CHECK(client.value(0, object, CKA_ID) == client.value(0, made.second, CKA_ID));
  CHECK(client.find(0, Attributes().bytes(CKA_VALUE, own)).empty());
  CHECK(client.yes(0, object, CKA_DESTROYABLE));
  CHECK(write(issued).object == object);  // again

  const auto above = write(authority);
  CHECK(above.object == object + 1);
  CHECK(client.number(0, above.object, CKA_CERTIFICATE_CATEGORY) == 2);
  CHECK(client.find(0, Attributes().bytes(CKA_VALUE, authority.der())) == Objects{above.object});
  CHECK(write(authority).object == above.object);
  CHECK(signs(lab, stored(made.second)));

  lab.service.reset();
  lab.open_service();
  Client later(*lab.service);
  CHECK(later.value(0, object, CKA_VALUE) == issued.der());
  CHECK(later.destroy(0, object + 1) == CKR_ACTION_PROHIBITED);
  CHECK(later.destroy(0, object) == CKR_OK);
  CHECK(later.value(0, object, CKA_VALUE) == own);
  CHECK(later.find(0, Attributes().bytes(CKA_VALUE, authority.der())).empty());
}

TEST_CASE("certificates: a key of an issuer keeps the certificate of the issuer") {
  Lab lab;
  const KeyHandle key = lab.provision({{"ec"}}).front();
  lab.open_service();
  Client client(*lab.service);
  const auto write = [&](const Bytes& der) {
    return client.create(
        0, Attributes().number(CKA_CLASS, CKO_CERTIFICATE).boolean(CKA_TOKEN, true).bytes(CKA_VALUE, der));
  };
  CHECK(write(lab.certificate_of(key).der()).object == object_of(key, 3));
  CHECK(write(certify(lab.certificate_of(key).spki())).rv == CKR_TOKEN_WRITE_PROTECTED);
}

}  // namespace sks::test
