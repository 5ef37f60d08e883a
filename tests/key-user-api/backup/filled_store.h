#pragma once

#include <map>
#include <string>

#include "key-user-api/local_store.h"

namespace sks::test {

/// A key store folder with keys of every kind that backups tell apart. Friendly name: what it is.
///
/// One issuer made: "Login" (export takes the PIN 1234), "Mail" (the same PIN, export takes nothing), "Archive" (the
/// same PIN, export takes the PUK 99999), "Vault" (export takes the PIN 5678), "Free" (RSA, imported, with an extension
/// and a property bag), "Mac" (symmetric, 32 bytes of 0x0b), "Fixed" (non-exportable) and "Asleep" (suspended by its
/// user).
class FilledStore {
 public:
  explicit FilledStore(const std::string& folder);

  /// End-entity certificates by friendly name.
  std::map<std::string, Bytes> certificates;
};

/// The handle of the key with this friendly name; ends the test when there is none.
KeyHandle find_key_named(SecureKeyStore& store, const std::string& name);

/// Whether the key signs under `pin`, and the signature is one for `certificate`.
bool signs_for(SecureKeyStore& store, const std::string& name, ByteView certificate, const std::string& pin);

}  // namespace sks::test
