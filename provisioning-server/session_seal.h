#pragma once

#include <string>
#include <string_view>

#include "sks-core/base/bytes.h"
#include "sks-core/base/random.h"
#include "sks-core/base/result.h"

namespace sks::issuer {

inline constexpr std::size_t kKekSize = 32;

/// Seals what a session keeps in the database with AES-256-GCM, bound to the session and the version of its row.
///
/// Every session has a key of its own, derived from the key encryption key with HKDF, so that random nonces are safe
/// for any number of sessions.
class SessionSeal {
 public:
  /// `kek` has 32 bytes.
  SessionSeal(SecureBytes kek, const Random& random);

  /// nonce || cipher text || tag. `purpose` keeps the kinds of content of one row apart.
  Bytes seal(const std::string& session, const std::string& purpose, std::uint64_t version, ByteView content) const;
  /// Fails with crypto when anything was altered, or belongs elsewhere.
  Result<SecureBytes> open(const std::string& session, const std::string& purpose, std::uint64_t version,
                           ByteView sealed) const;

  /// A key of 32 bytes for another purpose of this issuer, the same in every process that has the KEK.
  SecureBytes derive(std::string_view purpose) const;

 private:
  SecureBytes kek_;
  const Random& random_;
};

}  // namespace sks::issuer
