#pragma once

#include <optional>
#include <string>

#include "sealed-storage/secret_source.h"

/// Passphrases of key stores that wait for a program somewhere, so that it can start with nobody there to ask.
namespace sks {

/// The name of the credential that systemd passes to a service, and of the key in the kernel's keyring.
inline constexpr const char* kPassphraseCredential = "sks-passphrase";
inline constexpr const char* kPassphraseKey = "sks:passphrase";

/// What was found; when nothing, `tried` says for each place why.
struct WaitingPassphrase {
  std::optional<SecureBytes> passphrase;
  std::string tried;
};

/// Takes a passphrase from the first of these places that has one: `file`, unless its name is empty, and then from
/// nowhere else; the file sks-passphrase in $CREDENTIALS_DIRECTORY; the key sks:passphrase of type "user" in the
/// keyrings of this process. A place that has one which cannot be used is an error, and the next is not looked at.
///
/// A passphrase is one line, and its end is not part of it. Fails with option or storage.
Result<WaitingPassphrase> find_waiting_passphrase(const std::string& file);

/// Gives waiting passphrases only. For programs that run unattended.
class UnattendedSecrets final : public SecretSource {
 public:
  explicit UnattendedSecrets(std::string file = {}) : file_(std::move(file)) {}

  Result<SecureBytes> get(Secret secret, const std::string& store) override;

 private:
  std::string file_;
};

/// The content of a file of one's own with a passphrase in it.
Result<SecureBytes> read_passphrase_file(const std::string& path);

}  // namespace sks
