#pragma once

#include <string>
#include <utility>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// The few file system calls of a store, each with one sentence for people when it fails.
namespace sks::sealed {

/// Owns a file descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// `what` and the reason that errno holds.
Error system_error(const std::string& what, Status status = Status::storage);

/// Makes a file with mode 0600 that must not exist, and syncs content and attributes to the disk.
Result<void> write_new_file(const std::string& path, ByteView content);

/// Makes a file of `size` bytes that really occupies them, unless there is one. Best effort: a medium without room, or
/// one that cannot be written, leaves none behind.
void set_room_aside(const std::string& path, std::size_t size);

/// The whole content of a file of at most `limit` bytes. Fails with not_available when there is none, storage when it
/// cannot be read, when it is longer, or when its mode lets others than its owner read or write it.
Result<SecureBytes> read_private_file(const std::string& path, std::size_t limit);

/// Fails with storage when the folder grants anything to others than its owner.
Result<void> check_private_folder(const std::string& path);

/// Makes names that were created or renamed in a folder durable.
Result<void> sync_folder(const std::string& path);

}  // namespace sks::sealed
