#include "sks-core/toml/toml_guard.h"

#include <algorithm>
#include <cstdint>

namespace sks {
namespace {

bool is_beyond_ascii(char c) { return static_cast<unsigned char>(c) > 0x7f; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// What stands before a character. The library reads a number ahead, past quotation marks, up to what ends a value; so
/// a text begins only where none can be under way.
enum class Before : std::uint8_t { nothing, word, opening, other };

Before after(Before before, char c) {
  if (c == ' ' || c == '\t' || c == '\n' || c == ',' || c == ']' || c == '}') return Before::nothing;
  const bool is_opening = c == '[' || c == '{';
  const bool in_word = is_letter(c) || is_digit(c) || c == '-' || c == '.';
  switch (before) {
    case Before::nothing:
      if (is_letter(c)) return Before::word;
      return is_opening || c == '=' ? Before::opening : Before::other;
    case Before::word:
      if (c == '=') return Before::opening;
      return in_word ? Before::word : Before::other;
    case Before::opening:
      if (is_letter(c)) return Before::word;
      return is_opening ? Before::opening : Before::other;
    case Before::other:
      return Before::other;
  }
  return Before::other;
}

/// The end of the text that begins at `at` with one quotation mark, or of its line.
std::size_t end_of_text(std::string_view toml, std::size_t at) {
  const char mark = toml[at];
  const std::size_t line_end = std::min(toml.find('\n', at), toml.size());
  for (std::size_t i = at + 1; i < line_end; ++i) {
    if (toml[i] == mark) return i + 1;
    if (mark != '"' || toml[i] != '\\') continue;
    // Nothing beyond ASCII can be escaped: it is then reported.
    if (i + 1 == line_end || is_beyond_ascii(toml[i + 1])) return i + 1;
    ++i;
  }
  return line_end;
}

/// Where to go on behind a text of several lines. There is no harmless place in one, as white space may be skipped
/// anywhere behind a backslash: it ends before the first character beyond ASCII.
std::size_t end_of_long_text(std::string_view toml, std::size_t at) {
  const char mark = toml[at];
  const std::string_view marks = mark == '"' ? R"(""")" : "'''";
  for (std::size_t i = at + marks.size(); i < toml.size(); ++i) {
    if (is_beyond_ascii(toml[i])) return i;
    if (mark == '"' && toml[i] == '\\' && i + 1 < toml.size() && !is_beyond_ascii(toml[i + 1])) {
      ++i;
      continue;
    }
    // Up to two more marks belong to the text, and no text begins with what follows them.
    if (toml.substr(i).starts_with(marks)) return std::min(toml.find_first_not_of(mark, i), toml.size());
  }
  return toml.size();
}

}  // namespace

std::optional<std::size_t> misplaced_character_line(std::string_view toml) {
  Before before = Before::nothing;
  std::size_t at = 0;
  const auto line = [&] { return 1 + static_cast<std::size_t>(std::ranges::count(toml.substr(0, at), '\n')); };
  while (at < toml.size()) {
    const char c = toml[at];
    if (is_beyond_ascii(c)) return line();
    const bool begins_text = (c == '"' || c == '\'') && (before == Before::nothing || before == Before::opening);
    if (c == '#') {
      at = std::min(toml.find('\n', at), toml.size());
    } else if (begins_text) {
      const bool is_long = toml.substr(at + 1).starts_with(c == '"' ? R"("")" : "''");
      at = is_long ? end_of_long_text(toml, at) : end_of_text(toml, at);
      before = Before::word;  // a key in quotation marks
    } else {
      before = after(before, c);
      ++at;
    }
  }
  return std::nullopt;
}

}  // namespace sks
