#include "sks-core/wire/socket_channel.h"

#include <sys/socket.h>

#include <cerrno>

#include "sks-core/wire/frame.h"

namespace sks::wire {

Result<std::unique_ptr<SocketChannel>> SocketChannel::connect(const Address& address, SocketTimeouts timeouts) {
  SKS_LET(Descriptor socket, wire::connect(address, timeouts.connect));
  return std::unique_ptr<SocketChannel>(new SocketChannel(address, timeouts, std::move(socket)));
}

Result<SecureBytes> SocketChannel::transact(ByteView request) {
  if (!is_body_size(request.size())) return Error{Status::option, "The request does not fit into a frame"};
  if (!is_usable()) {
    socket_.close();
    SKS_LET(socket_, wire::connect(address_, timeouts_.connect));
  }
  auto response = exchange(request);
  if (!response) socket_.close();
  return response;
}

/// Whether the connection is there and silent. A server that has been started anew since the last call has left, and
/// nobody speaks out of turn.
bool SocketChannel::is_usable() const {
  if (!socket_) return false;
  std::uint8_t byte = 0;
  const ssize_t received = ::recv(socket_.number(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return received < 0 && errno == EAGAIN;
}

Result<SecureBytes> SocketChannel::exchange(ByteView request) const {
  SKS_TRY(send_frame(socket_.number(), request, patience_for(timeouts_.send)));
  return receive_frame(socket_.number(), patience_for(timeouts_.answer));
}

}  // namespace sks::wire
