#include "key-user-api/cli/command_secrets.h"

#include "key-user-api/passphrase_source.h"

namespace sks::cli {

Result<SecureBytes> CommandSecrets::from_places(PromptFor prompt, const std::string& store) const {
  SKS_LET(WaitingPassphrase waiting, find_waiting_passphrase(file_));
  if (waiting.passphrase) return std::move(*waiting.passphrase);
  const std::string owner = "the key store in " + store;
  return prompt_passphrase(prompt, owner,
                           owner + " needs a passphrase, and there is none: no " + "--passphrase-file, " +
                               waiting.tried + ", and no terminal to ask at");
}

Result<SecureBytes> CommandSecrets::find(Secret secret, const std::string& store) const {
  if (secret == Secret::passphrase) return from_places(PromptFor::passphrase, store);
  if (use_ == NewPassphrase::first) return from_places(PromptFor::new_passphrase, store);
  if (!new_file_.empty()) return read_passphrase_file(new_file_);
  return prompt_passphrase(PromptFor::new_passphrase, "the key store in " + store,
                           "a new passphrase is needed: there is no --new-passphrase-file, and no terminal to ask at");
}

Result<SecureBytes> CommandSecrets::get(Secret secret, const std::string& store) {
  if (secret == Secret::passphrase && made_) return SecureBytes::copy_of(made_->view());
  SKS_LET(SecureBytes found, find(secret, store));
  if (secret == Secret::new_passphrase) made_ = SecureBytes::copy_of(found.view());
  return found;
}

}  // namespace sks::cli
