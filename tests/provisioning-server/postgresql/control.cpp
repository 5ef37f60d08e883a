#include "tests/provisioning-server/postgresql/control.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace sks::test {

std::string postgresql_variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (value == nullptr) FAIL("start this test through tests/provisioning-server/postgresql/server.py");
  return value;
}

void control_postgresql(const std::string& command) {
  const std::string path = postgresql_variable("SKS_TEST_POSTGRESQL_CONTROL");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(peer >= 0);
  REQUIRE(connect(peer, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  const std::string line = command + '\n';
  REQUIRE(write(peer, line.data(), line.size()) == static_cast<ssize_t>(line.size()));
  std::string answer;
  char letter = 0;
  while (read(peer, &letter, 1) == 1 && letter != '\n') answer += letter;
  close(peer);
  REQUIRE(answer == "ok");
}

std::string with_option(const std::string& url, const std::string& option) {
  return url + (url.find('?') == std::string::npos ? '?' : '&') + option;
}

}  // namespace sks::test
