#include "sks-core/wire/error_text.h"

#include <algorithm>

#include "sks-core/base/byte_reader.h"

namespace sks::wire {
namespace {

constexpr std::size_t kLongestCodePoint = 4;

/// The bytes of the code point at the start of `text`; 0 when there is none.
std::size_t code_point_size(std::string_view text) {
  for (std::size_t size = 1; size <= std::min(text.size(), kLongestCodePoint); ++size)
    if (is_utf8(text.substr(0, size))) return size;
  return 0;
}

/// C0, DEL and C1.
bool is_control(std::string_view code_point) {
  const auto lead = static_cast<unsigned char>(code_point[0]);
  if (code_point.size() == 1) return lead < 0x20 || lead == 0x7F;
  return lead == 0xC2 && static_cast<unsigned char>(code_point[1]) < 0xA0;
}

}  // namespace

std::string error_text(std::string_view text) {
  std::string harmless;
  while (!text.empty()) {
    const std::size_t size = code_point_size(text);
    const std::string_view next = size == 0 || is_control(text.substr(0, size)) ? "?" : text.substr(0, size);
    if (harmless.size() + next.size() > kMaxErrorText) break;
    harmless += next;
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return harmless;
}

}  // namespace sks::wire
