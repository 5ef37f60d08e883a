#include "key-user-api/pkcs11/socket_line.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sks-core/wire/attentive_receiver.h"
#include "sks-core/wire/frame.h"

namespace sks::p11 {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kSendPatience{10};
/// How often a wait for an answer looks at the time.
constexpr std::chrono::seconds kTick{1};
/// Longer than it takes to sign with RSA-2048.
constexpr std::chrono::microseconds kAttention{400};
/// Most answers fit, and are read by one system call.
constexpr std::size_t kFirstRead = 2048;

timeval time_value(std::chrono::seconds time) { return {static_cast<time_t>(time.count()), 0}; }

bool set_timeout(int socket, int option, std::chrono::seconds time) {
  const timeval value = time_value(time);
  return ::setsockopt(socket, SOL_SOCKET, option, &value, sizeof value) == 0;
}

bool is_of_our_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

class SocketLine final : public Line {
 public:
  SocketLine(Descriptors& descriptors, std::size_t place, int socket)
      : descriptors_(descriptors), place_(place), socket_(socket) {}
  SocketLine(const SocketLine&) = delete;
  SocketLine& operator=(const SocketLine&) = delete;
  ~SocketLine() override;

  Delivery exchange(ByteView request, std::chrono::seconds patience, SecureBytes& answer) override;

 private:
  Delivery send(ByteView request) const;
  bool receive(std::chrono::seconds patience, SecureBytes& answer);
  /// Reads until `buffer` has at least `needed` bytes. `until` is set when the first wait is over. False at the end of
  /// the stream, at an error, and when it takes too long.
  bool fill(std::span<std::uint8_t> buffer, std::size_t& filled, std::size_t needed, std::chrono::seconds patience,
            std::optional<steady_clock::time_point>& until);

  Descriptors& descriptors_;
  std::size_t place_;
  int socket_;
  wire::AttentiveReceiver receiver_{kAttention};
};

SocketLine::~SocketLine() {
  const int socket = descriptors_.take(place_);
  if (socket < 0) return;
  // A child of ours that has never called the module again still holds its end of the socket.
  ::shutdown(socket, SHUT_RDWR);
  ::close(socket);
}

Delivery SocketLine::exchange(ByteView request, std::chrono::seconds patience, SecureBytes& answer) {
  if (!wire::is_body_size(request.size()) || !descriptors_.is_there(place_)) return Delivery::not_sent;
  if (const Delivery sent = send(request); sent != Delivery::answered) return sent;
  return receive(patience, answer) ? Delivery::answered : Delivery::unknown;
}

/// `answered` when all of it is under way. A frame that is not whole is carried out by nobody.
Delivery SocketLine::send(ByteView request) const {
  auto header = wire::frame_header(static_cast<std::uint32_t>(request.size()));
  // iovec knows no const; sendmsg does not write.
  std::array<iovec, 2> parts{iovec{header.data(), header.size()},
                             iovec{const_cast<std::uint8_t*>(request.data()), request.size()}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  for (;;) {
    const ssize_t result = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (result < 0 && errno == EINTR) continue;
    // Somebody is there and reads nothing: he would not read it the next time either.
    if (result < 0 && errno == EAGAIN) return Delivery::unknown;
    if (result < 0) return Delivery::not_sent;
    std::size_t sent = static_cast<std::size_t>(result);
    while (message.msg_iovlen > 0 && sent >= message.msg_iov->iov_len) {
      sent -= message.msg_iov->iov_len;
      ++message.msg_iov;
      --message.msg_iovlen;
    }
    if (message.msg_iovlen == 0) return Delivery::answered;
    message.msg_iov->iov_base = static_cast<std::uint8_t*>(message.msg_iov->iov_base) + sent;
    message.msg_iov->iov_len -= sent;
  }
}

bool SocketLine::fill(std::span<std::uint8_t> buffer, std::size_t& filled, std::size_t needed,
                      std::chrono::seconds patience, std::optional<steady_clock::time_point>& until) {
  while (filled < needed) {
    const ssize_t result = receiver_.receive(socket_, buffer.subspan(filled));
    if (result == 0 || (result < 0 && errno != EINTR && errno != EAGAIN)) return false;
    if (result > 0) filled += static_cast<std::size_t>(result);
    if (filled >= needed) break;
    const auto now = steady_clock::now();
    if (!until) until = now + patience;
    if (now >= *until) return false;
  }
  return true;
}

bool SocketLine::receive(std::chrono::seconds patience, SecureBytes& answer) {
  std::array<std::uint8_t, kFirstRead> first;
  std::size_t filled = 0;
  std::optional<steady_clock::time_point> until;
  const auto take_whole = [&]() -> bool {
    if (!fill(first, filled, wire::kFrameHeaderSize, patience, until)) return false;
    const std::size_t size = wire::body_size(std::span(first).first<wire::kFrameHeaderSize>());
    const std::size_t have = filled - wire::kFrameHeaderSize;
    // More than one frame: nobody speaks out of turn.
    if (!wire::is_body_size(size) || have > size) return false;
    answer = SecureBytes(size);
    std::memcpy(answer.data(), first.data() + wire::kFrameHeaderSize, have);
    std::size_t body_filled = have;
    return fill(answer.span(), body_filled, size, patience, until);
  };
  const bool whole = take_whole();
  cleanse(std::span(first).first(filled));
  return whole;
}

enum class Reached { yes, nobody, failed };

struct Attempt {
  Reached reached;
  std::unique_ptr<Line> line;
};

Attempt try_to_connect(const std::string& path, Descriptors& descriptors) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return {Reached::failed, nullptr};
  std::memcpy(address.sun_path, path.data(), path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return {Reached::failed, nullptr};
  const std::optional<std::size_t> place = descriptors.keep(socket);
  if (!place) {
    ::close(socket);
    return {Reached::failed, nullptr};
  }
  auto line = std::make_unique<SocketLine>(descriptors, *place, socket);
  if (!set_timeout(socket, SO_SNDTIMEO, kSendPatience) || !set_timeout(socket, SO_RCVTIMEO, kTick))
    return {Reached::failed, nullptr};
  int result = 0;
  do {
    result = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    const bool nobody = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR;
    return {nobody ? Reached::nobody : Reached::failed, nullptr};
  }
  // PINs go to nobody else.
  if (!is_of_our_user(socket)) return {Reached::failed, nullptr};
  return {Reached::yes, std::move(line)};
}

}  // namespace

std::unique_ptr<Line> SocketExchange::connect() {
  Attempt attempt = try_to_connect(socket_, descriptors_);
  if (attempt.reached == Reached::nobody && start_.run()) attempt = try_to_connect(socket_, descriptors_);
  return std::move(attempt.line);
}

}  // namespace sks::p11
