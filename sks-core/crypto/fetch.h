#pragma once

#include <openssl/evp.h>

#include "sks-core/crypto/algorithms.h"

/// Algorithm objects of OpenSSL, fetched once from our library context: a fetch per operation costs more than hashing.
/// They live until the process ends.
namespace sks::crypto {

/// `hash` must not be HashId::none.
EVP_MD* fetched_md(HashId hash);
EVP_MAC* fetched_hmac();
/// AES with a key of 16, 24 or 32 bytes.
EVP_CIPHER* fetched_aes(AesMode mode, std::size_t key_size);

}  // namespace sks::crypto
