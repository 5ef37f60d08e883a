#pragma once

#include <filesystem>
#include <string>

#include "sealed-storage/folder_lock.h"
#include "sealed-storage/record.h"
#include "sealed-storage/schema.h"
#include "sealed-storage/secret_source.h"
#include "sealed-storage/sqlite.h"

/// The folder of a key store: what is in it, how it comes into being and how it goes. Spec: spec/sealed-record.md
/// chapter 1.
namespace sks::sealed {

struct Files {
  explicit Files(std::string path) : folder(std::move(path)) {}

  std::string folder;
  std::string database = folder + "/store.db";
  std::string master_key = folder + "/master.key";
  std::string lock = folder + "/lock";
  std::string room = folder + "/room";
};

bool exists(const std::string& path);

/// The absolute path of a folder that need not exist, without a slash at its end. Fails with option or storage.
Result<std::filesystem::path> absolute_path(const std::string& folder);

/// Makes the folders above `place` as far as they are missing. Fails with storage.
Result<void> make_parents(const std::filesystem::path& place);

/// Gives a finished folder its final place: it replaces an empty folder there and nothing else. Fails with option when
/// the place is taken or unfit, or with storage. The name is not durable yet, see sync_name().
Result<void> move_into_place(const std::string& from, const Files& target);

/// Fails with not_available when there is no store, storage when others may read it.
Result<void> check_place(const Files& files);

/// Durability and locking of a connection.
Result<void> configure(Database& database);

/// The master key of a store, which has been found to be its. Fails as MasterKeyFile::load, or with crypto.
Result<SecureBytes> load_master_key(const Files& files, std::uint32_t version, const Header& header,
                                    SecretSource& secrets);

/// A store that was locked and looked at, and not changed.
struct HeldStore {
  FolderLock lock;
  Database database;
  std::uint32_t version;
  Header header;
};

/// Fails with not_available (no store there; in use by process N), option (not a store, a version that is not known)
/// or storage.
Result<HeldStore> hold_store(const Files& files, std::chrono::milliseconds patience);

}  // namespace sks::sealed
