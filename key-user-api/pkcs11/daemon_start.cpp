#include "key-user-api/pkcs11/daemon_start.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "key-user-api/pkcs11/complaint.h"

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

/// Where an installation and a build folder have modules and programs, seen from what both are in.
struct Layout {
  std::string_view module_folder;
  std::string_view program;
};
constexpr auto kLayouts =
    std::to_array<Layout>({{"/" SKS_MODULE_FOLDER, "/" SKS_PROGRAM_FOLDER "/sksd"}, {"/lib", "/bin/sksd"}});

/// Nobody else can have put it there.
bool is_our_program(const std::string& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) &&
         (found.st_uid == 0 || found.st_uid == ::geteuid()) && ::access(path.c_str(), X_OK) == 0;
}

struct FreeDeleter {
  void operator()(char* text) const { std::free(text); }
};

/// The program that has come with this module, wherever both were put; empty: there is none.
std::string program_beside_module() {
  Dl_info module{};
  if (::dladdr(reinterpret_cast<const void*>(&daemon_program), &module) == 0 || module.dli_fname == nullptr) return {};
  const std::unique_ptr<char, FreeDeleter> real(::realpath(module.dli_fname, nullptr));
  if (real == nullptr) return {};
  std::string_view folder(real.get());
  folder = folder.substr(0, folder.find_last_of('/'));
  for (const Layout& layout : kLayouts) {
    if (!folder.ends_with(layout.module_folder)) continue;
    std::string program(folder.substr(0, folder.size() - layout.module_folder.size()));
    program += layout.program;
    if (is_our_program(program)) return program;
  }
  return {};
}

}  // namespace

bool DaemonStart::run() {
  if (option_.empty()) return false;
  if (failed_at_ && steady_clock::now() - *failed_at_ < kRest) return false;
  const std::optional<int> process = spawn();
  const bool started = process && wait_for(*process);
  failed_at_ = started ? std::nullopt : std::optional(steady_clock::now());
  return started;
}

std::optional<int> DaemonStart::spawn() {
  const SpawnSettings settings;
  if (!settings.usable()) return std::nullopt;
  std::string program = program_;
  std::string option = option_;
  std::string value = value_;
  std::array<char*, 4> arguments{program.data(), option.data(), value.data(), nullptr};
  pid_t process = 0;
  const int error = ::posix_spawnp(&process, program_.c_str(), settings.actions(), settings.attributes(),
                                   arguments.data(), ::environ);
  if (error == 0) return process;
  complain_once(error);
  return std::nullopt;
}

void DaemonStart::complain_once(int error) {
  if (std::exchange(has_complained_, true)) return;
  const char* const reason = ::strerrordesc_np(error);
  complain("cannot start " + program_ + ": " + (reason == nullptr ? "" : reason));
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
  if (std::string program = program_beside_module(); !program.empty()) return program;
  if (::access(SKS_SKSD_PATH, X_OK) == 0) return SKS_SKSD_PATH;
  return "sksd";
}

}  // namespace sks::p11
