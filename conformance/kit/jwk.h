#pragma once

#include "conformance/document.h"
#include "sks-core/crypto/public_key.h"

namespace sks::conformance {

/// The key as a JSON object, with the names that are to be emitted. Spec: keygen2.md 5.1.
Json to_jwk(const crypto::PublicKey& key);

/// The SPKI of a public key object. The point of an EC key need not lie on its curve. Fails with option when the object
/// is no key for another reason.
Result<Bytes> spki_of_any_point(const Json& jwk);

}  // namespace sks::conformance
