#include "conformance/kit/child_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>
#include <vector>

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to its users

namespace sks::conformance {
namespace {

constexpr std::chrono::milliseconds kPause{10};

std::vector<std::string> environment_with(const std::map<std::string, std::string>& more) {
  std::vector<std::string> list;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!more.contains(text.substr(0, text.find('=')))) list.push_back(text);
  }
  for (const auto& [name, value] : more) list.push_back(name + '=' + value);
  return list;
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::string& command,
                                         const std::map<std::string, std::string>& environment,
                                         const std::filesystem::path& output) {
  std::string shell = "/bin/sh";
  std::string flag = "-c";
  std::string script = command;
  const std::array<char*, 4> arguments{shell.data(), flag.data(), script.data(), nullptr};
  std::vector<std::string> variables = environment_with(environment);
  std::vector<char*> pointers;
  for (std::string& variable : variables) pointers.push_back(variable.data());
  pointers.push_back(nullptr);

  constexpr mode_t kOwnerOnly = 0600;
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_APPEND, kOwnerOnly);
  posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
  // A session of its own has no terminal to ask somebody at.
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  pid_t process = 0;
  const int problem = posix_spawn(&process, shell.c_str(), &files, &attributes, arguments.data(), pointers.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (problem != 0) return Error{Status::not_available, "the command cannot be started"};
  return ChildProcess(process);
}

ChildProcess::~ChildProcess() {
  if (process_ == 0) return;
  // Its children too, those that a command has left behind after its end. The number is not free before waitpid().
  ::kill(-process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

std::optional<Ending> ChildProcess::poll() {
  siginfo_t info{};
  const bool ended =
      ::waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == process_;
  if (ended) ending_ = Ending{info.si_status, info.si_code != CLD_EXITED};
  return ending_;
}

std::optional<Ending> ChildProcess::wait(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!poll() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(kPause);
  return ending_;
}

std::string shell_quote(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + '\'';
}

std::string substitute(std::string command, const std::map<std::string, std::string>& values) {
  for (std::size_t at = command.find('{'); at != std::string::npos; at = command.find('{', at)) {
    const std::size_t end = command.find('}', at);
    const auto value = end == std::string::npos ? values.end() : values.find(command.substr(at + 1, end - at - 1));
    if (value == values.end()) {
      ++at;
      continue;
    }
    const std::string word = shell_quote(value->second);
    command.replace(at, end - at + 1, word);
    at += word.size();
  }
  return command;
}

}  // namespace sks::conformance
