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

/// The same for a path that a person chose: the file is there as a whole and for good, or not at all. A file that is
/// there is left as it is. Fails with option (there is one) or storage.
Result<void> write_whole_file(const std::string& path, ByteView content);

/// Puts a new file in the place of one that is there, so that at every instant there is one of the two, whole.
/// `temporary` is a name in the same folder that nobody else uses. The content of the replaced file is overwritten,
/// unless the file has another name too. Fails with storage; the old file is left when the new one could not be put in
/// its place.
Result<void> replace_file(const std::string& path, const std::string& temporary, ByteView content);

/// Overwrites a small file and removes it. Best effort, and nothing when there is none.
void wipe_file(const std::string& path);

/// Overwrites the beginning of a file, 64 KiB or all of it, durably, and removes it. Nothing when there is none. Fails
/// with storage when the file is a link or has another name, under which its content would stay, or when it cannot be
/// overwritten; it is then as it was.
Result<void> destroy_file(const std::string& path);

/// Whether the file that is open is the one of this name, which may have been removed or replaced since.
bool is_still_at(const FileDescriptor& file, const std::string& path);

Result<void> write_all(int fd, ByteView content, const std::string& path);

/// The next bytes of a file, as many as fit into `buffer`, fewer at its end.
Result<std::size_t> read_up_to(int fd, std::span<std::uint8_t> buffer, const std::string& path);

/// Makes a file of `size` bytes that really occupies them, unless there is one. Best effort: a medium without room, or
/// one that cannot be written, leaves none behind.
void set_room_aside(const std::string& path, std::size_t size);

/// Who may read a file that is read.
enum class Readers : std::uint8_t {
  owner,
  owner_and_group,  ///< systemd grants a service its credentials by an access list, which shows as rights of the group
  anyone,           ///< what the file holds protects itself
};

/// The whole content of a file of at most `limit` bytes. Fails with not_available when there is none, storage when it
/// cannot be read, when it is longer, or when its mode lets others than `readers` read or write it.
Result<SecureBytes> read_private_file(const std::string& path, std::size_t limit, Readers readers = Readers::owner);

/// Fails with storage when the folder grants anything to others than its owner.
Result<void> check_private_folder(const std::string& path);

/// Makes names that were created or renamed in a folder durable.
Result<void> sync_folder(const std::string& path);

}  // namespace sks::sealed
