#include "key-user-api/cli/html_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "key-user-api/cli/url.h"

namespace sks::cli {
namespace {

constexpr std::size_t kMaxText = 4000;  ///< bytes
constexpr std::size_t kMaxLines = 50;
constexpr std::size_t kMaxEntityLength = 10;
constexpr std::size_t kMaxTagName = 16;
constexpr char32_t kUnknown = U'?';

struct Range {
  char32_t first, last;
};
/// What could move the cursor, turn the direction of the text, or hide in it: Unicode's control, format and separator
/// characters, and what is no character at all.
constexpr auto kUnfit = std::to_array<Range>({{0x00, 0x1f},
                                              {0x7f, 0x9f},
                                              {0xad, 0xad},
                                              {0x61c, 0x61c},
                                              {0x180e, 0x180e},
                                              {0x200b, 0x200f},
                                              {0x2028, 0x202e},
                                              {0x2060, 0x206f},
                                              {0xd800, 0xf8ff},
                                              {0xfeff, 0xfeff},
                                              {0xfff0, 0xfffb},
                                              {0xfffe, 0xffff},
                                              {0xe0000, 0x10ffff}});

bool is_blank(char32_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == 0xa0; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

void append_utf8(char32_t c, std::string& out) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) return put(0xc0 | c >> 6), put(0x80 | (c & 0x3f));
  if (c < 0x10000) return put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
  put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 0x3f)), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
}

/// Collects text in lines, with blanks folded and empty lines only between others.
class TextWriter {
 public:
  bool full() const { return full_; }

  void put(char32_t c) {
    if (is_blank(c)) {
      blank_ = true;
      return;
    }
    if (std::ranges::any_of(kUnfit, [c](Range range) { return c >= range.first && c <= range.last; })) return;
    begin_word();
    if (!full_) append_utf8(c, text_);
  }

  /// Ends the line, and with 2 also leaves one empty.
  void break_line(std::size_t breaks = 1) {
    breaks_ = std::max(breaks_, breaks);
    blank_ = false;
  }

  std::string take() {
    if (full_) text_ += "\n...";
    return std::move(text_);
  }

 private:
  void begin_word() {
    if (text_.size() >= kMaxText || lines_ + breaks_ > kMaxLines) full_ = true;
    if (full_) return;
    if (!text_.empty() && breaks_ > 0) {
      text_.append(breaks_, '\n');
      lines_ += breaks_;
    } else if (!text_.empty() && blank_) {
      text_ += ' ';
    }
    breaks_ = 0;
    blank_ = false;
  }

  std::string text_;
  std::size_t lines_ = 1;
  std::size_t breaks_ = 0;
  bool blank_ = false;
  bool full_ = false;
};

/// Takes one code point from the front of `rest`; of a malformed sequence one byte.
char32_t take_utf8(std::string_view& rest) {
  const auto byte = [&rest](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  const unsigned char lead = byte(0);
  const std::size_t length = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
  char32_t c = lead < 0x80 ? lead : length == 0 ? 0 : lead & (0x7f >> length);
  bool proper = length != 0 && length <= rest.size();
  for (std::size_t i = 1; proper && i < length; ++i) {
    proper = byte(i) >> 6 == 2;
    c = c << 6 | (byte(i) & 0x3f);
  }
  constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  proper = proper && c >= kSmallest[length] && c <= 0x10ffff;
  rest.remove_prefix(proper ? length : 1);
  return proper ? c : kUnknown;
}

struct Entity {
  std::string_view name;
  char32_t character;
};
constexpr auto kEntities = std::to_array<Entity>(
    {{"amp", '&'},      {"lt", '<'},        {"gt", '>'},       {"quot", '"'},     {"apos", '\''},    {"nbsp", 0xa0},
     {"copy", 0xa9},    {"reg", 0xae},      {"deg", 0xb0},     {"middot", 0xb7},  {"laquo", 0xab},   {"raquo", 0xbb},
     {"Auml", 0xc4},    {"Ouml", 0xd6},     {"Uuml", 0xdc},    {"auml", 0xe4},    {"ouml", 0xf6},    {"uuml", 0xfc},
     {"szlig", 0xdf},   {"Aring", 0xc5},    {"aring", 0xe5},   {"AElig", 0xc6},   {"aelig", 0xe6},   {"Oslash", 0xd8},
     {"oslash", 0xf8},  {"agrave", 0xe0},   {"aacute", 0xe1},  {"acirc", 0xe2},   {"ccedil", 0xe7},  {"egrave", 0xe8},
     {"eacute", 0xe9},  {"Eacute", 0xc9},   {"ecirc", 0xea},   {"euml", 0xeb},    {"icirc", 0xee},   {"iuml", 0xef},
     {"iacute", 0xed},  {"ntilde", 0xf1},   {"oacute", 0xf3},  {"ocirc", 0xf4},   {"ugrave", 0xf9},  {"uacute", 0xfa},
     {"ndash", 0x2013}, {"mdash", 0x2014},  {"lsquo", 0x2018}, {"rsquo", 0x2019}, {"ldquo", 0x201c}, {"rdquo", 0x201d},
     {"bull", 0x2022},  {"hellip", 0x2026}, {"euro", 0x20ac},  {"trade", 0x2122}, {"times", 0xd7},   {"rarr", 0x2192}});

std::optional<char32_t> numeric_entity(std::string_view digits) {
  const bool hexadecimal = digits.starts_with('x') || digits.starts_with('X');
  if (hexadecimal) digits.remove_prefix(1);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, hexadecimal ? 16 : 10);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value <= 0x10ffff ? static_cast<char32_t>(value) : kUnknown;
}

