#pragma once

#include "sks-core/crypto/ossl.h"
#include "tests/support/pkcs11/client.h"

namespace sks::pkcs11_client {

struct KeyPair {
  CK_OBJECT_HANDLE public_key = 0;
  CK_OBJECT_HANDLE private_key = 0;
};

/// Where a new key lives.
enum class Lifetime { session, token };

/// CKM_EC_KEY_PAIR_GEN for P-256, for signatures alone.
Answer<KeyPair> generate_p256(const Session& session, Lifetime lifetime, ByteView id, const std::string& label);
/// CKM_RSA_PKCS_KEY_PAIR_GEN, 2048 bits, for signatures alone, in the token.
Answer<KeyPair> generate_rsa2048(const Session& session, ByteView id, const std::string& label);
/// C_CreateObject of a random AES-256 key in the token, or C_GenerateKey where that is refused.
Answer<CK_OBJECT_HANDLE> make_aes256(const Session& session, const std::string& label);
/// C_CreateObject of a random generic secret of 32 bytes for CKM_SHA256_HMAC in the token.
Answer<CK_OBJECT_HANDLE> make_hmac_key(const Session& session, const std::string& label);

/// The public key of a P-256 pair as OpenSSL knows it, out of CKA_EC_POINT. OpenSSL judges signatures here, not the
/// code of the module.
Answer<ossl::Pkey> p256_public_key(const Session& session, CK_OBJECT_HANDLE object);

/// Whether `signature` (r and s, 32 bytes each, as CKM_ECDSA gives them) is one of the 32-byte `hash` under the key.
bool is_p256_signature(EVP_PKEY* key, ByteView hash, ByteView signature);

/// 32 bytes that differ with `number`.
Bytes test_hash(std::uint64_t number);

}  // namespace sks::pkcs11_client
