#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>
#include <cstring>

#include "sks-core/crypto/ossl.h"
#include "tests/key-user-api/pkcs11/module.h"
#include "tests/key-user-api/pkcs11/provision.h"

namespace sks::test {
namespace {

ossl::Cert certificate_of(CK_SESSION_HANDLE session, std::string_view label) {
  const Bytes der = read(session, find_one(session, CKO_CERTIFICATE, label), CKA_VALUE);
  const unsigned char* at = der.data();
  ossl::Cert certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  REQUIRE(certificate != nullptr);
  return certificate;
}

Bytes sha1(ByteView data) {
  Bytes hash(20);
  REQUIRE(::EVP_Digest(data.data(), data.size(), hash.data(), nullptr, ::EVP_sha1(), nullptr) == 1);
  return hash;
}

template <class Encode, class T>
Bytes encoded(Encode encode, T* object) {
  unsigned char* out = nullptr;
  const int size = encode(object, &out);
  REQUIRE(size > 0);
  Bytes der(out, out + size);
  ::OPENSSL_free(out);
  return der;
}

const Bytes kTrue{CK_TRUE};
const Bytes kFalse{CK_FALSE};

}  // namespace

TEST_CASE("Objects: certificates and public keys are there without login, private keys after it") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  const CK_OBJECT_CLASS certificate = CKO_CERTIFICATE;
  const CK_OBJECT_CLASS public_key = CKO_PUBLIC_KEY;
  const CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
  const CK_OBJECT_CLASS data = CKO_DATA;
  CHECK(find(session, {attribute(CKA_CLASS, certificate)}).size() == 3);  // two keys, one authority
  CHECK(find(session, {attribute(CKA_CLASS, public_key)}).size() == 2);
  CHECK(find(session, {attribute(CKA_CLASS, private_key)}).empty());
  CHECK(find(session, {attribute(CKA_CLASS, data)}).size() == 2);  // the attestations
  CHECK(find(session, {}).size() == 7);

  REQUIRE(login(session, kMainPin) == CKR_OK);
  const auto keys = find(session, {attribute(CKA_CLASS, private_key)});
  CHECK(keys.size() == 2);
  CHECK(find(session, {}).size() == 9);
  CHECK(read(session, keys.front(), CKA_PRIVATE) == kTrue);

