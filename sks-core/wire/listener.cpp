#include "sks-core/wire/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

namespace sks::wire {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kProbeTimeout{1'000};
constexpr milliseconds kLockPatience{2'000};
constexpr milliseconds kLockPause{20};
constexpr mode_t kSocketMode = 0600;

Error unavailable(const Address& address, const std::string& what) {
  return {Status::not_available, to_string(address) + ' ' + what};
}

Error cannot_serve(const Address& address, int number) {
  return system_error(Status::not_available, "Cannot serve " + to_string(address), number);
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Two servers that start at the same moment must not both take away the same dead socket file, or the second one takes
/// away that of the first. So each one holds a lock on the folder while it looks and acts.
Result<Descriptor> lock_folder(const UnixAddress& address) {
  Descriptor folder(::open(folder_of(address.path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return cannot_serve(address, errno);
  for (const auto until = steady_clock::now() + kLockPatience; ::flock(folder.number(), LOCK_EX | LOCK_NB) != 0;) {
    if (errno != EWOULDBLOCK && errno != EINTR) return cannot_serve(address, errno);
    if (steady_clock::now() > until) return unavailable(address, "is in a folder that another process has locked");
    std::this_thread::sleep_for(kLockPause);
  }
  return folder;
}

/// Makes way for a new socket file if there is only a dead one.
Result<void> make_way(const UnixAddress& address) {
  struct stat found {};
  if (::lstat(address.path.c_str(), &found) != 0) {
    if (errno == ENOENT) return {};
    return cannot_serve(address, errno);
  }
  if (!S_ISSOCK(found.st_mode)) return unavailable(address, "is in use: there is a file that is no socket");
  SKS_LET(const Descriptor probe, make_socket(address));
  const timeval limit{std::chrono::duration_cast<std::chrono::seconds>(kProbeTimeout).count(), 0};
  static_cast<void>(::setsockopt(probe.number(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)));
  const int number = connect_socket(probe.number(), address);
  if (number == 0 || number == EAGAIN) return unavailable(address, "is served by another process already");
  if (number != ECONNREFUSED) return cannot_serve(address, number);
  if (::unlink(address.path.c_str()) != 0) return cannot_serve(address, errno);
  return {};
}

}  // namespace

Result<Listener> Listener::open(Address address) {
  if (const auto* const local = std::get_if<UnixAddress>(&address)) return open_unix(*local);
  return open_tcp(*std::get_if<TcpAddress>(&address));
}

Result<Listener> Listener::open_unix(UnixAddress address) {
  SKS_LET(const Descriptor lock, lock_folder(address));
  SKS_TRY(make_way(address));
  SKS_LET(Descriptor socket, make_socket(address, SOCK_NONBLOCK));
  // The file gets the mode of the socket, so that there is no moment at which others may connect.
  if (::fchmod(socket.number(), kSocketMode) != 0) return cannot_serve(address, errno);
  if (const int number = bind_socket(socket.number(), address); number != 0) return cannot_serve(address, number);
  Listener listener(address, std::move(socket));
  struct stat made {};
  if (::lstat(address.path.c_str(), &made) != 0) return cannot_serve(address, errno);
  listener.device_ = made.st_dev;
  listener.inode_ = made.st_ino;
  if ((made.st_mode & 0777) != kSocketMode) return unavailable(address, "cannot be kept from other users");
  if (::listen(listener.number(), SOMAXCONN) != 0) return cannot_serve(address, errno);
  return listener;
}

Result<Listener> Listener::open_tcp(TcpAddress address) {
  SKS_LET(Descriptor socket, make_socket(address, SOCK_NONBLOCK));
  const int on = 1;  // the port may be in the last minute of an earlier server
  static_cast<void>(::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
  int number = bind_socket(socket.number(), address);
  if (number == 0 && ::listen(socket.number(), SOMAXCONN) != 0) number = errno;
  if (number == EADDRINUSE) return unavailable(address, "is served by another process already");
  if (number != 0) return cannot_serve(address, number);
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  if (::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&bound), &size) != 0)
    return cannot_serve(address, errno);
  address.port = ntohs(bound.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in&>(bound).sin_port
                                                  : reinterpret_cast<const sockaddr_in6&>(bound).sin6_port);
  return Listener(address, std::move(socket));
}

/// Only the file that we made: another server may have put its own into the place.
Listener::~Listener() {
  const auto* const local = std::get_if<UnixAddress>(&address_);
  struct stat found {};
  if (!socket_ || local == nullptr || ::lstat(local->path.c_str(), &found) != 0) return;
  if (found.st_dev == device_ && found.st_ino == inode_) ::unlink(local->path.c_str());
}

}  // namespace sks::wire
