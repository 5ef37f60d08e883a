#include "keygen2/distinguished_name.h"

#include <algorithm>
#include <array>

#include "sks-core/base/encoding.h"

namespace sks::keygen2 {
namespace {

constexpr std::string_view kEmailAddress = "1.2.840.113549.1.9.1";

struct Keyword {
  std::string_view type;
  std::string_view keyword;
};

constexpr std::array<Keyword, 9> kKeywords{{
    {"2.5.4.3", "CN"},
    {"2.5.4.6", "C"},
    {"2.5.4.7", "L"},
    {"2.5.4.8", "ST"},
    {"2.5.4.9", "STREET"},
    {"2.5.4.10", "O"},
    {"2.5.4.11", "OU"},
    {"0.9.2342.19200300.100.1.25", "DC"},
    {"0.9.2342.19200300.100.1.1", "UID"},
}};

/// UTF8String, PrintableString, T61String, IA5String, GeneralString, BMPString.
constexpr std::array<std::uint8_t, 6> kStringTags{12, 19, 20, 22, 27, 30};

constexpr std::string_view kEscaped = ",=+<>#;\"\\";
constexpr std::string_view kSpaces = " \r";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// What may follow a leading byte of UTF-8.
struct Lead {
  std::uint8_t first;
  std::uint8_t last;
  std::uint8_t second_min;
  std::uint8_t second_max;
  std::size_t size;
};

constexpr std::array<Lead, 7> kLeads{{
    {0x00, 0x7F, 0x00, 0x00, 1},
    {0xC2, 0xDF, 0x80, 0xBF, 2},
    {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4},
    {0xF4, 0xF4, 0x80, 0x8F, 4},
}};

struct Sequence {
  std::size_t size;
  bool well_formed;
};

/// The longest beginning of `bytes`, which is not empty, that can belong to one character. Java takes an encoded
/// surrogate for one malformed character, not for three.
Sequence first_sequence(std::string_view bytes) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); };
  const auto* const lead =
      std::ranges::find_if(kLeads, [&](const Lead& row) { return byte(0) >= row.first && byte(0) <= row.last; });
  if (lead == kLeads.end()) return {1, false};
  std::size_t size = 1;
  while (size < lead->size && size < bytes.size()) {
    const std::uint8_t min = size == 1 ? lead->second_min : std::uint8_t{0x80};
    const std::uint8_t max = size == 1 ? lead->second_max : std::uint8_t{0xBF};
    if (byte(size) < min || byte(size) > max) break;
    ++size;
  }
  const bool is_surrogate = byte(0) == 0xED && size == 3 && byte(1) >= 0xA0;
  return {size, size == lead->size && !is_surrogate};
}

std::string escaped(std::string_view value) {
  const std::size_t first = value.find_first_not_of(kSpaces);
  const std::size_t last = value.find_last_not_of(kSpaces);
  std::string result;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\0') {
      result += "\\00";
      continue;
    }
    const bool at_an_end = first == std::string_view::npos || i < first || i > last;
    if (at_an_end || kEscaped.find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

std::string attribute_text(const crypto::NameAttribute& attribute) {
  const auto* const known = std::ranges::find(kKeywords, attribute.type, &Keyword::type);
  const bool readable = known != kKeywords.end() && std::ranges::find(kStringTags, attribute.tag) != kStringTags.end();
  std::string text(known == kKeywords.end() ? std::string_view(attribute.type) : known->keyword);
  text += '=';
  if (!readable) return text + '#' + to_hex(attribute.value_der);
  return text +
         escaped(decode_utf8({reinterpret_cast<const char*>(attribute.content.data()), attribute.content.size()}));
}

}  // namespace

std::string decode_utf8(std::string_view bytes) {
  std::string result;
  while (!bytes.empty()) {
    const Sequence sequence = first_sequence(bytes);
    result += sequence.well_formed ? bytes.substr(0, sequence.size) : kReplacement;
    bytes.remove_prefix(sequence.size);
  }
  return result;
}

std::string distinguished_name(const crypto::Name& name) {
  std::string text;
  for (auto relative_name = name.rbegin(); relative_name != name.rend(); ++relative_name) {
    char separator = ',';
    for (const crypto::NameAttribute& attribute : *relative_name) {
      if (!text.empty()) text += separator;
      text += attribute_text(attribute);
      separator = '+';
    }
  }
  return text;
}

Result<std::vector<std::string>> email_addresses(const crypto::Certificate& certificate) {
  SKS_LET(const crypto::Name subject, crypto::parse_name(certificate.subject_der()));
  std::vector<std::string> result;
  for (const auto& relative_name : subject) {
    if (relative_name.size() != 1 || relative_name.front().type != kEmailAddress) continue;
    if (relative_name.front().text) result.push_back(*relative_name.front().text);
    break;
  }
  for (const std::string& address : certificate.alternative_emails()) result.push_back(decode_utf8(address));
  return result;
}

}  // namespace sks::keygen2
