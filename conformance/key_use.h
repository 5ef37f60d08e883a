#pragma once

#include "sks-core/crypto/public_key.h"

/// The other side of the methods that use a key. Spec: sks-api.md 4.28, 4.29, 6.3; sks-extensions.md, Algorithms.
namespace sks::conformance {

/// Whether what signData was given is a message, or signHashedData a hash.
enum class Signed : std::uint8_t { message, hash };

/// An algorithm, and the argument `parameters` of the method.
struct AlgorithmUse {
  const Algorithm& algorithm;
  ByteView parameters = {};
};

/// Whether `signature` has the encoding and the value that `use` asks for.
bool verifies(const crypto::PublicKey& key, const AlgorithmUse& use, Signed what, ByteView data, ByteView signature);

/// What asymmetricKeyDecrypt makes `plaintext` of when it is used so. Fails with crypto, and with option when the
/// parameters are not those of the algorithm.
Result<Bytes> encrypt_for(const crypto::PublicKey& key, const AlgorithmUse& use, ByteView plaintext);

}  // namespace sks::conformance
