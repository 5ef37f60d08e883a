#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "provisioning-server/http_handler.h"
#include "provisioning-server/listener/connection_limits.h"
#include "provisioning-server/operations/rate_limit.h"

namespace sks::issuer {

/// Counts the requests that are answered later, by threads that do not belong to the listener: it cannot go before they
/// have been.
class PendingResponses {
 public:
  void begin() {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) none_left_.notify_all();
  }
  void wait_for_all() {
    std::unique_lock lock(mutex_);
    none_left_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_left_;
  std::size_t count_ = 0;
};

/// What the connections of one kind of address share.
struct ConnectionPorts {
  std::function<std::shared_ptr<const HttpHandler>()> handler;  ///< asked for each request
  std::shared_ptr<RateLimit> requests;                          ///< by rate_key(); none: no limit
  std::size_t requests_per_connection;
  boost::asio::thread_pool& workers;  ///< where the handler runs when it may wait, for the database above all
  PendingResponses& pending;
};

/// One connection: reads a request, asks the handler, in a thread of its own pool if it may wait, writes the response,
/// and again.
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
