#include "key-user-api/daemon/system_calls.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <system_error>

#include "key-user-api/daemon/hardening.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SKS_TRACED_BUILD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SKS_TRACED_BUILD 1
#endif
#endif

namespace sks::daemon {
namespace {

using Condition = AllowedCall::Condition;

constexpr AllowedCall allow(int number, const char* reason) { return {number, Condition::none, 0, 0, reason}; }

constexpr const char* kClients = "talk with clients over connections that come in";
constexpr const char* kStore = "files of the store, SQLite's and the log's";
constexpr const char* kMemory = "memory";
constexpr const char* kThreads = "threads and their locks";
constexpr const char* kTime = "time and waiting";
constexpr const char* kSignals = "the signals that ask to stop, and abort()";
constexpr const char* kSelf = "what the C library asks about this process and its machine";
constexpr const char* kTpm = "the resource manager of the TPM, or the simulator that SKS_TPM2_TCTI names";

// A call that the C library of some architecture does not use has a negative number there, and is passed over.
constexpr auto kCalls = std::to_array<AllowedCall>({
    allow(SCMP_SYS(accept), kClients),
    allow(SCMP_SYS(accept4), kClients),
    allow(SCMP_SYS(recvfrom), kClients),
    allow(SCMP_SYS(recvmsg), kClients),
    allow(SCMP_SYS(sendto), kClients),
    allow(SCMP_SYS(sendmsg), kClients),
    allow(SCMP_SYS(shutdown), kClients),
    allow(SCMP_SYS(getsockopt), kClients),
    allow(SCMP_SYS(setsockopt), kClients),
    allow(SCMP_SYS(getsockname), kClients),
    allow(SCMP_SYS(poll), kClients),
    allow(SCMP_SYS(ppoll), kClients),
    allow(SCMP_SYS(epoll_create1), kClients),
    allow(SCMP_SYS(epoll_ctl), kClients),
    allow(SCMP_SYS(epoll_wait), kClients),
    allow(SCMP_SYS(epoll_pwait), kClients),
    allow(SCMP_SYS(eventfd2), kClients),
    allow(SCMP_SYS(pipe2), kClients),
    allow(SCMP_SYS(readlink), "the executable of a client"),
    allow(SCMP_SYS(readlinkat), "the executable of a client"),

    allow(SCMP_SYS(open), kStore),
    allow(SCMP_SYS(openat), kStore),
    allow(SCMP_SYS(close), kStore),
    allow(SCMP_SYS(read), kStore),
    allow(SCMP_SYS(readv), kStore),
    allow(SCMP_SYS(pread64), kStore),
    allow(SCMP_SYS(write), kStore),
    allow(SCMP_SYS(writev), kStore),
    allow(SCMP_SYS(pwrite64), kStore),
    allow(SCMP_SYS(lseek), kStore),
    allow(SCMP_SYS(stat), kStore),
    allow(SCMP_SYS(lstat), kStore),
    allow(SCMP_SYS(fstat), kStore),
    allow(SCMP_SYS(newfstatat), kStore),
    allow(SCMP_SYS(statx), kStore),
    allow(SCMP_SYS(statfs), kStore),
    allow(SCMP_SYS(fstatfs), kStore),
    allow(SCMP_SYS(access), kStore),
    allow(SCMP_SYS(faccessat), kStore),
    allow(SCMP_SYS(faccessat2), kStore),
    allow(SCMP_SYS(fcntl), kStore),
    allow(SCMP_SYS(flock), kStore),
    allow(SCMP_SYS(fsync), kStore),
    allow(SCMP_SYS(fdatasync), kStore),
    allow(SCMP_SYS(sync_file_range), kStore),
    allow(SCMP_SYS(ftruncate), kStore),
    allow(SCMP_SYS(fallocate), kStore),
    allow(SCMP_SYS(fchmod), kStore),
    allow(SCMP_SYS(fchown), kStore),
    allow(SCMP_SYS(unlink), kStore),
    allow(SCMP_SYS(unlinkat), kStore),
    allow(SCMP_SYS(rename), kStore),
    allow(SCMP_SYS(renameat), kStore),
    allow(SCMP_SYS(renameat2), kStore),
    allow(SCMP_SYS(mkdir), kStore),
    allow(SCMP_SYS(mkdirat), kStore),
    allow(SCMP_SYS(rmdir), kStore),
    allow(SCMP_SYS(getdents64), kStore),
    allow(SCMP_SYS(getcwd), kStore),
    allow(SCMP_SYS(umask), kStore),
    allow(SCMP_SYS(utimensat), kStore),

    allow(SCMP_SYS(brk), kMemory),
    allow(SCMP_SYS(munmap), kMemory),
    allow(SCMP_SYS(mremap), kMemory),
    allow(SCMP_SYS(madvise), kMemory),
    allow(SCMP_SYS(mlock), kMemory),
    allow(SCMP_SYS(mlock2), kMemory),
    allow(SCMP_SYS(munlock), kMemory),
    {SCMP_SYS(mmap), Condition::lacks_bits, 2, PROT_EXEC, "memory, and no code"},
    {SCMP_SYS(mprotect), Condition::lacks_bits, 2, PROT_EXEC, "memory, and no code"},
    {SCMP_SYS(prctl), Condition::equals, 0, 0x53564d41, "names of memory, PR_SET_VMA"},

    {SCMP_SYS(clone), Condition::has_bits, 0, CLONE_THREAD, "threads, and no processes"},
    allow(SCMP_SYS(set_robust_list), kThreads),
    allow(SCMP_SYS(set_tid_address), kThreads),
    allow(SCMP_SYS(rseq), kThreads),
    allow(SCMP_SYS(futex), kThreads),
    allow(SCMP_SYS(sched_yield), kThreads),
    allow(SCMP_SYS(sched_getaffinity), kThreads),
    allow(SCMP_SYS(membarrier), kThreads),
    allow(SCMP_SYS(gettid), kThreads),
    allow(SCMP_SYS(exit), kThreads),
    allow(SCMP_SYS(exit_group), kThreads),
    {SCMP_SYS(prctl), Condition::equals, 0, PR_SET_NAME, "names of threads"},

    allow(SCMP_SYS(clock_gettime), kTime),
    allow(SCMP_SYS(clock_getres), kTime),
    allow(SCMP_SYS(clock_nanosleep), kTime),
    allow(SCMP_SYS(nanosleep), kTime),
    allow(SCMP_SYS(gettimeofday), kTime),
    allow(SCMP_SYS(time), kTime),
    allow(SCMP_SYS(restart_syscall), kTime),

    allow(SCMP_SYS(rt_sigaction), kSignals),
    allow(SCMP_SYS(rt_sigprocmask), kSignals),
    allow(SCMP_SYS(rt_sigreturn), kSignals),
    allow(SCMP_SYS(rt_sigtimedwait), kSignals),
    allow(SCMP_SYS(sigaltstack), kSignals),
    {SCMP_SYS(tgkill), Condition::is_own_process, 0, 0, "abort(), and threads that wait; no other process"},

    allow(SCMP_SYS(getpid), kSelf),
    allow(SCMP_SYS(getppid), kSelf),
    allow(SCMP_SYS(getuid), kSelf),
    allow(SCMP_SYS(geteuid), kSelf),
    allow(SCMP_SYS(getgid), kSelf),
    allow(SCMP_SYS(getegid), kSelf),
    allow(SCMP_SYS(getrandom), kSelf),
    allow(SCMP_SYS(getcpu), kSelf),
    allow(SCMP_SYS(sysinfo), kSelf),
    allow(SCMP_SYS(uname), kSelf),
    allow(SCMP_SYS(getrusage), kSelf),
    allow(SCMP_SYS(getrlimit), kSelf),
    {SCMP_SYS(prlimit64), Condition::equals, 2, 0, "reading limits, and setting none"},
});

constexpr auto kTpmCalls = std::to_array<AllowedCall>({
    allow(SCMP_SYS(socket), kTpm),
    allow(SCMP_SYS(connect), kTpm),
    allow(SCMP_SYS(ioctl), kTpm),
    allow(SCMP_SYS(mmap), "libraries that tpm2-tss loads each time"),
    allow(SCMP_SYS(mprotect), "libraries that tpm2-tss loads each time"),
});

int add_rule(scmp_filter_ctx filter, const AllowedCall& call) {
  if (call.number < 0) return 0;
  if (call.condition == Condition::none) return ::seccomp_rule_add(filter, SCMP_ACT_ALLOW, call.number, 0);
  scmp_arg_cmp comparison{call.argument, SCMP_CMP_EQ, call.value, 0};
  if (call.condition == Condition::has_bits) comparison = {call.argument, SCMP_CMP_MASKED_EQ, call.value, call.value};
  if (call.condition == Condition::lacks_bits) comparison = {call.argument, SCMP_CMP_MASKED_EQ, call.value, 0};
  if (call.condition == Condition::is_own_process) comparison.datum_a = static_cast<scmp_datum_t>(::getpid());
  return ::seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call.number, 1, &comparison);
}

Error cannot_filter(int result) {
  return {Status::not_available, "Cannot filter system calls: " + std::generic_category().message(-result)};
}

}  // namespace

