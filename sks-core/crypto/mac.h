#pragma once

#include <initializer_list>

#include "sks-core/crypto/hash.h"

namespace sks::crypto {

/// HMAC-SHA256 over the parts of `data` one after the other, keyed with the parts of `key` one after the other.
/// The joined key is cleansed.
Sha256Digest hmac_sha256(std::initializer_list<ByteView> key, ByteView data);
inline Sha256Digest hmac_sha256(ByteView key, ByteView data) { return hmac_sha256({key}, data); }

/// HMAC with any hash but HashId::none, and a key of any length.
Bytes hmac(HashId hash, ByteView key, ByteView data);

/// HKDF (RFC 5869) with SHA-256: `size` bytes of key material.
SecureBytes hkdf_sha256(ByteView secret, ByteView salt, ByteView info, std::size_t size);

}  // namespace sks::crypto
