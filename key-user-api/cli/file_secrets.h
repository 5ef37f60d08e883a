#pragma once

#include <optional>
#include <string>

#include "sealed-storage/secret_source.h"

namespace sks::cli {

/// The passphrase of a file that keys or a whole store leave in and come back from: out of the file that its user
/// named, else from the terminal. Asked for once: what was chosen for a new file also opens it.
class FileSecrets final : public SecretSource {
 public:
  /// `option`: that which named `file`; `kind`: what stands before the name of the file whose passphrase it is. Both
  /// for messages.
  FileSecrets(std::string file, std::string option, std::string kind)
      : file_(std::move(file)), option_(std::move(option)), kind_(std::move(kind)) {}

  Result<SecureBytes> get(Secret secret, const std::string& name) override;

 private:
  std::string file_;
  std::string option_;
  std::string kind_;
  std::optional<SecureBytes> known_;
};

}  // namespace sks::cli
