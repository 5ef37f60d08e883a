#include "key-user-api/dialog/pin_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

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
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters too; in UTF-8 they start with C2.
    const bool c1 = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c1) ++i;
    out += c < 0x20 || c == 0x7f || c1 ? '?' : text[i];
  }
  return out;
}

}  // namespace sks::dialog
