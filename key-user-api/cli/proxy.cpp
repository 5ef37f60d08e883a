#include "key-user-api/cli/proxy.h"

#include <arpa/inet.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace sks::cli {
namespace {

// As other programs read them: lower case first, and the variable for https before the one for everything.
constexpr auto kProxyVariables = std::to_array<const char*>({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
constexpr auto kExceptionVariables = std::to_array<const char*>({"no_proxy", "NO_PROXY"});
constexpr std::string_view kSeparators = ", \t";

struct Variable {
  std::string name;
  std::string value;
};

/// The first that has a value.
template <std::size_t Size>
std::optional<Variable> first_set(const std::array<const char*, Size>& names, const Environment& environment) {
  for (const char* const name : names)
    if (auto value = environment(name); value && !value->empty()) return Variable{name, std::move(*value)};
  return std::nullopt;
}

struct Address {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t bits = 0;  ///< 32 or 128; 0: no address
};

Address parse_address(const std::string& text) {
  Address address;
  if (::inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1)
    address.bits = 32;
  else if (::inet_pton(AF_INET6, text.c_str(), address.bytes.data()) == 1)
    address.bits = 128;
  return address;
}

bool equal_in_first_bits(const Address& a, const Address& b, std::size_t bits) {
  const std::size_t whole = bits / 8;
  if (!std::equal(a.bytes.begin(), a.bytes.begin() + static_cast<std::ptrdiff_t>(whole), b.bytes.begin())) return false;
  const std::size_t rest = bits % 8;
  return rest == 0 || (a.bytes[whole] ^ b.bytes[whole]) >> (8 - rest) == 0;
}

std::optional<std::size_t> parse_number(std::string_view text, std::size_t max) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

/// "HOST", "HOST:PORT", "ADDRESS", "ADDRESS/BITS" or "[v6]:PORT", taken apart.
struct Exception {
  std::string host;
  std::optional<std::size_t> port;
  std::optional<std::size_t> prefix_bits;
};

std::optional<Exception> split_exception(std::string_view text) {
  Exception exception;
  std::string_view port;
  const bool bracketed = text.starts_with('[');
  const std::size_t host_end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
  if (host_end == std::string_view::npos) return std::nullopt;
  const bool bare_v6 = !bracketed && text.find(':') != text.rfind(':');
  exception.host = to_lower(bare_v6 ? text : bracketed ? text.substr(1, host_end - 1) : text.substr(0, host_end));
  if (!bare_v6) port = text.substr(std::min(host_end + (bracketed ? 1 : 0), text.size()));
  if (!port.empty()) {
    if (port[0] != ':') return std::nullopt;
    exception.port = parse_number(port.substr(1), 65535);
    if (!exception.port) return std::nullopt;
  }
  if (const std::size_t slash = exception.host.find('/'); slash != std::string::npos) {
    exception.prefix_bits = parse_number(std::string_view(exception.host).substr(slash + 1), 128);
    exception.host.resize(slash);
    if (!exception.prefix_bits) return std::nullopt;
  }
  return exception;
}

bool is_host_name(std::string_view text) {
  const auto belongs = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  };
  return !text.empty() && std::ranges::all_of(text, belongs);
}

std::string_view without_last_dot(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

/// Whether one entry of no_proxy is about `url`; nothing when it is no proper entry.
std::optional<bool> covers(std::string_view entry, const Url& url) {
  if (entry == "*") return true;
  const auto exception = split_exception(entry);
  if (!exception) return std::nullopt;
  const bool port_fits = !exception->port || *exception->port == url.port;
  if (const Address address = parse_address(exception->host); address.bits != 0) {
    const std::size_t prefix = exception->prefix_bits.value_or(address.bits);
    if (prefix > address.bits) return std::nullopt;
    const Address target = parse_address(url.host);
    return port_fits && target.bits == address.bits && equal_in_first_bits(address, target, prefix);
  }
  std::string_view name = exception->host;
  if (name.starts_with("*.")) name.remove_prefix(1);
  if (name.starts_with('.')) name.remove_prefix(1);
  name = without_last_dot(name);
  if (exception->prefix_bits || !is_host_name(name)) return std::nullopt;
  const std::string_view host = without_last_dot(url.host);
  const bool ends_in_it =
      host.size() > name.size() && host.ends_with(name) && host[host.size() - name.size() - 1] == '.';
  return port_fits && !url.is_address && (host == name || ends_in_it);
}

Result<bool> is_excepted(const Url& url, const Environment& environment) {
  const auto variable = first_set(kExceptionVariables, environment);
  if (!variable) return false;
  bool excepted = false;
  std::string_view rest = variable->value;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(kSeparators), rest.size());
    const std::string_view entry = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (entry.empty()) continue;
    const auto covered = covers(entry, url);
    if (!covered)
      return Error{Status::option, variable->name +
                                       " has an entry that is no host, address or network with or "
                                       "without port"};
    excepted = excepted || *covered;
  }
  return excepted;
}

/// "Basic " and the base64 form of "user:password". Spec: RFC 7617.
Result<SecureBytes> basic_authorization(std::string_view user_info) {
  SKS_LET(std::string pair, percent_decode(user_info));
  const std::span<std::uint8_t> memory(reinterpret_cast<std::uint8_t*>(pair.data()), pair.size());
  constexpr std::string_view kBasic = "Basic ";
  // EVP_EncodeBlock ends its output with a NUL.
  SecureBytes header(kBasic.size() + (pair.size() + 2) / 3 * 4 + 1);
  std::ranges::copy(kBasic, header.data());
  EVP_EncodeBlock(header.data() + kBasic.size(), memory.data(), static_cast<int>(memory.size()));
  header.truncate(header.size() - 1);
  const bool printable = std::ranges::none_of(memory, [](std::uint8_t c) { return c < 0x20 || c == 0x7f; });
  cleanse(memory);
  if (!printable) return Error{Status::option, "user name or password holds a control character"};
  return header;
}

/// The user info of a URL in its strict form, and with the ':' in front of the password even where there is none.
Result<SecureBytes> authorization_of(std::string_view user_info) {
  const auto belongs = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~!$&'()*+,;=:%").find(c) != std::string_view::npos;
  };
  const std::size_t colon = user_info.find(':');
  const std::string_view user = user_info.substr(0, colon);
  if (!std::ranges::all_of(user_info, belongs))
    return Error{Status::option, "user name and password are not percent-encoded"};
  if (user.empty()) return Error{Status::option, "the user name is empty"};
  // A decoded ':' in the user name would become the start of the password.
  if (user.find("%3A") != std::string_view::npos || user.find("%3a") != std::string_view::npos)
    return Error{Status::option, "the user name holds a ':'"};
  if (colon != std::string_view::npos) return basic_authorization(user_info);
  return basic_authorization(std::string(user_info) + ":");
}

