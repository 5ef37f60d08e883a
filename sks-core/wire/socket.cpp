#include "sks-core/wire/socket.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "sks-core/wire/frame.h"

namespace sks::wire {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What a connection that has sent nothing but a length may cost.
constexpr std::size_t kFirstRead = 4096;

Error gone() { return {Status::external, "The peer has closed the connection"}; }

/// For poll: -1 waits for ever.
int milliseconds_left(const Patience& patience) {
  if (!patience.until) return -1;
  const auto left = std::chrono::ceil<milliseconds>(*patience.until - steady_clock::now());
  return static_cast<int>(std::clamp<milliseconds::rep>(left.count(), 0, 1'000'000));
}

Result<void> receive(int socket, std::span<std::uint8_t> out, const Patience& patience) {
  while (!out.empty()) {
    const ssize_t received = ::recv(socket, out.data(), out.size(), MSG_DONTWAIT);
    if (received == 0) return gone();
    if (received > 0) {
      out = out.subspan(static_cast<std::size_t>(received));
    } else if (errno == EAGAIN) {
      SKS_TRY(wait_for(socket, POLLIN, patience));
    } else if (errno != EINTR) {
      return system_error(Status::external, "Cannot receive", errno);
    }
  }
  return {};
}

/// The socket address of one kind or the other.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

SocketAddress to_socket_address(const Address& address) {
  SocketAddress made;
  if (const auto* const local = std::get_if<UnixAddress>(&address)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    SKS_CHECK(local->path.size() < sizeof(name.sun_path));
    std::ranges::copy(local->path, name.sun_path);
    std::memcpy(&made.storage, &name, sizeof(name));
    made.size = sizeof(name);
    return made;
  }
  const TcpAddress& tcp = *std::get_if<TcpAddress>(&address);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(tcp.port);
  if (::inet_pton(AF_INET, tcp.host.c_str(), &v4.sin_addr) == 1) {
    std::memcpy(&made.storage, &v4, sizeof(v4));
    made.size = sizeof(v4);
    return made;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(tcp.port);
  SKS_CHECK(::inet_pton(AF_INET6, tcp.host.c_str(), &v6.sin6_addr) == 1);
  std::memcpy(&made.storage, &v6, sizeof(v6));
  made.size = sizeof(v6);
  return made;
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) ::close(number_);
}

Patience patience_for(milliseconds time, int stop) { return {steady_clock::now() + time, stop}; }

Error system_error(Status status, const std::string& what, int number) {
  return {status, what + ": " + std::generic_category().message(number)};
}

Result<void> wait_for(int socket, short events, const Patience& patience) {
  std::array<pollfd, 2> watched{pollfd{socket, events, 0}, pollfd{patience.stop, POLLIN, 0}};
  for (;;) {
    const int ready = ::poll(watched.data(), watched.size(), milliseconds_left(patience));
    if (ready < 0 && errno != EINTR) return system_error(Status::external, "Cannot wait for the peer", errno);
    if (ready > 0 && watched[1].revents != 0) return Error{Status::external, "The server stops"};
    if (ready > 0) return {};
    if (ready == 0 && patience.until && steady_clock::now() >= *patience.until)
      return Error{Status::external, "The peer has taken too long"};
  }
}

Result<SecureBytes> receive_frame(int socket, const Patience& patience) {
  std::array<std::uint8_t, kFrameHeaderSize> header{};
  SKS_TRY(receive(socket, header, patience));
  const std::size_t size = body_size(header);
  if (!is_body_size(size)) return Error{Status::external, "The peer has sent a frame of a forbidden length"};
  SecureBytes body(std::min(size, kFirstRead));
  for (std::size_t filled = 0;;) {
    SKS_TRY(receive(socket, body.span().subspan(filled), patience));
    filled = body.size();
    if (filled == size) return body;
    SecureBytes larger(std::min(size, 2 * filled));
    std::ranges::copy(body.view(), larger.data());
    body = std::move(larger);
  }
}

Result<void> send_frame(int socket, ByteView body, const Patience& patience) {
  SKS_CHECK(is_body_size(body.size()));
  std::array<std::uint8_t, kFrameHeaderSize> header = frame_header(static_cast<std::uint32_t>(body.size()));
  ByteView head(header);
  while (!head.empty() || !body.empty()) {
    // sendmsg does not write to what it sends, though its types say so.
    std::array<iovec, 2> parts{iovec{const_cast<std::uint8_t*>(head.data()), head.size()},
                               iovec{const_cast<std::uint8_t*>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      const std::size_t of_head = std::min(head.size(), static_cast<std::size_t>(sent));
      head = head.subspan(of_head);
      body = body.subspan(static_cast<std::size_t>(sent) - of_head);
    } else if (errno == EAGAIN) {
      SKS_TRY(wait_for(socket, POLLOUT, patience));
    } else if (errno != EINTR) {
      return system_error(Status::external, "Cannot send", errno);
    }
  }
  return {};
}

Result<Descriptor> make_socket(const Address& address, int flags) {
  Descriptor made(::socket(to_socket_address(address).storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!made) return system_error(Status::not_available, "No socket for " + to_string(address), errno);
  return made;
}

void send_without_delay(int socket) {
  const int on = 1;
  // Unix sockets refuse: they do not delay.
  static_cast<void>(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
}

int bind_socket(int socket, const Address& address) {
  const SocketAddress name = to_socket_address(address);
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&name.storage), name.size) == 0 ? 0 : errno;
}

int connect_socket(int socket, const Address& address) {
  const SocketAddress name = to_socket_address(address);
  for (;;) {
    if (::connect(socket, reinterpret_cast<const sockaddr*>(&name.storage), name.size) == 0) return 0;
    if (errno == EISCONN) return 0;  // a signal came in between
    if (errno != EINTR) return errno;
  }
}

Result<Descriptor> connect(const Address& address, milliseconds timeout) {
  SKS_LET(Descriptor made, make_socket(address));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timeval limit{seconds.count(), std::chrono::microseconds(timeout - seconds).count()};
  static_cast<void>(::setsockopt(made.number(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)));
  if (const int number = connect_socket(made.number(), address); number != 0)
    return system_error(Status::not_available, "Cannot connect to " + to_string(address), number);
  if (std::holds_alternative<UnixAddress>(address) && !is_of_our_user(made.number()))
    return Error{Status::not_available, to_string(address) + " is served by a process of another user"};
  send_without_delay(made.number());
  return made;
}

bool is_of_our_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

}  // namespace sks::wire
