#include "sealed-storage/store_folder.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "sealed-storage/files.h"
#include "sealed-storage/master_key.h"

namespace sks::sealed {

bool exists(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0;
}

Result<std::filesystem::path> absolute_path(const std::string& folder) {
  if (folder.empty()) return Error{Status::option, "a key store needs the name of a folder"};
  std::error_code failure;
  const std::filesystem::path absolute = std::filesystem::absolute(folder, failure);
  if (failure) return Error{Status::storage, "cannot use " + folder + ": " + failure.message()};
  std::filesystem::path path = std::filesystem::weakly_canonical(absolute, failure);
  if (failure) return Error{Status::storage, "cannot use " + folder + ": " + failure.message()};
  return path.has_filename() ? path : path.parent_path();
}

Result<void> make_parents(const std::filesystem::path& place) {
  const std::filesystem::path parent = place.parent_path();
  std::error_code failure;
  std::filesystem::create_directories(parent, failure);
  if (failure) return Error{Status::storage, "cannot create " + parent.string() + ": " + failure.message()};
  return {};
}

Result<void> move_into_place(const std::string& from, const Files& target) {
  if (std::rename(from.c_str(), target.folder.c_str()) == 0) return {};
  if (errno == EEXIST || errno == ENOTEMPTY) {
    return Error{Status::option, exists(target.database)
                                     ? "there is a key store in " + target.folder + " already"
                                     : target.folder + " is not empty: a key store needs a folder of its own"};
  }
  if (errno == EBUSY || errno == EXDEV) {
    return Error{Status::option, target.folder + " is a mount point: name a folder in it for the key store"};
  }
  if (errno == ENOTDIR) return Error{Status::option, target.folder + " is not a folder"};
  return system_error("cannot create " + target.folder);
}

Result<void> check_place(const Files& files) {
  if (!exists(files.database)) {
    if (errno == ENOENT || errno == ENOTDIR)
      return Error{Status::not_available, "there is no key store in " + files.folder};
    return system_error("cannot read " + files.database);
  }
  return check_private_folder(files.folder);
}

// Exclusive locking keeps SQLite from sharing its index through a file: nobody else uses the store anyway.
Result<void> configure(Database& database) {
  return database.execute(
      "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; "
      "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY");
}

Result<SecureBytes> load_master_key(const Files& files, std::uint32_t version, const Header& header,
                                    SecretSource& secrets) {
  SKS_LET(SecureBytes master_key, MasterKeyFile(files.master_key, files.folder).load(secrets));
  const RecordSealer found(master_key.view(), header.store_id, version);
  if (equal_constant_time(found.key_check().view(), header.key_check)) return master_key;
  return Error{Status::crypto, "the master key does not belong to the key store in " + files.folder};
}

Result<HeldStore> hold_store(const Files& files, std::chrono::milliseconds patience) {
  SKS_TRY(check_place(files));
  SKS_LET(FolderLock lock, FolderLock::acquire(files.lock, patience));
  MasterKeyFile(files.master_key, files.folder).remove_leftovers();
  SKS_LET(Database database, Database::open(files.database));
  SKS_TRY(configure(database));
  SKS_LET(const std::uint32_t version, check_format(database, files.folder));
  SKS_LET(Header header, read_header(database, version, files.folder));
  return HeldStore{std::move(lock), std::move(database), version, std::move(header)};
}

}  // namespace sks::sealed
