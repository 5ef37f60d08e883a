#pragma once

#include <string>
#include <string_view>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks {

/// Lower-case hexadecimal.
std::string to_hex(ByteView bytes);

/// Either case, no separators. Fails with option on anything else.
Result<Bytes> from_hex(std::string_view text);

/// RFC 4648 section 5 without padding. Spec: keygen2.md chapter 3.5.
std::string to_base64url(ByteView bytes);

/// Strict: no padding, no white space, unused trailing bits zero. Fails with option.
Result<Bytes> from_base64url(std::string_view text);

/// PEM blocks with the given label ("CERTIFICATE", ...), in file order; other blocks are skipped. Fails with option on
/// a malformed block.
Result<std::vector<Bytes>> from_pem(std::string_view text, std::string_view label);
std::string to_pem(ByteView der, std::string_view label);

}  // namespace sks
