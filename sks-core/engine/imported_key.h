#pragma once

#include "sks-core/crypto/private_key.h"
#include "sks-core/engine/records.h"

namespace sks::engine {

/// The private key in `pkcs8` when it may take the place of that of `key`, which has its certificate path: steps 7 to
/// 11 of sks-api.md 4.13, with appendix E10. The public key of the result belongs to its private key whatever `pkcs8`
/// claims, so that close can compare it with the certificate. Fails with internal, crypto or option.
Result<crypto::PrivateKey> read_imported_key(const KeyEntry& key, ByteView pkcs8);

}  // namespace sks::engine