  REQUIRE(functions().C_Logout(session) == CKR_OK);
  CK_ATTRIBUTE label{CKA_LABEL, nullptr, 0};
  CHECK(functions().C_GetAttributeValue(session, keys.front(), &label, 1) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(find(session, {}).size() == 7);
}

TEST_CASE("Objects: keys without PIN need no login, and a session sees its own token only") {
  const Initialized initialized;
  const CK_SESSION_HANDLE open = open_session(slot_labelled(kOpenToken));
  const CK_OBJECT_HANDLE key = find_one(open, CKO_PRIVATE_KEY, "open");
  CHECK(read(open, key, CKA_PRIVATE) == kFalse);
  CHECK(read(open, key, CKA_SENSITIVE) == kTrue);
  const CK_SESSION_HANDLE main = open_session(slot_labelled(kMainToken));
  CK_ATTRIBUTE label{CKA_LABEL, nullptr, 0};
  CHECK(functions().C_GetAttributeValue(main, key, &label, 1) == CKR_OBJECT_HANDLE_INVALID);
  CK_ULONG size = 0;
  CHECK(functions().C_GetObjectSize(main, key, &size) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(functions().C_GetObjectSize(main, 0, &size) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(functions().C_GetObjectSize(open, key, &size) == CKR_OK);
  CHECK(size > 0);
}

TEST_CASE("Objects: certificate, public and private key share an id, the SHA-1 of the public key bits") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  REQUIRE(login(session, kMainPin) == CKR_OK);
  for (const char* label : {"ec", "rsa"}) {
    CAPTURE(label);
    const ossl::Cert certificate = certificate_of(session, label);
    const ASN1_BIT_STRING* const bits = ::X509_get0_pubkey_bitstr(certificate.get());
    const Bytes id = sha1({bits->data, static_cast<std::size_t>(bits->length)});
    for (const CK_OBJECT_CLASS object_class : {CKO_CERTIFICATE, CKO_PUBLIC_KEY, CKO_PRIVATE_KEY})
      CHECK(read(session, find_one(session, object_class, label), CKA_ID) == id);
    CHECK(find(session, {attribute(CKA_ID, to_string(id))}).size() == 3);
  }
}

TEST_CASE("Objects: a certificate says what OpenSSL reads in it") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  const CK_OBJECT_HANDLE object = find_one(session, CKO_CERTIFICATE, "ec");
  const ossl::Cert certificate = certificate_of(session, "ec");
  CHECK(read(session, object, CKA_SUBJECT) == encoded(::i2d_X509_NAME, ::X509_get_subject_name(certificate.get())));
  CHECK(read(session, object, CKA_ISSUER) == encoded(::i2d_X509_NAME, ::X509_get_issuer_name(certificate.get())));
  CHECK(read(session, object, CKA_SERIAL_NUMBER) ==
        encoded(::i2d_ASN1_INTEGER, ::X509_get_serialNumber(certificate.get())));
  CHECK(read(session, object, CKA_PUBLIC_KEY_INFO) ==
        encoded(::i2d_X509_PUBKEY, ::X509_get_X509_PUBKEY(certificate.get())));
  CHECK(read_number(session, object, CKA_CERTIFICATE_TYPE) == CKC_X_509);
  CHECK(read_number(session, object, CKA_CERTIFICATE_CATEGORY) == 1);
  CHECK(read(session, object, CKA_PRIVATE) == kFalse);
  CHECK(read(session, object, CKA_TRUSTED) == kFalse);
  CHECK(read(session, object, CKA_MODIFIABLE) == kFalse);
  Bytes check_value = sha1(read(session, object, CKA_VALUE));
  check_value.resize(3);
  CHECK(read(session, object, CKA_CHECK_VALUE) == check_value);

  const CK_ULONG authority_category = 2;
  const auto authorities = find(session, {attribute(CKA_CERTIFICATE_CATEGORY, authority_category)});
  REQUIRE(authorities.size() == 1);
  CHECK(read(session, authorities.front(), CKA_SUBJECT) == read(session, object, CKA_ISSUER));
}

TEST_CASE("Objects: the attributes of an EC key pair") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  REQUIRE(login(session, kMainPin) == CKR_OK);
  const CK_OBJECT_HANDLE public_key = find_one(session, CKO_PUBLIC_KEY, "ec");
  const CK_OBJECT_HANDLE private_key = find_one(session, CKO_PRIVATE_KEY, "ec");
  const Bytes p256{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};  // OBJECT IDENTIFIER prime256v1
  for (const CK_OBJECT_HANDLE key : {public_key, private_key}) {
    CHECK(read_number(session, key, CKA_KEY_TYPE) == CKK_EC);
    CHECK(read(session, key, CKA_EC_PARAMS) == p256);
    CHECK(read(session, key, CKA_LOCAL) == kTrue);
    CHECK(read_number(session, key, CKA_KEY_GEN_MECHANISM) == CKM_EC_KEY_PAIR_GEN);
    CHECK(read(session, key, CKA_TOKEN) == kTrue);
  }
  const ossl::Cert certificate = certificate_of(session, "ec");
  const ASN1_BIT_STRING* const bits = ::X509_get0_pubkey_bitstr(certificate.get());
  CHECK(read(session, public_key, CKA_EC_POINT) ==
        concat({Bytes{0x04, 0x41}, {bits->data, static_cast<std::size_t>(bits->length)}}));
  CHECK(read(session, private_key, CKA_SIGN) == kTrue);
  CHECK(read(session, private_key, CKA_DECRYPT) == kFalse);
  CHECK(read(session, private_key, CKA_SENSITIVE) == kTrue);
  CHECK(read(session, private_key, CKA_ALWAYS_SENSITIVE) == kTrue);
  CHECK(read(session, private_key, CKA_EXTRACTABLE) == kFalse);
  CHECK(read(session, private_key, CKA_NEVER_EXTRACTABLE) == kTrue);
  CHECK(read(session, private_key, CKA_ALWAYS_AUTHENTICATE) == kFalse);
  CHECK(read(session, private_key, CKA_DERIVE) == kTrue);
  CHECK(read(session, public_key, CKA_VERIFY) == kTrue);
  CHECK(read_failure(session, private_key, CKA_VALUE) == CKR_ATTRIBUTE_SENSITIVE);
  CHECK(read_failure(session, public_key, CKA_VALUE) == CKR_ATTRIBUTE_TYPE_INVALID);
  CHECK(read_failure(session, private_key, CKA_MODULUS) == CKR_ATTRIBUTE_TYPE_INVALID);
}

