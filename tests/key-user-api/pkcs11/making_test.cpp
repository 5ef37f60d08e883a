#include <doctest/doctest.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <array>
#include <deque>
#include <nlohmann/json.hpp>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/ossl.h"
#include "tests/key-user-api/pkcs11/module.h"
#include "tests/key-user-api/pkcs11/provision.h"

/// Objects that applications make, in the session and in the store, and the attestations of keys.
namespace sks::test {
namespace {

constexpr CK_FLAGS kReadWrite = CKF_SERIAL_SESSION | CKF_RW_SESSION;
const Bytes kP256{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};  // OBJECT IDENTIFIER prime256v1
const Bytes kData(100, 0x5a);

struct Pair {
  CK_OBJECT_HANDLE public_key = 0;
  CK_OBJECT_HANDLE private_key = 0;
};

CK_RV generate(CK_SESSION_HANDLE session, bool in_token, std::string_view label, Pair& pair) {
  CK_MECHANISM mechanism{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  const Bytes token{in_token ? Bytes{CK_TRUE} : Bytes{CK_FALSE}};
  Template public_key;
  public_key.bytes(CKA_EC_PARAMS, kP256).bytes(CKA_TOKEN, token).text(CKA_LABEL, label);
  Template private_key;
  private_key.bytes(CKA_TOKEN, token).text(CKA_LABEL, label).yes(CKA_SIGN);
  return functions().C_GenerateKeyPair(session, &mechanism, public_key.data(), public_key.size(), private_key.data(),
                                       private_key.size(), &pair.public_key, &pair.private_key);
}

/// The public key of CKA_EC_POINT, as OpenSSL reads it.
ossl::Pkey p256_key(ByteView ec_point) {
  REQUIRE(ec_point.size() == 67);
  EVP_PKEY* key = ::EVP_PKEY_new();
  const ossl::Pkey group(::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  REQUIRE(::EVP_PKEY_copy_parameters(key, group.get()) == 1);
  ossl::Pkey made(key);
  REQUIRE(::EVP_PKEY_set1_encoded_public_key(made.get(), ec_point.data() + 2, 65) == 1);
  return made;
}

/// A session with the token of the key "own" of provision_policies().
CK_SESSION_HANDLE session_beside_own_key() {
  for (const CK_SLOT_ID slot : slots()) {
    const CK_SESSION_HANDLE session = open_session(slot, kReadWrite);
    if (!find(session, {attribute(CKA_LABEL, "own")}).empty()) return session;
    REQUIRE(functions().C_CloseSession(session) == CKR_OK);
  }
  FAIL("no key \"own\"");
  return 0;
}

}  // namespace

TEST_CASE("C_GenerateKeyPair: keys of the token outlive sksd with their handles, keys of the session do not") {
  const TempDir temp;
  provision_store(temp.file("store"));
  const Initialized initialized(temp.file("store"));
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kOpenToken), kReadWrite);
  Pair stored;
  REQUIRE(generate(session, true, "made", stored) == CKR_OK);
  Pair passing;
  REQUIRE(generate(session, false, "passing", passing) == CKR_OK);
  const ossl::Pkey key = p256_key(read(session, stored.public_key, CKA_EC_POINT));
  const ossl::Pkey passing_key = p256_key(read(session, passing.public_key, CKA_EC_POINT));
  Bytes signature;
  REQUIRE(try_to_sign(session, stored.private_key, kData, signature) == CKR_OK);
  CHECK(is_signature(key.get(), kData, signature));
  REQUIRE(try_to_sign(session, passing.private_key, kData, signature) == CKR_OK);
  CHECK(is_signature(passing_key.get(), kData, signature));
  CHECK_FALSE(is_signature(key.get(), kData, signature));

