#include "sks-core/base/byte_writer.h"

#include "sks-core/base/result.h"

namespace sks {

ByteWriter& ByteWriter::u8(std::uint8_t value) {
  buffer_.push_back(value);
  return *this;
}

ByteWriter& ByteWriter::u16(std::uint16_t value) {
  u8(static_cast<std::uint8_t>(value >> 8));
  return u8(static_cast<std::uint8_t>(value & 0xFF));
}

ByteWriter& ByteWriter::u32(std::uint32_t value) {
  u16(static_cast<std::uint16_t>(value >> 16));
  return u16(static_cast<std::uint16_t>(value & 0xFFFF));
}

ByteWriter& ByteWriter::u64(std::uint64_t value) {
  u32(static_cast<std::uint32_t>(value >> 32));
  return u32(static_cast<std::uint32_t>(value & 0xFFFFFFFF));
}

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
