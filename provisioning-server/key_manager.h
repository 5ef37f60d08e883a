#pragma once

#include <cstdint>
#include <vector>

#include "keygen2/issuer_session.h"
#include "sks-core/crypto/private_key.h"

namespace sks::issuer {

/// The key management keys of an issuer, held in memory: keys that are issued under one of them can be found, unlocked,
/// replaced and deleted by later sessions. Generations count from 1; new sessions are under the newest one, and move
/// what they find under an older one to it. Spec: keygen2.md 5.5, 7.7, 7.10
class KeyManager {
 public:
  /// RSA or P-256 keys, the oldest first, at least one. Fails as crypto::check_halves(), with option when two are the
  /// same, or with crypto.
  static Result<KeyManager> from_keys(std::vector<crypto::PrivateKey> keys);

  const Bytes& public_key() const { return keys_.back().public_key; }  ///< SPKI of the newest
  std::int64_t generation() const { return static_cast<std::int64_t>(keys_.size()); }
  /// SPKI of a generation; empty when this process has none of that number.
  Bytes public_key_of(std::int64_t generation) const;

  /// What makes a device replace older keys by the newest: as many generations as one message may have.
  const std::vector<keygen2::RollOver>& roll_overs() const { return roll_overs_; }

  /// RSA PKCS#1 v1.5 or raw ECDSA, with SHA-256. Fails with not_available when `public_key` is none of these keys, or
  /// with crypto.
  Result<Bytes> sign(ByteView public_key, ByteView data) const;

 private:
  struct Entry {
    crypto::PrivateKey key;
    Bytes public_key;
  };
  KeyManager() = default;
  Result<void> authorize();

  std::vector<Entry> keys_;
  std::vector<keygen2::RollOver> roll_overs_;
};

/// A device without roll-over still holds keys under older generations, so each lookup is made once for every
/// generation that one message has room for: all lookups under the newest, then all under the one before it, and so on.
struct LookupGenerations {
  std::int64_t newest = 1;  ///< of the session
  std::size_t lookups = 0;  ///< of its profile

  std::size_t count() const;
  std::int64_t generation_of(std::size_t position) const {
    return newest - static_cast<std::int64_t>(position / lookups);
  }
  std::size_t lookup_of(std::size_t position) const { return position % lookups; }
};

/// Lets a plan with key management key `manager.public_key()` roll over to it, and multiplies its lookups.
void add_generations(keygen2::IssuancePlan& plan, const KeyManager& manager);

}  // namespace sks::issuer
