#include <doctest/doctest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>

#include "sks-core/crypto/ossl.h"
#include "tests/key-user-api/pkcs11/module.h"
#include "tests/key-user-api/pkcs11/provision.h"

/// Operations through the module, sksd and the store, compared with what OpenSSL computes here.
namespace sks::test {
namespace {

const Bytes kMessage = to_bytes(as_bytes("The quick brown fox jumps over the lazy dog"));

Bytes counting(std::size_t size, std::uint8_t first) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
  return bytes;
}

/// A session with the token without PIN, in which the keys of these tests are session objects.
struct Crypto {
  CK_OBJECT_HANDLE create(Template wanted) const {
    CK_OBJECT_HANDLE object = 0;
    REQUIRE(functions().C_CreateObject(session, wanted.data(), wanted.size(), &object) == CKR_OK);
    return object;
  }

  CK_OBJECT_HANDLE secret_key(CK_KEY_TYPE type, ByteView value) const {
    return create(std::move(Template()
                                .number(CKA_CLASS, CKO_SECRET_KEY)
                                .number(CKA_KEY_TYPE, type)
                                .bytes(CKA_VALUE, value)
                                .yes(CKA_EXTRACTABLE)
                                .no(CKA_SENSITIVE)
                                .yes(CKA_ENCRYPT)
                                .yes(CKA_DECRYPT)
                                .yes(CKA_SIGN)
                                .yes(CKA_VERIFY)
                                .yes(CKA_WRAP)
                                .yes(CKA_UNWRAP)));
  }

  Initialized initialized;
  CK_SESSION_HANDLE session = open_session(slot_labelled(kOpenToken));
};

struct Gcm {
  explicit Gcm(Bytes nonce, Bytes associated) : iv(std::move(nonce)), aad(std::move(associated)) {
    parameters.pIv = iv.data();
    parameters.ulIvLen = iv.size();
    parameters.ulIvBits = 8 * iv.size();
    parameters.pAAD = aad.data();
    parameters.ulAADLen = aad.size();
    parameters.ulTagBits = 128;
  }
  CK_MECHANISM mechanism() { return {CKM_AES_GCM, &parameters, sizeof parameters}; }

  Bytes iv;
  Bytes aad;
  CK_GCM_PARAMS parameters{};
};

/// Ciphertext and tag as OpenSSL makes them.
Bytes gcm_of_openssl(const char* cipher, const Gcm& gcm, ByteView key, ByteView plaintext) {
  const ossl::Ptr<EVP_CIPHER, EVP_CIPHER_free> algorithm(::EVP_CIPHER_fetch(nullptr, cipher, nullptr));
  const ossl::CipherCtx context(::EVP_CIPHER_CTX_new());
  REQUIRE(::EVP_EncryptInit_ex2(context.get(), algorithm.get(), key.data(), gcm.iv.data(), nullptr) == 1);
  int size = 0;
  REQUIRE(::EVP_EncryptUpdate(context.get(), nullptr, &size, gcm.aad.data(), static_cast<int>(gcm.aad.size())) == 1);
  Bytes out(plaintext.size() + 16);
  REQUIRE(::EVP_EncryptUpdate(context.get(), out.data(), &size, plaintext.data(), static_cast<int>(plaintext.size())) ==
          1);
  REQUIRE(static_cast<std::size_t>(size) == plaintext.size());
  REQUIRE(::EVP_EncryptFinal_ex(context.get(), out.data() + size, &size) == 1);
  REQUIRE(::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, out.data() + plaintext.size()) == 1);
  return out;
}

