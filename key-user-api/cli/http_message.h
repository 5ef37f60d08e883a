#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "key-user-api/cli/url.h"
#include "sks-core/base/bytes.h"

namespace sks::cli {

struct HttpRequest {
  enum class Method : std::uint8_t { get, post };

  Method method;
  Url url;
  std::string cookie;  ///< value of the Cookie header, or empty
  std::string body;    ///< JSON, for POST
};

struct HttpResponse {
  unsigned status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  /// The values of all headers of this name, in order.
  std::vector<std::string_view> all(std::string_view name) const;
};

/// Why there is no response.
struct HttpFailure {
  enum class Kind : std::uint8_t {
    network,      ///< refused, reset, timed out, cut off: the request may be repeated
    tls,          ///< no trust in the server, or no common TLS version: never repeated
    proxy,        ///< the proxy refuses to connect: never repeated
    response,     ///< the server does not speak HTTP as it should, or says too much
    interrupted,  ///< the user wants to stop
  };

  Kind kind;
  std::string detail;
};

/// Carries requests to one issuer.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  virtual Result<HttpResponse, HttpFailure> exchange(const HttpRequest& request) = 0;
  /// DER of the TLS leaf of the first connection; empty before it.
  virtual const Bytes& server_certificate() const = 0;
  /// The address that this machine had on the first connection; empty before it, or when there is none.
  virtual std::string local_address() const { return {}; }
};

}  // namespace sks::cli
