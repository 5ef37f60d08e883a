#include <doctest/doctest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <functional>

#include "sks-core/crypto/ossl.h"
#include "tests/key-user-api/pkcs11/module.h"
#include "tests/key-user-api/pkcs11/provision.h"

namespace sks::test {
namespace {

using EcdsaSignature = ossl::Ptr<ECDSA_SIG, ECDSA_SIG_free>;

const Bytes kMessage = to_bytes(as_bytes("The quick brown fox jumps over the lazy dog"));

CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key) {
  CK_MECHANISM mechanism{type, nullptr, 0};
  return functions().C_SignInit(session, &mechanism, key);
}

Bytes sign(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, Bytes data) {
  REQUIRE(sign_init(session, type, key) == CKR_OK);
  CK_ULONG size = 0;
  REQUIRE(functions().C_Sign(session, data.data(), data.size(), nullptr, &size) == CKR_OK);
  Bytes signature(size);
  REQUIRE(functions().C_Sign(session, data.data(), data.size(), signature.data(), &size) == CKR_OK);
  CHECK(size == signature.size());
  return signature;
}

CK_RV sign_failure(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, Bytes data) {
  REQUIRE(sign_init(session, type, key) == CKR_OK);
  Bytes signature(512);
  CK_ULONG size = signature.size();
  const CK_RV rv = functions().C_Sign(session, data.data(), data.size(), signature.data(), &size);
  CHECK(functions().C_Sign(session, data.data(), data.size(), signature.data(), &size) ==
        CKR_OPERATION_NOT_INITIALIZED);
  return rv;
}

ossl::Pkey public_key(CK_SESSION_HANDLE session, std::string_view label) {
  const Bytes der = read(session, find_one(session, CKO_CERTIFICATE, label), CKA_VALUE);
  const unsigned char* at = der.data();
  const ossl::Cert certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  REQUIRE(certificate != nullptr);
  return ossl::Pkey(::X509_get_pubkey(certificate.get()));
}

Bytes ecdsa_der(ByteView raw) {
  const std::size_t half = raw.size() / 2;
  const EcdsaSignature signature(::ECDSA_SIG_new());
  REQUIRE(::ECDSA_SIG_set0(signature.get(), ::BN_bin2bn(raw.data(), static_cast<int>(half), nullptr),
                           ::BN_bin2bn(raw.data() + half, static_cast<int>(half), nullptr)) == 1);
  unsigned char* out = nullptr;
  const int size = ::i2d_ECDSA_SIG(signature.get(), &out);
  REQUIRE(size > 0);
  Bytes der(out, out + size);
  ::OPENSSL_free(out);
  return der;
}

/// Whether OpenSSL accepts the signature over a message; `md` null for EdDSA.
bool verifies(EVP_PKEY* key, const char* md, ByteView message, ByteView signature) {
  const Bytes encoded = ::EVP_PKEY_is_a(key, "EC") == 1 ? ecdsa_der(signature) : to_bytes(signature);
  const ossl::MdCtx context(::EVP_MD_CTX_new());
  REQUIRE(::EVP_DigestVerifyInit_ex(context.get(), nullptr, md, nullptr, nullptr, key, nullptr) == 1);
  return ::EVP_DigestVerify(context.get(), encoded.data(), encoded.size(), message.data(), message.size()) == 1;
}

/// Whether OpenSSL accepts a signature over bytes that no hash was applied to.
bool verifies_raw(EVP_PKEY* key, ByteView data, ByteView signature) {
  const Bytes encoded = ::EVP_PKEY_is_a(key, "EC") == 1 ? ecdsa_der(signature) : to_bytes(signature);
  const ossl::PkeyCtx context(::EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  REQUIRE(::EVP_PKEY_verify_init(context.get()) == 1);
  if (::EVP_PKEY_is_a(key, "RSA") == 1) REQUIRE(::EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1);
  return ::EVP_PKEY_verify(context.get(), encoded.data(), encoded.size(), data.data(), data.size()) == 1;
}

Bytes hash(const char* name, ByteView data) {
  Bytes out(EVP_MAX_MD_SIZE);
  std::size_t size = 0;
  REQUIRE(::EVP_Q_digest(nullptr, name, nullptr, data.data(), data.size(), out.data(), &size) == 1);
  out.resize(size);
  return out;
}

/// DigestInfo of RFC 8017 for SHA-256.
Bytes digest_info_sha256(ByteView message) {
  const Bytes prefix{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                     0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
  return concat({prefix, hash("SHA256", message)});
}

struct LoggedIn {
  explicit LoggedIn(std::string_view token, std::string_view pin) : session(open_session(slot_labelled(token))) {
    REQUIRE(login(session, pin) == CKR_OK);
  }
  CK_OBJECT_HANDLE key(std::string_view label) const { return find_one(session, CKO_PRIVATE_KEY, label); }

  Initialized initialized;
  CK_SESSION_HANDLE session;
};

}  // namespace

TEST_CASE("C_Sign: every mechanism that hashes makes a signature that OpenSSL accepts") {
  const LoggedIn user(kMainToken, kMainPin);
  struct Case {
    CK_MECHANISM_TYPE type;
    const char* key;
    const char* md;
    std::size_t size;
  };
  const std::array<Case, 6> cases{{{CKM_ECDSA_SHA256, "ec", "SHA256", 64},
                                   {CKM_ECDSA_SHA384, "ec", "SHA384", 64},
                                   {CKM_ECDSA_SHA512, "ec", "SHA512", 64},
                                   {CKM_SHA256_RSA_PKCS, "rsa", "SHA256", 256},
                                   {CKM_SHA384_RSA_PKCS, "rsa", "SHA384", 256},
                                   {CKM_SHA512_RSA_PKCS, "rsa", "SHA512", 256}}};
  for (const Case& c : cases) {
    CAPTURE(c.type);
    const ossl::Pkey key = public_key(user.session, c.key);
    const Bytes signature = sign(user.session, c.type, user.key(c.key), kMessage);
    CHECK(signature.size() == c.size);
    CHECK(verifies(key.get(), c.md, kMessage, signature));
    CHECK_FALSE(verifies(key.get(), c.md, Bytes{1}, signature));
    CHECK(verifies(key.get(), c.md, {}, sign(user.session, c.type, user.key(c.key), {})));
  }
}

TEST_CASE("C_SignUpdate: parts give the signature over the whole, of any length") {
  const LoggedIn user(kMainToken, kMainPin);
  CK_FUNCTION_LIST& f = functions();
  REQUIRE(sign_init(user.session, CKM_ECDSA_SHA256, user.key("ec")) == CKR_OK);
  Bytes whole;
  Bytes part(10007, 0x5a);  // all parts together exceed what one call of the store takes
  for (int i = 0; i < 5; ++i) {
    REQUIRE(f.C_SignUpdate(user.session, part.data(), part.size()) == CKR_OK);
    whole.insert(whole.end(), part.begin(), part.end());
  }
  CK_ULONG size = 0;
  CHECK(f.C_SignFinal(user.session, nullptr, &size) == CKR_OK);
  CHECK(size == 64);
  Bytes signature(64);
  size = 63;
  CHECK(f.C_SignFinal(user.session, signature.data(), &size) == CKR_BUFFER_TOO_SMALL);
  CHECK(size == 64);
  REQUIRE(f.C_SignFinal(user.session, signature.data(), &size) == CKR_OK);
  CHECK(verifies(public_key(user.session, "ec").get(), "SHA256", whole, signature));
  CHECK(f.C_SignFinal(user.session, signature.data(), &size) == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(f.C_SignUpdate(user.session, part.data(), part.size()) == CKR_OPERATION_NOT_INITIALIZED);
  const Bytes at_once = sign(user.session, CKM_SHA256_RSA_PKCS, user.key("rsa"), whole);
  CHECK(verifies(public_key(user.session, "rsa").get(), "SHA256", whole, at_once));
}

TEST_CASE("C_Sign with CKM_ECDSA signs a digest of any length, of which the curve takes the beginning") {
  const LoggedIn user(kMainToken, kMainPin);
  const ossl::Pkey key = public_key(user.session, "ec");
  for (const char* name : {"SHA1", "SHA256", "SHA384", "SHA512"}) {
    CAPTURE(name);
    const Bytes digest = hash(name, kMessage);
    CHECK(verifies_raw(key.get(), digest, sign(user.session, CKM_ECDSA, user.key("ec"), digest)));
  }
  const Bytes longer(65, 0x5a);
  CHECK(verifies_raw(key.get(), longer, sign(user.session, CKM_ECDSA, user.key("ec"), longer)));
  CHECK(sign_failure(user.session, CKM_ECDSA, user.key("ec"), {}) == CKR_DATA_LEN_RANGE);
}

TEST_CASE("C_Sign with CKM_RSA_PKCS signs a DigestInfo or any short content") {
  const LoggedIn user(kMainToken, kMainPin);
  const ossl::Pkey key = public_key(user.session, "rsa");
  const Bytes signature = sign(user.session, CKM_RSA_PKCS, user.key("rsa"), digest_info_sha256(kMessage));
  CHECK(verifies(key.get(), "SHA256", kMessage, signature));
  CHECK(verifies_raw(key.get(), kMessage, sign(user.session, CKM_RSA_PKCS, user.key("rsa"), kMessage)));
  const Bytes longest(256 - 11, 0x5a);
  CHECK(verifies_raw(key.get(), longest, sign(user.session, CKM_RSA_PKCS, user.key("rsa"), longest)));
  CHECK(sign_failure(user.session, CKM_RSA_PKCS, user.key("rsa"), Bytes(256 - 10)) == CKR_DATA_LEN_RANGE);
}

TEST_CASE("C_Sign: a key endorsed for one hash signs digests of that hash and nothing else") {
  const LoggedIn user(kSecondToken, kSecondPin);
  const CK_OBJECT_HANDLE ec = user.key("sha256 only");
  const ossl::Pkey ec_public = public_key(user.session, "sha256 only");
  CHECK(verifies(ec_public.get(), "SHA256", kMessage, sign(user.session, CKM_ECDSA, ec, hash("SHA256", kMessage))));
  CHECK(verifies(ec_public.get(), "SHA256", kMessage, sign(user.session, CKM_ECDSA_SHA256, ec, kMessage)));
  CHECK(sign_failure(user.session, CKM_ECDSA, ec, hash("SHA384", kMessage)) == CKR_DATA_INVALID);
  CHECK(sign_failure(user.session, CKM_ECDSA, ec, hash("SHA1", kMessage)) == CKR_DATA_INVALID);
  CHECK(sign_failure(user.session, CKM_ECDSA_SHA384, ec, kMessage) == CKR_KEY_FUNCTION_NOT_PERMITTED);

  const CK_OBJECT_HANDLE rsa = user.key("rsa sha256 only");
  const ossl::Pkey rsa_public = public_key(user.session, "rsa sha256 only");
  CHECK(verifies(rsa_public.get(), "SHA256", kMessage,
                 sign(user.session, CKM_RSA_PKCS, rsa, digest_info_sha256(kMessage))));
  CHECK(sign_failure(user.session, CKM_RSA_PKCS, rsa, kMessage) == CKR_DATA_INVALID);
  CHECK(sign_failure(user.session, CKM_SHA512_RSA_PKCS, rsa, kMessage) == CKR_KEY_FUNCTION_NOT_PERMITTED);

  CHECK(sign_init(user.session, CKM_ECDSA, user.key("no crypto")) == CKR_KEY_FUNCTION_NOT_PERMITTED);
}

TEST_CASE("C_Sign: P-384 signatures have the size of their curve") {
  const LoggedIn user(kSecondToken, kSecondPin);
  const Bytes signature = sign(user.session, CKM_ECDSA_SHA384, user.key("p384"), kMessage);
  CHECK(signature.size() == 96);
  CHECK(verifies(public_key(user.session, "p384").get(), "SHA384", kMessage, signature));
}

TEST_CASE("C_Sign: keys without PIN sign without login, Ed25519 keys the message itself") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kOpenToken));
  const CK_OBJECT_HANDLE ec = find_one(session, CKO_PRIVATE_KEY, "open");
  const CK_OBJECT_HANDLE ed25519 = find_one(session, CKO_PRIVATE_KEY, "ed25519");
  CHECK(verifies(public_key(session, "open").get(), "SHA256", kMessage, sign(session, CKM_ECDSA_SHA256, ec, kMessage)));
  const Bytes signature = sign(session, CKM_EDDSA, ed25519, kMessage);
  CHECK(signature.size() == 64);
  CHECK(verifies(public_key(session, "ed25519").get(), nullptr, kMessage, signature));
  CHECK(sign_failure(session, CKM_EDDSA, ed25519, Bytes(16385)) == CKR_DATA_LEN_RANGE);
  CHECK(sign_init(session, CKM_ECDSA, ed25519) == CKR_KEY_TYPE_INCONSISTENT);
  CHECK(sign_init(session, CKM_EDDSA, ec) == CKR_KEY_TYPE_INCONSISTENT);
}