ossl::Pkey new_p256() { return ossl::Pkey(::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")); }

}  // namespace

TEST_CASE("AES-GCM: ciphertext and tag are those of OpenSSL, at once and in parts, and a wrong tag gives nothing") {
  const Crypto crypto;
  CK_FUNCTION_LIST& f = functions();
  for (const std::size_t key_size : {16U, 24U, 32U}) {
    CAPTURE(key_size);
    const Bytes value = counting(key_size, 7);
    const CK_OBJECT_HANDLE key = crypto.secret_key(CKK_AES, value);
    Gcm gcm(counting(12, 90), counting(33, 3));
    CK_MECHANISM mechanism = gcm.mechanism();
    const std::string cipher = "AES-" + std::to_string(8 * key_size) + "-GCM";
    const Bytes expected = gcm_of_openssl(cipher.c_str(), gcm, value, kMessage);

    Bytes data = kMessage;
    Bytes out(data.size() + 16);
    CK_ULONG size = out.size();
    REQUIRE(f.C_EncryptInit(crypto.session, &mechanism, key) == CKR_OK);
    REQUIRE(f.C_Encrypt(crypto.session, data.data(), data.size(), out.data(), &size) == CKR_OK);
    REQUIRE(size == out.size());
    CHECK(out == expected);

    Bytes ciphertext = expected;
    Bytes plaintext(ciphertext.size());
    CK_ULONG done = 0;
    REQUIRE(f.C_DecryptInit(crypto.session, &mechanism, key) == CKR_OK);
    for (const std::size_t start : {std::size_t{0}, std::size_t{20}}) {
      CK_ULONG part = plaintext.size() - done;
      const std::size_t end = start == 0 ? 20 : ciphertext.size();
      REQUIRE(f.C_DecryptUpdate(crypto.session, ciphertext.data() + start, end - start, plaintext.data() + done,
                                &part) == CKR_OK);
      done += part;
    }
    CK_ULONG part = plaintext.size() - done;
    REQUIRE(f.C_DecryptFinal(crypto.session, plaintext.data() + done, &part) == CKR_OK);
    plaintext.resize(done + part);
    CHECK(plaintext == kMessage);

    ciphertext.back() ^= 1U;
    size = plaintext.size();
    REQUIRE(f.C_DecryptInit(crypto.session, &mechanism, key) == CKR_OK);
    CHECK(f.C_Decrypt(crypto.session, ciphertext.data(), ciphertext.size(), plaintext.data(), &size) ==
          CKR_ENCRYPTED_DATA_INVALID);
  }
}

TEST_CASE("HMAC: the values of OpenSSL, and verification of right and wrong ones") {
  const Crypto crypto;
  CK_FUNCTION_LIST& f = functions();
  const Bytes value = counting(40, 11);
  const CK_OBJECT_HANDLE key = crypto.secret_key(CKK_GENERIC_SECRET, value);
  struct Case {
    CK_MECHANISM_TYPE type;
    const char* hash;
  };
  for (const Case& c : {Case{CKM_SHA256_HMAC, "SHA256"}, Case{CKM_SHA384_HMAC, "SHA384"},
                        Case{CKM_SHA512_HMAC, "SHA512"}, Case{CKM_SHA_1_HMAC, "SHA1"}}) {
    CAPTURE(c.hash);
    Bytes data = kMessage;
    Bytes expected(EVP_MAX_MD_SIZE);
    std::size_t expected_size = 0;
    REQUIRE(::EVP_Q_mac(nullptr, "HMAC", nullptr, c.hash, nullptr, value.data(), value.size(), data.data(), data.size(),
                        expected.data(), expected.size(), &expected_size) != nullptr);
    expected.resize(expected_size);
    CK_MECHANISM mechanism{c.type, nullptr, 0};
    Bytes mac(expected_size);
    CK_ULONG size = mac.size();
    REQUIRE(f.C_SignInit(crypto.session, &mechanism, key) == CKR_OK);
    REQUIRE(f.C_Sign(crypto.session, data.data(), data.size(), mac.data(), &size) == CKR_OK);
    CHECK(mac == expected);
    REQUIRE(f.C_VerifyInit(crypto.session, &mechanism, key) == CKR_OK);
    CHECK(f.C_Verify(crypto.session, data.data(), data.size(), expected.data(), expected.size()) == CKR_OK);
    expected.front() ^= 1U;
    REQUIRE(f.C_VerifyInit(crypto.session, &mechanism, key) == CKR_OK);
    CHECK(f.C_Verify(crypto.session, data.data(), data.size(), expected.data(), expected.size()) ==
          CKR_SIGNATURE_INVALID);
  }
}

TEST_CASE("C_WrapKey makes what OpenSSL wraps (RFC 3394), and C_UnwrapKey the key again") {
  const Crypto crypto;
  CK_FUNCTION_LIST& f = functions();
  const Bytes wrapping_value = counting(32, 1);
  const Bytes value = counting(24, 100);
  const CK_OBJECT_HANDLE wrapping = crypto.secret_key(CKK_AES, wrapping_value);
  const CK_OBJECT_HANDLE key = crypto.secret_key(CKK_AES, value);
  const ossl::Ptr<EVP_CIPHER, EVP_CIPHER_free> algorithm(::EVP_CIPHER_fetch(nullptr, "AES-256-WRAP", nullptr));
  const ossl::CipherCtx context(::EVP_CIPHER_CTX_new());
  EVP_CIPHER_CTX_set_flags(context.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  REQUIRE(::EVP_EncryptInit_ex2(context.get(), algorithm.get(), wrapping_value.data(), nullptr, nullptr) == 1);
  Bytes expected(value.size() + 8);
  int expected_size = 0;
  REQUIRE(::EVP_EncryptUpdate(context.get(), expected.data(), &expected_size, value.data(),
                              static_cast<int>(value.size())) == 1);
  REQUIRE(static_cast<std::size_t>(expected_size) == expected.size());

  CK_MECHANISM mechanism{CKM_AES_KEY_WRAP, nullptr, 0};
  CK_ULONG size = 0;
  REQUIRE(f.C_WrapKey(crypto.session, &mechanism, wrapping, key, nullptr, &size) == CKR_OK);
  CHECK(size == expected.size());
  Bytes wrapped(size);
  REQUIRE(f.C_WrapKey(crypto.session, &mechanism, wrapping, key, wrapped.data(), &size) == CKR_OK);
  CHECK(wrapped == expected);

  const auto unwrap = [&](Bytes what, CK_OBJECT_HANDLE& made) {
    Template wanted;
    wanted.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_AES).yes(CKA_EXTRACTABLE).no(CKA_SENSITIVE);
    return f.C_UnwrapKey(crypto.session, &mechanism, wrapping, what.data(), what.size(), wanted.data(), wanted.size(),
                         &made);
  };
  CK_OBJECT_HANDLE again = 0;
  REQUIRE(unwrap(expected, again) == CKR_OK);
  CHECK(read(crypto.session, again, CKA_VALUE) == value);
  expected.front() ^= 1U;
  CHECK(unwrap(expected, again) == CKR_WRAPPED_KEY_INVALID);

  const CK_OBJECT_HANDLE stored = find_one(crypto.session, CKO_PRIVATE_KEY, "open");
  CK_MECHANISM padded{kCkmAesKeyWrapKwp, nullptr, 0};
  size = wrapped.size();
  CHECK(f.C_WrapKey(crypto.session, &padded, wrapping, stored, wrapped.data(), &size) == CKR_KEY_UNEXTRACTABLE);
}

TEST_CASE("C_DeriveKey: ECDH of a stored key agrees with OpenSSL on the other side") {
  const Crypto crypto;
  const ossl::Pkey peer = new_p256();
  Bytes point(65);
  std::size_t point_size = 0;
  REQUIRE(::EVP_PKEY_get_octet_string_param(peer.get(), "pub", point.data(), point.size(), &point_size) == 1);
  REQUIRE(point_size == point.size());

  const CK_OBJECT_HANDLE key = find_one(crypto.session, CKO_PRIVATE_KEY, "open");
  CK_ECDH1_DERIVE_PARAMS parameters{CKD_NULL, 0, nullptr, point.size(), point.data()};
  CK_MECHANISM mechanism{CKM_ECDH1_DERIVE, &parameters, sizeof parameters};
  Template wanted;
  wanted.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET);
  wanted.yes(CKA_EXTRACTABLE).no(CKA_SENSITIVE).number(CKA_VALUE_LEN, 32);
  CK_OBJECT_HANDLE secret = 0;
  REQUIRE(functions().C_DeriveKey(crypto.session, &mechanism, key, wanted.data(), wanted.size(), &secret) == CKR_OK);

  const Bytes der = read(crypto.session, find_one(crypto.session, CKO_CERTIFICATE, "open"), CKA_VALUE);
  const unsigned char* at = der.data();
  const ossl::Cert certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  const ossl::PkeyCtx context(::EVP_PKEY_CTX_new_from_pkey(nullptr, peer.get(), nullptr));
  REQUIRE(::EVP_PKEY_derive_init(context.get()) == 1);
  REQUIRE(::EVP_PKEY_derive_set_peer(context.get(), ::X509_get0_pubkey(certificate.get())) == 1);
  Bytes expected(32);
  std::size_t size = expected.size();
  REQUIRE(::EVP_PKEY_derive(context.get(), expected.data(), &size) == 1);
  CHECK(read(crypto.session, secret, CKA_VALUE) == expected);
}

