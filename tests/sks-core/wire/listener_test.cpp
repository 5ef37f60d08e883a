#include "sks-core/wire/listener.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "tests/sks-core/wire/running_server.h"
#include "tests/sks-core/wire/spy_store.h"

namespace sks::test {
namespace {

using std::chrono::milliseconds;
using wire::Listener;

struct Place {
  TempDir folder;
  std::string path = folder.file("sks");
  wire::UnixAddress address{path};
};

std::string refusal(const wire::Address& address) {
  const Result<Listener> listener = Listener::open(address);
  if (listener) return "(none)";
  CHECK(listener.error().status == Status::not_available);
  return listener.error().detail;
}

bool exists(const std::string& path) { return std::filesystem::exists(std::filesystem::symlink_status(path)); }

/// A socket file whose server is gone.
void leave_dead_socket(const wire::UnixAddress& address) {
  const wire::Descriptor socket = wire::make_socket(address).value();
  REQUIRE(wire::bind_socket(socket.number(), address) == 0);
  REQUIRE(::listen(socket.number(), 1) == 0);
}

constexpr uid_t kNobody = 65534;

/// Runs `body` in a child process of another user and returns its exit code; none when we may not become that user.
template <class Body>
std::optional<int> as_another_user(Body body) {
  if (::geteuid() != 0) {
    MESSAGE("skipped: only root can act as another user");
    return std::nullopt;
  }
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(::setuid(kNobody) == 0 ? body() : 99);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("Listener: a socket file is for its owner alone, from the first moment, and goes with the listener") {
  const Place place;
  const mode_t mask = ::umask(0);
  {
    const Result<Listener> listener = Listener::open(place.address);
    ::umask(mask);
    REQUIRE(listener);
    struct stat made {};
    REQUIRE(::lstat(place.path.c_str(), &made) == 0);
    CHECK(S_ISSOCK(made.st_mode));
    CHECK((made.st_mode & 0777) == 0600);
  }
  CHECK_FALSE(exists(place.path));
}

TEST_CASE("Listener: replaces the socket file of a dead server") {
  const Place place;
  leave_dead_socket(place.address);
  REQUIRE(exists(place.path));
  SpyStore store;
  const RunningServer server(place.address, store);
  RawClient client(place.address);
  client.send("00000005 50 00000021");
  CHECK(client.receive(5).substr(8) == "09");
}

TEST_CASE("Listener: refuses the address of a living server and leaves it alone") {
  const Place place;
  SpyStore store;
  const RunningServer server(place.address, store);
  CHECK(refusal(place.address) == "unix:" + place.path + " is served by another process already");
  RawClient client(place.address);
  client.send("00000005 50 00000021");
  CHECK(client.receive(5).substr(8) == "09");

  const RunningServer tcp(wire::TcpAddress{"127.0.0.1", 0}, store);
  CHECK(refusal(tcp.address()) == to_string(tcp.address()) + " is served by another process already");
}

TEST_CASE("Listener: refuses a server that is alive and too busy to answer") {
  const Place place;
  const wire::Descriptor busy = wire::make_socket(place.address).value();
  REQUIRE(wire::bind_socket(busy.number(), place.address) == 0);
  REQUIRE(::listen(busy.number(), 0) == 0);
  const wire::Descriptor waiting = wire::connect(place.address, milliseconds(500)).value();
  CHECK(refusal(place.address) == "unix:" + place.path + " is served by another process already");
}

TEST_CASE("Listener: does not take away what is no socket") {
  const Place place;
  const std::string in_the_way = "unix:" + place.path + " is in use: there is a file that is no socket";
  write_file(place.path, "precious");
  CHECK(refusal(place.address) == in_the_way);
  CHECK(read_file(place.path) == "precious");
  std::filesystem::remove(place.path);

  std::filesystem::create_directory(place.path);
  CHECK(refusal(place.address) == in_the_way);
  std::filesystem::remove(place.path);

  leave_dead_socket({place.folder.file("elsewhere")});
  std::filesystem::create_symlink(place.folder.file("elsewhere"), place.path);
  CHECK(refusal(place.address) == in_the_way);
  CHECK(exists(place.folder.file("elsewhere")));
}

TEST_CASE("Listener: says what stands in the way of a socket file") {
  const Place place;
  CHECK(refusal(wire::UnixAddress{place.folder.file("no/such/folder")}) ==
        "Cannot serve unix:" + place.folder.file("no/such/folder") + ": No such file or directory");
}

TEST_CASE("Listener: leaves the file of a successor alone") {
  const Place place;
  {
    const Result<Listener> listener = Listener::open(place.address);
    REQUIRE(listener);
    std::filesystem::remove(place.path);
    leave_dead_socket(place.address);
  }
  CHECK(exists(place.path));
}

TEST_CASE("Listener: of several that start over a dead socket file, one wins") {
  for (int round = 0; round < 10; ++round) {
    const Place place;
    leave_dead_socket(place.address);
    std::array<std::optional<Result<Listener>>, 4> opened;
    std::vector<std::thread> threads;
    for (auto& one : opened) threads.emplace_back([&one, &place] { one.emplace(Listener::open(place.address)); });
    for (std::thread& thread : threads) thread.join();
    CHECK(std::ranges::count_if(opened, [](const auto& one) { return static_cast<bool>(*one); }) == 1);
    CHECK(wire::connect(place.address, milliseconds(500)));
  }
}

TEST_CASE("Listener: tells the port that the system has chosen") {
  const Result<Listener> listener = Listener::open(wire::TcpAddress{"127.0.0.1", 0});
  REQUIRE(listener);
  CHECK(std::get<wire::TcpAddress>(listener->address()).port != 0);
}

TEST_CASE("Server: closes the connection of another user, whatever the mode of the file") {
  const Place place;
  SpyStore store;
  const RunningServer server(place.address, store);
  std::filesystem::permissions(place.folder.path(), std::filesystem::perms(0755));
  std::filesystem::permissions(place.path, std::filesystem::perms(0666));
  const std::optional<int> outcome = as_another_user([&] {
    const wire::Descriptor socket = wire::make_socket(place.address).value();
    if (wire::connect_socket(socket.number(), place.address) != 0) return 2;
    std::uint8_t byte = 0;
    return ::recv(socket.number(), &byte, 1, 0) <= 0 ? 7 : 1;
  });
  CHECK((!outcome || *outcome == 7));
  std::filesystem::permissions(place.path, std::filesystem::perms(0600));
  const std::optional<int> kept_out = as_another_user([&] {
    const wire::Descriptor socket = wire::make_socket(place.address).value();
    return wire::connect_socket(socket.number(), place.address) == EACCES ? 7 : 1;
  });
  CHECK((!kept_out || *kept_out == 7));
  CHECK(store.calls == 0);
  RawClient client(place.address);
  client.send("00000005 50 00000021");
  CHECK(client.receive(5).substr(8) == "09");
}

TEST_CASE("connect: does not talk to the server of another user") {
  const Place place;
  std::filesystem::permissions(place.folder.path(), std::filesystem::perms(0777));
  std::array<int, 2> hold{};
  REQUIRE(::pipe(hold.data()) == 0);
  wire::Descriptor child_end(hold[0]);
  wire::Descriptor our_end(hold[1]);
  std::thread other([&] {
    as_another_user([&] {
      our_end.close();
      const wire::Descriptor socket = wire::make_socket(place.address).value();
      if (wire::bind_socket(socket.number(), place.address) != 0 || ::listen(socket.number(), 1) != 0) return 1;
      char byte = 0;
      return static_cast<int>(::read(child_end.number(), &byte, 1));  // until the test is over
    });
  });
  if (::geteuid() == 0) {
    while (!wire::make_socket(place.address) || !exists(place.path)) std::this_thread::sleep_for(milliseconds(5));
    std::this_thread::sleep_for(milliseconds(50));
    const Result<wire::Descriptor> connection = wire::connect(place.address, milliseconds(500));
    REQUIRE_FALSE(connection);
    CHECK(connection.error().detail == "unix:" + place.path + " is served by a process of another user");
  }
  our_end.close();
  other.join();
}

}  // namespace sks::test
