#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "sks-core/engine/secure_key_store.h"
#include "sks-core/wire/address.h"

namespace sks::wire {

struct ServerOptions {
  std::size_t max_connections = 64;  ///< one more is closed at once
  /// From the first byte of a frame to its last. Between frames a client may be silent as long as it likes.
  std::chrono::milliseconds frame_timeout{10'000};
  std::chrono::milliseconds answer_timeout{10'000};  ///< for a client to take its answer
};

/// Serves a key store on Unix and loopback TCP sockets: any number of connections, one thread for each. Requests that
/// work on sessions are served one at a time, in the order in which they arrive.
///
/// Unix sockets serve processes of our own user only. TCP sockets cannot tell who is there: they are for tests. Frames
/// of a forbidden length, half frames and clients that do not read end their connection and no other. Sessions are the
/// store's and survive connections.
class Server {
 public:
  /// `store` must be thread-safe and outlive the server. Fails with not_available, see Listener::open.
  static Result<std::unique_ptr<Server>> open(const std::vector<Address>& addresses, SecureKeyStore& store,
                                              ServerOptions options = {});
  ~Server();

  /// With the ports that the system chose for port 0.
  std::vector<Address> addresses() const;

  /// Serves until stop(); calls that run then are finished and answered, everything else is closed. Call it once.
  void run();

  /// From any thread, and from a signal handler.
  void stop() noexcept;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sks::wire
