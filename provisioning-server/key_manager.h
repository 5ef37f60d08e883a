#pragma once

#include "sks-core/crypto/private_key.h"

namespace sks::issuer {

/// The key management key, held in memory: keys that are issued under it can be found, unlocked and deleted by later
/// sessions. Spec: keygen2.md 5.5, 7.7
class KeyManager {
 public:
  /// `key` is an RSA or P-256 key. Fails as crypto::check_signs().
  static Result<KeyManager> from_key(crypto::PrivateKey key) {
    SKS_TRY(crypto::check_signs(key));
    return KeyManager(std::move(key));
  }

  const Bytes& public_key() const { return public_key_; }  ///< SPKI
  /// RSA PKCS#1 v1.5 or raw ECDSA, with SHA-256. Fails with not_allowed when `public_key` is not this key, or with
  /// crypto.
  Result<Bytes> sign(ByteView public_key, ByteView data) const {
    if (!equal(public_key, public_key_)) return Error{Status::not_allowed, "this is not a key management key in use"};
    return key_.sign(data);
  }

 private:
  explicit KeyManager(crypto::PrivateKey key) : key_(std::move(key)), public_key_(key_.public_key().spki()) {}

  crypto::PrivateKey key_;
  Bytes public_key_;
};

}  // namespace sks::issuer
