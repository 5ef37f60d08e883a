#pragma once

#include "sks-core/crypto/ossl.h"

/// What the key store is compared with: the same work by bare calls of OpenSSL's EVP interface, from the default
/// library context, as any program would write them.
namespace sks::bench {

/// A new key of type "EC" (P-256) or "RSA" (2048 bits).
ossl::Pkey bare_p256();
ossl::Pkey bare_rsa2048();

/// EVP_DigestSign with SHA-256; returns the size of the signature.
std::size_t bare_sign(EVP_PKEY* key, const unsigned char* data, std::size_t size);

/// EVP_PKEY_sign of a SHA-256 hash, with a copy of a context that is ready.
class BareSigner {
 public:
  explicit BareSigner(ossl::Pkey key);
  std::size_t sign(const unsigned char* hash, std::size_t size) const;

 private:
  ossl::Pkey key_;
  ossl::PkeyCtx ready_;
};

/// RSASSA-PSS of a SHA-256 hash, with a salt as long as the hash; returns the size of the signature.
std::size_t bare_sign_pss(EVP_PKEY* key, const unsigned char* hash, std::size_t size);

/// ECDH between two keys of one curve; returns the size of the secret.
std::size_t bare_agree(EVP_PKEY* own, EVP_PKEY* peer);

/// HMAC-SHA256 under a 32-byte key.
void bare_hmac(const unsigned char* data, std::size_t size);

/// AES-256-GCM with a fetched cipher and a new context; `out` has room for 16 bytes more than `data`.
void bare_gcm(const unsigned char* data, std::size_t size, unsigned char* out);

}  // namespace sks::bench
