#include "sealed-storage/persona.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>

#include "sealed-storage/store_folder.h"
#include "sealed-storage/store_index.h"
#include "sealed-storage/store_state.h"
#include "sks-core/crypto/running_hash.h"

namespace sks::sealed {
namespace {

namespace fs = std::filesystem;

/// What a store's folder may hold. The master key goes before all of it, the lock last.
constexpr auto kStoreFiles = std::to_array<std::string_view>(
    {"store.db", "store.db-wal", "store.db-shm", "store.db-journal", "room", "master.key.new", "master.key", "lock"});

/// What was destroyed and is being removed, and what is being made, lies beside the store under these names.
constexpr const char* kRemoved = ".removed";
constexpr const char* kImporting = ".importing";
/// Where an import makes the store in its folder: no store that somebody has moved to the name of that folder has it.
constexpr const char* kStaging = "/.store";
constexpr const char* kUnfinished = ".unfinished-";

/// Held while an import looks at the other stores a last time and makes its own one of them.
constexpr const char* kImportLock = "/.import-lock";
constexpr std::chrono::seconds kImportPatience{5};

constexpr std::size_t kCopyBlock = std::size_t{1} << 20;

bool is_real_folder(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

/// Fails when there is something in the folder that does not belong there: it would be lost with it, or be in the way.
template <typename Belongs>
Result<void> check_each_entry(const std::string& folder, const Belongs& belongs, const std::string& reason) {
  std::error_code failure;
  for (auto entry = fs::directory_iterator(folder, failure); !failure && entry != fs::directory_iterator();
       entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    if (!belongs(name, is_real_folder(entry->path().string())))
      return Error{Status::option, folder + " holds '" + name + "', " + reason + ": move it away first"};
  }
  if (failure) return Error{Status::storage, "cannot read " + folder + ": " + failure.message()};
  return {};
}

/// Whether a folder holds nothing but files of a store.
Result<void> check_entries(const std::string& folder) {
  const auto belongs = [](const std::string& name, bool is_folder) {
    return !is_folder && std::ranges::find(kStoreFiles, name) != kStoreFiles.end();
  };
  return check_each_entry(folder, belongs, "which is not of the key store");
}

/// Whether a folder is of an import, and of nothing else: what is in it may be destroyed.
Result<void> check_importing(const std::string& folder) {
  if (!is_real_folder(folder))
    return Error{Status::option, folder + " is not a folder, and in the way of an import: move it away first"};
  const auto belongs = [](const std::string& name, bool is_folder) { return is_folder && "/" + name == kStaging; };
  SKS_TRY(check_each_entry(folder, belongs, "which no import has left"));
  const std::string staging = folder + kStaging;
  return exists(staging) ? check_entries(staging) : Result<void>();
}

/// Removes a folder with the files of a store, if there is one, and not what a link of its name leads to.
Result<void> remove_folder(const std::string& folder) {
  const FileDescriptor opened(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!opened && errno == ENOENT) return {};
  if (!opened) return system_error("cannot remove " + folder);
  for (const std::string_view name : kStoreFiles)
    if (::unlinkat(opened.get(), std::string(name).c_str(), 0) != 0 && errno != ENOENT)
      return system_error("cannot remove " + folder + "/" + std::string(name));
  if (::rmdir(folder.c_str()) != 0 && errno != ENOENT) return system_error("cannot remove " + folder);
  return {};
}

/// Whether what is at the name for the remains of a store, if anything, is such: nothing in it opens a store.
Result<void> check_removed(const std::string& folder) {
  if (!exists(folder)) return {};
  if (!is_real_folder(folder))
    return Error{Status::option, folder + " is not a folder, and in the way of what is removed: move it away first"};
  SKS_TRY(check_entries(folder));
  const std::string key = Files(folder).master_key;
  for (const std::string& path : {key, key + ".new"})
    if (look_at_key(path) == KeyState::present)
      return Error{Status::option, folder + " holds a key store with its master key: move it away first"};
  return {};
}

/// A link would be left, and lead to nowhere.
Result<void> check_no_link(const std::string& folder) {
  std::error_code unknown;
  const fs::path path = fs::path(folder).has_filename() ? fs::path(folder) : fs::path(folder).parent_path();
  if (fs::symlink_status(path, unknown).type() != fs::file_type::symlink) return {};
  return Error{Status::option, path.string() + " is a link to a key store: remove or export that one in its own place"};
}

/// All that can keep a store from being destroyed, before anything is changed.
Result<void> check_removable(const Files& files) {
  SKS_TRY(check_entries(files.folder));
  SKS_TRY(check_destroyable(files.master_key + ".new"));
  SKS_TRY(check_destroyable(files.master_key));
  SKS_TRY(check_removed(files.folder + kRemoved));
  if (::faccessat(AT_FDCWD, files.folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return {};
  return system_error("cannot remove what is in " + files.folder);
}

/// Destroys a store whose lock is held, and whose database is closed.
Result<void> destroy(const Files& files) {
  SKS_TRY(check_removable(files));
  SKS_TRY(destroy_file(files.master_key + ".new"));
  SKS_TRY(destroy_file(files.master_key));
  SKS_TRY(sync_folder(files.folder));
  // Nothing of it opens any more. Another name makes room for a new store at once; a mount point keeps its own, and so
  // does a folder in one that may not be changed.
  const std::string removed = files.folder + kRemoved;
  SKS_TRY(remove_folder(removed));
  if (std::rename(files.folder.c_str(), removed.c_str()) == 0) {
    SKS_TRY(sync_folder(folder_of(files.folder)));
    return remove_folder(removed);
  }
  Result<void> emptied = remove_folder(files.folder);
  if (!emptied && !exists(files.database)) return {};
  return emptied;
}

/// Fails when the master key of a store was destroyed, or is not there.
Result<void> check_has_key(const Files& files) {
  switch (look_at_key(files.master_key)) {
    case KeyState::present:
      return {};
    case KeyState::missing:
      return Error{Status::crypto,
                   "the master key of " + files.folder + " is missing: " + missing_key_advice(files.folder)};
    case KeyState::destroyed:
      break;
  }
  return Error{Status::crypto,
               "the master key of " + files.folder +
                   " was destroyed by a removal or an export that was interrupted: delete what is left"};
}

/// Asked between steps that can be undone.
Result<void> check_going_on(const Stop& stop) {
  if (!stop()) return {};
  return Error{Status::user_abort, "interrupted: nothing was moved"};
}

struct Image {
  std::uint64_t size = 0;
  crypto::Sha256Digest digest{};
};

/// Reads a file from its present place to its end, and writes what it reads to `to` unless that is negative.
Result<Image> read_image(int from, const std::string& from_path, const Stop& stop, int to = -1,
                         const std::string& to_path = {}) {
  Image image;
  crypto::RunningSha256 hash;
  Bytes block(kCopyBlock);
  for (;;) {
    SKS_TRY(check_going_on(stop));
    SKS_LET(const std::size_t got, read_up_to(from, block, from_path));
    if (got == 0) break;
    const ByteView part = ByteView(block).first(got);
    hash.add(part);
    if (to >= 0) SKS_TRY(write_all(to, part, to_path));
    image.size += got;
  }
  image.digest = hash.finish();
  return image;
}

Result<void> rewind_to(int fd, std::size_t offset, const std::string& path) {
  if (::lseek(fd, static_cast<off_t>(offset), SEEK_SET) < 0) return system_error("cannot read " + path);
  return {};
}

/// Puts the log into the database and closes it: `store.db` is then the whole store.
Result<void> close_database(Database opened, const Files& files) {
  {
    Database database = std::move(opened);
    SKS_LET(const std::int64_t busy, database.query_integer("PRAGMA wal_checkpoint(TRUNCATE)"));
    if (busy != 0) return Error{Status::storage, "another program holds " + files.database};
  }
  struct stat log {};
  if (::stat((files.database + "-wal").c_str(), &log) != 0 || log.st_size == 0) return {};
  return Error{Status::storage, "the log of " + files.database + " cannot be emptied"};
}

/// Whether the store opens, before it becomes a file that only opens elsewhere, where its anchor is not.
Result<void> check_root(const HeldStore& held, ByteView master_key, const std::string& folder) {
  if (held.version != kFormatVersion) return {};
  const RecordSealer sealer(master_key, held.header.store_id);
  SKS_LET(const RootRecord root, open_root(sealer, held.header.generation, held.header.root));
  if (root.epoch == 0) return {};
  return Error{Status::option,
               "the key store in " + folder +
                   " has an anchor, which cannot go with it: take it off with 'sks anchor none' before"};
}

/// Fails when a file lies beside `file` that an export to it is writing, or did not come to finish.
Result<void> check_unfinished(const std::string& file) {
  const std::string beginning = fs::path(file).filename().string() + kUnfinished;
  std::error_code failure;
  for (auto entry = fs::directory_iterator(folder_of(file), failure); !failure && entry != fs::directory_iterator();
       entry.increment(failure)) {
    if (!entry->path().filename().string().starts_with(beginning)) continue;
    return Error{Status::option, entry->path().string() +
                                     " is of an export that runs, or was interrupted: the key store is whole; remove " +
                                     "that file unless an export runs, and export again"};
  }
  return {};  // a folder that cannot be read shows nothing that would be in the way
}

/// Whether two names lead to one folder, maybe by a link or a mount.
bool is_same_folder(const std::string& one, const std::string& other) {
  struct stat first {};
  struct stat second {};
  return ::stat(one.c_str(), &first) == 0 && ::stat(other.c_str(), &second) == 0 && first.st_ino == second.st_ino &&
         first.st_dev == second.st_dev;
}

/// A file among what is removed with a store, or at a name that is needed for that, would keep the store from going.
Result<void> check_beside(const std::string& file, const std::string& store) {
  const std::string folder = folder_of(file);
  for (const std::string& place : {store, store + kRemoved, store + kImporting, store + kImporting + kStaging}) {
    if (is_same_folder(folder, place))
      return Error{Status::option,
                   file + " lies in " + place + ", where files of a key store are removed: choose " + "another place"};
    if (is_same_folder(folder, folder_of(place)) && fs::path(file).filename() == fs::path(place).filename())
      return Error{Status::option, file + " is a name that the key store needs: choose another one"};
  }
  return {};
}

/// What is in the way of a new file.
Result<void> check_target(const std::string& file, const Files& files, const StoreId& store_id) {
  SKS_TRY(check_beside(file, files.folder));
  SKS_TRY(check_unfinished(file));
  if (!exists(file)) return {};
  const auto exported = ExportedPersona::open(file);
  if (exported && exported->head().store_id == store_id) {
    return Error{Status::option, file +
                                     " was left by an export of this key store that was interrupted: the key store " +
                                     "is whole; remove that file and export again"};
  }
  return check_absent(file);
}

/// Writes the file, and has it on the disk.
Result<void> write_file(int file, const std::string& path, ByteView head, int database,
                        const std::string& database_path, const Stop& stop) {
  SKS_TRY(write_all(file, head, path));
  SKS_TRY(rewind_to(database, 0, database_path));
  SKS_TRY(read_image(database, database_path, stop, file, path));
  if (::fsync(file) != 0) return system_error("cannot sync " + path);
  // What is read back shall come from the medium.
  static_cast<void>(::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED));
  return {};
}

/// The file under its name, read back and durable.
Result<ExportedPersona> make_file(const ExportRequest& request, const Files& files, const StoreId& store_id,
                                  ByteView master_key, SecretSource& file_secrets) {
  const FileDescriptor database(::open(files.database.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!database) return system_error("cannot read " + files.database);
  SKS_LET(const Image image, read_image(database.get(), files.database, request.stop));
  if (image.size > kMaxImage) return Error{Status::storage, files.database + " is too large to be exported"};
  SKS_LET(const Bytes head, seal_persona_head({request.persona, store_id, image.size, image.digest}, master_key,
                                              request.file, file_secrets, system_random(), request.costs));
  SKS_LET(NewFile file, NewFile::create(request.file, kUnfinished));
  SKS_TRY(write_file(file.get(), file.name(), head, database.get(), files.database, request.stop));
  SKS_LET(ExportedPersona exported, ExportedPersona::open(file.name()));
  SKS_TRY(exported.verify(master_key, file_secrets, request.stop));
  SKS_TRY(check_going_on(request.stop));
  SKS_TRY(file.publish());
  if (const auto durable = sync_name(request.file); !durable)
    return Error{durable.error().status, durable.error().detail + "; the key store was not removed"};
  SKS_TRY(exported.check_name(request.file));
  return exported;
}

/// The folder of an import, and the store that is being made in it. Both are removed unless the store was moved to its
/// place.
class Staging {
 public:
  explicit Staging(std::string folder) : folder_(std::move(folder)) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging() {
    if (folder_.empty()) return;
    wipe_file(store() + "/master.key");
    static_cast<void>(remove_folder(store()));
    ::rmdir(folder_.c_str());
  }

  /// After the store was moved: what comes to this name from now on is of another import.
  Result<void> release() {
    const std::string folder = std::exchange(folder_, {});
    SKS_TRY(sync_folder(folder));
    ::rmdir(folder.c_str());
    return {};
  }

  std::string store() const { return folder_ + kStaging; }

 private:
  std::string folder_;
};

/// Nothing at all when the store can be there.
Result<void> check_free(const Files& target) {
  if (!exists(target.database)) return {};
  SKS_TRY(check_has_key(target));
  return Error{Status::option, "there is a key store in " + target.folder + " already"};
}

/// Removes what an import has left, unless it runs yet: then it holds the lock.
Result<void> remove_interrupted_import(const std::string& folder) {
  SKS_TRY(check_importing(folder));
  const Files files(folder + kStaging);
  SKS_LET(const FolderLock lock, FolderLock::acquire(files.lock));
  SKS_TRY(destroy_file(files.master_key));
  SKS_TRY(remove_folder(files.folder));
  if (::rmdir(folder.c_str()) != 0) return system_error("cannot remove " + folder);
  return {};
}

Result<void> make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_error("cannot create " + path);
  return {};
}

/// The folder that a store is made in, empty but for its lock. One import at a time uses it: what it finds there was
/// left by one that was interrupted. The lock becomes that of the store, and keeps others from using it as long as the
/// file is there.
Result<FolderLock> begin_import(const std::string& folder) {
  const Files files(folder + kStaging);
  SKS_TRY(make_folder(folder));
  SKS_TRY(check_importing(folder));
  SKS_TRY(make_folder(files.folder));
  SKS_LET(FolderLock lock, FolderLock::acquire(files.lock));
  SKS_TRY(check_importing(folder));
  for (const std::string_view name : kStoreFiles)
    if (name != "lock") SKS_TRY(destroy_file(files.folder + "/" + std::string(name)));
  return lock;
}

/// Gives a finished store its place, with nobody else doing so meanwhile.
Result<void> come_to_life(const std::string& store, const Files& target, const LastCheck& last_check) {
  const std::string folder = folder_of(target.folder);
  const std::string path = folder + kImportLock;
  const auto lock = FolderLock::acquire(path, kImportPatience);
  if (!lock && lock.error().status == Status::not_available)
    return Error{Status::not_available, "another import into " + folder + " does not come to its end"};
  if (!lock) return lock.error();
  Result<void> moved = last_check();
  if (moved) moved = move_into_place(store, target);
  ::unlink(path.c_str());  // whoever waits for it sees that, and makes another one
  return moved;
}

}  // namespace

Result<void> check_removable(const std::string& folder) {
  SKS_TRY(check_no_link(folder));
  SKS_LET(const fs::path place, absolute_path(folder));
  return check_removable(Files(place.string()));
}

Result<void> remove_store(const std::string& folder, std::chrono::milliseconds patience) {
  SKS_TRY(check_no_link(folder));
  SKS_LET(const fs::path place, absolute_path(folder));
  const Files files(place.string());
  if (!exists(files.database) && !exists(files.master_key))
    return Error{Status::not_available, "there is no key store in " + files.folder};
  SKS_LET(const FolderLock lock, FolderLock::acquire(files.lock, patience));
  return destroy(files);
}

Result<void> export_store(const ExportRequest& request, SecretSource& store_secrets, SecretSource& file_secrets) {
  SKS_TRY(check_no_link(request.folder));
  SKS_LET(const fs::path place, absolute_path(request.folder));
  const Files files(place.string());
  SKS_LET(HeldStore held, hold_store(files, request.patience));
  SKS_TRY(check_has_key(files));
  SKS_TRY(check_removable(files));
  SKS_TRY(check_target(request.file, files, held.header.store_id));
  SKS_LET(const SecureBytes master_key, load_master_key(files, held.version, held.header, store_secrets));
  SKS_TRY(check_root(held, master_key.view(), files.folder));
  SKS_TRY(close_database(std::move(held.database), files));
  SKS_LET(const ExportedPersona exported,
          make_file(request, files, held.header.store_id, master_key.view(), file_secrets));
  const Result<void> gone = destroy(files);
  if (gone) return {};
  return Error{gone.error().status, "the persona is in " + request.file +
                                        ", but its key store is not removed: delete " + files.folder + " (" +
                                        gone.error().detail + ")"};
}

Result<ExportedPersona> ExportedPersona::open(const std::string& path) {
  constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  FileDescriptor file(::open(path.c_str(), O_RDWR | kFlags));
  // One that can only be read is good for looking at it.
  if (!file && errno != ENOENT && errno != ELOOP) file = FileDescriptor(::open(path.c_str(), O_RDONLY | kFlags));
  if (!file && errno == ENOENT) return Error{Status::not_available, "there is no file " + path};
  if (!file && errno == ELOOP) return Error{Status::option, path + " is a link: name the file that it leads to"};
  if (!file) return system_error("cannot read " + path);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return system_error("cannot read " + path);
  if (!S_ISREG(info.st_mode)) return Error{Status::option, path + " is not an exported persona"};
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return Error{Status::not_available, path + " is in use by another process"};
    return system_error("cannot lock " + path);
  }
  // Whoever had the lock before may have imported and destroyed it.
  if (::fstat(file.get(), &info) != 0 || info.st_nlink == 0)
    return Error{Status::not_available, "there is no file " + path + " any more"};
  Bytes bytes(kPersonaHead);
  SKS_LET(const std::size_t got, read_up_to(file.get(), bytes, path));
  SKS_LET(PersonaHead head, read_persona_head(ByteView(bytes).first(got), path));
  if (static_cast<std::uint64_t>(info.st_size) != kPersonaHead + head.image_size)
    return Error{Status::crypto, path + " is damaged"};
  return ExportedPersona(path, std::move(file), std::move(bytes), std::move(head));
}

Result<void> ExportedPersona::copy_image(const std::string& database, const Stop& stop) {
  SKS_TRY(rewind_to(file_.get(), kPersonaHead, path_));
  const FileDescriptor out = create_file(database);
  if (!out) return system_error("cannot create " + database);
  SKS_LET(const Image image, read_image(file_.get(), path_, stop, out.get(), database));
  if (image.digest != head_.image_digest) return Error{Status::crypto, path_ + " is damaged"};
  if (::fsync(out.get()) != 0) return system_error("cannot sync " + database);
  return {};
}

Result<void> ExportedPersona::check_name(const std::string& path) const {
  if (is_still_at(file_, path)) return {};
  return Error{Status::storage, path + " was replaced by another file meanwhile"};
}

Result<void> ExportedPersona::verify(ByteView master_key, SecretSource& file_secrets, const Stop& stop) {
  SKS_TRY(rewind_to(file_.get(), kPersonaHead, path_));
  SKS_LET(const Image image, read_image(file_.get(), path_, stop));
  if (image.digest != head_.image_digest) return Error{Status::crypto, path_ + " is damaged"};
  SKS_LET(const SecureBytes found, open_persona_head(head_bytes_, path_, file_secrets));
  if (equal_constant_time(found.view(), master_key)) return {};
  return Error{Status::storage, path_ + " does not hold what was written to it"};
}

Result<void> ExportedPersona::make_store(const std::string& staging, const std::string& name, ByteView master_key,
                                         const Protection& protection, SecretSource& store_secrets, const Stop& stop) {
  const Files files(staging);
  SKS_TRY(copy_image(files.database, stop));
  SKS_LET(Database image, Database::open_image(files.database));
  SKS_LET(const std::uint32_t version, check_format(image, path_));
  SKS_LET(const Header header, read_header(image, version, path_));
  const RecordSealer sealer(master_key, header.store_id, version);
  if (header.store_id != head_.store_id || !equal_constant_time(sealer.key_check().view(), header.key_check))
    return Error{Status::crypto, path_ + " holds a key store and the master key of another one"};
  SKS_TRY(check_going_on(stop));
  // Last: what is left of an interruption before this opens nothing.
  SKS_TRY(MasterKeyFile(files.master_key, name).create_with(master_key, protection, store_secrets, system_random()));
  SKS_TRY(sync_folder(staging));
  return check_going_on(stop);
}

Result<void> ExportedPersona::import_to(const std::string& folder, const Protection& protection,
                                        SecretSource& store_secrets, SecretSource& file_secrets, const Stop& stop,
                                        const LastCheck& last_check) {
  SKS_LET(const fs::path place, absolute_path(folder));
  const Files target(place.string());
  SKS_TRY(check_free(target));
  SKS_TRY(check_destroyable(file_, path_));
  // Before the image is read, which may be long.
  SKS_LET(const SecureBytes master_key, open_persona_head(head_bytes_, path_, file_secrets));
  // None of them keeps this one from going on, but its own, which is looked at below.
  for (const std::string& left : interrupted_imports(folder_of(target.folder)))
    static_cast<void>(remove_interrupted_import(left));
  SKS_TRY(make_parents(place));

  const std::string importing = target.folder + kImporting;
  SKS_LET(const FolderLock lock, begin_import(importing));
  Staging staging(importing);
  SKS_TRY(make_store(staging.store(), target.folder, master_key.view(), protection, store_secrets, stop));
  SKS_TRY(come_to_life(staging.store(), target, last_check));
  Result<void> durable = sync_name(target.folder);
  if (const auto left = staging.release(); durable && !left)
    durable = Error{Status::storage,
                    target.folder + " is in its place, but may not survive a power cut: " + left.error().detail};
  if (!durable) return Error{Status::external, durable.error().detail + "; " + path_ + " was not destroyed"};

  const std::string moved = "the persona is in " + target.folder;
  if (const auto overwritten = overwrite_file(file_, path_); !overwritten)
    return Error{Status::external, moved + ", but its file may still open: destroy " +
                                       (is_still_at(file_, path_) ? path_ : "it where it is now") + " (" +
                                       overwritten.error().detail + ")"};
  Result<void> removed = remove_overwritten(file_, path_);
  if (removed) removed = sync_folder(folder_of(path_));
  if (removed) return {};
  return Error{Status::external,
               moved + ", and its file does not open any more, but is not removed: " + removed.error().detail};
}

std::vector<std::string> interrupted_imports(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code failure;
  for (auto entry = fs::directory_iterator(folder, failure); !failure && entry != fs::directory_iterator();
       entry.increment(failure)) {
    const std::string path = entry->path().string();
    if (path.ends_with(kImporting) && check_importing(path) && exists(path + kStaging) &&
        !FolderLock::holder(Files(path + kStaging).lock))
      found.push_back(path);
  }
  std::ranges::sort(found);
  return found;  // a folder that cannot be read shows nothing
}

}  // namespace sks::sealed
