#pragma once

#include "key-user-api/token/operations/parameters.h"
#include "sks-core/crypto/public_key.h"

/// What is done with public keys.
namespace sks::token {

inline constexpr std::size_t kPkcs1Overhead = 11;  // 00 01, at least eight FF, 00

/// How many bytes of its input ECDSA uses: the order of the curve, in whole bytes.
std::size_t ecdsa_input_size(const crypto::PublicKey& key);

struct Verification {
  const Mechanism& mechanism;
  const Parameter& parameter;
  const crypto::PublicKey& key;
  ByteView content;  ///< the message (CKM_EDDSA), its digest, or what the mechanism takes instead
  ByteView signature;
};
/// Fails with CKR_SIGNATURE_LEN_RANGE or CKR_SIGNATURE_INVALID.
Outcome<void> verify_signature(const Verification& verification);

/// Encryption with CKM_RSA_PKCS or CKM_RSA_PKCS_OAEP. Fails with crypto: `data` too long, or numbers of the key with
/// which OpenSSL does not work.
Result<Bytes> encrypt_rsa(const Mechanism& mechanism, const Parameter& parameter, const crypto::PublicKey& key,
                          ByteView data);

}  // namespace sks::token
