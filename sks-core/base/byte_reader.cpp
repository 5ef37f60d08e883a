#include "sks-core/base/byte_reader.h"

#include <algorithm>

namespace sks {

ByteView ByteReader::take(std::size_t size) {
  if (failed_ || size > rest_.size()) {
    failed_ = true;
    return {};
  }
  const ByteView taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

std::uint8_t ByteReader::u8() {
  const ByteView b = take(1);
  return b.empty() ? std::uint8_t{0} : b[0];
}

std::uint16_t ByteReader::u16() {
  const unsigned high = u8();
  return static_cast<std::uint16_t>(high << 8 | u8());
}

std::uint32_t ByteReader::u32() {
  const std::uint32_t high = u16();
  return high << 16 | u16();
}

std::uint64_t ByteReader::u64() {
  const std::uint64_t high = u32();
  return high << 32 | u32();
}

bool ByteReader::boolean() {
  const std::uint8_t value = u8();
  if (value > 1) failed_ = true;
  return value == 1;
}

ByteView ByteReader::array() { return take(u16()); }

ByteView ByteReader::blob() { return take(u32()); }

ByteView ByteReader::rest() { return take(rest_.size()); }

std::string ByteReader::text() {
  const std::string value = to_string(array());
  if (!is_utf8(value)) failed_ = true;
  return value;
}

Result<void> ByteReader::finish() const {
  if (failed_) return Error{Status::option, "Request decoding failed: truncated or malformed"};
  if (!rest_.empty()) return Error{Status::option, "Request decoding failed: trailing bytes"};
  return {};
}

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  while (i < text.size()) {
    const std::uint8_t lead = byte(i);
    std::size_t extra = 0;
    std::uint32_t value = 0;
    std::uint32_t smallest = 0;
    if (lead < 0x80) {
      ++i;
      continue;
    }
    if ((lead & 0xE0) == 0xC0) {
      extra = 1, value = lead & 0x1FU, smallest = 0x80;
    } else if ((lead & 0xF0) == 0xE0) {
      extra = 2, value = lead & 0x0FU, smallest = 0x800;
    } else if ((lead & 0xF8) == 0xF0) {
      extra = 3, value = lead & 0x07U, smallest = 0x10000;
    } else {
      return false;
    }
    if (text.size() - i <= extra) return false;
    for (std::size_t k = 1; k <= extra; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
      value = value << 6 | (byte(i + k) & 0x3FU);
    }
    if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return false;
    i += extra + 1;
  }
  return true;
}

std::size_t count_code_points(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<std::uint8_t>(c) & 0xC0) != 0x80; }));
}

}  // namespace sks
