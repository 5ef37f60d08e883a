#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "provisioning-server/http_handler.h"
#include "provisioning-server/issuer.h"

namespace sks::issuer {

/// An address to listen on.
struct ListenAddress {
  std::string host;
  std::uint16_t port;
  enum class Need : std::uint8_t { required, if_available } need = Need::required;
};

/// "host", "host:port" or "[v6]:port"; without port `default_port`. Fails with option.
Result<ListenAddress> parse_listen_address(std::string_view text, std::uint16_t default_port);

/// Where the host of a main URL is served: both loopback addresses for localhost.
std::vector<ListenAddress> listen_addresses_of(const MainUrl& url);

struct ListenerOptions {
  TlsIdentity tls;
  crypto::Certificate client_authority;  ///< whose certificates a client may show
  std::vector<ListenAddress> addresses;
  std::size_t connections = 256;
  std::size_t threads = 2;
};

/// The HTTPS server around a handler: TLS 1.2 or later, limits and timeouts. Decides nothing about requests.
class Listener {
 public:
  /// Binds every address and takes over SIGTERM and SIGINT. Fails with not_available (cannot listen) or option (TLS
  /// identity not usable).
  static Result<std::unique_ptr<Listener>> open(ListenerOptions options, HttpHandler& handler);
  ~Listener();

  /// Serves until SIGTERM or SIGINT, then finishes the requests in flight. `every_minute` runs once a minute.
  void run(const std::function<void()>& every_minute);

 private:
  struct Impl;
  explicit Listener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sks::issuer