TEST_CASE("Objects: the attributes of an RSA key pair") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  REQUIRE(login(session, kMainPin) == CKR_OK);
  const CK_OBJECT_HANDLE public_key = find_one(session, CKO_PUBLIC_KEY, "rsa");
  const CK_OBJECT_HANDLE private_key = find_one(session, CKO_PRIVATE_KEY, "rsa");
  const ossl::Cert certificate = certificate_of(session, "rsa");
  BIGNUM* modulus = nullptr;
  REQUIRE(::EVP_PKEY_get_bn_param(::X509_get0_pubkey(certificate.get()), "n", &modulus) == 1);
  Bytes expected(256);
  REQUIRE(::BN_bn2binpad(modulus, expected.data(), 256) == 256);
  ::BN_free(modulus);
  for (const CK_OBJECT_HANDLE key : {public_key, private_key}) {
    CHECK(read_number(session, key, CKA_KEY_TYPE) == CKK_RSA);
    CHECK(read(session, key, CKA_MODULUS) == expected);
    CHECK(read(session, key, CKA_PUBLIC_EXPONENT) == Bytes{1, 0, 1});
    CHECK(read_number(session, key, CKA_KEY_GEN_MECHANISM) == CKM_RSA_PKCS_KEY_PAIR_GEN);
  }
  CHECK(read_number(session, public_key, CKA_MODULUS_BITS) == 2048);
  CHECK(read(session, private_key, CKA_DECRYPT) == kTrue);
  // Its issuer lets it be exported.
  CHECK(read(session, private_key, CKA_EXTRACTABLE) == kTrue);
  CHECK(read(session, private_key, CKA_NEVER_EXTRACTABLE) == kFalse);
  CHECK(read(session, private_key, CKA_SENSITIVE) == kTrue);
  for (const CK_ATTRIBUTE_TYPE secret :
       {CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT})
    CHECK(read_failure(session, private_key, secret) == CKR_ATTRIBUTE_SENSITIVE);
}

TEST_CASE("Objects: P-384 and Ed25519 keys carry their own parameters and points") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kSecondToken));
  const CK_OBJECT_HANDLE p384 = find_one(session, CKO_PUBLIC_KEY, "p384");
  CHECK(read(session, p384, CKA_EC_PARAMS) == Bytes{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22});
  CHECK(read(session, p384, CKA_EC_POINT).size() == 2 + 97);
  const CK_SESSION_HANDLE open = open_session(slot_labelled(kOpenToken));
  const CK_OBJECT_HANDLE ed25519 = find_one(open, CKO_PUBLIC_KEY, "ed25519");
  CHECK(read_number(open, ed25519, CKA_KEY_TYPE) == CKK_EC_EDWARDS);
  CHECK(read_number(open, ed25519, CKA_KEY_GEN_MECHANISM) == CKM_EC_EDWARDS_KEY_PAIR_GEN);
  CHECK(read(open, ed25519, CKA_EC_PARAMS) == Bytes{0x06, 0x03, 0x2b, 0x65, 0x70});
  CHECK(read(open, ed25519, CKA_EC_POINT).size() == 2 + 32);
}

TEST_CASE("Objects: a key that may do nothing says that it does not sign") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kSecondToken));
  REQUIRE(login(session, kSecondPin) == CKR_OK);
  const CK_OBJECT_HANDLE key = find_one(session, CKO_PRIVATE_KEY, "no crypto");
  CHECK(read(session, key, CKA_SIGN) == kFalse);
  CHECK(read(session, key, CKA_DERIVE) == kFalse);
}

