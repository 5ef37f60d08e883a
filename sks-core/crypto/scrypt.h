#pragma once

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks::crypto {

/// The costs of scrypt (RFC 7914): N is 2^log2_n. A derivation takes 128 * N * r bytes of memory and a time that grows
/// with N * r * p.
struct ScryptCosts {
  std::uint8_t log2_n;
  std::uint8_t r;
  std::uint8_t p;
};

/// `size` bytes derived from a passphrase. Limits of the costs are the caller's business. Fails with crypto when RFC
/// 7914 does not allow the costs, or there is not enough memory.
Result<SecureBytes> scrypt(ByteView passphrase, ByteView salt, ScryptCosts costs, std::size_t size);

}  // namespace sks::crypto
