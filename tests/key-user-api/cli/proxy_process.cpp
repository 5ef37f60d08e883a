#include "tests/key-user-api/cli/proxy_process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace sks::test {

ProxyProcess::ProxyProcess(std::vector<std::string> options) {
  write_file(dir_.file("log"), "");
  options.insert(options.begin(), {"python3", source_file("tests/key-user-api/cli/connect_proxy.py")});
  options.insert(options.end(), {"--log", dir_.file("log")});
  std::vector<char*> argv;
  for (std::string& option : options) argv.push_back(option.data());
  argv.push_back(nullptr);
  std::array<int, 2> input{};
  std::array<int, 2> output{};
  REQUIRE(::pipe2(input.data(), O_CLOEXEC) == 0);
  REQUIRE(::pipe2(output.data(), O_CLOEXEC) == 0);
  process_ = ::fork();
  REQUIRE(process_ >= 0);
  if (process_ == 0) {
    ::dup2(input[0], STDIN_FILENO);
    ::dup2(output[1], STDOUT_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(input[0]);
  ::close(output[1]);
  input_ = input[1];
  for (char c = 0; ::read(output[0], &c, 1) == 1 && c != '\n';) port_ += c;
  ::close(output[0]);
  REQUIRE_FALSE(port_.empty());
}

ProxyProcess::~ProxyProcess() {
  ::close(input_);
  ::waitpid(process_, nullptr, 0);
}

}  // namespace sks::test
