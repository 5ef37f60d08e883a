#pragma once

#include <string>

#include "sealed-storage/secret_source.h"

namespace sks::test {

/// Gives fixed passphrases, and counts how often it was asked.
class FixedSecrets final : public SecretSource {
 public:
  explicit FixedSecrets(std::string passphrase, std::string new_passphrase = {})
      : passphrase_(std::move(passphrase)), new_passphrase_(std::move(new_passphrase)) {}

  Result<SecureBytes> get(Secret secret, const std::string& store) override {
    ++asked;
    asked_for = store;
    return SecureBytes::copy_of(as_bytes(secret == Secret::passphrase ? passphrase_ : new_passphrase_));
  }

  int asked = 0;
  std::string asked_for;

 private:
  std::string passphrase_;
  std::string new_passphrase_;
};

}  // namespace sks::test
