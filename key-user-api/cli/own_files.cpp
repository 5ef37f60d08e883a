#include "key-user-api/cli/own_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "sealed-storage/files.h"

namespace sks::cli {

namespace fs = std::filesystem;

std::optional<std::string> read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (in.bad()) return std::nullopt;
  return text;
}

Result<void> write_text(const std::string& path, const std::string& content) {
  std::error_code error;
  const std::string target = fs::weakly_canonical(path, error).string();
  if (error) return Error{Status::storage, "cannot write " + path + ": " + error.message()};
  SKS_LET(const sealed::NewFile file, sealed::NewFile::create(target, ".new-"));
  SKS_TRY(sealed::write_all(file.get(), as_bytes(content), target));
  struct stat before {};
  constexpr mode_t kPermissions = 0777;
  if (::stat(target.c_str(), &before) == 0 && ::fchmod(file.get(), before.st_mode & kPermissions) != 0)
    return sealed::system_error("cannot write " + path);
  if (::fsync(file.get()) != 0 || std::rename(file.name().c_str(), target.c_str()) != 0)
    return sealed::system_error("cannot write " + path);
  return {};
}

Result<void> make_folder(const std::string& folder) {
  std::error_code error;
  const fs::path path(folder);
  if (fs::is_directory(path, error)) return {};
  if (path.has_parent_path() && path.parent_path() != path) SKS_TRY(make_folder(path.parent_path().string()));
  constexpr mode_t kOwnerOnly = 0700;
  if (::mkdir(folder.c_str(), kOwnerOnly) != 0 && errno != EEXIST)
    return sealed::system_error("cannot make the folder " + folder);
  return {};
}

Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return {};
  return sealed::system_error("cannot remove " + path);
}

}  // namespace sks::cli
