#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "sks-core/base/bytes.h"

struct sqlite3_file;
struct sqlite3_vfs;

/// A disk under SQLite that fails, or loses its power, at a chosen operation: a VFS over SQLite's own for Unix.
namespace sks::test {

/// What one file operation does to the disk. Reading is not counted.
struct DiskOperation {
  enum class Kind : std::uint8_t { create, write, truncate, sync, failed_sync, remove, remove_and_sync };
  Kind kind;
  std::string name;          ///< of the file, without its folder
  std::size_t offset = 0;    ///< of a write; the new size of a truncation
  Bytes content = {};        ///< of a write
  bool syncs_names = false;  ///< a sync that makes the names in the folder durable too
};

/// The files of a folder by name.
using DiskImage = std::map<std::string, Bytes>;

/// What survives of operations that no sync has made durable.
enum class Unsynced : std::uint8_t { lost, kept, torn };

/// A disk at some point of a series of operations. Content and names of files become durable separately, as on POSIX: a
/// sync of a file makes its content durable, and its name only when the folder is synced. After a sync that failed,
/// what it should have written gets to the disk when it is written once more, and not otherwise: Linux takes it for
/// written.
class DiskModel {
 public:
  explicit DiskModel(const DiskImage& initial);

  void apply(const DiskOperation& operation);

  /// What the disk can hold when the power fails now. `torn`: every sector of 512 bytes of an unsynced write survives
  /// by itself or not, and so does every truncation and every change of a name.
  DiskImage image(Unsynced unsynced, std::mt19937& random) const;

 private:
  struct File {
    Bytes durable;
    std::vector<DiskOperation> pending;
  };
  using Names = std::map<std::string, std::shared_ptr<File>>;
  struct NameChange {
    std::string name;
    std::shared_ptr<File> file;  ///< null: removed
  };

  Names names_;
  Names durable_names_;
  std::vector<NameChange> pending_names_;
};

/// The disk under SQLite's default VFS, once that is installed. Files outside of the watched folder are only passed on.
/// Nothing is ever synced really: what a sync means is up to DiskModel.
class FaultDisk {
 public:
  static FaultDisk& instance();
  /// For the life of this process.
  static void install();

  /// Starts to record what happens to the files of a folder, which are taken for durable as they are.
  void watch(const std::string& folder);
  /// The same for a new folder whose path starts with `prefix`, and in which `files` come into being without SQLite.
  void watch_new(const std::string& prefix, const DiskImage& files);
  /// Stops both recording and failing.
  void unwatch();

  enum class Fault : std::uint8_t { io_error, full };
  enum class Duration : std::uint8_t { once, from_then_on };
  /// Fails the n-th (1 = next) recorded operation. Half of a write that fails is written.
  void fail_at(std::size_t n, Fault fault, Duration duration);
  bool has_failed() const { return failed_; }

  /// Runs `deed` once, when the disk has taken the next sync and before it says so.
  void during_next_sync(std::function<void()> deed) { during_sync_ = std::move(deed); }

  const DiskImage& initial() const { return initial_; }
  const std::vector<DiskOperation>& log() const { return log_; }

 private:
  friend struct FaultVfs;
  FaultDisk();
  bool watches(const std::string& path) const;
  /// The SQLite code of the failure that is due, or 0.
  int due_failure(DiskOperation::Kind kind);
  void record(DiskOperation operation) { log_.push_back(std::move(operation)); }

  std::string folder_;
  bool is_prefix_ = false;
  DiskImage initial_;
  std::vector<DiskOperation> log_;
  std::size_t countdown_ = 0;
  Fault fault_ = Fault::io_error;
  Duration duration_ = Duration::once;
  bool failed_ = false;
  std::function<void()> during_sync_;
};

DiskImage read_folder(const std::string& folder);
void write_folder(const std::string& folder, const DiskImage& image);

}  // namespace sks::test
