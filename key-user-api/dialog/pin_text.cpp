#include "key-user-api/dialog/pin_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "sks-core/base/byte_reader.h"

namespace sks::dialog {
namespace {

constexpr std::size_t kMaxPinFileSize = 16384;

constexpr auto kFormatUnits = std::to_array<std::string_view>(
    {"digits", "characters out of 0-9 and A-Z", "bytes of text", "bytes, written in hexadecimal"});

struct PatternRule {
  std::uint8_t bit;
  std::string_view rule;
};
constexpr auto kPatternRules = std::to_array<PatternRule>({
    {0x01, "no two equal characters in a row"},
    {0x02, "no three equal characters in a row"},
    {0x04, "no sequence such as 1234 or 4321"},
    {0x08, "no character twice"},
    {0x10, "characters of every kind"},
});

/// Indexed by the grouping of sks-api.md 5.1.
constexpr auto kGroupingRules = std::to_array<std::string_view>(
    {"", "", "different from the PIN of the other keys", "different from the PINs of the other keys"});

/// Characters of UTF-8 that do not show themselves but what stands around them, in an order or place that it does not
/// have: the last byte is one of a range.
struct HiddenCharacters {
  std::string_view start;
  unsigned char from;
  unsigned char to;
};
constexpr auto kHiddenCharacters = std::to_array<HiddenCharacters>({
    {"", 0x00, 0x1f},          // control characters
    {"", 0x7f, 0x7f},          //
    {"\xc2", 0x80, 0x9f},      //
    {"\xd8", 0x9c, 0x9c},      // directional marks, embeddings, overrides and isolates
    {"\xe2\x80", 0x8e, 0x8f},  //
    {"\xe2\x80", 0xaa, 0xae},  //
    {"\xe2\x81", 0xa6, 0xa9},  //
    {"\xe2\x80", 0xa8, 0xa9},  // line and paragraph separator
    {"\xef\xbb", 0xbf, 0xbf},  // zero width no-break space
});

/// The size of the character of UTF-8 that `text` begins with; 0 where there is none.
std::size_t character_size(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return is_utf8(text.substr(0, size)) ? size : 0;
}

/// Whether `character`, one of UTF-8, is such a one.
bool is_hidden(std::string_view character) {
  const auto last = static_cast<unsigned char>(character.back());
  return std::ranges::any_of(kHiddenCharacters, [&](const HiddenCharacters& row) {
    return character.size() == row.start.size() + 1 && character.starts_with(row.start) && last >= row.from &&
           last <= row.to;
  });
}

Result<SecureBytes> read_small_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error{Status::option, "cannot read '" + path + "': " + std::strerror(errno)};
  SecureBytes content(kMaxPinFileSize + 1);
  std::size_t size = 0;
  ssize_t got = 0;
  while (size < content.size() && (got = ::read(fd, content.data() + size, content.size() - size)) > 0)
    size += static_cast<std::size_t>(got);
  const int read_error = errno;
  ::close(fd);
  if (got < 0) return Error{Status::option, "cannot read '" + path + "': " + std::strerror(read_error)};
  if (size > kMaxPinFileSize) return Error{Status::option, "'" + path + "' is too large for a file of PINs"};
  content.truncate(size);
  return content;
}

}  // namespace

std::string describe_policy(const keygen2::PinRequest& request) {
  std::string text = std::to_string(request.min_length);
  if (request.max_length != request.min_length) text += " to " + std::to_string(request.max_length);
  text += " ";
  text += request.format < kFormatUnits.size() ? kFormatUnits[request.format] : "bytes";
  for (const PatternRule& pattern : kPatternRules)
    if ((request.pattern_restrictions & pattern.bit) != 0) text += ", " + std::string(pattern.rule);
  if (request.grouping < kGroupingRules.size() && !kGroupingRules[request.grouping].empty())
    text += ", " + std::string(kGroupingRules[request.grouping]);
  return text + "; it is blocked after " + std::to_string(request.retry_limit) + " wrong tries";
}

std::string describe_keys(const keygen2::PinRequest& request) {
  std::string text;
  for (const std::string& name : request.key_names) text += (text.empty() ? "" : ", ") + printable(name);
  return text;
}

Result<std::vector<SecureBytes>> read_pin_file(const std::string& path) {
  SKS_LET(const SecureBytes content, read_small_file(path));
  std::vector<SecureBytes> pins;
  ByteView rest = content.view();
  while (!rest.empty()) {
    const auto end = static_cast<std::size_t>(std::ranges::find(rest, std::uint8_t{'\n'}) - rest.begin());
    ByteView line = rest.first(end);
    rest = rest.subspan(std::min(end + 1, rest.size()));
    if (!line.empty() && line.back() == '\r') line = line.first(line.size() - 1);
    if (line.empty())
      return Error{Status::option, "line " + std::to_string(pins.size() + 1) + " of '" + path + "' is empty"};
    pins.push_back(SecureBytes::copy_of(line));
  }
  if (pins.empty()) return Error{Status::option, "'" + path + "' holds no PIN"};
  return pins;
}

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = character_size(text);
    const bool shown = size != 0 && !is_hidden(text.substr(0, size));
    out += shown ? text.substr(0, size) : "?";
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

std::string shorten(const std::string& text, std::size_t limit) {
  constexpr std::string_view kEllipsis = "...";
  if (text.size() <= limit) return text;
  std::size_t end = limit - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // within a character of UTF-8
  return text.substr(0, end) + std::string(kEllipsis);
}

}  // namespace sks::dialog