  kill_daemon();
  CHECK(find_one(session, CKO_PRIVATE_KEY, "made") == stored.private_key);
  CHECK(find(session, {attribute(CKA_LABEL, "passing")}).empty());
  REQUIRE(try_to_sign(session, stored.private_key, kData, signature) == CKR_OK);
  CHECK(is_signature(key.get(), kData, signature));
  CHECK(is_signature(session, "made", kData, signature));  // by the certificate that the store gave it
  CHECK(try_to_sign(session, passing.private_key, kData, signature) != CKR_OK);

  REQUIRE(functions().C_DestroyObject(session, stored.private_key) == CKR_OK);
  CHECK(find(session, {attribute(CKA_LABEL, "made")}).empty());
}

TEST_CASE("C_GenerateKeyPair: only a token whose PIN the owner manages takes keys, and after login") {
  const TempDir temp;
  provision_policies(temp.file("store"));
  {
    const Initialized initialized;
    const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken), kReadWrite);
    REQUIRE(login(session, kMainPin) == CKR_OK);
    Pair pair;
    CHECK(generate(session, true, "made", pair) == CKR_TOKEN_WRITE_PROTECTED);
    CHECK(generate(open_session(slot_labelled(kOpenToken)), true, "made", pair) == CKR_SESSION_READ_ONLY);
  }
  const Initialized initialized(temp.file("store"));
  const CK_SESSION_HANDLE session = session_beside_own_key();
  Pair pair;
  CHECK(generate(session, true, "beside", pair) == CKR_USER_NOT_LOGGED_IN);
  REQUIRE(login(session, kMainPin) == CKR_OK);
  REQUIRE(generate(session, true, "beside", pair) == CKR_OK);
  CHECK(read(session, pair.private_key, CKA_PRIVATE) == Bytes{CK_TRUE});
  Bytes signature;
  REQUIRE(try_to_sign(session, pair.private_key, kData, signature) == CKR_OK);
  CHECK(is_signature(p256_key(read(session, pair.public_key, CKA_EC_POINT)).get(), kData, signature));
  REQUIRE(functions().C_Logout(session) == CKR_OK);
  CHECK(find(session, {attribute(CKA_CLASS, CK_OBJECT_CLASS{CKO_PRIVATE_KEY})}).empty());
  CHECK(try_to_sign(session, pair.private_key, kData, signature) != CKR_OK);
}

TEST_CASE("C_CreateObject: a private key of OpenSSL signs as its owner, in the session and in the token") {
  const TempDir temp;
  provision_store(temp.file("store"));
  const Initialized initialized(temp.file("store"));
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kOpenToken), kReadWrite);
  for (const bool in_token : {false, true}) {
    CAPTURE(in_token);
    const ossl::Pkey key(::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    BIGNUM* number = nullptr;
    REQUIRE(::EVP_PKEY_get_bn_param(key.get(), OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1);
    Bytes value(32);
    REQUIRE(::BN_bn2binpad(number, value.data(), 32) == 32);
    ::BN_clear_free(number);
    Template wanted;
    wanted.number(CKA_CLASS, CKO_PRIVATE_KEY).number(CKA_KEY_TYPE, CKK_EC).bytes(CKA_EC_PARAMS, kP256);
    wanted.bytes(CKA_VALUE, value)
        .text(CKA_LABEL, "brought")
        .bytes(CKA_TOKEN, Bytes{in_token ? CK_BBOOL{1} : CK_BBOOL{0}});
    CK_OBJECT_HANDLE object = 0;
    REQUIRE(functions().C_CreateObject(session, wanted.data(), wanted.size(), &object) == CKR_OK);
    CHECK(read(session, object, CKA_LOCAL) == Bytes{CK_FALSE});
    CHECK(read_failure(session, object, CKA_VALUE) == CKR_ATTRIBUTE_SENSITIVE);
    Bytes signature;
    REQUIRE(try_to_sign(session, object, kData, signature) == CKR_OK);
    CHECK(is_signature(key.get(), kData, signature));
    REQUIRE(functions().C_DestroyObject(session, object) == CKR_OK);
    CHECK(try_to_sign(session, object, kData, signature) == CKR_KEY_HANDLE_INVALID);
  }
}

TEST_CASE(
    "C_CreateObject: a secret key that is not sensitive can be read, one that is cannot, both end with the session") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kOpenToken));
  const CK_SESSION_HANDLE other = open_session(slot_labelled(kOpenToken));
  const Bytes value(32, 0x42);
  for (const bool sensitive : {false, true}) {
    Template wanted;
    wanted.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES).bytes(CKA_VALUE, value);
    wanted.text(CKA_LABEL, "aes")
        .yes(CKA_EXTRACTABLE)
        .bytes(CKA_SENSITIVE, Bytes{sensitive ? CK_BBOOL{1} : CK_BBOOL{0}});
    CK_OBJECT_HANDLE object = 0;
    REQUIRE(functions().C_CreateObject(session, wanted.data(), wanted.size(), &object) == CKR_OK);
    if (sensitive)
      CHECK(read_failure(session, object, CKA_VALUE) == CKR_ATTRIBUTE_SENSITIVE);
    else
      CHECK(read(session, object, CKA_VALUE) == value);
  }
  CHECK(find(other, {attribute(CKA_LABEL, "aes")}).size() == 2);
  REQUIRE(functions().C_CloseSession(session) == CKR_OK);
  CHECK(find(other, {attribute(CKA_LABEL, "aes")}).empty());
}

