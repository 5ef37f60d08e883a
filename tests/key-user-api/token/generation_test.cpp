#include <doctest/doctest.h>

#include "tests/key-user-api/token/local_lab.h"

/// Keys that are generated. Spec: spec/sksd.md 6.
namespace sks::test {
namespace {

/// Ed25519, from RFC 8410, and its name of PKCS#11 3.0.
const Bytes kEd25519Oid{0x06, 0x03, 0x2b, 0x65, 0x70};
const Bytes kEd25519Name{0x13, 0x0c, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9'};

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

}  // namespace sks::test
