#include "key-user-api/pkcs11_client/daemon_start.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace sks::p11 {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kRest{1};
constexpr std::chrono::microseconds kShortestPause{200};
constexpr std::chrono::microseconds kLongestPause{5000};

void pause_for(std::chrono::microseconds time) {
  const timespec value{0, static_cast<long>(std::chrono::nanoseconds(time).count())};
  ::nanosleep(&value, nullptr);
}

/// What the new process gets of ours: no descriptors but the standard ones, no signals blocked or ignored, and a
/// session of its own, so that what ends this program by its terminal does not end the daemon of all.
class SpawnSettings {
 public:
  SpawnSettings() {
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    usable_ = ::posix_spawnattr_init(&attributes_) == 0 && ::posix_spawn_file_actions_init(&actions_) == 0 &&
              ::posix_spawnattr_setsigmask(&attributes_, &none) == 0 &&
              ::posix_spawnattr_setsigdefault(&attributes_, &all) == 0 &&
              ::posix_spawnattr_setflags(
                  &attributes_,
                  static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID)) == 0 &&
              ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0) == 0 &&
              ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
              ::posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1) == 0;
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  bool usable() const { return usable_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }

 private:
  posix_spawnattr_t attributes_{};
  posix_spawn_file_actions_t actions_{};
  bool usable_ = false;
};

}  // namespace

bool DaemonStart::run() {
  if (option_.empty()) return false;
  if (failed_at_ && steady_clock::now() - *failed_at_ < kRest) return false;
  const std::optional<int> process = spawn();
  const bool started = process && wait_for(*process);
  failed_at_ = started ? std::nullopt : std::optional(steady_clock::now());
  return started;
}

std::optional<int> DaemonStart::spawn() const {
  const SpawnSettings settings;
  if (!settings.usable()) return std::nullopt;
  std::string program = program_;
  std::string option = option_;
  std::string value = value_;
  std::array<char*, 4> arguments{program.data(), option.data(), value.data(), nullptr};
  pid_t process = 0;
  if (::posix_spawnp(&process, program_.c_str(), settings.actions(), settings.attributes(), arguments.data(),
                     ::environ) != 0)
    return std::nullopt;
  return process;
}

bool DaemonStart::wait_for(int process) const {
  const auto until = steady_clock::now() + patience_;
  std::chrono::microseconds pause = kShortestPause;
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(process, &status, WNOHANG);
    if (ended == process) return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    // The application collects all of its children, ours among them: whether there is a daemon will show.
    if (ended < 0 && errno != EINTR) return true;
    if (steady_clock::now() >= until) break;
    pause_for(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
  return false;
}

std::string daemon_program() {
  const char* const chosen = ::secure_getenv("SKS_SKSD");  // NOLINT(concurrency-mt-unsafe)
  if (chosen != nullptr && *chosen != '\0') return chosen;
  if (::access(SKS_SKSD_PATH, X_OK) == 0) return SKS_SKSD_PATH;
  return "sksd";
}

}  // namespace sks::p11
