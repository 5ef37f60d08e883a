#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>

#include "provisioning-server/http_handler.h"
#include "provisioning-server/listener/connection_limits.h"
#include "provisioning-server/operations/rate_limit.h"

namespace sks::issuer {

/// What the connections of one kind of address share.
struct ConnectionPorts {
  std::function<std::shared_ptr<const HttpHandler>()> handler;  ///< asked for each request
  std::shared_ptr<RateLimit> requests;                          ///< by rate_key(); none: no limit
  std::size_t requests_per_connection;
  boost::asio::thread_pool& workers;  ///< where the handler runs: it may wait for the database
};

/// One connection: reads a request, asks the handler in a thread of its own pool, writes the response, and again.
///
/// A client that keeps it waiting loses it: 10 s for the TLS handshake, 60 s until a request begins, then 10 s for its
/// header. Its body, and taking the response, may last 10 s and a second more for every 4 KiB, at most 60 s. A request
/// must stand in 16 KiB of header with at most
/// 64 fields, and 1 MiB of body. Requests that were sent ahead are answered one after the other.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual void start() = 0;
  /// Closes at once when no request has begun, otherwise after its response. Safe for any thread.
  virtual void stop() = 0;
};

/// `tls` none: plain HTTP. `peer` is the address of the client.
std::shared_ptr<Connection> make_connection(boost::asio::ip::tcp::socket socket, std::string peer,
                                            std::shared_ptr<boost::asio::ssl::context> tls, ConnectionPorts ports,
                                            std::unique_ptr<ConnectionLimits::Permit> permit);

}  // namespace sks::issuer
