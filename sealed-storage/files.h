#pragma once

#include <string>
#include <string_view>
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

/// The folder that a name is in: "." for a name alone.
std::string folder_of(const std::string& path);

/// `what` and the reason that errno holds.
Error system_error(const std::string& what, Status status = Status::storage);

/// Opens a file with mode 0600 that must not exist. None, and errno, when it cannot be made.
FileDescriptor create_file(const std::string& path);

/// Makes a file with mode 0600 that must not exist, and syncs content and attributes to the disk.
Result<void> write_new_file(const std::string& path, ByteView content);

/// A file at a path that a person chose, which is there as a whole or not at all: until it is published it lies beside
/// its place under a name that nobody else uses, and goes with the object. A file that is there is left as it is.
class NewFile {
 public:
  /// With mode 0600, under the name `path`, `mark` and random digits. Fails with storage.
  static Result<NewFile> create(const std::string& path, std::string_view mark);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  int get() const { return file_.get(); }
  const std::string& name() const { return name_; }

  /// Gives the file, which has been synced, its name. Fails with option (there is one) or storage. The name is not
  /// durable yet, see sync_name().
  Result<void> publish();

 private:
  NewFile(std::string path, std::string name, FileDescriptor file)
      : path_(std::move(path)), name_(std::move(name)), file_(std::move(file)) {}

  std::string path_;
  std::string name_;  ///< empty when it has been given its own
  FileDescriptor file_;
};

/// Fails with option when there is something of this name, which is not to be overwritten.
Result<void> check_absent(const std::string& path);

/// Writes a NewFile. Fails with option (there is a file already) or storage; the sentence says whether the file is
/// there all the same.
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

/// The two steps of that for a file that is open. The first is done whatever name the file has meanwhile, the second
/// fails with storage when `path` is not its name any more, and touches no other file that has come to it.
Result<void> overwrite_file(const FileDescriptor& file, const std::string& path);
Result<void> remove_overwritten(const FileDescriptor& file, const std::string& path);

/// What destroy_file() would fail with before it changes anything.
Result<void> check_destroyable(const std::string& path);
Result<void> check_destroyable(const FileDescriptor& file, const std::string& path);

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

/// The same for the name of a file or folder that has just been put in its place. Fails with storage and a sentence
/// that says so: what the new name stands for must then not be destroyed elsewhere.
Result<void> sync_name(const std::string& path);

}  // namespace sks::sealed
