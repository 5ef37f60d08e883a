#pragma once

#include "sks-core/crypto/public_key.h"

/// The other side of the methods that use a key. Spec: sks-api.md 4.28, 4.29, 6.3.
namespace sks::conformance {

/// Whether what signData was given is a message, or signHashedData a hash.
enum class Signed : std::uint8_t { message, hash };

/// Whether `signature` has the encoding and the value that `algorithm` asks for.
bool verifies(const crypto::PublicKey& key, const Algorithm& algorithm, Signed what, ByteView data, ByteView signature);

/// What asymmetricKeyDecrypt with this algorithm makes `plaintext` of. Fails with crypto.
Result<Bytes> encrypt_for(const crypto::PublicKey& key, const Algorithm& algorithm, ByteView plaintext);

}  // namespace sks::conformance
