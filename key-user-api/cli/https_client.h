#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "key-user-api/cli/http_message.h"
#include "key-user-api/cli/proxy.h"
#include "key-user-api/cli/wait_line.h"

namespace sks::cli {

/// Which connections must present the leaf certificate of the first one. Spec: keygen2.md 9.1.
enum class LeafBinding : std::uint8_t {
  every_connection,
  first_connection,  ///< for server farms: later ones must only be trusted
};

struct HttpsOptions {
  std::string ca_file;  ///< PEM file with the only trusted roots; empty: those of the system
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(60);  ///< name lookup, TCP and TLS together
  std::chrono::milliseconds read_timeout =
      std::chrono::seconds(60);  ///< from sending a request to the end of its response
  std::size_t body_limit = std::size_t{8} * 1024 * 1024;
  LeafBinding leaf_binding = LeafBinding::every_connection;
  std::optional<Proxy> proxy = {};
  WaitLine* wait_line = nullptr;  ///< null: nobody is told of waits
};

/// HTTP/1.1 over TLS 1.2 or later with full verification of chain, validity and host name, through a proxy if there is
/// one (whose certificate is verified alike). Keeps the connection while the server does; by default every later
/// connection must present the same leaf certificate as the first one. "localhost" and what ends in ".localhost" is the
/// loopback. Follows no redirect, repeats nothing. Spec: keygen2.md 2.2, 9.1, Appendix B.
class HttpsClient final : public HttpTransport {
 public:
  /// Fails with option when the CA file cannot be read or holds no certificate.
  static Result<std::unique_ptr<HttpsClient>> create(HttpsOptions options);
  ~HttpsClient() override;

  /// `request.url` must be https.
  Result<HttpResponse, HttpFailure> exchange(const HttpRequest& request) override;
  const Bytes& server_certificate() const override;
  std::string local_address() const override;

 private:
  struct Impl;
  explicit HttpsClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sks::cli
