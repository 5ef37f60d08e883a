#pragma once

#include <cstddef>
#include <cstdint>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks::dialog {

/// What was typed as the bytes that the key store gets: hexadecimal digits for a binary PIN, upper case for an
/// alphanumeric one, UTF-8 otherwise. Spec: keygen2.md 8.4. Fails with option on odd or wrong hexadecimal digits.
Result<SecureBytes> pin_from_text(ByteView text, std::uint8_t format);

/// The same for a PIN that is being chosen. Fails with option also on text that is not UTF-8, which could not be typed
/// elsewhere.
Result<SecureBytes> new_pin_from_text(ByteView text, std::uint8_t format);

/// Characters that one byte of a PIN takes at most: two hexadecimal digits.
inline constexpr std::size_t kMaxCharactersPerByte = 2;

/// How many characters stand for `bytes` bytes of a PIN of this format; of a string, where all are ASCII.
std::size_t typed_length(std::size_t bytes, std::uint8_t format);

}  // namespace sks::dialog
