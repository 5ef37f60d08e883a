#include "key-user-api/cli/agent.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdio>

namespace sks::test {
namespace {

/// What a shell that has read `line` knows.
std::string evaluated(const std::string& line) {
  const std::string command = "unset SSH_AUTH_SOCK; eval \"$LINE\"; sh -c 'printf %s \"$SSH_AUTH_SOCK\"'";
  ::setenv("LINE", line.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): there is one thread
  std::FILE* const out = ::popen(command.c_str(), "r");
  REQUIRE(out != nullptr);
  std::array<char, 512> text{};
  const std::size_t size = std::fread(text.data(), 1, text.size(), out);
  CHECK(::pclose(out) == 0);
  return {text.data(), size};
}

TEST_CASE("sks agent: a shell learns the name of the socket, whatever it is") {
  for (const std::string socket : {"/run/user/1000/sks/work.ssh", "/tmp/a b.ssh", "/tmp/it's; touch $x `y` \"z\".ssh",
                                   "/tmp/!x\n\\.ssh", "/tmp/\xc3\xa4*?.ssh"}) {
    CAPTURE(socket);
    CHECK(evaluated(cli::agent_environment(socket, false)) == socket);
  }
  CHECK(cli::agent_environment("/run/x.ssh", false) == "SSH_AUTH_SOCK=/run/x.ssh; export SSH_AUTH_SOCK;");
  CHECK(cli::agent_environment("/run/x.ssh", true) == "setenv SSH_AUTH_SOCK /run/x.ssh;");
  CHECK(cli::agent_environment("/run/it's !x.ssh", true) == "setenv SSH_AUTH_SOCK '/run/it'\\''s \\!x.ssh';");
}

}  // namespace
}  // namespace sks::test
