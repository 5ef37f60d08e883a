#include <sys/stat.h>

#include "key-user-api/cli/backup_view.h"
#include "key-user-api/cli/commands.h"
#include "sealed-storage/files.h"

namespace sks::cli {
namespace {

/// Before anybody types a passphrase, and before a key leaves.
Result<void> check_new(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) return {};
  return Error{Status::option, path + " is there already, and is not overwritten"};
}

/// A backup that cannot be read back would be noticed when it is needed.
Result<void> verify(const sealed::Backup& backup, const std::string& path, SecretSource& secrets) {
  const auto read = read_backup(path, secrets);
  if (read && equal(sealed::encode_backup_content(*read).view(), sealed::encode_backup_content(backup).view()))
    return {};
  return Error{Status::storage, path + " does not hold what was written to it: use another medium"};
}

}  // namespace

Result<sealed::Backup> read_backup(const std::string& path, SecretSource& secrets) {
  SKS_LET(const SecureBytes file, sealed::read_private_file(path, sealed::kMaxPassphraseFile, sealed::Readers::anyone));
  return sealed::decode_backup(file.view(), path, secrets);
}

Result<void> run_backup(BackupOptions options, SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of,
                        SecretSource& secrets, dialog::Terminal* terminal, const Clock& clock, std::ostream& out) {
  SKS_TRY(check_new(options.file));
  SKS_LET(const std::vector<BackupCandidate> candidates, find_candidates(store, pin_group_of, options.protected_keys));
  if (candidates.empty()) return Error{Status::no_key, "there is no key in this key store"};
  SKS_LET(const SecureBytes passphrase, secrets.get(SecretSource::Secret::new_passphrase, options.file));
  SKS_TRY(sealed::check_passphrase(passphrase.view()));
  SKS_LET(const ExportPasswords passwords,
          ExportPasswords::collect(candidates, std::move(options.pins), std::move(options.puks), store, terminal));
  SKS_LET(const sealed::Backup backup, export_candidates(candidates, passwords, store, clock.now()));
  SKS_LET(const SecureBytes file, sealed::encode_backup(backup, options.file, secrets, system_random()));
  SKS_TRY(sealed::write_whole_file(options.file, file.view()));
  SKS_TRY(verify(backup, options.file, secrets));
  SKS_TRY(show_backup(backup, out));
  out << "Written to " << options.file << " and read back. Who has the file and its passphrase has these keys.\n";
  return {};
}

}  // namespace sks::cli
