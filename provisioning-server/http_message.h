#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sks-core/base/bytes.h"

namespace sks::issuer {

/// A request as the handler sees it: free of sockets and of the types of any HTTP library.
struct Request {
  std::string method;
  std::string target;  ///< as received: path and query, behind scheme and authority if a proxy wants it so
  std::optional<std::string> host;
  std::optional<std::string> content_type;
  std::optional<std::uint64_t> content_length;
  std::string cookies;  ///< the Cookie header; several are joined by "; "
  /// The headers that have no member of their own, by name in lower case; one that came several times is joined by ",
  /// ".
  std::map<std::string, std::string, std::less<>> headers;
  std::string body;
  std::string peer;                  ///< address, for logs
  Bytes client_certificate;          ///< DER of the certificate whose key the peer has proven in TLS; empty if none
  bool certificate_trusted = false;  ///< whether it chains to the credential CA and is within its dates

  /// Empty when there is none.
  std::string_view header(std::string_view name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string_view() : found->second;
  }
  std::string_view query() const {
    const std::size_t mark = target.find('?');
    return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
  }
};

struct Response {
  unsigned status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

/// A response of one content type; the handler adds what every response carries.
inline Response make_response(unsigned status, std::string_view content_type, std::string body) {
  return {status, {{"Content-Type", std::string(content_type)}}, std::move(body)};
}
inline Response text_response(unsigned status, std::string body) {
  return make_response(status, "text/plain; charset=utf-8", std::move(body));
}
inline Response html_response(unsigned status, std::string body) {
  return make_response(status, "text/html; charset=utf-8", std::move(body));
}

/// The answer 429 or 503 to a request that may be repeated.
Response come_back_later(unsigned status);

}  // namespace sks::issuer
