#pragma once

#include "key-user-api/key_files/collection.h"

namespace sks::key_files {

bool is_pem(ByteView content);

/// PEM blocks (RFC 7468, and the encryption of RFC 1421 as OpenSSL writes it) with any text around them.
Result<void> read_pem(ByteView content, Reading& reading);

}  // namespace sks::key_files
