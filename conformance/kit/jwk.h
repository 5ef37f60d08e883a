#pragma once

#include "conformance/document.h"
#include "sks-core/crypto/public_key.h"

namespace sks::conformance {

/// The key as a JSON object, with the names that are to be emitted. Spec: keygen2.md 5.1.
Json to_jwk(const crypto::PublicKey& key);

}  // namespace sks::conformance
