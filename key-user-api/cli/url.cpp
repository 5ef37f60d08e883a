#include "key-user-api/cli/url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace sks::cli {
namespace {

constexpr std::size_t kMaxHostLength = 253;

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";
constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }
bool is_alphanumeric(char c) { return is_one_of(c, kLetters) || is_one_of(c, kDigits); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Unreserved, sub-delims and `more`, with '%' only in front of two hexadecimal digits.
bool has_only_uri_characters(std::string_view text, std::string_view more) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_alphanumeric(text[i]) || is_one_of(text[i], "-._~!$&'()*+,;=") || is_one_of(text[i], more)) continue;
    if (text[i] != '%' || text.size() - i < 3) return false;
    if (!is_one_of(text[i + 1], kHexDigits) || !is_one_of(text[i + 2], kHexDigits)) return false;
    i += 2;
  }
  return true;
}

/// The scheme in front of a ':', or nothing.
std::string_view scheme_of(std::string_view uri) {
  const std::size_t colon = uri.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_one_of(uri[0], kLetters)) return {};
  const std::string_view scheme = uri.substr(0, colon);
  const auto belongs = [](char c) { return is_alphanumeric(c) || is_one_of(c, "+-."); };
  return std::ranges::all_of(scheme, belongs) ? scheme : std::string_view();
}

std::uint16_t default_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

Result<std::uint16_t> parse_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0 || port > 65535)
    return Error{Status::option, "the URL has no valid port number"};
  return static_cast<std::uint16_t>(port);
}

bool is_ipv4(const std::string& host) {
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

/// Fills host, is_address and port from "host", "host:port" or "[v6]:port".
Result<void> parse_authority(std::string_view authority, Url& url) {
  const Error bad_host{Status::option, "the URL has no valid host name"};
  std::string_view port;
  bool has_port = false;
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return bad_host;
    url.host = to_lower(authority.substr(1, close - 1));
    url.is_address = is_ipv6(url.host);
    if (!url.is_address) return bad_host;
    const std::string_view rest = authority.substr(close + 1);
    has_port = !rest.empty();
    if (has_port && rest[0] != ':') return bad_host;
    if (has_port) port = rest.substr(1);
  } else {
    const std::size_t colon = authority.find(':');
    has_port = colon != std::string_view::npos;
    if (has_port) port = authority.substr(colon + 1);
    url.host = to_lower(authority.substr(0, colon));
    const auto belongs = [](char c) { return is_alphanumeric(c) || is_one_of(c, "-._"); };
    if (url.host.empty() || url.host.size() > kMaxHostLength || !std::ranges::all_of(url.host, belongs))
      return bad_host;
    url.is_address = is_ipv4(url.host);
  }
  url.port = default_port(url.scheme);
  if (has_port) {
    SKS_LET(url.port, parse_port(port));
  }
  return {};
}

/// RFC 3986 chapter 5.2.4.
std::string remove_dot_segments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t next = path.find('/', 1);
    const std::string_view segment = path.substr(0, next);
    path = next == std::string_view::npos ? std::string_view() : path.substr(next);
    if (segment == "/." || segment == "/..") {
      if (segment == "/..") out.erase(std::min(out.rfind('/'), out.size()));
      if (path.empty()) out += '/';
    } else {
      out += segment;
    }
  }
  return out;
}

std::string bracketed(const std::string& host) { return host.find(':') == std::string::npos ? host : "[" + host + "]"; }

}  // namespace

std::string Url::authority() const { return port == default_port(scheme) ? bracketed(host) : host_and_port(); }

std::string Url::host_and_port() const { return bracketed(host) + ":" + std::to_string(port); }

Result<Url> parse_url(std::string_view text) {
  Url url;
  url.scheme = to_lower(scheme_of(text));
  if (url.scheme != "https" && url.scheme != "http") return Error{Status::option, "not an http or https URL"};
  std::string_view rest = text.substr(url.scheme.size() + 1);
  if (!rest.starts_with("//")) return Error{Status::option, "the URL has no host"};
  rest.remove_prefix(2);
  if (rest.find('#') != std::string_view::npos) return Error{Status::option, "the URL has a fragment"};
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  if (rest.substr(0, end).find('@') != std::string_view::npos) return Error{Status::option, "the URL names a user"};
  SKS_TRY(parse_authority(rest.substr(0, end), url));
  const std::string_view target = rest.substr(end);
  if (!has_only_uri_characters(target, ":@/?"))
    return Error{Status::option, "the URL holds a character that a URL cannot hold"};
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  return url;
}

bool same_origin(const Url& a, const Url& b) { return a.scheme == b.scheme && a.host == b.host && a.port == b.port; }

bool is_localhost(const Url& url) {
  std::string_view host = url.host;
  if (host.ends_with('.')) host.remove_suffix(1);
  return host == "localhost" || host.ends_with(".localhost");
}

Result<std::string> resolve_reference(const Url& base, std::string_view reference) {
  if (reference.empty() || !has_only_uri_characters(reference, ":@/?#[]"))
    return Error{Status::option, "the Location is not a URI"};
  if (!scheme_of(reference).empty()) return std::string(reference);
  if (reference.starts_with("//")) return base.scheme + ":" + std::string(reference);

  const std::string origin = base.scheme + "://" + base.authority();
  const std::size_t base_query = base.target.find('?');
  const std::string_view base_path = std::string_view(base.target).substr(0, base_query);
  if (reference.starts_with('#')) return origin + base.target + std::string(reference);
  if (reference.starts_with('?')) return origin + std::string(base_path) + std::string(reference);

  const std::size_t path_end = std::min(reference.find_first_of("?#"), reference.size());
  std::string path(reference.substr(0, path_end));
  if (!path.starts_with('/')) path.insert(0, base_path.substr(0, base_path.rfind('/') + 1));
  return origin + remove_dot_segments(path) + std::string(reference.substr(path_end));
}

bool is_web_uri(std::string_view uri) {
  const std::string scheme = to_lower(scheme_of(uri));
  return scheme == "https" || scheme == "http";
}

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2)
      return Error{Status::option, "a '%' without two hexadecimal digits"};
    out += static_cast<char>(value);
    i += 2;
  }
  return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) { return std::ranges::equal(a, b, {}, lower, lower); }

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower);
  return out;
}

}  // namespace sks::cli
