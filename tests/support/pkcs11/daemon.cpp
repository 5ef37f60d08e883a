#include "tests/support/pkcs11/daemon.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace sks::pkcs11_client {
namespace {

namespace fs = std::filesystem;

/// Inode numbers of the sockets that are bound to this path or below it.
std::set<std::string> sockets_at(const std::string& path) {
  std::set<std::string> inodes;
  std::ifstream table("/proc/net/unix");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string word;
    std::string inode;
    std::string name;
    for (int column = 0; column < 7 && words >> word; ++column) inode = word;
    words >> name;
    if (name == path || name.starts_with(path + "/")) inodes.insert(inode);
  }
  return inodes;
}

bool holds_one_of(const fs::path& process, const std::set<std::string>& inodes) {
  std::error_code error;
  for (fs::directory_iterator descriptor(process / "fd", error), end; !error && descriptor != end;
       descriptor.increment(error)) {
    std::error_code unreadable;
    const std::string target = fs::read_symlink(descriptor->path(), unreadable).string();
    if (!target.starts_with("socket:[") || !target.ends_with(']')) continue;
    if (inodes.contains(target.substr(8, target.size() - 9))) return true;
  }
  return false;
}

/// Who called listen(): what is left when /proc does not tell, because the process is not dumpable.
std::optional<pid_t> peer_of(const std::string& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, socket.data(), socket.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                     ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  ::close(descriptor);
  if (!known || !is_running(peer.pid)) return std::nullopt;
  return peer.pid;
}

std::size_t kibibytes_after(const fs::path& file, std::string_view name) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    std::istringstream rest(line.substr(name.size()));
    std::size_t value = 0;
    rest >> value;
    return value;
  }
  return 0;
}

fs::path folder_of(pid_t pid) { return fs::path("/proc") / std::to_string(pid); }

}  // namespace

std::optional<pid_t> listener_of(const std::string& socket_or_folder) {
  const std::set<std::string> inodes = sockets_at(socket_or_folder);
  if (inodes.empty()) return std::nullopt;
  std::optional<pid_t> lowest;
  std::error_code error;
  for (fs::directory_iterator process("/proc", error), end; !error && process != end; process.increment(error)) {
    const std::string name = process->path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc() || pid == ::getpid()) continue;
    if ((!lowest || pid < *lowest) && holds_one_of(process->path(), inodes)) lowest = pid;
  }
  if (lowest) return lowest;
  if (!fs::is_directory(socket_or_folder, error)) return peer_of(socket_or_folder);
  for (fs::directory_iterator socket(socket_or_folder, error), end; !error && socket != end; socket.increment(error))
    if (const auto peer = peer_of(socket->path().string())) return peer;
  return std::nullopt;
}

bool is_running(pid_t pid) {
  std::ifstream stat(folder_of(pid) / "stat");
  std::string text((std::istreambuf_iterator<char>(stat)), std::istreambuf_iterator<char>());
  const std::size_t name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] != 'Z';
}

std::size_t resident_memory(pid_t pid) {
  const std::size_t exact = kibibytes_after(folder_of(pid) / "smaps_rollup", "Rss:");
  return 1024 * (exact != 0 ? exact : kibibytes_after(folder_of(pid) / "status", "VmRSS:"));
}

}  // namespace sks::pkcs11_client