TEST_CASE("Objects: a key tells its mechanisms") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kSecondToken));
  REQUIRE(login(session, kSecondPin) == CKR_OK);
  const auto mechanisms_of = [&](CK_OBJECT_CLASS object_class, std::string_view label) {
    const Bytes value = read(session, find_one(session, object_class, label), CKA_ALLOWED_MECHANISMS);
    std::vector<CK_MECHANISM_TYPE> types(value.size() / sizeof(CK_MECHANISM_TYPE));
    if (!value.empty()) std::memcpy(types.data(), value.data(), value.size());
    return types;
  };
  using Types = std::vector<CK_MECHANISM_TYPE>;
  // Endorsed for one algorithm: hashes by the application or by the service.
  CHECK(mechanisms_of(CKO_PRIVATE_KEY, "sha256 only") == Types{CKM_ECDSA, CKM_ECDSA_SHA256});
  CHECK(mechanisms_of(CKO_PRIVATE_KEY, "rsa sha256 only") == Types{CKM_RSA_PKCS, CKM_SHA256_RSA_PKCS});
  CHECK(mechanisms_of(CKO_PRIVATE_KEY, "no crypto").empty());
  // For all that its kind has.
  CHECK(mechanisms_of(CKO_PRIVATE_KEY, "p384") == Types{CKM_ECDSA, CKM_ECDSA_SHA1, CKM_ECDSA_SHA224, CKM_ECDSA_SHA256,
                                                        CKM_ECDSA_SHA384, CKM_ECDSA_SHA512, CKM_ECDH1_DERIVE,
                                                        CKM_ECDH1_COFACTOR_DERIVE});
  CHECK(mechanisms_of(CKO_PUBLIC_KEY, "p384") ==
        Types{CKM_ECDSA, CKM_ECDSA_SHA1, CKM_ECDSA_SHA224, CKM_ECDSA_SHA256, CKM_ECDSA_SHA384, CKM_ECDSA_SHA512});
  const CK_MECHANISM_TYPE only = CKM_ECDSA;
  CHECK(find(session, {attribute(CKA_ALLOWED_MECHANISMS, only)}).empty());
  const CK_ULONG length = 16;
  CK_MECHANISM generation{CKM_AES_KEY_GEN, nullptr, 0};
  std::array<CK_ATTRIBUTE, 2> given{attribute(CKA_VALUE_LEN, length), attribute(CKA_ALLOWED_MECHANISMS, only)};
  CK_OBJECT_HANDLE made = 0;
  CHECK(functions().C_GenerateKey(session, &generation, given.data(), given.size(), &made) == CKR_ATTRIBUTE_READ_ONLY);
  // What is not told is refused.
  CK_MECHANISM mechanism{CKM_ECDSA_SHA512, nullptr, 0};
  const CK_OBJECT_HANDLE key = find_one(session, CKO_PRIVATE_KEY, "sha256 only");
  REQUIRE(functions().C_SignInit(session, &mechanism, key) == CKR_OK);
  Bytes data(10);
  Bytes signature(64);
  CK_ULONG size = signature.size();
  CHECK(functions().C_Sign(session, data.data(), data.size(), signature.data(), &size) ==
        CKR_KEY_FUNCTION_NOT_PERMITTED);
}

