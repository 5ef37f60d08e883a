#include "tests/sealed-storage/fault_disk.h"

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <new>
#include <utility>

#include "sks-core/base/result.h"
#include "tests/support/temp_dir.h"

namespace sks::test {
namespace {

using Kind = DiskOperation::Kind;

constexpr std::size_t kSector = 512;

void write_part(Bytes& file, const DiskOperation& write, std::size_t from, std::size_t to) {
  if (from == to) return;
  if (file.size() < write.offset + to) file.resize(write.offset + to);
  std::copy(write.content.begin() + static_cast<std::ptrdiff_t>(from),
            write.content.begin() + static_cast<std::ptrdiff_t>(to),
            file.begin() + static_cast<std::ptrdiff_t>(write.offset + from));
}

void perform(Bytes& file, const DiskOperation& operation) {
  if (operation.kind == Kind::write) write_part(file, operation, 0, operation.content.size());
  if (operation.kind == Kind::truncate) file.resize(std::min(file.size(), operation.offset));
}

bool coin(std::mt19937& random) { return (random() & 1U) != 0; }

void perform_torn(Bytes& file, const DiskOperation& operation, std::mt19937& random) {
  if (operation.kind == Kind::truncate && coin(random)) perform(file, operation);
  if (operation.kind != Kind::write) return;
  for (std::size_t from = 0; from < operation.content.size();) {
    const std::size_t rest_of_sector = kSector - (operation.offset + from) % kSector;
    const std::size_t to = std::min(from + rest_of_sector, operation.content.size());
    if (coin(random)) write_part(file, operation, from, to);
    from = to;
  }
}

}  // namespace

DiskModel::DiskModel(const DiskImage& initial) {
  for (const auto& [name, content] : initial) names_[name] = std::make_shared<File>(File{content, {}});
  durable_names_ = names_;
}

void DiskModel::apply(const DiskOperation& operation) {
  const auto sync_names = [this] {
    durable_names_ = names_;
    pending_names_.clear();
  };
  switch (operation.kind) {
    case Kind::create:
      names_[operation.name] = std::make_shared<File>();
      pending_names_.push_back({operation.name, names_[operation.name]});
      return;
    case Kind::remove:
    case Kind::remove_and_sync:
      names_.erase(operation.name);
      pending_names_.push_back({operation.name, nullptr});
      if (operation.kind == Kind::remove_and_sync) sync_names();
      return;
    case Kind::write:
    case Kind::truncate:
      names_.at(operation.name)->pending.push_back(operation);
      return;
    case Kind::failed_sync:
      names_.at(operation.name)->pending.clear();
      return;
    case Kind::sync: {
      File& file = *names_.at(operation.name);
      for (const DiskOperation& pending : file.pending) perform(file.durable, pending);
      file.pending.clear();
      if (operation.syncs_names) sync_names();
      return;
    }
  }
}

DiskImage DiskModel::image(Unsynced unsynced, std::mt19937& random) const {
  Names names = unsynced == Unsynced::kept ? names_ : durable_names_;
  if (unsynced == Unsynced::torn) {
    for (const NameChange& change : pending_names_) {
      if (!coin(random)) continue;
      if (change.file == nullptr)
        names.erase(change.name);
      else
        names[change.name] = change.file;
    }
  }
  DiskImage image;
  for (const auto& [name, file] : names) {
    Bytes content = file->durable;
    for (const DiskOperation& pending : file->pending) {
      if (unsynced == Unsynced::kept) perform(content, pending);
      if (unsynced == Unsynced::torn) perform_torn(content, pending, random);
    }
    image[name] = std::move(content);
  }
  return image;
}

DiskImage read_folder(const std::string& folder) {
  DiskImage image;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_regular_file()) image[entry.path().filename()] = to_bytes(as_bytes(read_file(entry.path())));
  return image;
}

