#pragma once

#include <optional>
#include <string>

#include "sealed-storage/secret_source.h"

namespace sks::cli {

/// The passphrase of a backup file: out of the file that its user named, else from the terminal. Asked for once: what
/// was chosen for a new backup also opens it.
class BackupSecrets final : public SecretSource {
 public:
  explicit BackupSecrets(std::string file) : file_(std::move(file)) {}

  Result<SecureBytes> get(Secret secret, const std::string& backup) override;

 private:
  std::string file_;
  std::optional<SecureBytes> known_;
};

}  // namespace sks::cli
