#pragma once

#include <string>
#include <string_view>

#include "sks-core/base/result.h"

namespace sks::issuer {

/// As many bytes as a camera still reads off a screen with some damage: a picture of 113 modules.
inline constexpr std::size_t kMaxQrText = 1000;

/// The text as a QR code (ISO/IEC 18004, error correction level M): an SVG document of one dark path on a white square
/// that holds the quiet zone of four modules. It has a viewBox and no size, no script and no style, so that it may
/// stand in a page under a strict content security policy. Fails with option when the text is empty, has more than
/// kMaxQrText bytes or holds a NUL.
Result<std::string> qr_svg(std::string_view text);

}  // namespace sks::issuer
