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

/// ECDH between two keys of one curve; returns the size of the secret.
std::size_t bare_agree(EVP_PKEY* own, EVP_PKEY* peer);

/// HMAC-SHA256 under a 32-byte key.
void bare_hmac(const unsigned char* data, std::size_t size);

}  // namespace sks::bench