std::span<const AllowedCall> calls_of_sksd() { return kCalls; }
std::span<const AllowedCall> calls_of_tpm() { return kTpmCalls; }

bool can_filter_system_calls() {
#ifdef SKS_TRACED_BUILD
  return false;
#else
  return true;
#endif
}

Result<void> filter_system_calls(const FilterNeeds& needs) {
  const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(::seccomp_init(SCMP_ACT_ERRNO(EPERM)),
                                                                ::seccomp_release);
  if (!filter) return cannot_filter(-ENOMEM);
  // The arguments of clone3 cannot be looked at. The C library then uses clone.
  if (const int done = ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0); done != 0)
    return cannot_filter(done);
  for (const AllowedCall& call : kCalls)
    if (const int done = add_rule(filter.get(), call); done != 0) return cannot_filter(done);
  if (needs.tpm)
    for (const AllowedCall& call : kTpmCalls)
      if (const int done = add_rule(filter.get(), call); done != 0) return cannot_filter(done);
  for (const auto attribute : {SCMP_FLTATR_CTL_TSYNC, SCMP_FLTATR_CTL_NNP})
    if (const int done = ::seccomp_attr_set(filter.get(), attribute, 1); done != 0) return cannot_filter(done);
  if (const int done = ::seccomp_load(filter.get()); done != 0) return cannot_filter(done);
  return {};
}

}  // namespace sks::daemon
