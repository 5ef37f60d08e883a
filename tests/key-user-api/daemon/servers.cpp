#include "tests/key-user-api/daemon/servers.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>

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

wire::Descriptor bound_socket(const std::string& path) {
  const wire::Address address = wire::UnixAddress{path};
  wire::Descriptor socket = wire::make_socket(address).value();
  if (wire::bind_socket(socket.number(), address) != 0 || ::listen(socket.number(), 8) != 0) socket.close();
  return socket;
}

void hand_over(const std::vector<int>& sockets) {
  constexpr int kOutOfTheWay = 100;
  std::vector<int> moved;
  for (const int socket : sockets) moved.push_back(::fcntl(socket, F_DUPFD_CLOEXEC, kOutOfTheWay));
  for (int number = 3; const int socket : moved) ::dup2(socket, number++);
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", std::to_string(sockets.size()).c_str(), 1);
}

}  // namespace sks::test
