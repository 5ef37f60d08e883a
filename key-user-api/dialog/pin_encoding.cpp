#include "key-user-api/dialog/pin_encoding.h"

#include <string_view>

#include "sks-core/base/byte_reader.h"

namespace sks::dialog {
namespace {

constexpr std::uint8_t kAlphanumeric = 1;
constexpr std::uint8_t kString = 2;
constexpr std::uint8_t kBinary = 3;

int hex_value(std::uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<SecureBytes> from_hex_digits(ByteView text) {
  const Error bad{Status::option, "the PIN must be an even number of hexadecimal digits"};
  if (text.size() % 2 != 0) return bad;
  SecureBytes out(text.size() / 2);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return bad;
    out.data()[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return out;
}

}  // namespace

Result<SecureBytes> pin_from_text(ByteView text, std::uint8_t format) {
  if (format == kBinary) return from_hex_digits(text);
  SecureBytes out = SecureBytes::copy_of(text);
  if (format == kAlphanumeric)
    for (std::uint8_t& c : out.span())
      if (c >= 'a' && c <= 'z') c = static_cast<std::uint8_t>(c - 'a' + 'A');
  return out;
}

Result<SecureBytes> new_pin_from_text(ByteView text, std::uint8_t format) {
  const std::string_view characters(reinterpret_cast<const char*>(text.data()), text.size());
  if (format == kString && !is_utf8(characters)) return Error{Status::option, "the PIN is not text in UTF-8"};
  return pin_from_text(text, format);
}

std::size_t typed_length(std::size_t bytes, std::uint8_t format) {
  return format == kBinary ? bytes * kMaxCharactersPerByte : bytes;
}

}  // namespace sks::dialog
