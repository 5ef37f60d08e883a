#pragma once

#include "key-user-api/key_files/collection.h"

namespace sks::key_files {

/// The content of an OPENSSH PRIVATE KEY block: PROTOCOL.key of OpenSSH.
Result<void> read_openssh(ByteView content, Reading& reading);

}  // namespace sks::key_files
