#pragma once

#include <optional>
#include <string>

#include "key-user-api/dialog/pinentry_program.h"

/// Secrets that a person types into a pinentry program.
namespace sks::dialog {

inline constexpr const char* kWindowTitle = "Key store of this device";

struct SecretQuestion {
  std::string description;
  std::string prompt;
  std::string complaint;  ///< about the last answer, or empty
  bool offer_repeat = true;
};

struct SecretEntry {
  std::optional<SecureBytes> typed;  ///< none: cancelled
  bool repeated = false;             ///< the program had it typed twice
};

/// Fails as PinentryProgram.
Result<SecretEntry> enter_secret(const PinentrySettings& settings, const SecretQuestion& question);

/// For a new secret, typed twice. None: cancelled. Fails as PinentryProgram.
Result<std::optional<SecureBytes>> enter_secret_twice(const PinentrySettings& settings, SecretQuestion question);

}  // namespace sks::dialog
