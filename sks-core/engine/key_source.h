#pragma once

#include "sks-core/crypto/private_key.h"

namespace sks {

/// Where key pairs come from: OpenSSL by default, a script in tests that replay recorded sessions. An
/// engine calls it from one thread at a time.
class KeySource {
 public:
  virtual ~KeySource() = default;
  /// As crypto::PrivateKey::generate. `seed` may only be mixed into the generator. Spec: sks-api.md 4.9 step 21.
  virtual Result<crypto::PrivateKey> generate(const Algorithm& algorithm, ByteView parameters, ByteView seed) const = 0;
};

const KeySource& system_key_source();

}  // namespace sks
