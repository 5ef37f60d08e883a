#pragma once

#include "conformance/kit/tls.h"

namespace sks::conformance {

/// A request or a response of HTTP/1.1, as it came.
struct HttpMessage {
  std::string start;  ///< request line or status line
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  /// The value of the first header of this name, whatever its case. None: absent.
  std::optional<std::string> header(std::string_view name) const;
  /// Of a request line.
  std::string method() const;
  std::string target() const;
  /// Of a status line; 0 when it is none.
  unsigned status() const;
};

enum class HttpKind : std::uint8_t { request, response };

/// Fails with not_available (cut off) or option (no HTTP, or too long).
Result<HttpMessage> read_http(TlsConnection& connection, HttpKind kind);

enum class Framing : std::uint8_t { length, chunked };
std::string to_text(const HttpMessage& message, Framing framing);

/// RFC 3986: everything but unreserved characters becomes %XX.
std::string percent_encode(std::string_view text);
/// Fails with option on a '%' without two hexadecimal digits.
Result<std::string> percent_decode(std::string_view text);

struct HttpsUrl {
  std::string host;
  std::uint16_t port;
  std::string target;
};
/// Fails with option when it is no https URL.
Result<HttpsUrl> parse_https_url(const std::string& text);

}  // namespace sks::conformance
