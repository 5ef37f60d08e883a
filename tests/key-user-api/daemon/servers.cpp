#include "tests/key-user-api/daemon/servers.h"

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>

#include "sks-core/wire/socket.h"

namespace sks::test {

pid_t server_behind(const std::string& socket) {
  const auto connection = wire::connect(wire::UnixAddress{socket}, std::chrono::seconds(1));
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (!connection || ::getsockopt(connection->number(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return 0;
  return peer.pid;
}

void end_servers_in(const std::string& folder) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none))
    if (const pid_t pid = server_behind(entry.path().string()); pid > 0 && pid != ::getpid()) ::kill(pid, SIGKILL);
}

}  // namespace sks::test