TEST_CASE("C_FindObjects: certificates by what they contain, keys by their points") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  const CK_OBJECT_HANDLE certificate = find_one(session, CKO_CERTIFICATE, "ec");
  const auto found_by = [session](CK_OBJECT_HANDLE object, std::vector<CK_ATTRIBUTE_TYPE> types) {
    std::deque<std::string> values;
    std::vector<CK_ATTRIBUTE> wanted;
    for (const CK_ATTRIBUTE_TYPE type : types)
      wanted.push_back(attribute(type, values.emplace_back(to_string(read(session, object, type)))));
    return find(session, wanted);
  };
  CHECK(found_by(certificate, {CKA_VALUE}) == std::vector{certificate});
  CHECK(found_by(certificate, {CKA_CLASS, CKA_SUBJECT}) == std::vector{certificate});
  CHECK(found_by(certificate, {CKA_ISSUER, CKA_SERIAL_NUMBER}) == std::vector{certificate});
  CHECK(found_by(certificate, {CKA_CLASS, CKA_ID}) == std::vector{certificate});
  const CK_OBJECT_HANDLE public_key = find_one(session, CKO_PUBLIC_KEY, "ec");
  CHECK(found_by(public_key, {CKA_EC_POINT}) == std::vector{public_key});
}

TEST_CASE(
    "CKA_SKS_ATTESTATION of a private key, and the object beside it, tell who issued the key and how it is kept") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  REQUIRE(login(session, kMainPin) == CKR_OK);
  constexpr CK_ATTRIBUTE_TYPE kSksAttestation = 0x80534B53;
  for (const char* const name : {"ec", "rsa"}) {
    const CK_OBJECT_HANDLE key = find_one(session, CKO_PRIVATE_KEY, name);
    const Bytes text = read(session, key, kSksAttestation);
    const auto json = nlohmann::json::parse(text.begin(), text.end());
    CHECK(json.dump().find("\"issuerUri\":\"https://main.example.com:8443/sks\"") != std::string::npos);
    const std::string protection = std::string(name) == "ec" ? "non-exportable" : "none";
    CHECK(json.dump().find("\"exportProtection\":\"" + protection + "\"") != std::string::npos);

    const auto beside = find(session, {attribute(CKA_CLASS, CK_OBJECT_CLASS{CKO_DATA}), attribute(CKA_LABEL, name),
                                       attribute(CKA_APPLICATION, "SKS attestation")});
    REQUIRE(beside.size() == 1);
    CHECK(read(session, beside.front(), CKA_VALUE) == text);
  }
}

}  // namespace sks::test
