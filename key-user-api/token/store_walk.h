#pragma once

#include <map>

#include "sks-core/engine/secure_key_store.h"

/// Enumerations of a key store that others change meanwhile. One that asks for what comes after a key that was just
/// deleted is told that nothing does.
namespace sks::token {

/// The keys that were there all the time, and perhaps some that came or went.
Result<std::map<KeyHandle, ProvisioningHandle>> enumerate_all_keys(SecureKeyStore& store);

/// None: there is no such closed session.
Result<std::optional<SessionInfo>> find_closed_session(SecureKeyStore& store, ProvisioningHandle session);

/// None: there is no such key of a closed session.
Result<bool> has_key(SecureKeyStore& store, KeyHandle key);

}  // namespace sks::token
