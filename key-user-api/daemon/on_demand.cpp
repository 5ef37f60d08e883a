#include "key-user-api/daemon/on_demand.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "key-user-api/daemon/options.h"

namespace sks::daemon {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kReady = "ready\n";
constexpr int kFirstSystemdSocket = 3;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before threads start
  return value == nullptr ? std::string() : std::string(value);
}

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 512> part{};
  for (;;) {
    const ssize_t got = ::read(descriptor, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
}

/// Nothing of the program that has started us: whoever waits for the end of one of its pipes must not wait for ours.
wire::Descriptor keep_only(wire::Descriptor kept) {
  constexpr int kPlace = STDERR_FILENO + 1;
  if (kept.number() != kPlace) {
    wire::Descriptor moved(::dup3(kept.number(), kPlace, O_CLOEXEC));
    kept.close();
    kept = std::move(moved);
  }
  static_cast<void>(::close_range(kPlace + 1, ~0U, 0));
  return kept;
}

void leave_terminal() {
  ::setsid();
  static_cast<void>(::chdir("/") == 0);
  const wire::Descriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing.number(), stream);
}

/// Where a Unix socket is that accepts connections, and does not block from now on: clients may be gone before they are
/// accepted. None for anything else.
std::optional<std::string> path_of_listener(int number) {
  int listens = 0;
  socklen_t size = sizeof(listens);
  sockaddr_un name{};
  socklen_t name_size = sizeof(name);
  if (::getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0 ||
      ::getsockname(number, reinterpret_cast<sockaddr*>(&name), &name_size) != 0 || name.sun_family != AF_UNIX)
    return std::nullopt;
  ::fcntl(number, F_SETFL, ::fcntl(number, F_GETFL) | O_NONBLOCK);
  return std::string(name.sun_path, ::strnlen(name.sun_path, name_size - offsetof(sockaddr_un, sun_path)));
}

}  // namespace

bool is_served(const std::string& socket) { return static_cast<bool>(wire::connect(wire::UnixAddress{socket}, 2s)); }

Result<void> make_socket_folder(const std::string& socket) {
  const std::filesystem::path folder = std::filesystem::path(socket).parent_path();
  std::error_code failure;
  std::filesystem::create_directories(folder.parent_path(), failure);
  if (!failure && ::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) failure = {errno, std::generic_category()};
  if (failure) return Error{Status::storage, "cannot make " + folder.string() + ": " + failure.message()};
  struct stat found {};
  if (::stat(folder.c_str(), &found) != 0) return wire::system_error(Status::storage, folder.string(), errno);
  if (found.st_uid == ::geteuid() && (found.st_mode & 022) == 0) return {};
  return Error{Status::not_allowed, folder.string() + " is no place for a socket: others may write there"};
}

void StartReport::ready() { tell(kReady); }
void StartReport::failed(std::string_view sentence) { tell(sentence); }

void StartReport::tell(std::string_view text) {
  if (!starter_) return;
  [[maybe_unused]] const ssize_t written = ::write(starter_.number(), text.data(), text.size());
  starter_.close();
}

Result<Detached> detach(std::ostream& err) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return wire::system_error(Status::not_available, "Cannot start", errno);
  wire::Descriptor reader(ends[0]);
  wire::Descriptor writer(ends[1]);
  const pid_t process = ::fork();
  if (process < 0) return wire::system_error(Status::not_available, "Cannot start", errno);
  if (process == 0) {
    reader.close();
    leave_terminal();
    return Detached{false, kExitOk, StartReport(keep_only(std::move(writer)))};
  }
  writer.close();
  const std::string told = read_all(reader.number());
  if (told == kReady) return Detached{true, kExitOk};
  complain(err, told.empty() ? "sksd has ended before it could serve" : told);
  return Detached{true, kExitRefused};
}

std::vector<BoundSocket> take_systemd_sockets() {
  const std::string count = environment("LISTEN_FDS");
  const bool is_for_us = environment("LISTEN_PID") == std::to_string(::getpid());
  for (const char* const name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  std::vector<BoundSocket> sockets;
  if (!is_for_us || (count != "1" && count != "2")) return sockets;
  for (int number = kFirstSystemdSocket; number < kFirstSystemdSocket + count[0] - '0'; ++number) {
    ::fcntl(number, F_SETFD, FD_CLOEXEC);
    if (const auto path = path_of_listener(number)) sockets.push_back({wire::Descriptor(number), *path});
  }
  return sockets;
}

void notify_systemd(std::string_view state) {
  const std::string place = environment("NOTIFY_SOCKET");
  sockaddr_un name{};
  if (place.empty() || place.size() >= sizeof(name.sun_path)) return;
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, place.data(), place.size());
  if (place[0] == '@') name.sun_path[0] = '\0';
  const wire::Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + place.size());
  static_cast<void>(::sendto(socket.number(), state.data(), state.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&name), size));
}

}  // namespace sks::daemon
