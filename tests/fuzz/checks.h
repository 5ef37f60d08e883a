#pragma once

#include "sks-core/base/bytes.h"

/// What the fuzz targets share.
namespace sks::fuzz {

/// Ends the process, which is how a fuzz target reports a finding.
void require(bool holds, const char* what);

/// Takes values out of a fuzz input. Behind its end everything is zero.
class Input {
 public:
  explicit Input(ByteView bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }
  std::uint8_t u8();
  std::uint16_t u16();
  bool flag() { return (u8() & 1) != 0; }
  std::size_t below(std::size_t limit) { return u8() % limit; }
  /// At most `size` bytes.
  ByteView take(std::size_t size);
  /// Bytes of the input, or one of them many times over so that short inputs reach long limits.
  Bytes bytes();
  /// The same, as long as a byte[] may be.
  Bytes array();
  template <class List>
  const auto& one_of(const List& list) {
    return list[below(std::size(list))];
  }

 private:
  ByteView rest_;
};

}  // namespace sks::fuzz
