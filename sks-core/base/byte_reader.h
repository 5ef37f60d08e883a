#pragma once

#include <cstdint>
#include <string>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks {

/// Reads the serialised forms of sks-api.md chapter 2.1 from untrusted bytes.
///
/// A failure sticks: later reads return zero values, and finish() reports it. Values may be used only after finish().
class ByteReader {
 public:
  explicit ByteReader(ByteView input) : rest_(input) {}

  std::uint8_t u8();
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  bool boolean();      ///< 0x00 or 0x01, anything else fails
  ByteView array();    ///< byte[]: the content, a view into the input
  ByteView blob();     ///< U32 length: the content, a view into the input
  std::string text();  ///< id, uri, string: fails when not valid UTF-8
  ByteView rest();     ///< everything that is left, a view into the input

  /// Fails with option when something was truncated, malformed, or is left over.
  Result<void> finish() const;

  bool failed() const { return failed_; }
  bool at_end() const { return rest_.empty(); }

 private:
  ByteView take(std::size_t size);

  ByteView rest_;
  bool failed_ = false;
};

/// Whether `text` is well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool is_utf8(std::string_view text);

/// Number of Unicode code points of well-formed UTF-8.
std::size_t count_code_points(std::string_view text);

}  // namespace sks
