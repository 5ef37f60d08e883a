#include "key-user-api/daemon/hardening.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "key-user-api/daemon/system_calls.h"

namespace sks::daemon {

void keep_memory_private() {
  const rlimit none{0, 0};
  static_cast<void>(::setrlimit(RLIMIT_CORE, &none));
  static_cast<void>(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  static_cast<void>(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  ::umask(077);
}

// Stacks and heaps are counted as they are mapped, and not as they are used: under a limit a later allocation would
// fail, which is worse than swap. So it is all or nothing.
std::optional<std::string> lock_memory() {
  rlimit limit{};
  const bool unlimited = ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
  // Who has CAP_IPC_LOCK may lock more than the limit; nobody else can have locked as much.
  constexpr std::size_t kProbe = std::size_t{64} << 20;
  bool privileged = false;
  if (void* const probe = ::mmap(nullptr, kProbe, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); probe != MAP_FAILED) {
    privileged = limit.rlim_cur < kProbe && ::mlock2(probe, kProbe, MLOCK_ONFAULT) == 0;
    ::munmap(probe, kProbe);
  }
  if ((unlimited || privileged) && ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0) return std::nullopt;
  return "memory is not locked and may be written to swap: the limit RLIMIT_MEMLOCK is " +
         std::to_string(limit.rlim_cur / 1024) + " KiB, and has to be unlimited";
}

}  // namespace sks::daemon