TEST_CASE("C_SignInit refuses what cannot be signed with") {
  const LoggedIn user(kMainToken, kMainPin);
  const CK_SESSION_HANDLE session = user.session;
  const CK_OBJECT_HANDLE ec = user.key("ec");
  CHECK(sign_init(session, CKM_DES3_MAC, ec) == CKR_MECHANISM_INVALID);
  CHECK(sign_init(session, CKM_SHA1_RSA_PKCS, ec) == CKR_KEY_TYPE_INCONSISTENT);
  CHECK(sign_init(session, CKM_SHA256_RSA_PKCS, ec) == CKR_KEY_TYPE_INCONSISTENT);
  CHECK(sign_init(session, CKM_ECDSA, user.key("rsa")) == CKR_KEY_TYPE_INCONSISTENT);
  CHECK(sign_init(session, CKM_ECDSA, 0) == CKR_KEY_HANDLE_INVALID);
  CHECK(sign_init(session, CKM_ECDSA, 4711) == CKR_KEY_HANDLE_INVALID);
  CHECK(sign_init(session, CKM_ECDSA, find_one(session, CKO_CERTIFICATE, "ec")) == CKR_KEY_HANDLE_INVALID);
  CHECK(sign_init(session, CKM_ECDSA, find_one(session, CKO_PUBLIC_KEY, "ec")) == CKR_KEY_FUNCTION_NOT_PERMITTED);
  CK_BYTE parameter = 0;
  CK_MECHANISM with_parameter{CKM_ECDSA, &parameter, 1};
  CHECK(functions().C_SignInit(session, &with_parameter, ec) == CKR_MECHANISM_PARAM_INVALID);

  REQUIRE(sign_init(session, CKM_ECDSA, ec) == CKR_OK);
  CHECK(sign_init(session, CKM_ECDSA, ec) == CKR_OPERATION_ACTIVE);
  CHECK(functions().C_SignInit(session, nullptr, 0) == CKR_OK);  // ends it
  CHECK(functions().C_SignInit(session, nullptr, 0) == CKR_ARGUMENTS_BAD);
}

