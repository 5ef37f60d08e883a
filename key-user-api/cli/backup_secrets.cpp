#include "key-user-api/cli/backup_secrets.h"

#include "key-user-api/cli/passphrase_prompt.h"
#include "key-user-api/passphrase_source.h"

namespace sks::cli {
namespace {

Result<SecureBytes> find(SecretSource::Secret secret, const std::string& file, const std::string& backup) {
  if (!file.empty()) return read_passphrase_file(file);
  const bool is_new = secret == SecretSource::Secret::new_passphrase;
  const std::string owner = "the backup " + backup;
  return prompt_passphrase(
      is_new ? PromptFor::new_passphrase : PromptFor::passphrase, owner,
      owner + " needs a passphrase: there is no --backup-passphrase-file, and no terminal to ask at");
}

}  // namespace

Result<SecureBytes> BackupSecrets::get(Secret secret, const std::string& backup) {
  if (!known_) {
    SKS_LET(known_, find(secret, file_, backup));
  }
  return SecureBytes::copy_of(known_->view());
}

}  // namespace sks::cli
