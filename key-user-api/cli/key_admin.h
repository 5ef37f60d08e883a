#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "key-user-api/cli/commands.h"

/// The commands that change how a key is guarded: sks pin change and unblock, suspend and resume-key.
namespace sks::cli {

/// PINs and PUKs as typed; what is empty is asked for at the terminal.
struct PinChangeOptions {
  std::string key;                    ///< handle
  std::vector<SecureBytes> pins;      ///< the present PIN
  std::vector<SecureBytes> new_pins;  ///< the new one
};
Result<void> run_pin_change(PinChangeOptions options, Format format, SecureKeyStore& store, dialog::Terminal* terminal,
                            std::ostream& out);

struct PinUnblockOptions {
  std::string key;                ///< handle
  std::vector<SecureBytes> puks;  ///< the PUK
  bool new_pin = false;           ///< set another PIN too
  std::vector<SecureBytes> new_pins;
};
/// Sets the count of wrong PINs to zero, by the PUK.
Result<void> run_pin_unblock(PinUnblockOptions options, Format format, SecureKeyStore& store,
                             dialog::Terminal* terminal, std::ostream& out);

enum class Activation : std::uint8_t { suspend, resume };

struct ActivationOptions {
  std::string key;                ///< handle
  std::vector<SecureBytes> pins;  ///< the PIN, where the key has one
};
/// Suspends a key for its user, and takes that back. Spec: sks-extensions.md, activate and deactivate.
Result<void> run_activation(Activation what, ActivationOptions options, Format format, SecureKeyStore& store,
                            dialog::Terminal* terminal, std::ostream& out);

}  // namespace sks::cli
