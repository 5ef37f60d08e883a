#include "provisioning-server/authority/renewal_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace sks::issuer {
namespace {

constexpr mode_t kPrivateFile = 0600;

Error system_error(const std::string& what) {
  return {Status::storage, what + ": " + std::strerror(errno)};  // NOLINT(concurrency-mt-unsafe): glibc's is
}

/// What root makes here has to open for the server, which runs as the owner of the folder.
bool give_to_owner_of_folder(int fd, const std::string& file) {
  struct stat folder {};
  struct stat own {};
  if (stat(std::filesystem::path(file).parent_path().c_str(), &folder) != 0 || fstat(fd, &own) != 0) return false;
  return own.st_uid == folder.st_uid || fchown(fd, folder.st_uid, folder.st_gid) == 0;
}

}  // namespace

Result<std::optional<RenewalLock>> RenewalLock::take(const std::string& file, Wait wait) {
  RenewalLock lock(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kPrivateFile));
  if (lock.fd_ < 0) return system_error("cannot open " + file);
  if (geteuid() == 0 && !give_to_owner_of_folder(lock.fd_, file)) return system_error("cannot give away " + file);
  while (flock(lock.fd_, wait == Wait::yes ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::optional<RenewalLock>();
    if (errno != EINTR) return system_error("cannot lock " + file);
  }
  return std::optional<RenewalLock>(std::move(lock));
}

RenewalLock::~RenewalLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace sks::issuer
