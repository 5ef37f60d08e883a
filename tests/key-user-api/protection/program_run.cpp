#include "tests/key-user-api/protection/program_run.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "tests/support/temp_dir.h"

namespace sks::test {
namespace {

[[noreturn]] void become(const char* program, std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execv(program, pointers.data());
  ::_exit(127);
}

int exit_code_of(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Adds what the terminal shows next; false when nothing more will come.
bool read_more(int terminal, std::string& shown) {
  std::array<char, 256> part{};
  const ssize_t got = ::read(terminal, part.data(), part.size());
  if (got <= 0) return false;
  shown.append(part.data(), static_cast<std::size_t>(got));
  return true;
}

}  // namespace

ProgramRun run_program_process(const char* program, std::vector<std::string> arguments,
                               const std::function<void()>& prepare) {
  const TempDir dir;
  arguments.insert(arguments.begin(), program);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::setsid();
    ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
    ::dup2(::creat(dir.file("out").c_str(), 0600), STDOUT_FILENO);
    ::dup2(::creat(dir.file("err").c_str(), 0600), STDERR_FILENO);
    prepare();
    become(program, arguments);
  }
  const int exit_code = exit_code_of(child);
  return {exit_code, read_file(dir.file("out")), read_file(dir.file("err"))};
}

ProgramRun run_at_terminal(const char* program, std::vector<std::string> arguments,
                           const std::vector<Answer>& answers) {
  arguments.insert(arguments.begin(), program);
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  REQUIRE(child >= 0);
  if (child == 0) become(program, arguments);
  std::string shown;
  std::size_t from = 0;
  for (const Answer& answer : answers) {
    while (shown.find(answer.question, from) == std::string::npos && read_more(terminal, shown)) continue;
    const std::size_t at = shown.find(answer.question, from);
    CHECK_MESSAGE(at != std::string::npos, shown);
    from = at == std::string::npos ? from : at + answer.question.size();
    REQUIRE(::write(terminal, answer.typed.data(), answer.typed.size()) == static_cast<ssize_t>(answer.typed.size()));
  }
  while (read_more(terminal, shown)) continue;
  const int exit_code = exit_code_of(child);
  ::close(terminal);
  return {exit_code, shown, {}};
}

}  // namespace sks::test
