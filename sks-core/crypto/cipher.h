#pragma once

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// AES. Keys have 16, 24 or 32 bytes unless a function says otherwise.
namespace sks::crypto {

inline constexpr std::size_t kAesBlock = 16;
inline constexpr std::size_t kAes256Key = 32;
inline constexpr std::size_t kGcmNonce = 12;
inline constexpr std::size_t kGcmTag = 16;
inline constexpr std::size_t kGcmMaxIv = 128;  ///< what OpenSSL 3.0 takes
inline constexpr std::size_t kWrapBlock = 8;

/// AES-CBC with PKCS#7 padding; the result does not contain `iv` (16 bytes).
Bytes aes_cbc_encrypt(ByteView key, ByteView iv, ByteView plaintext);

/// The reverse. Fails with crypto when the length is no multiple of 16 or the padding is not strict PKCS#7.
/// Zero bytes of cipher text give an empty plaintext.
Result<SecureBytes> aes_cbc_decrypt(ByteView key, ByteView iv, ByteView ciphertext);

/// AES-CBC without padding. `data` is a whole number of blocks, or none.
SecureBytes aes_cbc_blocks_encrypt(ByteView key, ByteView iv, ByteView data);
SecureBytes aes_cbc_blocks_decrypt(ByteView key, ByteView iv, ByteView data);

/// AES-ECB without padding. `data` is a whole number of blocks, or none.
SecureBytes aes_ecb_encrypt(ByteView key, ByteView data);
SecureBytes aes_ecb_decrypt(ByteView key, ByteView data);

/// AES-CTR, in either direction. All of `counter` (16 bytes) counts.
SecureBytes aes_ctr(ByteView key, ByteView counter, ByteView data);

/// The CBC functions for keys that can only be AES-256.
Bytes aes_256_cbc_encrypt(ByteView key, ByteView iv, ByteView plaintext);
Result<SecureBytes> aes_256_cbc_decrypt(ByteView key, ByteView iv, ByteView ciphertext);

/// AES-GCM: cipher text || tag of `tag_size` bytes (4, 8, 12 to 16). `iv` has 1 to 128 bytes and must never repeat
/// under one key.
Bytes aes_gcm_seal(ByteView key, ByteView iv, ByteView associated_data, ByteView plaintext, std::size_t tag_size);

/// The reverse. Fails with crypto when anything was altered.
Result<SecureBytes> aes_gcm_open(ByteView key, ByteView iv, ByteView associated_data, ByteView sealed,
                                 std::size_t tag_size);

/// AES-256-GCM with a `nonce` of 12 bytes and a tag of 16.
Bytes aes_256_gcm_seal(ByteView key, ByteView nonce, ByteView associated_data, ByteView plaintext);
Result<SecureBytes> aes_256_gcm_open(ByteView key, ByteView nonce, ByteView associated_data, ByteView sealed);

/// Key wrapping of RFC 3394: `data` is a multiple of 8 bytes, at least 16. `iv` has 8 bytes, or none for the default.
SecureBytes aes_wrap(ByteView key, ByteView iv, ByteView data);
/// The reverse. Fails with crypto: length, or integrity.
Result<SecureBytes> aes_unwrap(ByteView key, ByteView iv, ByteView wrapped);

/// Key wrapping of RFC 5649: at least one byte of `data`. `iv` has 4 bytes, or none for the default.
SecureBytes aes_wrap_padded(ByteView key, ByteView iv, ByteView data);
/// The reverse. Fails with crypto: length, integrity, or padding.
Result<SecureBytes> aes_unwrap_padded(ByteView key, ByteView iv, ByteView wrapped);

}  // namespace sks::crypto
