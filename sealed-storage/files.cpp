#include "sealed-storage/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "sks-core/base/encoding.h"
#include "sks-core/base/random.h"

namespace sks::sealed {
namespace {

constexpr std::size_t kMaxOverwritten = 65536;
constexpr std::size_t kLeastBuffer = 4096;

/// The rights that nobody may have, by Readers.
constexpr std::array<mode_t, 3> kOthers{S_IRWXG | S_IRWXO, S_IWGRP | S_IXGRP | S_IRWXO, 0};

/// Refuses what others may touch: whoever could read a key counts as having it.
Result<void> check_private(const struct stat& info, const std::string& path, const char* advice,
                           Readers readers = Readers::owner) {
  if ((info.st_mode & kOthers[static_cast<std::size_t>(readers)]) == 0) return {};
  std::array<char, 8> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", static_cast<unsigned>(info.st_mode & 07777));
  return Error{Status::storage,
               path + " is open to other users (mode " + mode.data() + "): run " + advice + " " + path};
}

/// Makes zeros of the beginning of a file of `size` bytes, durably.
bool write_zeros(int fd, off_t size) {
  const Bytes zeros(std::min(static_cast<std::size_t>(size), kMaxOverwritten));
  return ::pwrite(fd, zeros.data(), zeros.size(), 0) == static_cast<ssize_t>(zeros.size()) && ::fsync(fd) == 0;
}

/// Writes zeros over a small file that has at most `names` names. A file with more of them is somebody's copy.
void overwrite(const FileDescriptor& file, nlink_t names) {
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink > names) return;
  static_cast<void>(write_zeros(file.get(), info.st_size));
}

/// As write_new_file(); `owner` and `group` are set while nobody else can have put another file under the name.
Result<void> write_new_file_of(uid_t owner, gid_t group, const std::string& path, ByteView content) {
  const FileDescriptor file = create_file(path);
  if (!file) return system_error("cannot create " + path);
  SKS_TRY(write_all(file.get(), content, path));
  if (owner != ::geteuid() && ::fchown(file.get(), owner, group) != 0) return system_error("cannot give away " + path);
  if (::fsync(file.get()) != 0) return system_error("cannot sync " + path);
  return {};
}

Error is_there(const std::string& path) {
  return Error{Status::option, path + " is there already, and is not overwritten"};
}

/// For destroying what it is found to be. None when there is none.
Result<FileDescriptor> open_to_destroy(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file || errno == ENOENT) return file;
  if (errno == ELOOP) return Error{Status::storage, path + " is a link to a file, which would stay"};
  return system_error("cannot overwrite " + path);
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileDescriptor::~FileDescriptor() {
  if (fd_ >= 0) ::close(fd_);
}

std::string folder_of(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

Error system_error(const std::string& what, Status status) {
  return Error{status, what + ": " + std::generic_category().message(errno)};
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

Result<std::size_t> read_up_to(int fd, std::span<std::uint8_t> buffer, const std::string& path) {
  std::size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t got = ::read(fd, buffer.data() + size, buffer.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("cannot read " + path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  return size;
}

FileDescriptor create_file(const std::string& path) {
  return FileDescriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
}

Result<void> write_new_file(const std::string& path, ByteView content) {
  return write_new_file_of(::geteuid(), ::getegid(), path, content);
}

Result<void> replace_file(const std::string& path, const std::string& temporary, ByteView content) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return system_error("cannot read " + path);
  if (!S_ISREG(info.st_mode))
    return Error{Status::storage, path + " is a link: a file can only be replaced in its place"};
  const FileDescriptor old(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  wipe_file(temporary);

  // Root may work on the store of a user, who must be able to read the new file too.
  Result<void> written = write_new_file_of(info.st_uid, info.st_gid, temporary, content);
  if (written && std::rename(temporary.c_str(), path.c_str()) != 0) written = system_error("cannot replace " + path);
  if (!written) {
    wipe_file(temporary);
    return written;
  }
  if (Result<void> synced = sync_folder(folder_of(path)); !synced) {
    return Error{Status::storage,
                 path + " was replaced, but a power cut may bring the old one back: " + synced.error().detail};
  }
  overwrite(old, 0);  // not before: until the new name is durable, a power cut brings the old file back
  return {};
}

Result<NewFile> NewFile::create(const std::string& path, std::string_view mark) {
  const std::string name = path + std::string(mark) + to_hex(system_random().bytes(8));
  FileDescriptor file = create_file(name);
  if (!file) return system_error("cannot create " + path);
  return NewFile(path, name, std::move(file));
}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)), name_(std::exchange(other.name_, {})), file_(std::move(other.file_)) {}

NewFile::~NewFile() {
  if (!name_.empty()) ::unlink(name_.c_str());
}

Result<void> NewFile::publish() {
  const auto failure = [this]() -> Error {
    if (errno == EEXIST) return is_there(path_);
    return system_error("cannot create " + path_);
  };
  if (::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno != EINVAL && errno != ENOSYS) return failure();
    // Some file systems cannot refuse by themselves. There, whoever made an empty file of that name may replace it.
    if (!create_file(path_)) return failure();
    if (std::rename(name_.c_str(), path_.c_str()) != 0) {
      const Error reason = failure();
      ::unlink(path_.c_str());
      return reason;
    }
  }
  name_.clear();
  return {};
}

Result<void> check_absent(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return {};
  return is_there(path);
}

Result<void> write_whole_file(const std::string& path, ByteView content) {
  SKS_TRY(check_absent(path));
  SKS_LET(NewFile file, NewFile::create(path, ".new-"));
  SKS_TRY(write_all(file.get(), content, path));
  if (::fsync(file.get()) != 0) return system_error("cannot sync " + path);
  SKS_TRY(file.publish());
  return sync_name(path);
}

void wipe_file(const std::string& path) {
  overwrite(FileDescriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)), 1);
  ::unlink(path.c_str());
}

