#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sks-core/engine/secure_key_store.h"

/// The keys of a key store that SSH can use.
namespace sks::ssh {

/// An RSA key below is none for SSH.
inline constexpr std::size_t kMinRsaBits = 2'048;

struct StoredIdentity {
  KeyHandle handle;
  Bytes key_blob;
  std::string comment;  ///< its label, else its friendly name, else its handle; printable, in one line
  std::vector<std::string> endorsed_algorithms;  ///< empty: not restricted
};

/// The key, if it may sign for SSH: RSA of kMinRsaBits, ECDSA on the curves of NIST or Ed25519, not for encryption
/// only, endorsed for an algorithm of signatures.h, with a PIN or nothing in front of it (biometrics are out of reach),
/// and not suspended. Fails with no_key.
Result<std::optional<StoredIdentity>> identity_of(SecureKeyStore& store, KeyHandle key);

/// All of them, in ascending order of handles, but no more than `limit`. Fails as the store's enumerations do.
Result<std::vector<StoredIdentity>> stored_identities(SecureKeyStore& store, std::size_t limit);

/// Whether the issuer lets a key sign with this algorithm.
bool permits(const StoredIdentity& identity, std::string_view algorithm);

}  // namespace sks::ssh
