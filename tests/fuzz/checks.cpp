#include "tests/fuzz/checks.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace sks::fuzz {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: does not hold: %s\n", what);
  std::abort();
}

std::uint8_t Input::u8() {
  if (rest_.empty()) return 0;
  const std::uint8_t value = rest_.front();
  rest_ = rest_.subspan(1);
  return value;
}

std::uint16_t Input::u16() {
  const std::uint8_t high = u8();
  return static_cast<std::uint16_t>(high << 8 | u8());
}

ByteView Input::take(std::size_t size) {
  const ByteView taken = rest_.first(std::min(size, rest_.size()));
  rest_ = rest_.subspan(taken.size());
  return taken;
}

Bytes Input::bytes() {
  constexpr std::uint8_t kFirstLong = 0xF0;
  constexpr std::size_t kStep = 16;
  const std::uint8_t size = u8();
  if (size < kFirstLong) return to_bytes(take(size));
  const std::size_t repeated = std::size_t{u16()} * (size == 0xFF ? kStep : 1);
  return Bytes(repeated, u8());
}

Bytes Input::array() {
  constexpr std::size_t kMaxArray = 65'535;
  Bytes made = bytes();
  made.resize(std::min(made.size(), kMaxArray));
  return made;
}

}  // namespace sks::fuzz