Result<void> check_destroyable(const FileDescriptor& file, const std::string& path) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error("cannot read " + path);
  if (!S_ISREG(info.st_mode)) return Error{Status::storage, path + " is not a file"};
  if ((::fcntl(file.get(), F_GETFL) & O_ACCMODE) == O_RDONLY)
    return Error{Status::storage, path + " is write-protected, so it cannot be destroyed"};
  if (!is_still_at(file, path)) return Error{Status::storage, path + " was replaced by another file meanwhile"};
  if (info.st_nlink != 1) return Error{Status::storage, path + " has another name, under which it would stay"};
  return {};
}

Result<void> check_destroyable(const std::string& path) {
  SKS_LET(const FileDescriptor file, open_to_destroy(path));
  if (!file) return {};
  return check_destroyable(file, path);
}

Result<void> destroy_file(const std::string& path) {
  SKS_LET(const FileDescriptor file, open_to_destroy(path));
  if (!file) return {};
  SKS_TRY(check_destroyable(file, path));
  SKS_TRY(overwrite_file(file, path));
  return remove_overwritten(file, path);
}

Result<void> overwrite_file(const FileDescriptor& file, const std::string& path) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error("cannot read " + path);
  if (!write_zeros(file.get(), info.st_size)) return system_error("cannot overwrite " + path);
  return {};
}

Result<void> remove_overwritten(const FileDescriptor& file, const std::string& path) {
  // Looked at right before: to overwrite takes its time.
  if (!is_still_at(file, path))
    return Error{Status::storage, path + " was moved meanwhile; it is destroyed, remove it where it is now"};
  if (::unlink(path.c_str()) != 0) return system_error("cannot remove " + path + ", which was overwritten");
  struct stat info {};
  if (::fstat(file.get(), &info) != 0 || info.st_nlink == 0) return {};
  return Error{Status::storage, path + " was given another name meanwhile; it is destroyed, remove that name too"};
}

bool is_still_at(const FileDescriptor& file, const std::string& path) {
  struct stat ours {};
  struct stat there {};
  return ::fstat(file.get(), &ours) == 0 && ::lstat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
         ours.st_dev == there.st_dev;
}

void set_room_aside(const std::string& path, std::size_t size) {
  const FileDescriptor file = create_file(path);
  if (file && ::posix_fallocate(file.get(), 0, static_cast<off_t>(size)) != 0) ::unlink(path.c_str());
}

Result<SecureBytes> read_private_file(const std::string& path, std::size_t limit, Readers readers) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe must not make us wait
  if (!file && errno == ENOENT) return Error{Status::not_available, path + " is missing"};
  if (!file) return system_error("cannot read " + path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error("cannot read " + path);
  if (!S_ISREG(info.st_mode)) return Error{Status::storage, path + " is not a file"};
  SKS_TRY(check_private(info, path, "chmod 600", readers));

  // A little more than it has, so that a file that grows or tells no size is noticed.
  SecureBytes content(std::min(limit, std::max(static_cast<std::size_t>(info.st_size), kLeastBuffer)) + 1);
  SKS_LET(const std::size_t size, read_up_to(file.get(), content.span(), path));
  if (size == content.size()) return Error{Status::storage, path + " is too long"};
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

Result<void> sync_name(const std::string& path) {
  const Result<void> synced = sync_folder(folder_of(path));
  if (synced) return {};
  return Error{Status::storage, path + " is in its place, but may not survive a power cut: " + synced.error().detail};
}

}  // namespace sks::sealed
