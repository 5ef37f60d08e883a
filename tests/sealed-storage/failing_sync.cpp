#include "tests/sealed-storage/failing_sync.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

namespace {

std::optional<struct stat> g_failing;
std::optional<struct stat> g_watched;
std::function<void()> g_then;

bool is_file(int fd, const std::optional<struct stat>& file) {
  struct stat info {};
  return file && ::fstat(fd, &info) == 0 && info.st_ino == file->st_ino && info.st_dev == file->st_dev;
}

struct stat find(const std::string& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info;
}

}  // namespace

/// In the place of the one of the C library, for all of the program.
extern "C" int fsync(int fd) {
  if (is_file(fd, g_failing)) {
    errno = EIO;
    return -1;
  }
  const int outcome = static_cast<int>(::syscall(SYS_fsync, fd));
  if (is_file(fd, g_watched)) g_then();
  return outcome;
}

namespace sks::test {

FailingSync::FailingSync(const std::string& path) { g_failing = find(path); }

FailingSync::~FailingSync() { g_failing.reset(); }

AfterSync::AfterSync(const std::string& path, std::function<void()> then) {
  g_then = std::move(then);
  g_watched = find(path);
}

AfterSync::~AfterSync() { g_watched.reset(); }

}  // namespace sks::test
