#include "key-user-api/dialog/pinentry_program.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/dialog/program_path.h"

namespace sks::dialog {
namespace {

constexpr const char* kTerminal = "/dev/tty";

std::string environment(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  return value == nullptr ? "" : value;
}

std::string first_of_environment(std::initializer_list<const char*> names) {
  for (const char* const name : names)
    if (std::string value = environment(name); !value.empty()) return value;
  return {};
}

template <class Use>
auto with_terminal(const Use& use) -> decltype(use(0)) {
  const int fd = ::open(kTerminal, O_RDWR | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return {};
  auto result = use(fd);
  ::close(fd);
  return result;
}

std::string terminal_name() {
  return with_terminal([](int /*fd*/) { return std::string(kTerminal); });
}

std::optional<termios> terminal_state() {
  return with_terminal([](int fd) {
    termios state{};
    return ::tcgetattr(fd, &state) == 0 ? std::optional(state) : std::nullopt;
  });
}

bool set_terminal_state(const termios& state) {
  // From the background it would stop this process.
  return with_terminal([&](int fd) { return ::tcgetpgrp(fd) == ::getpgrp() && ::tcsetattr(fd, TCSANOW, &state) == 0; });
}

/// Where its person is and what they read, as far as this process knows.
struct Option {
  std::string_view name;
  std::string (*value)();
};
constexpr auto kOptions = std::to_array<Option>({
    {"ttyname", terminal_name},
    {"ttytype", [] { return environment("TERM"); }},
    {"lc-ctype",
     [] {
       return first_of_environment({"LC_ALL", "LC_CTYPE", "LANG"});
     }},
    {"lc-messages",
     [] {
       return first_of_environment({"LC_ALL", "LC_MESSAGES", "LANG"});
     }},
    {"display", [] { return environment("DISPLAY"); }},
});

/// Whether it was the person who answered so.
bool is_refusal(std::uint32_t error) {
  using namespace assuan;
  constexpr auto kRefusals = std::to_array({kCanceled, kNotConfirmed, kFullyCanceled, kAssuanCanceled});
  return std::ranges::find(kRefusals, error) != kRefusals.end();
}

/// The attributes and file actions of one posix_spawn.
class SpawnPlan {
 public:
  explicit SpawnPlan(int socket) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_adddup2(&actions_, socket, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, socket, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) sigaddset(&signals, signal);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  /// 0 or an errno.
  int start(const std::string& program, pid_t& process) const {
    std::string name = program;
    std::array<char*, 2> arguments{name.data(), nullptr};
    return ::posix_spawn(&process, program.c_str(), &actions_, &attributes_, arguments.data(), environ);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

Result<std::string> find_pinentry() {
  const std::string named = environment("SKS_PINENTRY");
  const std::string wanted = named.empty() ? "pinentry" : named;
  const bool is_path = wanted.find('/') != std::string::npos;
  if (is_path && !wanted.starts_with('/'))
    return Error{Status::not_available, "SKS_PINENTRY is neither an absolute path nor a name: " + printable(wanted)};
  if (is_path && is_program(wanted)) return wanted;
  if (auto found = is_path ? std::nullopt : find_in_path(wanted)) return *std::move(found);
  return Error{Status::not_available, named.empty()
                                          ? "there is no pinentry program in the folders of PATH"
                                          : "there is no program " + printable(named) + ", which SKS_PINENTRY names"};
}

Result<PinentryProgram> PinentryProgram::start(const PinentrySettings& settings) {
  std::array<int, 2> ends{};
  // A socket and no pipes: writing to a program that has ended then raises no signal.
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return Error{Status::external, std::string("no socket for the pinentry program: ") + std::strerror(errno)};
  pid_t process = 0;
  const int failure = SpawnPlan(ends[1]).start(settings.program, process);
  ::close(ends[1]);
  if (failure != 0) {
    ::close(ends[0]);
    return Error{Status::external,
                 "the pinentry program " + printable(settings.program) + " cannot be run: " + std::strerror(failure)};
  }
  PinentryProgram program(settings, process, ends[0]);
  SKS_TRY(program.prepare());
  return program;
}

PinentryProgram::PinentryProgram(const PinentrySettings& settings, pid_t process, int socket)
    : settings_(settings),
      process_(process),
      socket_(socket),
      connection_(socket, settings.stop_requested),
      terminal_before_(terminal_state()) {}

PinentryProgram::PinentryProgram(PinentryProgram&& other) noexcept
    : settings_(std::move(other.settings_)),
      process_(std::exchange(other.process_, 0)),
      socket_(std::exchange(other.socket_, -1)),
      connection_(std::move(other.connection_)),
      terminal_before_(other.terminal_before_) {}

PinentryProgram::~PinentryProgram() {
  if (process_ == 0) return;
  static_cast<void>(connection_.send("BYE"));
  ::close(socket_);
  if (has_ended_within(settings_.ending_limit)) return;
  ::kill(process_, SIGTERM);
  if (!has_ended_within(settings_.ending_limit)) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  // It may have switched the echo off.
  if (terminal_before_) set_terminal_state(*terminal_before_);
}

bool PinentryProgram::has_ended_within(std::chrono::milliseconds limit) {
  constexpr timespec kPause{0, 5'000'000};
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (true) {
    const pid_t ended = ::waitpid(process_, nullptr, WNOHANG);
    if (ended == process_ || (ended < 0 && errno != EINTR)) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    ::nanosleep(&kPause, nullptr);
  }
}

Error PinentryProgram::about_program(Error error) const {
  if (error.status == Status::external)
    error.detail = "the pinentry program " + printable(settings_.program) + " " + error.detail;
  return error;
}

Result<void> PinentryProgram::prepare() {
  const auto greeting = connection_.receive(settings_.answer_limit);
  if (!greeting) return about_program(greeting.error());
  if (greeting->error != 0) return about_program({Status::external, "does not start: " + printable(greeting->message)});
  for (const Option& option : kOptions) {
    const bool is_elsewhere = option.value == terminal_name && !settings_.terminal.empty();
    if (const std::string value = is_elsewhere ? settings_.terminal : option.value(); !value.empty())
      SKS_TRY(offer("OPTION", std::string(option.name) + "=" + value));
  }
  SKS_TRY(offer("SETTIMEOUT", std::to_string(settings_.person_limit.count())));
  return {};
}

Result<assuan::Answer> PinentryProgram::transact(std::string_view command, std::string_view text) {
  SKS_CHECK(command.size() < assuan::kMaxLine / 2);
  const std::string argument = assuan::escape(text, assuan::kMaxLine - command.size() - 1);
  auto answer = connection_.transact(command, argument, settings_.answer_limit);
  if (!answer) return about_program(answer.error());
  return answer;
}

Result<void> PinentryProgram::set(std::string_view command, std::string_view text) {
  SKS_LET(const assuan::Answer answer, transact(command, text));
  if (answer.error == 0) return {};
  return about_program({Status::external, "refuses " + std::string(command) + ": " + printable(answer.message)});
}

Result<bool> PinentryProgram::offer(std::string_view command, std::string_view text) {
  SKS_LET(const assuan::Answer answer, transact(command, text));
  return answer.error == 0;
}

Result<assuan::Answer> PinentryProgram::ask(std::string_view command) {
  auto answer = connection_.transact(command, {}, settings_.person_limit + settings_.answer_limit);
  if (!answer) return about_program(answer.error());
  if (answer->error == 0 || is_refusal(answer->error)) return answer;
  if (answer->error == assuan::kTimeout) return about_program({Status::external, "got no answer in time"});
  return about_program({Status::external, "cannot ask: " + printable(answer->message)});
}

}  // namespace sks::dialog
