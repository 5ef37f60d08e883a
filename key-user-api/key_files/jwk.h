#pragma once

#include "key-user-api/key_files/collection.h"

namespace sks::key_files {

/// A JWK or a JWK set: RFC 7517, with the keys of RFC 7518 and RFC 8037. Public keys are passed over.
Result<void> read_jwk(ByteView content, Reading& reading);

}  // namespace sks::key_files
