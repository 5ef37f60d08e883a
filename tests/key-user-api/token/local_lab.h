#pragma once

#include <cstdint>
#include <vector>

#include "tests/key-user-api/token/lab.h"

/// What the tests of the objects that applications make and change share. Spec: spec/sksd.md 6.
namespace sks::test {

using Objects = std::vector<std::uint64_t>;

/// DER of the name of a curve.
extern const Bytes kP256;       ///< RFC 5480
extern const Bytes kX25519Oid;  ///< RFC 8410

Attributes ec_params();  ///< of P-256
Attributes token_key();

/// A local token with a PIN and its first key.
struct LocalLab : Lab {
  LocalLab();
  KeyHandle key;
  std::uint32_t slot = 0;
};

/// The key of the store that an object belongs to.
KeyHandle stored(std::uint64_t object);

/// Whether the key signs with its PIN, so that the signature is that of its certificate's key.
bool signs(Lab& lab, KeyHandle key, const char* pin = "");

}  // namespace sks::test
