#include "key-user-api/cli/file_secrets.h"

#include "key-user-api/cli/passphrase_prompt.h"
#include "key-user-api/passphrase_source.h"

namespace sks::cli {

Result<SecureBytes> FileSecrets::get(Secret secret, const std::string& name) {
  if (!known_) {
    const std::string owner = kind_ + name;
    const PromptFor prompt = secret == Secret::passphrase ? PromptFor::passphrase : PromptFor::new_passphrase;
    const std::string none = owner + " needs a passphrase: there is no " + option_ + ", and no terminal to ask at";
    SKS_LET(known_, file_.empty() ? prompt_passphrase(prompt, owner, none) : read_passphrase_file(file_));
  }
  return SecureBytes::copy_of(known_->view());
}

}  // namespace sks::cli
