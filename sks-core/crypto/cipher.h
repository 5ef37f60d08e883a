#pragma once

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks::crypto {

inline constexpr std::size_t kAesBlock = 16;
inline constexpr std::size_t kAes256Key = 32;
inline constexpr std::size_t kGcmNonce = 12;
inline constexpr std::size_t kGcmTag = 16;

/// AES-CBC with PKCS#7 padding under a key of 16, 24 or 32 bytes; the result does not contain `iv` (16 bytes).
Bytes aes_cbc_encrypt(ByteView key, ByteView iv, ByteView plaintext);

/// The reverse. Fails with crypto when the length is no multiple of 16 or the padding is not strict PKCS#7.
/// Zero bytes of cipher text give an empty plaintext.
Result<SecureBytes> aes_cbc_decrypt(ByteView key, ByteView iv, ByteView ciphertext);

/// AES-ECB without padding under a key of 16, 24 or 32 bytes. `data` is a whole number of blocks, or none.
SecureBytes aes_ecb_encrypt(ByteView key, ByteView data);
SecureBytes aes_ecb_decrypt(ByteView key, ByteView data);

/// The CBC functions for keys that can only be AES-256.
Bytes aes_256_cbc_encrypt(ByteView key, ByteView iv, ByteView plaintext);
Result<SecureBytes> aes_256_cbc_decrypt(ByteView key, ByteView iv, ByteView ciphertext);

/// AES-256-GCM: cipher text || tag (16 bytes). `nonce` has 12 bytes and must never repeat under one key.
Bytes aes_256_gcm_seal(ByteView key, ByteView nonce, ByteView associated_data, ByteView plaintext);

/// Fails with crypto when anything was altered.
Result<SecureBytes> aes_256_gcm_open(ByteView key, ByteView nonce, ByteView associated_data, ByteView sealed);

}  // namespace sks::crypto
