#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sks-core/crypto/public_key.h"

namespace sks::keygen2 {

/// A keyAlgorithm of KeyGen2. This is the protocol's own list: what a key store can make is its announcement's matter.
/// Spec: keygen2.md 5.3.
struct KeyAlgorithm {
  std::string_view uri;
  KeyKind kind;
  std::uint16_t rsa_bits;      ///< 0 unless RSA
  std::optional<Curve> curve;  ///< only for EC
  bool takes_exponent;         ///< ".exp": keyParameters are mandatory, else forbidden
  bool assumed;                ///< an issuer may request it without asking for support
};

/// The row with exactly this URI, or null.
const KeyAlgorithm* find_key_algorithm(std::string_view uri);

/// Whether the key has the type and size of the algorithm, and for RSA the exponent that `parameters` or the default
/// asks for.
bool key_matches(const crypto::PublicKey& key, const KeyAlgorithm& algorithm, ByteView parameters);

/// Whether `parameters` are the RSA exponent of an algorithm that takes one: in two's complement, positive, odd and at
/// least 3. Spec: keygen2.md 4.9, sks-api.md 4.9.
bool is_exponent(ByteView parameters);

}  // namespace sks::keygen2
