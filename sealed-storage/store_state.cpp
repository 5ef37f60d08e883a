#include "sealed-storage/store_state.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "sealed-storage/files.h"
#include "sealed-storage/master_key.h"
#include "sealed-storage/store_folder.h"

namespace sks::sealed {
namespace {

/// While the store is written to, a reader without a lock may meet half of a change.
constexpr int kReadTries = 3;

Result<StoreId> read_store_id(const Files& files) {
  struct stat info {};
  if (::stat(files.database.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return Error{Status::storage, files.database + " is not a file"};  // a pipe would make us wait
  SKS_LET(Database database, Database::open_image(files.database));
  SKS_LET(const std::uint32_t version, check_format(database, files.folder));
  SKS_LET(const Header header, read_header(database, version, files.folder));
  return header.store_id;
}

/// Also what cannot be looked at is there: whoever takes it for absent may make a second store of it.
bool may_exist(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

}  // namespace

KeyState look_at_key(const std::string& master_key_path) {
  struct stat info {};
  if (::lstat(master_key_path.c_str(), &info) != 0) return errno == ENOENT ? KeyState::missing : KeyState::present;
  // Where a link leads to may only be out of reach for now.
  if (!S_ISREG(info.st_mode)) return KeyState::present;
  if (info.st_size == 0) return KeyState::missing;
  constexpr std::size_t kLimit = 2 * kMaxProviderPart;
  const auto content = read_private_file(master_key_path, kLimit);
  const bool zeros = content && std::ranges::all_of(content->view(), [](std::uint8_t byte) { return byte == 0; });
  return zeros ? KeyState::destroyed : KeyState::present;
}

std::string missing_key_advice(const std::string& folder) {
  return "bring it back; if the store was being removed, 'sks persona delete " +
         std::filesystem::path(folder).filename().string() + "' finishes that";
}

std::optional<StoreState> look_at_store(const std::string& folder) {
  const Files files(folder);
  if (!may_exist(files.database) && !may_exist(files.master_key)) return std::nullopt;
  StoreState state;
  state.holder = FolderLock::holder(files.lock);
  const KeyState key = look_at_key(files.master_key);
  state.destroyed = key == KeyState::destroyed;
  state.key_missing = key == KeyState::missing;
  if (state.destroyed) {
    state.problem = "its removal was interrupted, and nothing in it can be opened any more";
    return state;
  }
  Result<StoreId> id = read_store_id(files);
  for (int tries = 1; !id && state.holder && tries < kReadTries; ++tries) id = read_store_id(files);
  if (id) {
    state.store_id = *id;
  } else {
    state.problem = id.error().detail;
  }
  if (state.key_missing) {
    state.problem = "its master key is missing: " + missing_key_advice(folder);
    return state;
  }
  const auto provider = MasterKeyFile(files.master_key, folder).provider();
  if (provider) {
    state.protection = (*provider)->name;
  } else {
    state.problem = provider.error().detail;
  }
  return state;
}

}  // namespace sks::sealed