void write_folder(const std::string& folder, const DiskImage& image) {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  std::filesystem::permissions(folder, std::filesystem::perms(0700));
  for (const auto& [name, content] : image) {
    const std::string path = folder + "/" + name;
    write_file(path, to_string(content));
    std::filesystem::permissions(path, std::filesystem::perms(0600));
  }
}

/// SQLite's C interfaces: what it asks of files and of the file system.
struct FaultVfs {
  struct File {
    sqlite3_file base;
    sqlite3_file* inner;  ///< lies behind this struct
    std::string* name;    ///< null: not watched
    bool syncs_names;     ///< a new log or journal: SQLite syncs the folder with its first sync
  };

  static inline sqlite3_vfs* unix_vfs = nullptr;
  static inline sqlite3_vfs vfs{};

  static FaultDisk& disk() { return FaultDisk::instance(); }
  static File* of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }
  static sqlite3_file* inner(sqlite3_file* file) { return of(file)->inner; }
  /// Whether the file is of the folder that is watched now.
  static bool watched(sqlite3_file* file) { return of(file)->name != nullptr && !disk().folder_.empty(); }

  static int close(sqlite3_file* file) {
    delete of(file)->name;
    of(file)->name = nullptr;
    return inner(file)->pMethods->xClose(inner(file));
  }
  static int read(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
    return inner(file)->pMethods->xRead(inner(file), out, size, offset);
  }
  static int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
    if (!watched(file)) return inner(file)->pMethods->xWrite(inner(file), data, size, offset);
    const int failure = disk().due_failure(Kind::write);
    const int written = failure == 0 ? size : size / 2;
    const auto* const bytes = static_cast<const std::uint8_t*>(data);
    const int code = written == 0 ? SQLITE_OK : inner(file)->pMethods->xWrite(inner(file), data, written, offset);
    if (code == SQLITE_OK)
      disk().record({Kind::write, *of(file)->name, static_cast<std::size_t>(offset), Bytes(bytes, bytes + written)});
    return failure == 0 ? code : failure;
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    if (watched(file)) {
      if (const int failure = disk().due_failure(Kind::truncate); failure != 0) return failure;
      disk().record({Kind::truncate, *of(file)->name, static_cast<std::size_t>(size)});
    }
    return inner(file)->pMethods->xTruncate(inner(file), size);
  }
  static int sync(sqlite3_file* file, int) {
    if (!watched(file)) return SQLITE_OK;
    if (const int failure = disk().due_failure(Kind::sync); failure != 0) {
      disk().record({Kind::failed_sync, *of(file)->name});
      return failure;
    }
    disk().record({Kind::sync, *of(file)->name, 0, {}, std::exchange(of(file)->syncs_names, false)});
    if (const auto deed = std::exchange(disk().during_sync_, nullptr)) deed();
    return SQLITE_OK;
  }
  static int file_size(sqlite3_file* file, sqlite3_int64* size) {
    return inner(file)->pMethods->xFileSize(inner(file), size);
  }
  static int lock(sqlite3_file* file, int level) { return inner(file)->pMethods->xLock(inner(file), level); }
  static int unlock(sqlite3_file* file, int level) { return inner(file)->pMethods->xUnlock(inner(file), level); }
  static int check_lock(sqlite3_file* file, int* out) {
    return inner(file)->pMethods->xCheckReservedLock(inner(file), out);
  }
  static int control(sqlite3_file* file, int operation, void* argument) {
    return inner(file)->pMethods->xFileControl(inner(file), operation, argument);
  }
  static int sector_size(sqlite3_file* file) { return inner(file)->pMethods->xSectorSize(inner(file)); }
  static int characteristics(sqlite3_file* file) { return inner(file)->pMethods->xDeviceCharacteristics(inner(file)); }

  /// Version 1: without shared memory and mapping, which a store under its exclusive lock does not use.
  static inline const sqlite3_io_methods methods{
      1,           close,           read,    write,   truncate, sync,    file_size, lock,   unlock, check_lock, control,
      sector_size, characteristics, nullptr, nullptr, nullptr,  nullptr, nullptr,   nullptr};

  static int open(sqlite3_vfs*, const char* path, sqlite3_file* file, int flags, int* out_flags) {
    file->pMethods = nullptr;  // no close after a failure
    const bool is_watched = path != nullptr && disk().watches(path);
    const bool creates = is_watched && (flags & SQLITE_OPEN_CREATE) != 0 && ::access(path, F_OK) != 0;
    if (creates) {
      if (const int failure = disk().due_failure(Kind::create); failure != 0) return SQLITE_CANTOPEN;
    }
    File* const made = new (file) File{};
    made->inner = reinterpret_cast<sqlite3_file*>(made + 1);
    const int code = unix_vfs->xOpen(unix_vfs, path, made->inner, flags, out_flags);
    if (code != SQLITE_OK) return code;
    constexpr int kWithJournal = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
    made->syncs_names = creates && (flags & kWithJournal) != 0;
    if (is_watched) made->name = new std::string(std::filesystem::path(path).filename());
    if (creates) disk().record({Kind::create, *made->name});
    made->base.pMethods = &methods;
    return SQLITE_OK;
  }
  static int remove(sqlite3_vfs*, const char* path, int sync_folder) {
    if (disk().watches(path) && ::access(path, F_OK) == 0) {
      const Kind kind = sync_folder != 0 ? Kind::remove_and_sync : Kind::remove;
      if (const int failure = disk().due_failure(kind); failure != 0) return failure;
      disk().record({kind, std::filesystem::path(path).filename()});
    }
    return unix_vfs->xDelete(unix_vfs, path, 0);
  }

  static void install() {
    unix_vfs = sqlite3_vfs_find("unix");
    REQUIRE(unix_vfs != nullptr);
    vfs = *unix_vfs;
    vfs.zName = "sks-fault-disk";
    vfs.szOsFile = static_cast<int>(sizeof(File)) + unix_vfs->szOsFile;
    vfs.xOpen = open;
    vfs.xDelete = remove;
    REQUIRE(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
  }
};

