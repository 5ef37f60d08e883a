#pragma once

#include <sys/types.h>

#include "sks-core/wire/socket.h"

namespace sks::wire {

/// A socket that clients connect to. A Unix socket has mode 0600, and its file goes with the listener.
class Listener {
 public:
  /// Replaces the socket file of a server that is dead. Fails with not_available: a server is alive at that address, a
  /// file is in the way, or what the system says.
  static Result<Listener> open(Address address);

  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  /// Does not block: a client may be gone before it is accepted.
  int number() const { return socket_.number(); }
  /// With the port that the system chose for port 0.
  const Address& address() const { return address_; }

 private:
  Listener(Address address, Descriptor socket) : address_(std::move(address)), socket_(std::move(socket)) {}
  static Result<Listener> open_unix(UnixAddress address);
  static Result<Listener> open_tcp(TcpAddress address);

  Address address_;
  Descriptor socket_;
  dev_t device_ = 0;  ///< of the socket file
  ino_t inode_ = 0;
};

}  // namespace sks::wire
