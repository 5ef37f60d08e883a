#pragma once

#include "key-user-api/key_files/collection.h"

namespace sks::key_files {

/// A whole PKCS#12 file (RFC 7292). The passphrase is asked for unless the empty one is right.
Result<void> read_pkcs12(ByteView der, Reading& reading);

}  // namespace sks::key_files
