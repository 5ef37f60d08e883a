#include "sealed-storage/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace sks::sealed {
namespace {

constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

/// Refuses what others may touch: whoever could read a key counts as having it.
Result<void> check_private(const struct stat& info, const std::string& path, const char* advice) {
  if ((info.st_mode & kOthers) == 0) return {};
  std::array<char, 8> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", static_cast<unsigned>(info.st_mode & 07777));
  return Error{Status::storage,
               path + " is open to other users (mode " + mode.data() + "): run " + advice + " " + path};
}

Result<void> write_all(int fd, ByteView content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("cannot write " + path);
    content = content.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Error system_error(const std::string& what, Status status) {
  return Error{status, what + ": " + std::generic_category().message(errno)};
}

Result<void> write_new_file(const std::string& path, ByteView content) {
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return system_error("cannot create " + path);
  SKS_TRY(write_all(file.get(), content, path));
  if (::fsync(file.get()) != 0) return system_error("cannot sync " + path);
  return {};
}

void set_room_aside(const std::string& path, std::size_t size) {
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (file && ::posix_fallocate(file.get(), 0, static_cast<off_t>(size)) != 0) ::unlink(path.c_str());
}

Result<SecureBytes> read_private_file(const std::string& path, std::size_t limit) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe must not make us wait
  if (!file && errno == ENOENT) return Error{Status::not_available, path + " is missing"};
  if (!file) return system_error("cannot read " + path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error("cannot read " + path);
  if (!S_ISREG(info.st_mode)) return Error{Status::storage, path + " is not a file"};
  SKS_TRY(check_private(info, path, "chmod 600"));

  SecureBytes content(limit + 1);
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = ::read(file.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot read " + path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > limit) return Error{Status::storage, path + " is too long"};
  content.truncate(size);
  return content;
}

Result<void> check_private_folder(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return system_error("cannot read " + path);
  return check_private(info, path, "chmod 700");
}

Result<void> sync_folder(const std::string& path) {
  const FileDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return system_error("cannot open " + path);
  if (::fsync(folder.get()) != 0) return system_error("cannot sync " + path);
  return {};
}

}  // namespace sks::sealed
