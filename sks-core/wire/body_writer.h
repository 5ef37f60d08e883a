#pragma once

#include <string_view>

#include "sks-core/base/bytes.h"

namespace sks::wire {

/// Writes the body of a frame, in memory that is cleansed: bodies carry PINs and exported keys.
///
/// What the format cannot express (an array above 65,535 bytes, a body above the frame limit) sticks as a failure, and
/// writing goes on without effect.
class BodyWriter {
 public:
  /// Has room for `room` bytes from the start, so that as many can be written without allocating.
  explicit BodyWriter(std::size_t room) : buffer_(room) {}

  void u8(std::uint8_t value);
  void u16(std::uint16_t value);
  void u32(std::uint32_t value);
  void u64(std::uint64_t value);
  void array(ByteView value);     ///< byte[], and the UTF-8 bytes of text
  void blob(ByteView value);      ///< U32(length) || bytes
  void count(std::size_t value);  ///< of a list

  bool failed() const { return failed_; }

  /// Starts over with the memory that is there.
  void clear();
  /// The body. The writer is then used up.
  SecureBytes take();

 private:
  void raw(ByteView value);

  SecureBytes buffer_;
  std::size_t size_ = 0;
  bool failed_ = false;
};

}  // namespace sks::wire