TEST_CASE("C_Decrypt: a stored RSA key opens what OpenSSL encrypts with OAEP and SHA-256") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  REQUIRE(login(session, kMainPin) == CKR_OK);
  const Bytes der = read(session, find_one(session, CKO_CERTIFICATE, "rsa"), CKA_VALUE);
  const unsigned char* at = der.data();
  const ossl::Cert certificate(::d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  const ossl::PkeyCtx context(::EVP_PKEY_CTX_new_from_pkey(nullptr, ::X509_get0_pubkey(certificate.get()), nullptr));
  REQUIRE(::EVP_PKEY_encrypt_init(context.get()) == 1);
  REQUIRE(::EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1);
  REQUIRE(::EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), ::EVP_sha256()) == 1);
  Bytes ciphertext(256);
  std::size_t size = ciphertext.size();
  REQUIRE(::EVP_PKEY_encrypt(context.get(), ciphertext.data(), &size, kMessage.data(), kMessage.size()) == 1);

  CK_RSA_PKCS_OAEP_PARAMS parameters{CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, nullptr, 0};
  CK_MECHANISM mechanism{CKM_RSA_PKCS_OAEP, &parameters, sizeof parameters};
  REQUIRE(functions().C_DecryptInit(session, &mechanism, find_one(session, CKO_PRIVATE_KEY, "rsa")) == CKR_OK);
  Bytes plaintext(256);
  CK_ULONG got = plaintext.size();
  REQUIRE(functions().C_Decrypt(session, ciphertext.data(), ciphertext.size(), plaintext.data(), &got) == CKR_OK);
  plaintext.resize(got);
  CHECK(plaintext == kMessage);
}

}  // namespace sks::test
