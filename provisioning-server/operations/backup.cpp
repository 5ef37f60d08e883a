#include "provisioning-server/operations/backup.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "provisioning-server/authority/renewal_lock.h"
#include "provisioning-server/internal/files.h"
#include "provisioning-server/issuer_paths.h"
#include "provisioning-server/operations/sealed_stream.h"
#include "provisioning-server/policy.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"

namespace sks::issuer {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSqlite = "sqlite:";
constexpr std::size_t kPiece = 64 * 1024;
constexpr std::size_t kMaxName = 1024;
constexpr std::uint8_t kFile = 1;
constexpr std::uint8_t kEnd = 0;

/// Removes what it was made for, unless everything went well.
class RemoveLater {
 public:
  explicit RemoveLater(std::string path) : path_(std::move(path)) {}
  ~RemoveLater() { remove(); }
  RemoveLater(const RemoveLater&) = delete;
  RemoveLater& operator=(const RemoveLater&) = delete;
  void keep() { path_.clear(); }
  void remove() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(std::exchange(path_, {}), ignored);
  }

 private:
  std::string path_;
};

/// The file of an SQLite URL; none for another database. The name ends where parameters begin.
std::optional<fs::path> sqlite_file(const IssuerConfig& config, const IssuerPaths& paths) {
  if (!config.database.url.starts_with(kSqlite)) return std::nullopt;
  const fs::path name(config.database.url.substr(kSqlite.size()));
  return (name.is_absolute() ? name : fs::path(paths.folder) / name).lexically_normal();
}

using Sqlite = std::unique_ptr<sqlite3, int (*)(sqlite3*)>;

Sqlite open_database_file(const std::string& file) {
  sqlite3* raw = nullptr;
  sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  return {raw, sqlite3_close};
}

/// One state of a database that others may be writing to, in a file that has lost its name before anything stands in
/// it: whatever happens, nothing is left behind in clear.
class NamelessCopy {
 public:
  NamelessCopy() = default;
  ~NamelessCopy() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  NamelessCopy(const NamelessCopy&) = delete;
  NamelessCopy& operator=(const NamelessCopy&) = delete;

  /// `name` must be free. The copy is made in one read transaction.
  Result<void> make(const std::string& from, const std::string& name) {
    // SQLite fills an empty file that is there, and makes one that others may read if there is none.
    SKS_TRY(write_new_file(name, {}, S_IRUSR | S_IWUSR));
    RemoveLater named(name);
    descriptor_ = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    const Sqlite target = open_database_file(name);
    named.remove();
    const Sqlite source = open_database_file(from);
    const auto failed = [&](sqlite3* where) {
      return Error{Status::storage, "cannot copy " + from + ": " + sqlite3_errmsg(where)};
    };
    if (sqlite3_errcode(source.get()) != SQLITE_OK) return failed(source.get());
    constexpr int kWait = 10000;  // milliseconds
    sqlite3_busy_timeout(source.get(), kWait);
    // A journal would be a second copy; and who needs this one after a power cut?
    if (descriptor_ < 0 || sqlite3_exec(target.get(), "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", nullptr,
                                        nullptr, nullptr) != SQLITE_OK)
      return failed(target.get());
    sqlite3_backup* const backup = sqlite3_backup_init(target.get(), "main", source.get(), "main");
    if (backup == nullptr) return failed(target.get());
    const int copied = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);  // whose word does not count: it need not tell that others have kept it out
    if (copied == SQLITE_DONE) return {};
    return Error{Status::storage, "cannot copy " + from + ": " + sqlite3_errstr(copied)};
  }

  /// A name for it as long as this object lives.
  std::string name() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_ = -1;
};

Result<void> add_file(SealedWriter& out, const std::string& file, const std::string& name) {
  struct stat status {};
  std::ifstream in(file, std::ios::binary);
  if (!in || stat(file.c_str(), &status) != 0) return Error{Status::storage, "cannot read " + file};
  const auto size = static_cast<std::uint64_t>(status.st_size);
  SKS_TRY(out.write(
      ByteWriter().u8(kFile).text(name).u32(status.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO)).u64(size).take()));
  SecureBytes piece(kPiece);
  for (std::uint64_t left = size; left != 0;) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
    // A file that has become shorter meanwhile would leave the rest of the backup in the wrong place.
    if (!in.read(reinterpret_cast<char*>(piece.span().data()), static_cast<std::streamsize>(part)))
      return Error{Status::storage, file + " changed while it was read"};
    SKS_TRY(out.write(piece.view().first(part)));
    left -= part;
  }
  return {};
}

/// Files of SQLite and of locks are of the running process, not of the issuer.
bool is_left_out(const fs::path& file, const fs::path& database, const IssuerPaths& paths) {
  const std::string name = file.string();
  return name == paths.renewal_lock || name == database.string() || name == database.string() + "-wal" ||
         name == database.string() + "-shm" || name == database.string() + "-journal";
}

Result<void> add_folder(SealedWriter& out, const IssuerPaths& paths, const fs::path& database) {
  // Nobody renews meanwhile, so certificates and keys of the backup belong together.
  SKS_LET(const std::optional<RenewalLock> held, RenewalLock::take(paths.renewal_lock, RenewalLock::Wait::yes));
  std::error_code failure;
  std::vector<fs::path> files;
  for (fs::recursive_directory_iterator it(paths.folder, failure), end; !failure && it != end; it.increment(failure))
    if (it->is_regular_file() && !is_left_out(it->path(), database, paths)) files.push_back(it->path());
  if (failure) return Error{Status::storage, "cannot read " + paths.folder + ": " + failure.message()};
  std::ranges::sort(files);
  for (const fs::path& file : files)
    SKS_TRY(add_file(out, file.string(), file.lexically_relative(paths.folder).string()));
  return {};
}

