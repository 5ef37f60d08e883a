#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sks-core/base/bytes.h"

/// What the tokens of a key store are called, the same in sksd, the PKCS#11 module and sks. Spec: spec/sksd.md 5.
namespace sks {

/// Bytes of UTF-8 that PKCS#11 has for a token's label, and characters for its serial number.
inline constexpr std::size_t kTokenLabelSize = 32;
inline constexpr std::size_t kTokenSerialSize = 16;

inline constexpr std::string_view kTokenManufacturer = "OpenSKS";
inline constexpr std::string_view kTokenModel = "SKS";

/// Every name is ASCII of letters, digits, '.', '-', '_' and, in the label of slot 0, spaces.
struct TokenNames {
  std::string label;   ///< 1 to 32 bytes, unique in the store
  std::string serial;  ///< 16 lower-case hexadecimal digits: 8 of the device, 8 of the slot
  std::string issuer;  ///< host of the issuer, or the end of its URN; empty for slot 0
};

/// `slot`: handle of the PIN group, 0 for the keys without PIN. `issuer_uri`: of the key with the lowest handle in it,
/// not looked at for slot 0. `device_certificate`: the first of the device's path, DER.
TokenNames token_names(std::uint32_t slot, std::string_view issuer_uri, ByteView device_certificate);

}  // namespace sks
