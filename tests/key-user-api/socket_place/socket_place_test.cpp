#include "key-user-api/socket_place/socket_place.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "tests/support/temp_dir.h"

using namespace sks;

namespace {

/// The variables that matter, unset at first and put back at the end.
class CleanEnvironment {
 public:
  CleanEnvironment() {
    for (const char* const name : kNames) {
      const char* const value = std::getenv(name);
      before_.emplace_back(value == nullptr ? std::optional<std::string>() : std::string(value));
      ::unsetenv(name);
    }
  }
  ~CleanEnvironment() {
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      if (before_[i]) ::setenv(kNames[i], before_[i]->c_str(), 1);
      if (!before_[i]) ::unsetenv(kNames[i]);
    }
  }

 private:
  static constexpr std::array kNames{"SKS_SOCKET",      "SKS_STORE",      "SKS_PERSONA",
                                     "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "HOME"};
  std::vector<std::optional<std::string>> before_;
};

std::string socket_now() {
  const SocketPlaceOrProblem found = socket_of_environment();
  return found.place ? found.place->socket : "problem: " + found.problem;
}

}  // namespace

TEST_CASE("the environment chooses: the socket, the store, the persona, then the default one") {
  const CleanEnvironment clean;
  ::setenv("XDG_RUNTIME_DIR", "/run/somewhere", 1);
  CHECK(socket_now() == "/run/somewhere/sks/default.sock");
  ::setenv("SKS_PERSONA", "work", 1);
  CHECK(socket_now() == "/run/somewhere/sks/work.sock");
  CHECK(socket_of_environment().place->start_option == "--for");
  CHECK(socket_of_environment().place->start_value == "work");
  // FNV-1a of "/" computed outside, by the definition in draft-eastlake-fnv.
  ::setenv("SKS_STORE", "/", 1);
  CHECK(socket_now() == "/run/somewhere/sks/store-af63a24c860189fe.sock");
  CHECK(socket_of_environment().place->start_option == "--for-store");
  CHECK(socket_of_environment().place->start_value == "/");
  ::setenv("SKS_SOCKET", "/tmp/mine", 1);
  CHECK(socket_now() == "/tmp/mine");
  CHECK(socket_of_environment().place->start_option.empty());
}

TEST_CASE("empty variables are none, and relative folders of sockets neither") {
  const CleanEnvironment clean;
  for (const char* const name : {"SKS_SOCKET", "SKS_STORE", "SKS_PERSONA"}) ::setenv(name, "", 1);
  ::setenv("XDG_RUNTIME_DIR", "/r", 1);
  CHECK(socket_now() == "/r/sks/default.sock");
  ::setenv("XDG_RUNTIME_DIR", "r", 1);
  CHECK(socket_now() != "r/sks/default.sock");
}

TEST_CASE("one folder has one socket, by whatever name it goes") {
  const CleanEnvironment clean;
  ::setenv("XDG_RUNTIME_DIR", "/r", 1);
  const test::TempDir folder;
  const std::string store = folder.path() + "/store";
  std::filesystem::create_directory(store);
  std::filesystem::create_symlink(store, folder.path() + "/link");
  const std::string socket = socket_of_store(store).place->socket;
  CHECK(socket.size() == std::string("/r/sks/store-0123456789abcdef.sock").size());
  CHECK(socket_of_store(store + "/").place->socket == socket);
  CHECK(socket_of_store(folder.path() + "/./x/../store").place->socket == socket);
  CHECK(socket_of_store(folder.path() + "/link").place->socket == socket);
  CHECK(socket_of_store(folder.path() + "/other").place->socket != socket);
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  CHECK(socket_of_store("store").place->socket == socket);
  std::filesystem::current_path(before);
}

TEST_CASE("what is no persona, no absolute name or too long has no socket") {
  const CleanEnvironment clean;
  ::setenv("XDG_RUNTIME_DIR", "/r", 1);
  for (const char* const name : {"", "../x", "Big", "a/b", "-a", "a.b"}) {
    CAPTURE(name);
    CHECK_FALSE(socket_of_persona(name).place);
    CHECK_FALSE(socket_of_persona(name).problem.empty());
  }
  CHECK(socket_of_persona(std::string(64, 'a')).place);
  CHECK_FALSE(socket_of_persona(std::string(65, 'a')).place);
  ::setenv("SKS_SOCKET", "relative", 1);
  CHECK_FALSE(socket_of_environment().place);
  ::setenv("SKS_SOCKET", ("/" + std::string(106, 's')).c_str(), 1);
  CHECK(socket_of_environment().place);
  ::setenv("SKS_SOCKET", ("/" + std::string(107, 's')).c_str(), 1);
  CHECK_FALSE(socket_of_environment().place);
}
