#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

/// What is signed and encrypted, the same for the module and for bare OpenSSL.
namespace sks::bench {

inline constexpr std::array<std::uint8_t, 32> kHash{1, 2, 3, 4, 5, 6, 7, 8};
inline constexpr std::array<std::uint8_t, 1024> kBlock{9, 8, 7};
inline constexpr std::size_t kTagSize = 16;

/// DigestInfo of a SHA-256 hash, as CKM_RSA_PKCS wants it.
inline constexpr std::array<std::uint8_t, 51> kDigestInfo{0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                                          0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

}  // namespace sks::bench
