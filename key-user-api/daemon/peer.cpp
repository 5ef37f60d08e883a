#include "key-user-api/daemon/peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <climits>

namespace sks::daemon {
namespace {

thread_local int t_client = -1;

/// Empty when the system does not tell: the process is gone, or hides.
std::string executable_of(pid_t pid) {
  std::array<char, PATH_MAX> name{};
  const std::string link = "/proc/" + std::to_string(pid) + "/exe";
  const ssize_t size = ::readlink(link.c_str(), name.data(), name.size());
  return size > 0 ? std::string(name.data(), static_cast<std::size_t>(size)) : std::string();
}

}  // namespace

std::optional<Peer> peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  return Peer{credentials.uid, {executable_of(credentials.pid), static_cast<std::uint32_t>(credentials.pid)}};
}

int current_client() { return t_client; }

WorkingFor::WorkingFor(int socket) { t_client = socket; }
WorkingFor::~WorkingFor() { t_client = -1; }

}  // namespace sks::daemon