Result<Proxy> parse_proxy(std::string_view text) {
  const std::size_t scheme_end = text.find("://");
  const std::string scheme = scheme_end == std::string_view::npos ? "http" : to_lower(text.substr(0, scheme_end));
  if (scheme != "http" && scheme != "https") return Error{Status::option, "only http and https proxies are supported"};
  std::string_view rest = scheme_end == std::string_view::npos ? text : text.substr(scheme_end + 3);
  Proxy proxy;
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    SKS_LET(proxy.authorization, authorization_of(authority.substr(0, at)));
    rest.remove_prefix(at + 1);
  }
  SKS_LET(proxy.url, parse_url(scheme + "://" + std::string(rest)));
  if (proxy.url.target != "/") return Error{Status::option, "the URL of a proxy has neither path nor query"};
  return proxy;
}

}  // namespace

Environment process_environment() {
  return [](const char* name) -> std::optional<std::string> {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read before threads start
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

Result<std::optional<Proxy>> find_proxy(const Url& url, const Environment& environment) {
  auto variable = first_set(kProxyVariables, environment);
  if (!variable) return std::optional<Proxy>();
  SKS_LET(const bool excepted, is_excepted(url, environment));
  if (excepted) return std::optional<Proxy>();
  auto proxy = parse_proxy(variable->value);
  cleanse({reinterpret_cast<std::uint8_t*>(variable->value.data()), variable->value.size()});
  if (!proxy) return Error{proxy.error().status, variable->name + ": " + proxy.error().detail};
  proxy->variable = std::move(variable->name);
  return std::optional<Proxy>(std::move(*proxy));
}

}  // namespace sks::cli
