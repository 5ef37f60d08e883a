#include "provisioning-server/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace sks::issuer {
namespace {

constexpr std::string_view kScheme = "https://";
constexpr std::size_t kMaxUrl = 1000;  // Spec: keygen2.md Appendix B
constexpr std::uint16_t kHttpsPort = 443;
// Pages of the issuer itself, beside the main URL.
constexpr auto kReservedPaths = std::to_array<std::string_view>({kResultPath, "/whoami", "/landing/style.css"});

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253 || host.front() == '.' || host.front() == '-') return false;
  if (host.find("..") != std::string_view::npos) return false;
  return std::ranges::all_of(host, [](char c) { return is_alphanumeric(c) || c == '-' || c == '.'; });
}

bool is_address(int family, const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return inet_pton(family, host.c_str(), address.data()) == 1;
}

// pchar of RFC 3986 and the slash.
bool is_path_character(char c) {
  return is_alphanumeric(c) || std::string_view("/-._~!$&'()*+,;=:@%").find(c) != std::string_view::npos;
}

Error bad_url(std::string_view rule) { return {Status::option, "the URL " + std::string(rule)}; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

Result<MainUrl> MainUrl::parse(std::string_view text) {
  if (text.size() > kMaxUrl) return bad_url("is longer than 1000 bytes");
  if (!text.starts_with(kScheme)) return bad_url("must begin with https://");
  if (text.find_first_of("?#") != std::string_view::npos) return bad_url("must have no query and no fragment");
  const std::string_view rest = text.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view authority = rest.substr(0, slash);
  const std::string_view path = rest.substr(slash);
  if (!std::ranges::all_of(path, is_path_character)) return bad_url("has a character in its path that must be encoded");
  if (!percent_decode(path)) return bad_url("has a % in its path that is not followed by two hexadecimal digits");
  if (std::ranges::count(kReservedPaths, path) != 0)
    return bad_url("must not have the path " + std::string(path) + ", the issuer uses it");

  MainUrl url;
  url.text_ = text;
  url.origin_ = std::string(kScheme) + std::string(authority);
  url.path_ = path.empty() ? "/" : std::string(path);
  std::string_view port;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return bad_url("has an IPv6 address without its closing bracket");
    url.host_ = authority.substr(1, close - 1);
    if (!is_address(AF_INET6, url.host_)) return bad_url("has no valid IPv6 address between its brackets");
    url.host_is_address_ = true;
    port = authority.substr(close + 1);
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    url.host_ = authority.substr(0, colon);
    url.host_is_address_ = is_address(AF_INET, url.host_);
    if (!is_host_name(url.host_)) return bad_url("has no valid host name");
    port = authority.substr(colon);
  }
  if (port.empty()) {
    url.port_ = kHttpsPort;
    return url;
  }
  const char* const end = port.data() + port.size();
  const auto [stop, failure] = std::from_chars(port.data() + 1, end, url.port_);
  if (port.front() != ':' || failure != std::errc() || stop != end || url.port_ == 0)
    return bad_url("has no valid port number");
  return url;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    if (is_alphanumeric(c) || std::string_view("-._~").find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

std::optional<std::string> query_parameter(std::string_view query, std::string_view name) {
  std::optional<std::string_view> value;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
    if (value) return std::nullopt;
    value = pair.substr(equals + 1);
  }
  if (!value) return std::nullopt;
  return percent_decode(*value);
}

std::string cookie_value(std::string_view cookies, std::string_view name) {
  while (!cookies.empty()) {
    const std::string_view raw = cookies.substr(0, cookies.find(';'));
    cookies.remove_prefix(std::min(raw.size() + 1, cookies.size()));
    const std::string_view pair = trimmed(raw);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) return std::string(pair.substr(equals + 1));
  }
  return {};
}

std::string invocation_uri(std::string_view init, std::string_view main_url, std::string_view cookie,
                           std::string_view cancel_url) {
  std::string uri = "keygen2://?init=" + percent_encode(init) + "&url=" + percent_encode(main_url);
  if (!cookie.empty()) uri += "&cookie=" + percent_encode(cookie);
  if (!cancel_url.empty()) uri += "&cncl=" + percent_encode(cancel_url);
  return uri;
}

}  // namespace sks::issuer
