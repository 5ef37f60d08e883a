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

namespace sks::wire {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// What a connection that has sent nothing but a length may cost.
constexpr std::size_t kFirstRead = 4096;

Error gone() { return {Status::external, "The peer has closed the connection"}; }

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

Patience patience_for(milliseconds time) { return {steady_clock::now() + time}; }

int milliseconds_left(const Patience& patience) {
  const auto left = std::chrono::ceil<milliseconds>(patience.until - steady_clock::now());
  return static_cast<int>(std::clamp<milliseconds::rep>(left.count(), 0, 1'000'000));
}

Error system_error(Status status, const std::string& what, int number) {
  return {status, what + ": " + std::generic_category().message(number)};
}

Result<void> wait_for(int socket, short events, const Patience& patience) {
  pollfd watched{socket, events, 0};
  for (;;) {
    const int ready = ::poll(&watched, 1, milliseconds_left(patience));
    if (ready < 0 && errno != EINTR) return system_error(Status::external, "Cannot wait for the peer", errno);
    if (ready > 0) return {};
    if (ready == 0 && steady_clock::now() >= patience.until)
      return Error{Status::external, "The peer has taken too long"};
  }
}

/// Where the next bytes go. Doubles a body that is full and not whole.
std::span<std::uint8_t> FrameReader::room() {
  if (header_filled_ < header_.size()) return std::span(header_).subspan(header_filled_);
  if (body_filled_ == body_.size()) {
    SecureBytes larger(std::min<std::size_t>(body_size(header_), std::max(kFirstRead, 2 * body_filled_)));
    std::ranges::copy(body_.view(), larger.data());
    body_ = std::move(larger);
  }
  return body_.span().subspan(body_filled_);
}

bool FrameReader::is_forbidden() const {
  const std::size_t announced = body_size(header_);
  return header_filled_ == header_.size() && (!is_body_size(announced) || announced > max_);
}

Result<std::optional<SecureBytes>> FrameReader::advance(int socket) {
  for (;;) {
    const std::span<std::uint8_t> out = room();
    const ssize_t received = ::recv(socket, out.data(), out.size(), MSG_DONTWAIT);
    if (received == 0) return gone();
    if (received < 0 && errno == EAGAIN) return std::optional<SecureBytes>();
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return system_error(Status::external, "Cannot receive", errno);
    if (header_filled_ < header_.size()) {
      header_filled_ += static_cast<std::size_t>(received);
      if (is_forbidden()) return Error{Status::external, "The peer has sent a frame of a forbidden length"};
      continue;
    }
    body_filled_ += static_cast<std::size_t>(received);
    if (body_filled_ < body_size(header_)) continue;
    FrameReader whole = std::exchange(*this, FrameReader(max_));
    return std::optional(std::move(whole.body_));
  }
}

Result<SecureBytes> receive_frame(int socket, const Patience& patience) {
  FrameReader reader;
  return receive_frame(socket, patience, reader);
}

Result<SecureBytes> receive_frame(int socket, const Patience& patience, FrameReader& reader) {
  for (;;) {
    SKS_LET(std::optional<SecureBytes> body, reader.advance(socket));
    if (body) return std::move(*body);
    SKS_TRY(wait_for(socket, POLLIN, patience));
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
