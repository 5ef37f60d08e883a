#include "sealed-storage/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace sks::sealed {
namespace {

/// The PID that the holder wrote, or an empty text when it has not got that far.
std::string read_holder(int fd) {
  std::array<char, 16> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  if (size <= 0) return {};
  const char* const end = text.data() + size;
  const char* const digits_end =
      std::find_if(static_cast<const char*>(text.data()), end, [](char c) { return c < '0' || c > '9'; });
  return {static_cast<const char*>(text.data()), digits_end};
}

}  // namespace

Result<FolderLock> FolderLock::acquire(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return system_error("cannot write " + path);

  int outcome = 0;
  do {
    outcome = ::flock(file.get(), LOCK_EX | LOCK_NB);
  } while (outcome != 0 && errno == EINTR);
  if (outcome != 0 && errno == EWOULDBLOCK) {
    const std::string holder = read_holder(file.get());
    return Error{Status::not_available,
                 holder.empty() ? "store in use by another process" : "store in use by process " + holder};
  }
  if (outcome != 0) return system_error("cannot lock " + path);

  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) != 0 ||
      ::pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return system_error("cannot write " + path);
  }
  return FolderLock(std::move(file));
}

}  // namespace sks::sealed
