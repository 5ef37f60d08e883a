#include "sks-core/base/byte_writer.h"

#include <array>

#include "sks-core/base/result.h"

namespace sks {
namespace {

/// In one piece: pages of the directory are made of thousands of numbers.
template <class Number>
std::array<std::uint8_t, sizeof(Number)> big_endian(Number value) {
  std::array<std::uint8_t, sizeof(Number)> bytes;
  for (std::size_t i = bytes.size(); i-- > 0; value = static_cast<Number>(std::uint64_t{value} >> 8))
    bytes[i] = static_cast<std::uint8_t>(value & 0xFF);
  return bytes;
}

}  // namespace

ByteWriter& ByteWriter::u8(std::uint8_t value) {
  buffer_.push_back(value);
  return *this;
}

ByteWriter& ByteWriter::u16(std::uint16_t value) { return raw(big_endian(value)); }
ByteWriter& ByteWriter::u32(std::uint32_t value) { return raw(big_endian(value)); }
ByteWriter& ByteWriter::u64(std::uint64_t value) { return raw(big_endian(value)); }

ByteWriter& ByteWriter::array(ByteView value) {
  SKS_CHECK(value.size() <= 0xFFFF);
  u16(static_cast<std::uint16_t>(value.size()));
  return raw(value);
}

ByteWriter& ByteWriter::text(std::string_view value) { return array(as_bytes(value)); }

ByteWriter& ByteWriter::blob(ByteView value) {
  SKS_CHECK(value.size() <= 0xFFFFFFFF);
  u32(static_cast<std::uint32_t>(value.size()));
  return raw(value);
}

ByteWriter& ByteWriter::raw(ByteView value) {
  buffer_.insert(buffer_.end(), value.begin(), value.end());
  return *this;
}

}  // namespace sks