/// Takes "&name;" from the front of `rest`; what is none of the known ones is an ordinary '&'.
char32_t take_entity(std::string_view& rest) {
  const std::size_t end = rest.substr(0, kMaxEntityLength).find(';');
  std::optional<char32_t> found;
  if (end != std::string_view::npos && end > 1) {
    const std::string_view name = rest.substr(1, end - 1);
    const auto* const row = std::ranges::find(kEntities, name, &Entity::name);
    if (row != kEntities.end()) found = row->character;
    if (name.starts_with('#')) found = numeric_entity(name.substr(1));
  }
  rest.remove_prefix(found ? end + 1 : 1);
  return found.value_or('&');
}

/// What an element does to the text around it.
struct Element {
  std::string_view name;
  std::size_t breaks;  ///< before and behind it
  bool hidden;         ///< its content is no text for people
};
constexpr auto kElements = std::to_array<Element>(
    {{"script", 0, true},      {"style", 0, true},    {"template", 0, true},  {"title", 0, true},
     {"iframe", 0, true},      {"noembed", 0, true},  {"noframes", 0, true},  {"object", 0, true},
     {"svg", 0, true},         {"math", 0, true},     {"textarea", 0, true},  {"select", 0, true},
     {"br", 1, false},         {"div", 1, false},     {"li", 1, false},       {"tr", 1, false},
     {"dt", 1, false},         {"dd", 1, false},      {"hr", 2, false},       {"p", 2, false},
     {"h1", 2, false},         {"h2", 2, false},      {"h3", 2, false},       {"h4", 2, false},
     {"h5", 2, false},         {"h6", 2, false},      {"ul", 2, false},       {"ol", 2, false},
     {"dl", 2, false},         {"table", 2, false},   {"pre", 2, false},      {"form", 2, false},
     {"section", 2, false},    {"article", 2, false}, {"main", 2, false},     {"header", 2, false},
     {"footer", 2, false},     {"nav", 2, false},     {"address", 2, false},  {"aside", 2, false},
     {"blockquote", 2, false}, {"body", 2, false},    {"fieldset", 2, false}, {"legend", 1, false},
     {"option", 1, false}});

/// Moves behind the '>' of the tag at the front, past quoted attributes; to the end if there is none.
void skip_tag(std::string_view& rest) {
  char quote = 0;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    const char c = rest[i];
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '>') {
      rest.remove_prefix(i + 1);
      return;
    } else if (c == '"' || c == '\'') {
      quote = c;
    }
  }
  rest = {};
}

void skip_past(std::string_view end, std::string_view& rest) {
  const std::size_t at = rest.find(end);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + end.size());
}

/// Moves in front of "</name", in either case; to the end if there is none.
void skip_to_end_tag(std::string_view name, std::string_view& rest) {
  while (true) {
    const std::size_t at = rest.find("</");
    rest.remove_prefix(std::min(at, rest.size()));
    if (rest.empty() || equal_ignoring_case(rest.substr(2, name.size()), name)) return;
    rest.remove_prefix(2);
  }
}

void take_tag(std::string_view& rest, TextWriter& out) {
  if (rest.starts_with("<!--")) return skip_past("-->", rest);
  const bool closing = rest.substr(1).starts_with('/');
  std::string_view name = rest.substr(closing ? 2 : 1, kMaxTagName);
  const auto belongs = [](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
  name = name.substr(0, static_cast<std::size_t>(std::ranges::find_if_not(name, belongs) - name.begin()));
  const auto* const row =
      std::ranges::find_if(kElements, [&](const Element& element) { return equal_ignoring_case(element.name, name); });
  skip_tag(rest);
  if (equal_ignoring_case(name, "td") || equal_ignoring_case(name, "th")) out.put(' ');
  if (row == kElements.end()) return;
  if (row->breaks != 0) out.break_line(row->breaks);
  if (row->hidden && !closing) skip_to_end_tag(row->name, rest);
  if (row->name == "li" && !closing) {
    out.put('-');
    out.put(' ');
  }
}

bool starts_tag(std::string_view rest) {
  return rest.size() > 1 && (is_letter(rest[1]) || rest[1] == '/' || rest[1] == '!' || rest[1] == '?');
}

std::string html_to_text(std::string_view html) {
  TextWriter out;
  while (!html.empty() && !out.full()) {
    if (html[0] == '<' && starts_tag(html)) {
      take_tag(html, out);
    } else {
      out.put(html[0] == '&' ? take_entity(html) : take_utf8(html));
    }
  }
  return out.take();
}

std::string plain_to_text(std::string_view text) {
  TextWriter out;
  while (!text.empty() && !out.full()) {
    const char32_t c = take_utf8(text);
    c == '\n' ? out.break_line() : out.put(c);
  }
  return out.take();
}

}  // namespace

std::string page_text(std::string_view content_type, std::string_view body) {
  std::string_view type = content_type.substr(0, content_type.find(';'));
  while (!type.empty() && is_blank(static_cast<unsigned char>(type.back()))) type.remove_suffix(1);
  while (!type.empty() && is_blank(static_cast<unsigned char>(type.front()))) type.remove_prefix(1);
  if (equal_ignoring_case(type, "text/html") || equal_ignoring_case(type, "application/xhtml+xml"))
    return html_to_text(body);
  if (equal_ignoring_case(type, "text/plain")) return plain_to_text(body);
  return {};
}

}  // namespace sks::cli