FaultDisk::FaultDisk() = default;

FaultDisk& FaultDisk::instance() {
  static FaultDisk disk;
  return disk;
}

void FaultDisk::install() {
  if (FaultVfs::unix_vfs == nullptr) FaultVfs::install();
}

bool FaultDisk::watches(const std::string& path) const {
  if (folder_.empty()) return false;
  return is_prefix_ ? path.starts_with(folder_) : std::filesystem::path(path).parent_path() == folder_;
}

void FaultDisk::watch(const std::string& folder) {
  unwatch();
  initial_ = read_folder(folder);
  folder_ = std::filesystem::weakly_canonical(folder);
}

void FaultDisk::watch_new(const std::string& prefix, const DiskImage& files) {
  unwatch();
  initial_ = files;
  folder_ = prefix;
  is_prefix_ = true;
}

void FaultDisk::unwatch() {
  is_prefix_ = false;
  folder_.clear();
  log_.clear();
  countdown_ = 0;
  failed_ = false;
  during_sync_ = nullptr;
}

void FaultDisk::fail_at(std::size_t n, Fault fault, Duration duration) {
  countdown_ = n;
  fault_ = fault;
  duration_ = duration;
  failed_ = false;
}

int FaultDisk::due_failure(DiskOperation::Kind kind) {
  const bool goes_on = failed_ && duration_ == Duration::from_then_on;
  if (!goes_on && (countdown_ == 0 || --countdown_ != 0)) return 0;
  failed_ = true;
  switch (kind) {
    case Kind::create:
      return SQLITE_CANTOPEN;
    case Kind::write:
      return fault_ == Fault::full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    case Kind::truncate:
      return SQLITE_IOERR_TRUNCATE;
    case Kind::sync:
    case Kind::failed_sync:
      return SQLITE_IOERR_FSYNC;
    case Kind::remove:
    case Kind::remove_and_sync:
      return SQLITE_IOERR_DELETE;
  }
  SKS_CHECK(false);
}

}  // namespace sks::test
