#pragma once

#include <initializer_list>

#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/ossl.h"

namespace sks::crypto {

/// HMAC-SHA256 over the parts of `data` one after the other, keyed with the parts of `key` one after the other.
/// The joined key is cleansed.
Sha256Digest hmac_sha256(std::initializer_list<ByteView> key, ByteView data);
inline Sha256Digest hmac_sha256(ByteView key, ByteView data) { return hmac_sha256({key}, data); }

/// HMAC with any hash but HashId::none, and a key of any length.
Bytes hmac(HashId hash, ByteView key, ByteView data);

/// HKDF (RFC 5869) with SHA-256: `size` bytes of key material.
SecureBytes hkdf_sha256(ByteView secret, ByteView salt, ByteView info, std::size_t size);

/// The same for many values of `info`: the work that depends on secret and salt alone is done once.
class HkdfSha256 {
 public:
  HkdfSha256(ByteView secret, ByteView salt);
  SecureBytes expand(ByteView info, std::size_t size) const;

 private:
  ossl::MacCtx keyed_;  ///< HMAC under the pseudo-random key, before any data
};

}  // namespace sks::crypto
