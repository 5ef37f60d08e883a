#pragma once

#include "sks-core/crypto/algorithms.h"
#include "sks-core/engine/secure_key_store.h"

/// The algorithms of symmetricKeyEncrypt. Spec: sks-api.md 4.32; sks-extensions.md, AES.
namespace sks::engine {

struct CipherCall {
  const Algorithm& algorithm;
  CipherMode mode;
  ByteView parameters;
  ByteView data;
};

/// Steps 5a to 5c. Fails with option or internal.
Result<void> check_cipher(const CipherCall& call);

/// Whether the call needs a new initialisation vector.
bool needs_iv(const CipherCall& call);

/// Step 5d, for a call that has passed check_cipher(). `fresh_iv`: 16 random bytes when needs_iv(), else none.
/// Fails with crypto.
Result<SecureBytes> run_cipher(const CipherCall& call, ByteView key, ByteView fresh_iv);

}  // namespace sks::engine
