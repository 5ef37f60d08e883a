#include "provisioning-server/landing/html.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "sks-core/base/byte_reader.h"
#include "sks-core/base/result.h"

namespace sks::issuer {
namespace {

struct Escape {
  char plain;
  std::string_view escaped;
};
constexpr auto kEscapes =
    std::to_array<Escape>({{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}});

constexpr std::string_view kReplacement = "\xef\xbf\xbd";
// U+200E and U+200F, U+202A to U+202E, U+2066 to U+2069: a subject with one could rearrange the words around it.
constexpr auto kDirections = std::to_array<std::string_view>(
    {"\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae",
     "\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9"});

bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character.front());
  if (character.size() == 1) return (first < 0x20 && first != '\n' && first != '\t') || first == 0x7f;
  return character.size() == 2 && first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

/// The next whole character; a byte that begins none by itself.
std::string_view next_character(std::string_view text) {
  constexpr std::size_t kLongest = 4;
  for (std::size_t size = 1; size <= std::min(kLongest, text.size()); ++size)
    if (is_utf8(text.substr(0, size))) return text.substr(0, size);
  return text.substr(0, 1);
}

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const std::string_view character = next_character(text);
    text.remove_prefix(character.size());
    const auto* const escape = std::ranges::find(kEscapes, character.front(), &Escape::plain);
    if (escape != kEscapes.end()) {
      out += escape->escaped;
    } else if (!is_utf8(character) || is_control(character)) {
      out += kReplacement;
    } else if (std::ranges::find(kDirections, character) == kDirections.end()) {
      out += character;
    }
  }
}

bool is_name(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

}  // namespace

class HtmlWriter {
 public:
  static Markup fill(std::string_view pattern, std::initializer_list<Slot> slots) {
    std::string out;
    while (!pattern.empty()) {
      const std::size_t brace = std::min(pattern.find('{'), pattern.size());
      out += pattern.substr(0, brace);
      pattern.remove_prefix(brace);
      const std::size_t end = pattern.find('}');
      if (pattern.empty()) break;
      const std::string_view name = end == std::string_view::npos ? std::string_view() : pattern.substr(1, end - 1);
      if (!is_name(name)) {
        out += pattern.front();
        pattern.remove_prefix(1);
        continue;
      }
      const auto* const slot = std::ranges::find(slots, name, &Slot::name);
      SKS_CHECK(slot != slots.end());
      if (const auto* const markup = std::get_if<const Markup*>(&slot->value)) {
        out += (*markup)->text();
      } else {
        append_escaped(out, std::get<std::string_view>(slot->value));
      }
      pattern.remove_prefix(end + 1);
    }
    return Markup(std::move(out));
  }
};

Markup html(Template pattern, std::initializer_list<Slot> slots) { return HtmlWriter::fill(pattern.text, slots); }

}  // namespace sks::issuer
