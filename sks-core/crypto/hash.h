#pragma once

#include <array>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"
#include "sks-core/crypto/algorithms.h"

namespace sks::crypto {

inline constexpr std::size_t kSha256Size = 32;
using Sha256Digest = std::array<std::uint8_t, kSha256Size>;

Sha256Digest sha256(ByteView data);
Bytes sha1(ByteView data);

/// `hash` must not be HashId::none.
Bytes digest(HashId hash, ByteView data);
std::size_t digest_size(HashId hash);

}  // namespace sks::crypto
