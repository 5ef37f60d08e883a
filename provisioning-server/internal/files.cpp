#include "provisioning-server/internal/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace sks::issuer {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string reason() { return std::strerror(errno); }  // NOLINT(concurrency-mt-unsafe): glibc's is

Result<void> write_all(int fd, ByteView content) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return Error{Status::storage, reason()};
    content = content.subspan(static_cast<std::size_t>(written));
  }
  if (fsync(fd) != 0) return Error{Status::storage, reason()};
  return {};
}

void sync_folder(const std::string& file) {
  const std::string folder = std::filesystem::path(file).parent_path().string();
  const Descriptor descriptor(open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() >= 0) fsync(descriptor.get());
}

Result<void> check_private(const struct stat& status, const std::string& file) {
  constexpr mode_t kOthers = S_IRWXG | S_IRWXO;
  if ((status.st_mode & kOthers) == 0) return {};
  return Error{Status::not_allowed, file + " is open to other users: run chmod 600 " + file};
}

enum class Access : std::uint8_t { any, owner_only };

Result<SecureBytes> read_bytes(const std::string& file, Access access, std::size_t limit) {
  const Descriptor descriptor(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (descriptor.get() < 0 || fstat(descriptor.get(), &status) != 0)
    return Error{Status::not_available, "cannot read " + file + ": " + reason()};
  if (!S_ISREG(status.st_mode)) return Error{Status::not_available, "cannot read " + file + ": not a file"};
  if (access == Access::owner_only) SKS_TRY(check_private(status, file));
  if (status.st_size > static_cast<off_t>(limit))
    return Error{Status::option, file + " is longer than " + std::to_string(limit >> 20) + " MiB"};
  SecureBytes content(static_cast<std::size_t>(status.st_size));
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = read(descriptor.get(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error{Status::not_available, "cannot read " + file + ": " + reason()};
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  content.truncate(size);
  return content;
}

}  // namespace

Result<SecureBytes> read_secret_file(const std::string& file) { return read_bytes(file, Access::owner_only, kMaxFile); }

Result<void> check_secret_file(const std::string& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) == 0) return check_private(status, file);
  if (errno == ENOENT) return {};
  return Error{Status::not_available, "cannot read " + file + ": " + reason()};
}

Result<std::string> read_file(const std::string& file, std::size_t limit) {
  SKS_LET(const SecureBytes content, read_bytes(file, Access::any, limit));
  return sks::to_string(content.view());
}

Result<void> write_new_file(const std::string& file, ByteView content, mode_t mode) {
  const Descriptor descriptor(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (descriptor.get() < 0) return Error{Status::storage, "cannot write " + file + ": " + reason()};
  if (const Result<void> written = write_all(descriptor.get(), content); !written)
    return Error{Status::storage, "cannot write " + file + ": " + written.error().detail};
  sync_folder(file);
  return {};
}

Result<void> replace_file(const std::string& file, std::string_view content, mode_t mode) {
  const std::string fresh = file + ".new-" + std::to_string(getpid());
  if (const Result<void> written = write_new_file(fresh, as_bytes(content), mode); !written) {
    unlink(fresh.c_str());
    return written;
  }
  if (rename(fresh.c_str(), file.c_str()) != 0) {
    const Error error{Status::storage, "cannot replace " + file + ": " + reason()};
    unlink(fresh.c_str());
    return error;
  }
  sync_folder(file);
  return {};
}

std::string file_stamp(const std::string& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) return {};
  return std::to_string(status.st_size) + ' ' + std::to_string(status.st_mtim.tv_sec) + '.' +
         std::to_string(status.st_mtim.tv_nsec) + ' ' + std::to_string(status.st_ino);
}

}  // namespace sks::issuer
