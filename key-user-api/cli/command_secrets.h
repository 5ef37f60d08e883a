#pragma once

#include <optional>
#include <string>

#include "key-user-api/cli/passphrase_prompt.h"
#include "sealed-storage/secret_source.h"

namespace sks::cli {

/// The secrets of a command: the file that its user named, what waits for unattended programs, and at last the
/// terminal.
class CommandSecrets final : public SecretSource {
 public:
  /// What a new passphrase is for.
  enum class NewPassphrase : std::uint8_t {
    first,   ///< of a new store, to be found where it is looked for from now on
    change,  ///< what waits is the old one: the new one is in `new_file` or typed
  };

  CommandSecrets(std::string file, NewPassphrase use = NewPassphrase::first, std::string new_file = {})
      : file_(std::move(file)), new_file_(std::move(new_file)), use_(use) {}

  /// A new passphrase is the passphrase from then on.
  Result<SecureBytes> get(Secret secret, const std::string& store) override;

 private:
  Result<SecureBytes> find(Secret secret, const std::string& store) const;
  Result<SecureBytes> from_places(PromptFor prompt, const std::string& store) const;

  std::string file_;
  std::string new_file_;
  NewPassphrase use_;
  std::optional<SecureBytes> made_;
};

}  // namespace sks::cli
