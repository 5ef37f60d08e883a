#include "sealed-storage/folder_lock.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <set>
#include <thread>

namespace sks::sealed {
namespace {

constexpr std::chrono::milliseconds kRetryInterval{25};

/// flock() itself waits without limit or not at all.
int lock_within(int fd, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const int outcome = ::flock(fd, LOCK_EX | LOCK_NB);
    if (outcome == 0) return 0;
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() >= end) return outcome;
    std::this_thread::sleep_for(kRetryInterval);
  }
}

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

/// The holder as a part of a sentence.
std::string holder_of(const FileDescriptor& file) {
  const std::string pid = read_holder(file.get());
  return pid.empty() ? "another process" : "process " + pid;
}

/// Every lock file that this process holds. flock() belongs to the open file, which fork() shares: a child that lives
/// on would keep the store from everybody, from itself too. So each child closes what it inherited.
class HeldFiles {
 public:
  static HeldFiles& instance() {
    static HeldFiles* const all = new HeldFiles;  // fork handlers may run after destructors of this library
    return *all;
  }

  void add(FileDescriptor* file) {
    const std::lock_guard guard(mutex_);
    files_.insert(file);
  }
  void remove(FileDescriptor* file) {
    const std::lock_guard guard(mutex_);
    files_.erase(file);
  }

 private:
  HeldFiles() {
    SKS_CHECK(::pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                               [] { instance().close_in_child(); }) == 0);
  }

  void close_in_child() {
    for (FileDescriptor* const file : files_) *file = FileDescriptor();
    mutex_.unlock();
  }

  std::mutex mutex_;
  std::set<FileDescriptor*> files_;
};

}  // namespace

FolderLock::FolderLock(FileDescriptor file) : file_(new FileDescriptor(std::move(file))) {
  HeldFiles::instance().add(file_.get());
}

void FolderLock::Release::operator()(FileDescriptor* file) const {
  HeldFiles::instance().remove(file);
  delete file;
}

Result<FolderLock> FolderLock::acquire(const std::string& path, std::chrono::milliseconds patience) {
  FileDescriptor file;
  do {
    file = FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file && errno == ENOENT) return Error{Status::not_available, "there is no " + path + ": the store is gone"};
    if (!file) return system_error("cannot write " + path);
    const int outcome = lock_within(file.get(), patience);
    if (outcome != 0 && errno == EWOULDBLOCK) return Error{Status::not_available, "store in use by " + holder_of(file)};
    if (outcome != 0) return system_error("cannot lock " + path);
    // A removed store may have been followed by a new one of the same name, which this lock says nothing about.
  } while (!is_still_at(file, path));

  // Written over the last one before it is cut: a full disk has no room for a file that was emptied first.
  const std::string pid = std::to_string(::getpid()) + "\n";
  const auto size = static_cast<ssize_t>(pid.size());
  if (::pwrite(file.get(), pid.data(), pid.size(), 0) != size || ::ftruncate(file.get(), size) != 0) {
    return system_error("cannot write " + path);
  }
  return FolderLock(std::move(file));
}

std::optional<std::string> FolderLock::holder(const std::string& path) {
  // A pipe must not make us wait.
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file || ::flock(file.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return std::nullopt;
  return holder_of(file);
}

}  // namespace sks::sealed
