#pragma once

#include <string>

#include "sks-core/engine/secure_key_store.h"

namespace sks::token {

/// CKA_SKS_ATTESTATION: what the key store and the provisioning session tell of a key, as JSON. Spec: spec/sksd.md 8.
/// Fails as the methods of the key store.
Result<std::string> attestation_text(SecureKeyStore& store, KeyHandle key);

}  // namespace sks::token
