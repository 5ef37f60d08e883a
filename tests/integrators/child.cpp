#include "tests/integrators/child.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "sks-core/wire/frame.h"

extern char** environ;

namespace sks::test {
namespace {

bool write_all(int descriptor, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

bool read_all(int descriptor, std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = read(descriptor, bytes.data(), bytes.size());
    if (got <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

}  // namespace

Child::Child(const std::vector<std::string>& arguments) {
  std::signal(SIGPIPE, SIG_IGN);
  std::array<int, 2> to_child{};
  std::array<int, 2> from_child{};
  REQUIRE(pipe2(to_child.data(), O_CLOEXEC) == 0);
  REQUIRE(pipe2(from_child.data(), O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to_child[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from_child[1], STDOUT_FILENO);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  REQUIRE(posix_spawnp(&process_, argv[0], &actions, nullptr, argv.data(), environ) == 0);
  posix_spawn_file_actions_destroy(&actions);
  close(to_child[0]);
  close(from_child[1]);
  input_ = to_child[1];
  output_ = from_child[0];
}

Child::~Child() {
  close_input();
  if (process_ > 0) {
    kill();
    wait();
  }
  close(output_);
}

void Child::close_input() {
  if (input_ >= 0) close(input_);
  input_ = -1;
}

void Child::kill() { ::kill(process_, SIGKILL); }

int Child::wait() {
  int status = 0;
  REQUIRE(waitpid(process_, &status, 0) == process_);
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Result<SecureBytes> ChildChannel::transact(ByteView request) {
  const Error broken{Status::external, "the program does not answer"};
  if (!write_all(child_.input(), wire::frame_header(static_cast<std::uint32_t>(request.size())))) return broken;
  if (!write_all(child_.input(), request)) return broken;
  std::array<std::uint8_t, wire::kFrameHeaderSize> header{};
  if (!read_all(child_.output(), header)) return broken;
  const std::size_t size = wire::body_size(header);
  REQUIRE(wire::is_body_size(size));
  SecureBytes body(size);
  if (!read_all(child_.output(), body.span())) return broken;
  return body;
}

Finished run(std::vector<std::string> arguments) {
  std::string command = "exec \"$@\" 2>&1";
  arguments.insert(arguments.begin(), {"sh", "-c", command, "sh"});
  Child child(arguments);
  child.close_input();
  Finished finished{};
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = read(child.output(), buffer.data(), buffer.size())) > 0;)
    finished.output.append(buffer.data(), static_cast<std::size_t>(got));
  finished.code = child.wait();
  return finished;
}

}  // namespace sks::test