/// Relative, without a step upwards: a backup that somebody has made up does not reach out of the new folder.
bool is_safe_name(const std::string& text) {
  const fs::path name(text);
  if (text.empty() || text.size() > kMaxName || name.is_absolute() || text.find('\0') != std::string::npos)
    return false;
  return std::none_of(name.begin(), name.end(), [](const fs::path& part) { return part == ".." || part == "."; });
}

Result<void> restore_file(SealedReader& in, const fs::path& folder, const std::string& file_of_backup) {
  const Error malformed{Status::crypto, file_of_backup + " is damaged"};
  SKS_LET(const SecureBytes name_size, in.read(2));
  SKS_LET(const SecureBytes name_bytes, in.read(ByteReader(name_size.view()).u16()));
  const std::string name(name_bytes.view().begin(), name_bytes.view().end());
  SKS_LET(const SecureBytes numbers, in.read(sizeof(std::uint32_t) + sizeof(std::uint64_t)));
  ByteReader reader(numbers.view());
  const std::uint32_t mode = reader.u32();
  std::uint64_t left = reader.u64();
  if (!is_safe_name(name)) return malformed;
  const fs::path file = folder / name;
  std::error_code failure;
  fs::create_directories(file.parent_path(), failure);
  fs::permissions(file.parent_path(), fs::perms::owner_all, failure);
  SKS_TRY(write_new_file(file.string(), {}, static_cast<mode_t>(mode)));
  std::ofstream out(file, std::ios::binary);
  while (left != 0) {
    SKS_LET(const SecureBytes piece, in.read(static_cast<std::size_t>(std::min<std::uint64_t>(left, kPiece))));
    out.write(reinterpret_cast<const char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
    left -= piece.size();
  }
  out.close();
  if (!out) return Error{Status::storage, "cannot write " + file.string()};
  return {};
}

}  // namespace

Result<BackupNote> write_backup(const std::string& folder, const std::string& file, const SecureBytes& passphrase,
                                const Random& random, crypto::ScryptCosts costs) {
  const IssuerPaths paths(folder);
  std::error_code failure;
  if (!fs::exists(paths.config, failure)) return Error{Status::option, "there is no issuer in " + paths.folder};
  SKS_LET(const std::string text, read_file(paths.config));
  SKS_LET(const IssuerConfig config, parse_config(text, paths.config));
  const std::optional<fs::path> database = sqlite_file(config, paths);
  SKS_LET(SealedWriter out, SealedWriter::create(file, passphrase, random, costs));
  RemoveLater unfinished(file);
  BackupNote note;
  NamelessCopy nameless;
  if (database) {
    const std::string copy = file + ".database";
    if (fs::exists(copy, failure)) return Error{Status::option, copy + " is in the way"};
    SKS_TRY(nameless.make(database->string(), copy));
  }
  // Behind the database: keys are only added to the folder, so it has all that the older database knows.
  SKS_TRY(add_folder(out, paths, database.value_or(fs::path())));
  if (database) {
    const std::string inside = database->lexically_relative(paths.folder).string();
    const bool is_inside = is_safe_name(inside);
    SKS_TRY(add_file(out, nameless.name(), is_inside ? inside : fs::path(paths.database).filename().string()));
    if (!is_inside) note.sentence = "the database is outside of the folder: restored, it is issuer.db in the new one";
  } else {
    note.sentence = "the database is not in the backup: save it with pg_dump before the folder";
  }
  SKS_TRY(out.write(Bytes{kEnd}));
  SKS_TRY(out.finish());
  unfinished.keep();
  return note;
}

Result<BackupNote> restore_backup(const std::string& file, const std::string& folder, const SecureBytes& passphrase) {
  const IssuerPaths paths(folder);
  std::error_code failure;
  if (fs::exists(paths.folder, failure)) return Error{Status::option, paths.folder + " exists already"};
  SKS_LET(SealedReader in, SealedReader::open(file, passphrase));
  const std::string unfinished = paths.folder + ".restoring";
  if (!fs::create_directory(unfinished, failure))
    return Error{Status::storage, "cannot make " + unfinished + (failure ? ": " + failure.message() : " anew")};
  RemoveLater remove(unfinished);
  fs::permissions(unfinished, fs::perms::owner_all, failure);
  for (;;) {
    SKS_LET(const SecureBytes kind, in.read(1));
    if (kind.view().front() == kEnd) break;
    if (kind.view().front() != kFile) return Error{Status::crypto, file + " is damaged"};
    SKS_TRY(restore_file(in, unfinished, file));
  }
  SKS_TRY(in.finish());
  sync();
  fs::rename(unfinished, paths.folder, failure);
  if (failure) return Error{Status::storage, "cannot make " + paths.folder + ": " + failure.message()};
  remove.keep();
  SKS_LET(const std::string text, read_file(paths.config));
  SKS_LET(const IssuerConfig config, parse_config(text, paths.config));
  BackupNote note;
  const std::optional<fs::path> database = sqlite_file(config, paths);
  if (!database) {
    note.sentence = "the database is not in the backup: restore it with pg_restore";
  } else if (!is_safe_name(database->lexically_relative(paths.folder).string())) {
    note.sentence = "the database is " + paths.database + ": name it in issuer.toml";
  }
  return note;
}

}  // namespace sks::issuer
