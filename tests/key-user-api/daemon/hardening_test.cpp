#include "key-user-api/daemon/hardening.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <thread>

#include "key-user-api/daemon/system_calls.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::daemon;

namespace {

/// The exit code of a process that does this; 99 when a signal was its end.
int in_process(const std::function<int()>& deed) {
  const pid_t process = ::fork();
  if (process == 0) ::_exit(deed());
  int status = 0;
  REQUIRE(::waitpid(process, &status, 0) == process);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

/// 0 when `call` fails with EPERM under the filter, and 1 when it does not; 2: no filter.
int refused(const std::function<long()>& call, const FilterNeeds& needs = {}) {
  return in_process([&] {
    keep_memory_private();
    if (!filter_system_calls(needs)) return 2;
    errno = 0;
    return call() == -1 && errno == EPERM ? 0 : 1;
  });
}

long execute_true() {
  std::array<char*, 1> arguments{nullptr};
  return ::execve("/bin/true", arguments.data(), arguments.data());
}

long map(int protection) {
  void* const memory = ::mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? -1 : 0;
}

}  // namespace

TEST_CASE("hardening: what a served process must not do is refused") {
  if (!can_filter_system_calls()) return;
  struct Case {
    const char* what;
    std::function<long()> call;
  };
  const std::array cases{
      Case{"run a program", execute_true},
      Case{"make a process", [] { return static_cast<long>(::fork()); }},
      Case{"reach the network", [] { return static_cast<long>(::socket(AF_INET, SOCK_STREAM, 0)); }},
      Case{"reach other servers", [] { return static_cast<long>(::socket(AF_UNIX, SOCK_STREAM, 0)); }},
      Case{"look into a process", [] { return ::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr); }},
      Case{"map new code", [] { return map(PROT_READ | PROT_EXEC); }},
      Case{"map code to write", [] { return map(PROT_READ | PROT_WRITE | PROT_EXEC); }},
      Case{"send a signal to another process", [] { return static_cast<long>(::kill(::getppid(), 0)); }},
      Case{"send a signal to a thread of another process",
           [] { return ::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0); }},
      Case{"become visible again", [] { return static_cast<long>(::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); }},
      Case{"allow core files",
           [] {
             const rlimit some{4096, 4096};
             return static_cast<long>(::setrlimit(RLIMIT_CORE, &some));
           }},
      Case{"change its user", [] { return static_cast<long>(::setuid(65534)); }},
  };
  for (const Case& row : cases) {
    CAPTURE(row.what);
    CHECK(refused(row.call) == 0);
  }
}

TEST_CASE("hardening: what serving needs is not refused") {
  if (!can_filter_system_calls()) return;
  const test::TempDir folder;
  CHECK(refused([] { return map(PROT_READ | PROT_WRITE); }) == 1);
  CHECK(refused([] { return ::syscall(SYS_tgkill, ::getpid(), ::gettid(), 0); }) == 1);
  CHECK(refused([] {
          int done = 0;
          std::thread([&] { done = 1; }).join();
          return done == 1 ? 0 : -1;
        }) == 1);
  CHECK(refused([&] { return static_cast<long>(::open(folder.file("x").c_str(), O_CREAT | O_RDWR, 0600)); }) == 1);
  CHECK(refused([] { return static_cast<long>(::socket(AF_UNIX, SOCK_STREAM, 0)); }, {.tpm = true}) == 1);
  CHECK(refused([] { return map(PROT_READ | PROT_EXEC); }, {.tpm = true}) == 1);
  CHECK(refused(execute_true, {.tpm = true}) == 0);
}

TEST_CASE("hardening: threads that were there before are filtered too") {
  if (!can_filter_system_calls()) return;
  CHECK(in_process([] {
          std::atomic<bool> filtered = false;
          int result = 1;
          std::thread early([&] {
            while (!filtered) std::this_thread::yield();
            result = execute_true() == -1 && errno == EPERM ? 0 : 1;
          });
          keep_memory_private();
          const bool done = static_cast<bool>(filter_system_calls({}));
          filtered = true;
          early.join();
          return done ? result : 2;
        }) == 0);
}

TEST_CASE("hardening: files are for the user alone, and there are no core files") {
  const test::TempDir folder;
  CHECK(in_process([&] {
          keep_memory_private();
          rlimit limit{1, 1};
          if (::getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max != 0) return 1;
          if (::prctl(PR_GET_DUMPABLE) != 0 || ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 2;
          ::close(::open(folder.file("x").c_str(), O_CREAT | O_RDWR, 0666));
          struct stat made {};
          return ::stat(folder.file("x").c_str(), &made) == 0 && (made.st_mode & 0777) == 0600 ? 0 : 3;
        }) == 0);
}

TEST_CASE("hardening: memory is locked, or it is said that it is not") {
  CHECK(in_process([] {
          rlimit limit{};
          ::getrlimit(RLIMIT_MEMLOCK, &limit);
          const bool said = lock_memory().has_value();
          const bool fits = ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
          return fits && said ? 1 : 0;
        }) == 0);
  // Without the privilege a limit is one.
  CHECK(in_process([] {
          if (::geteuid() != 0) return 0;
          const rlimit limit{65536, 65536};
          if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || ::setgid(65534) != 0 || ::setuid(65534) != 0) return 2;
          const std::optional<std::string> said = lock_memory();
          return said && said->find("64 KiB") != std::string::npos ? 0 : 1;
        }) == 0);
}

TEST_CASE("hardening: every row of the list says why") {
  for (const auto rows : {calls_of_sksd(), calls_of_tpm()})
    for (const AllowedCall& row : rows) CHECK(std::strlen(row.reason) > 5);
}
