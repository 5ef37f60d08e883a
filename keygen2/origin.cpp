#include "keygen2/origin.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

namespace sks::keygen2 {
namespace {

struct Scheme {
  std::string_view name;
  std::uint16_t port;
};

constexpr auto kSchemes = std::to_array<Scheme>({{"https", 443}, {"http", 80}});

struct Origin {
  const Scheme* scheme;
  std::string host;
  std::uint16_t port;

  bool operator==(const Origin&) const = default;
};

std::string to_lower(std::string_view text) {
  std::string result(text);
  for (char& letter : result)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return result;
}

std::optional<std::uint16_t> parse_port(std::string_view digits, std::uint16_t absent) {
  if (digits.empty()) return absent;
  std::uint16_t port = 0;
  const char* const end = digits.data() + digits.size();
  const auto [last, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc{} || last != end) return std::nullopt;
  return port;
}

std::optional<Origin> parse_origin(std::string_view uri) {
  const std::size_t colon = uri.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  const auto* const scheme = std::ranges::find(kSchemes, to_lower(uri.substr(0, colon)), &Scheme::name);
  if (scheme == kSchemes.end()) return std::nullopt;
  const std::string_view rest = uri.substr(colon + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  // Browsers take a backslash for a slash: no host has one.
  if (authority.find_first_of("@\\") != std::string_view::npos) return std::nullopt;
  // The colons of an IPv6 address stand in brackets.
  const std::size_t bracket = authority.rfind(']');
  const std::size_t port_colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = authority.substr(0, port_colon);
  const std::string_view digits = port_colon == std::string_view::npos ? "" : authority.substr(port_colon + 1);
  const std::optional<std::uint16_t> port = parse_port(digits, scheme->port);
  if (host.empty() || !port) return std::nullopt;
  return Origin{scheme, to_lower(host), *port};
}

}  // namespace

bool is_same_origin(std::string_view a, std::string_view b) {
  const std::optional<Origin> first = parse_origin(a);
  return first && first == parse_origin(b);
}

}  // namespace sks::keygen2
