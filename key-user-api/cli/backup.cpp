#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key-user-api/cli/backup_view.h"
#include "key-user-api/cli/commands.h"
#include "key-user-api/local_issuer/restore.h"
#include "sealed-storage/files.h"
#include "sks-core/base/encoding.h"

namespace sks::cli {
namespace {

/// Whether a file of this size can be made there. It is made, since free space, quotas and rights can only be guessed
/// at otherwise; of random bytes, since zeros may take no room.
Result<void> check_room(const std::string& path, std::size_t size) {
  const std::string trial = path + ".room-" + to_hex(system_random().bytes(8));
  const Result<void> written = sealed::write_new_file(trial, system_random().bytes(size));
  ::unlink(trial.c_str());
  return written;
}

/// All that can be known of a backup before a key has left.
Result<void> check_plan(const sealed::Backup& backup, const std::string& path) {
  SKS_TRY(sealed::check_encodable(backup));
  SKS_TRY(check_restorable(backup));
  return check_room(path, sealed::encode_backup_content(backup).size() + sealed::kPassphraseFileOverhead);
}

/// Asks the system to drop what it has of a synced file in memory, so that reading it reads the medium. Some file
/// systems know no such thing.
void drop_cached_pages(const std::string& path) {
  const sealed::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file) static_cast<void>(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED));
}

/// A backup that cannot be read back would be noticed when it is needed.
Result<void> verify(const sealed::Backup& backup, const std::string& path, SecretSource& secrets) {
  drop_cached_pages(path);
  const auto read = read_backup(path, secrets);
  if (read && equal(sealed::encode_backup_content(*read).view(), sealed::encode_backup_content(backup).view()))
    return {};
  return Error{Status::storage, path + " does not hold what was written to it: use another medium"};
}

/// The first bytes of a file, and none of anything else.
Bytes start_of(const std::string& path) {
  const sealed::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  Bytes start(sealed::kPassphraseFileStart);
  const auto size = sealed::read_up_to(file.get(), start, path);
  start.resize(size ? *size : 0);
  return start;
}

}  // namespace

Result<sealed::Backup> read_backup(const std::string& path, SecretSource& secrets) {
  const auto file = sealed::read_private_file(path, sealed::kMaxPassphraseFile, sealed::Readers::anyone);
  if (file) return sealed::decode_backup(file->view(), path, secrets);
  // Of a foreign file, that it is longer than any backup is the least.
  if (const Bytes start = start_of(path); !start.empty()) SKS_TRY(sealed::check_backup_start(start, path));
  return file.error();
}

Result<void> run_backup(BackupOptions options, SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of,
                        SecretSource& secrets, dialog::Terminal* terminal, const Clock& clock, std::ostream& out) {
  SKS_TRY(sealed::check_absent(options.file));  // before anybody types a passphrase
  SKS_LET(const std::vector<BackupCandidate> candidates, find_candidates(store, pin_group_of, options.protected_keys));
  if (candidates.empty()) return Error{Status::no_key, "there is no key in this key store"};
  SKS_LET(BackupPlan plan, plan_backup(candidates, store, clock.now()));
  SKS_TRY(check_plan(plan.backup, options.file));
  SKS_LET(const SecureBytes passphrase, secrets.get(SecretSource::Secret::new_passphrase, options.file));
  SKS_TRY(sealed::check_passphrase(passphrase.view()));
  SKS_LET(const ExportPasswords passwords,
          ExportPasswords::collect(candidates, std::move(options.pins), std::move(options.puks), store, terminal));
  // exportKey marks a key as exported before it gives it away, and there is no way round: were the mark to follow the
  // file, a crash in between would leave a copy of a key that tells its issuer that there is none. A mark without a
  // file is the harmless half. What could stop the writing has been looked at above.
  SKS_LET(const sealed::Backup backup, export_keys(std::move(plan), passwords, store));
  SKS_LET(const SecureBytes file, sealed::encode_backup(backup, options.file, secrets, system_random()));
  SKS_TRY(sealed::write_whole_file(options.file, file.view()));
  SKS_TRY(verify(backup, options.file, secrets));
  show_backup(backup, out);
  out << "Written to " << options.file << " and read back. Who has the file and its passphrase has these keys.\n";
  return {};
}

}  // namespace sks::cli
