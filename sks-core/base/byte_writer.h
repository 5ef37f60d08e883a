#pragma once

#include <cstdint>
#include <string_view>

#include "sks-core/base/bytes.h"

namespace sks {

/// Appends the serialised forms of sks-api.md chapter 2.1, big-endian. The mirror of ByteReader.
///
/// An array above 65,535 bytes cannot be expressed: it is a mistake of the caller, who checks lengths first.
class ByteWriter {
 public:
  ByteWriter& u8(std::uint8_t value);
  ByteWriter& u16(std::uint16_t value);
  ByteWriter& u32(std::uint32_t value);
  ByteWriter& u64(std::uint64_t value);
  ByteWriter& boolean(bool value) { return u8(value ? 1 : 0); }
  ByteWriter& array(ByteView value);         ///< byte[]: U16(length) || bytes
  ByteWriter& text(std::string_view value);  ///< id, uri, string: U16(length) || UTF-8
  ByteWriter& blob(ByteView value);          ///< U32(length) || bytes
  ByteWriter& raw(ByteView value);           ///< bytes without length indicator

  ByteView view() const { return buffer_; }
  Bytes take() { return std::move(buffer_); }

 private:
  Bytes buffer_;
};

}  // namespace sks
