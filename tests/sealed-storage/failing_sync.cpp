#include "tests/sealed-storage/failing_sync.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

namespace {

std::optional<struct stat> g_failing;

}  // namespace

/// In the place of the one of the C library, for all of the program.
extern "C" int fsync(int fd) {
  struct stat info {};
  if (g_failing && ::fstat(fd, &info) == 0 && info.st_ino == g_failing->st_ino && info.st_dev == g_failing->st_dev) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace sks::test {

FailingSync::FailingSync(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  g_failing = info;
}

FailingSync::~FailingSync() { g_failing.reset(); }

}  // namespace sks::test
