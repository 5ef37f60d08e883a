#pragma once

#include "sks-core/crypto/private_key.h"

namespace sks::test {

/// A key pair whose public half is the given P-256 or RSA key, and whose private half is made up: enough to create,
/// certify and manage the key that was recorded, which is gone. What it signs does not verify.
crypto::PrivateKey key_with_public_half(ByteView spki);

}  // namespace sks::test
