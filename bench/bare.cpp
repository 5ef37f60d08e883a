#include "bench/bare.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include <array>

#include "sks-core/base/result.h"

namespace sks::bench {

ossl::Pkey bare_p256() { return ossl::Pkey(EVP_EC_gen("P-256")); }
ossl::Pkey bare_rsa2048() { return ossl::Pkey(EVP_RSA_gen(2048)); }

std::size_t bare_sign(EVP_PKEY* key, const unsigned char* data, std::size_t size) {
  std::array<unsigned char, 512> signature{};
  std::size_t length = signature.size();
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  SKS_CHECK(EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key) == 1);
  SKS_CHECK(EVP_DigestSign(context, signature.data(), &length, data, size) == 1);
  EVP_MD_CTX_free(context);
  return length;
}

BareSigner::BareSigner(ossl::Pkey key) : key_(std::move(key)), ready_(EVP_PKEY_CTX_new(key_.get(), nullptr)) {
  SKS_CHECK(EVP_PKEY_sign_init(ready_.get()) == 1);
}

std::size_t BareSigner::sign(const unsigned char* hash, std::size_t size) const {
  std::array<unsigned char, 512> signature{};
  std::size_t length = signature.size();
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_dup(ready_.get());
  SKS_CHECK(EVP_PKEY_sign(context, signature.data(), &length, hash, size) == 1);
  EVP_PKEY_CTX_free(context);
  return length;
}

std::size_t bare_sign_pss(EVP_PKEY* key, const unsigned char* hash, std::size_t size) {
  std::array<unsigned char, 512> signature{};
  std::size_t length = signature.size();
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new(key, nullptr);
  SKS_CHECK(EVP_PKEY_sign_init(context) == 1 && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1 &&
            EVP_PKEY_sign(context, signature.data(), &length, hash, size) == 1);
  EVP_PKEY_CTX_free(context);
  return length;
}

std::size_t bare_agree(EVP_PKEY* own, EVP_PKEY* peer) {
  std::array<unsigned char, 66> secret{};
  std::size_t length = secret.size();
  EVP_PKEY_CTX* const context = EVP_PKEY_CTX_new(own, nullptr);
  SKS_CHECK(EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1 &&
            EVP_PKEY_derive(context, secret.data(), &length) == 1);
  EVP_PKEY_CTX_free(context);
  return length;
}

void bare_hmac(const unsigned char* data, std::size_t size) {
  const std::array<unsigned char, 32> key{};
  std::array<unsigned char, 32> mac{};
  std::size_t length = 0;
  SKS_CHECK(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(), data, size, mac.data(),
                      mac.size(), &length) != nullptr);
}

void bare_gcm(const unsigned char* data, std::size_t size, unsigned char* out) {
  static EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr);
  const std::array<unsigned char, 32> key{};
  const std::array<unsigned char, 12> iv{};
  int written = 0;
  int last = 0;
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  SKS_CHECK(EVP_EncryptInit_ex2(context, cipher, key.data(), iv.data(), nullptr) == 1 &&
            EVP_EncryptUpdate(context, out, &written, data, static_cast<int>(size)) == 1 &&
            EVP_EncryptFinal_ex(context, out + written, &last) == 1 &&
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, out + size) == 1);
  EVP_CIPHER_CTX_free(context);
}

}  // namespace sks::bench
