#include "tests/key-user-api/daemon/sksd_process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>

namespace sks::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPatience{10'000};

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    reader = wire::Descriptor(ends[0]);
    writer = wire::Descriptor(ends[1]);
  }
  wire::Descriptor reader;
  wire::Descriptor writer;
};

/// Up to and with the line end, or to the end.
std::string read_until(int descriptor, std::optional<char> last) {
  std::string text;
  char c = 0;
  while (wire::wait_for(descriptor, POLLIN, wire::patience_for(kPatience)) && ::read(descriptor, &c, 1) == 1) {
    text += c;
    if (last && c == *last) break;
  }
  return text;
}

}  // namespace

SksdProcess::SksdProcess(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), SKSD_PROGRAM);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  Pipe out;
  Pipe err;
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    ::dup2(out.writer.number(), STDOUT_FILENO);
    ::dup2(err.writer.number(), STDERR_FILENO);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  out_ = std::move(out.reader);
  err_ = std::move(err.reader);
}

SksdProcess::~SksdProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string SksdProcess::ready_line() { return read_until(out_.number(), '\n'); }

void SksdProcess::signal(int number) const { REQUIRE(::kill(pid_, number) == 0); }

std::optional<int> SksdProcess::exit_code() {
  int status = 0;
  for (const auto until = steady_clock::now() + kPatience; ::waitpid(pid_, &status, WNOHANG) == 0;) {
    if (steady_clock::now() > until) return std::nullopt;
    std::this_thread::sleep_for(milliseconds(5));
  }
  pid_ = -1;
  if (!WIFEXITED(status)) return std::nullopt;
  return WEXITSTATUS(status);
}

std::string SksdProcess::complaint() { return read_until(err_.number(), std::nullopt); }

}  // namespace sks::test