TEST_CASE("C_Sign: without login there is no signature, and logging out ends one that has begun") {
  const LoggedIn user(kMainToken, kMainPin);
  const CK_OBJECT_HANDLE key = user.key("ec");
  REQUIRE(sign_init(user.session, CKM_ECDSA_SHA256, key) == CKR_OK);
  REQUIRE(functions().C_Logout(user.session) == CKR_OK);
  Bytes signature(64);
  CK_ULONG size = signature.size();
  Bytes data = kMessage;
  CHECK(functions().C_Sign(user.session, data.data(), data.size(), signature.data(), &size) == CKR_USER_NOT_LOGGED_IN);
  CHECK(sign_init(user.session, CKM_ECDSA_SHA256, key) == CKR_USER_NOT_LOGGED_IN);
}

TEST_CASE("C_Sign: a buffer that is too small keeps the operation, and parts do not mix with single calls") {
  const LoggedIn user(kMainToken, kMainPin);
  CK_FUNCTION_LIST& f = functions();
  Bytes data = kMessage;
  Bytes signature(64);
  CK_ULONG size = 63;
  REQUIRE(sign_init(user.session, CKM_ECDSA_SHA256, user.key("ec")) == CKR_OK);
  CHECK(f.C_Sign(user.session, data.data(), data.size(), signature.data(), &size) == CKR_BUFFER_TOO_SMALL);
  CHECK(size == 64);
  REQUIRE(f.C_Sign(user.session, data.data(), data.size(), signature.data(), &size) == CKR_OK);
  CHECK(verifies(public_key(user.session, "ec").get(), "SHA256", kMessage, signature));

  REQUIRE(sign_init(user.session, CKM_ECDSA_SHA256, user.key("ec")) == CKR_OK);
  REQUIRE(f.C_SignUpdate(user.session, data.data(), data.size()) == CKR_OK);
  CHECK(f.C_Sign(user.session, data.data(), data.size(), signature.data(), &size) == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(f.C_SignFinal(user.session, signature.data(), &size) == CKR_OPERATION_NOT_INITIALIZED);
}

TEST_CASE("C_SignUpdate: mechanisms that take their data at once get it in parts too, up to their limit") {
  const LoggedIn user(kMainToken, kMainPin);
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE open = open_session(slot_labelled(kOpenToken));
  const auto in_parts = [&f](CK_SESSION_HANDLE session, Bytes data, Bytes& signature) {
    const std::size_t half = data.size() / 2;
    REQUIRE(f.C_SignUpdate(session, data.data(), half) == CKR_OK);
    REQUIRE(f.C_SignUpdate(session, data.data() + half, data.size() - half) == CKR_OK);
    signature.resize(512);
    CK_ULONG size = signature.size();
    const CK_RV rv = f.C_SignFinal(session, signature.data(), &size);
    signature.resize(rv == CKR_OK ? size : 0);
    return rv;
  };
  Bytes signature;
  const Bytes longest(256 - 11, 0x5a);
  REQUIRE(sign_init(user.session, CKM_RSA_PKCS, user.key("rsa")) == CKR_OK);
  REQUIRE(in_parts(user.session, longest, signature) == CKR_OK);
  CHECK(verifies_raw(public_key(user.session, "rsa").get(), longest, signature));
  REQUIRE(sign_init(user.session, CKM_RSA_PKCS, user.key("rsa")) == CKR_OK);
  CHECK(in_parts(user.session, Bytes(256 - 10), signature) == CKR_DATA_LEN_RANGE);
  REQUIRE(sign_init(user.session, CKM_ECDSA, user.key("ec")) == CKR_OK);
  REQUIRE(in_parts(user.session, hash("SHA256", kMessage), signature) == CKR_OK);
  CHECK(verifies(public_key(user.session, "ec").get(), "SHA256", kMessage, signature));
  REQUIRE(sign_init(open, CKM_EDDSA, find_one(open, CKO_PRIVATE_KEY, "ed25519")) == CKR_OK);
  REQUIRE(in_parts(open, kMessage, signature) == CKR_OK);
  CHECK(verifies(public_key(open, "ed25519").get(), nullptr, kMessage, signature));
}

TEST_CASE("C_Sign: an argument that is missing ends the operation as every other error does") {
  const LoggedIn user(kMainToken, kMainPin);
  CK_FUNCTION_LIST& f = functions();
  Bytes data = kMessage;
  Bytes signature(64);
  CK_ULONG size = signature.size();
  const CK_SESSION_HANDLE session = user.session;
  const std::function<CK_RV()> calls[] = {
      [&] { return f.C_Sign(session, data.data(), data.size(), signature.data(), nullptr); },
      [&] { return f.C_Sign(session, nullptr, 1, signature.data(), &size); },
      [&] { return f.C_SignUpdate(session, nullptr, 1); },
      [&] { return f.C_SignFinal(session, signature.data(), nullptr); },
  };
  for (const auto& call : calls) {
    REQUIRE(sign_init(session, CKM_ECDSA_SHA256, user.key("ec")) == CKR_OK);
    CHECK(call() == CKR_ARGUMENTS_BAD);
    CHECK(f.C_SignUpdate(session, data.data(), data.size()) == CKR_OPERATION_NOT_INITIALIZED);
  }
}

}  // namespace sks::test
