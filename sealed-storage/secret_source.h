#pragma once

#include <cstdint>
#include <string>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks {

/// Gives the secrets that the protection of a key store asks for. Where they come from, and whether anybody is asked,
/// is the program's business.
class SecretSource {
 public:
  enum class Secret : std::uint8_t {
    passphrase,      ///< the one that the store is protected with
    new_passphrase,  ///< the one that it is to be protected with from now on
  };

  virtual ~SecretSource() = default;

  /// Called when a secret is needed and not before. `store` is the folder, for questions to people. Fails with
  /// not_available when there is none, in one sentence that says where it was looked for.
  virtual Result<SecureBytes> get(Secret secret, const std::string& store) = 0;
};

/// Has none: for stores that open without.
SecretSource& no_secrets();

}  // namespace sks
