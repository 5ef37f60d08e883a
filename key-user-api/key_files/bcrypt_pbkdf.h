#pragma once

#include <cstdint>

#include "sks-core/base/bytes.h"

namespace sks::key_files {

/// Makes a key of `size` bytes (1 to 1024) of a passphrase that is not empty, as OpenSSH does for its private keys:
/// bcrypt as the pseudorandom function of PBKDF2, with the bytes of its blocks interleaved. OpenSSL has neither bcrypt
/// nor a Blowfish whose key can be set in two turns. `rounds` is at least 1; each takes some milliseconds.
SecureBytes bcrypt_pbkdf(ByteView passphrase, ByteView salt, std::uint32_t rounds, std::size_t size);

}  // namespace sks::key_files