TEST_CASE("C_GetAttributeValue: several attributes at once, each with its own outcome") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  REQUIRE(login(session, kMainPin) == CKR_OK);
  const CK_OBJECT_HANDLE key = find_one(session, CKO_PRIVATE_KEY, "ec");
  CK_OBJECT_CLASS object_class = 0;
  std::array<CK_BYTE, 1> small{};
  std::array<CK_BYTE, 64> large{};
  std::array<CK_ATTRIBUTE, 5> all{{{CKA_CLASS, &object_class, sizeof object_class},
                                   {CKA_VALUE, large.data(), large.size()},
                                   {CKA_MODULUS, large.data(), large.size()},
                                   {CKA_ID, small.data(), small.size()},
                                   {CKA_LABEL, nullptr, 0}}};
  CHECK(functions().C_GetAttributeValue(session, key, all.data(), all.size()) == CKR_ATTRIBUTE_SENSITIVE);
  CHECK(object_class == CKO_PRIVATE_KEY);
  CHECK(all[0].ulValueLen == sizeof object_class);
  CHECK(all[1].ulValueLen == CK_UNAVAILABLE_INFORMATION);
  CHECK(all[2].ulValueLen == CK_UNAVAILABLE_INFORMATION);
  CHECK(all[3].ulValueLen == CK_UNAVAILABLE_INFORMATION);
  CHECK(all[4].ulValueLen == 2);

  CK_ATTRIBUTE too_small{CKA_ID, small.data(), small.size()};
  CHECK(functions().C_GetAttributeValue(session, key, &too_small, 1) == CKR_BUFFER_TOO_SMALL);
  CHECK(too_small.ulValueLen == CK_UNAVAILABLE_INFORMATION);
  CK_ATTRIBUTE roomy{CKA_ID, large.data(), large.size()};
  CHECK(functions().C_GetAttributeValue(session, key, &roomy, 1) == CKR_OK);
  CHECK(roomy.ulValueLen == 20);
  CHECK(functions().C_GetAttributeValue(session, key, nullptr, 0) == CKR_OK);
}

TEST_CASE("C_FindObjects: a template matches whole values only") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  const CK_KEY_TYPE rsa = CKK_RSA;
  const CK_KEY_TYPE ec = CKK_EC;
  const CK_BBOOL yes = CK_TRUE;
  const CK_OBJECT_CLASS certificate = CKO_CERTIFICATE;
  const CK_OBJECT_CLASS public_key = CKO_PUBLIC_KEY;
  CHECK(find(session, {attribute(CKA_LABEL, "ec")}).size() == 3);  // with its attestation
  CHECK(find(session, {attribute(CKA_LABEL, "e")}).empty());
  CHECK(find(session, {attribute(CKA_LABEL, "ecc")}).empty());
  CHECK(find(session, {attribute(CKA_LABEL, "")}).empty());
  CK_ATTRIBUTE short_class = attribute(CKA_CLASS, std::string_view("\x02"));
  CHECK(functions().C_FindObjectsInit(session, &short_class, 1) == CKR_ATTRIBUTE_VALUE_INVALID);
  CHECK(find(session, {attribute(CKA_KEY_TYPE, rsa)}).size() == 1);
  CHECK(find(session, {attribute(CKA_KEY_TYPE, rsa), attribute(CKA_LABEL, "ec")}).empty());
  CHECK(find(session, {attribute(CKA_CLASS, public_key), attribute(CKA_KEY_TYPE, ec)}).size() == 1);
  CHECK(find(session, {attribute(CKA_TOKEN, yes)}).size() == 7);
  CHECK(find(session, {attribute(CKA_VENDOR_DEFINED, yes)}).empty());
  CHECK(find(session, {attribute(CKA_START_DATE, "20200101"), attribute(CKA_LABEL, "ec")}) ==
        find(session, {attribute(CKA_CLASS, certificate), attribute(CKA_LABEL, "ec")}));
}

TEST_CASE("C_FindObjects: one search at a time per session") {
  const Initialized initialized;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  CK_OBJECT_HANDLE object = 0;
  CK_ULONG count = 0;
  CHECK(f.C_FindObjects(session, &object, 1, &count) == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(f.C_FindObjectsFinal(session) == CKR_OPERATION_NOT_INITIALIZED);
  REQUIRE(f.C_FindObjectsInit(session, nullptr, 0) == CKR_OK);
  CHECK(f.C_FindObjectsInit(session, nullptr, 0) == CKR_OPERATION_ACTIVE);
  CHECK(f.C_FindObjects(session, &object, 0, &count) == CKR_OK);
  CHECK(count == 0);
  CHECK(f.C_FindObjects(session, &object, 1, &count) == CKR_OK);
  CHECK(count == 1);
  CHECK(f.C_FindObjectsFinal(session) == CKR_OK);
}

}  // namespace sks::test
