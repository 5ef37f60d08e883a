#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sks-core/base/result.h"

namespace sks::cli {

/// An absolute http or https URL, taken apart as far as a request needs it.
struct Url {
  std::string scheme;  ///< "http" or "https"
  std::string host;    ///< lower case; an IPv6 address without its brackets
  std::uint16_t port = 0;
  bool is_address = false;  ///< `host` is an IPv4 or IPv6 address
  std::string target;       ///< path and query, at least "/"

  /// Host, bracketed where needed, and the port unless it is the scheme's own: the value of the Host header.
  std::string authority() const;
  /// The same with the port in any case: the target of CONNECT.
  std::string host_and_port() const;
};

/// Strict RFC 3986: no user name, no fragment, no character that a URL cannot hold. Fails with option.
Result<Url> parse_url(std::string_view text);

/// Same scheme, host and port. Spec: keygen2.md 9.1.
bool same_origin(const Url& a, const Url& b);

/// Whether the host is "localhost" or ends in ".localhost", which is always this machine. Spec: RFC 6761 chapter 6.3.
bool is_localhost(const Url& url);

/// A Location header as an absolute URI. Fails with option on an empty reference or one that no URI can be.
/// Spec: keygen2.md 2.4, RFC 3986 chapter 5.2.
Result<std::string> resolve_reference(const Url& base, std::string_view reference);

/// Whether `uri` may be given to a browser. Spec: keygen2.md 9.6.
bool is_web_uri(std::string_view uri);

/// Decodes "%41" and nothing else ('+' stays). Fails with option on a '%' without two hexadecimal digits.
Result<std::string> percent_decode(std::string_view text);

bool equal_ignoring_case(std::string_view a, std::string_view b);
std::string to_lower(std::string_view text);

}  // namespace sks::cli
