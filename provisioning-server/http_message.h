#pragma once

#include <optional>
#include <string>
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
  std::string cookies;  ///< the Cookie header; several are joined by "; "
  std::string body;
  std::string peer;                  ///< address, for logs
  Bytes client_certificate;          ///< DER of the certificate whose key the peer has proven in TLS; empty if none
  bool certificate_trusted = false;  ///< whether it chains to the credential CA and is within its dates
};

struct Response {
  unsigned status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

}  // namespace sks::issuer
