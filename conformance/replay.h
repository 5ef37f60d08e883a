#pragma once

#include "conformance/verify.h"
#include "sks-core/engine/secure_key_store.h"

namespace sks::conformance {

/// Plays the issuer and the client of the recorded session in each folder, one after the other, against one live key
/// store, and checks every answer.
///
/// What depends on keys and random values of the recording is made anew: ephemeral keys, nonces, encrypted values,
/// MACs, certificates, authorizations of key management keys. Handles are translated. Calls about objects that none of
/// the recordings made are left out, which a note tells; so are those of activate, deactivate and updateFirmware, which
/// no recorded session calls. Each method with a MAC is also called once with a wrong one. At the end the keys that
/// were made are deleted; a note names those that cannot be.
std::vector<SessionResult> replay(const std::vector<std::string>& folders, SecureKeyStore& store);

}  // namespace sks::conformance
