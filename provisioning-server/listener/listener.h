#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "provisioning-server/http_handler.h"
#include "provisioning-server/listener/listen_address.h"
#include "provisioning-server/listener/tls_context.h"

namespace sks::issuer {

/// What a reload replaces as a whole. A request keeps what it has begun with.
struct Service {
  std::shared_ptr<const HttpHandler> handler;
  std::shared_ptr<boost::asio::ssl::context> tls;
};

/// What is served over plain HTTP, on addresses of its own, until the process ends.
struct PlainService {
  std::vector<ListenAddress> addresses;
  std::shared_ptr<const HttpHandler> handler;
  /// Not those of everybody: how the server is has to be known above all when every other request waits.
  bool has_own_threads = false;
};

struct ListenerOptions {
  std::vector<ListenAddress> addresses;
  std::vector<PlainService> plain;
  std::size_t connections = 1024;              ///< over TLS; more wait to be accepted, and a warning says so
  std::size_t connections_per_address = 0;     ///< of each service; 0: no limit
  double requests_per_second_per_address = 0;  ///< 0: no limit
  std::size_t requests_per_connection = 1000;
  std::size_t threads = 16;  ///< in which handlers run that may wait
  std::int64_t drain_seconds = 10;
};

/// What the process wants to know while it serves. every_minute and reload may wait: they run one at a time, in a
/// thread of their own, also while the others do.
struct ListenerEvents {
  /// The service from here on; none keeps the one that there is.
  std::function<std::optional<Service>()> every_minute;
  std::function<std::optional<Service>()> reload;  ///< the same on SIGHUP
  /// SIGTERM or SIGINT: requests in flight are finished, nothing new is accepted.
  std::function<void()> drain;
  /// Nobody gets an answer any more: handlers that still run keep the process from its end.
  std::function<void()> cut_off;
};

/// The server around handlers: limits, timeouts, signals. Decides nothing about requests.
class Listener {
 public:
  /// Binds every address and takes over SIGTERM, SIGINT and SIGHUP. Fails with not_available (cannot listen).
  static Result<std::unique_ptr<Listener>> open(ListenerOptions options, Service service);
  ~Listener();

  /// Serves until SIGTERM or SIGINT, then finishes the requests in flight, for as long as the options say.
  /// Plain addresses answer to the end. Handlers that have not begun by then never do; those that have are waited for.
  void run(ListenerEvents events);

 private:
  struct Impl;
  explicit Listener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sks::issuer
