#pragma once

#include <map>

#include "keygen2/messages.h"
#include "keygen2/user_dialog.h"

/// Asking the user for the PINs of a KeyCreationRequest. Spec: keygen2.md 8.4.
namespace sks::keygen2 {

/// The PINs chosen, each with the keys it is for.
class CollectedPins {
 public:
  /// Asks for every user-defined PIN of the request, again and again until it obeys its policy. Fails with user when
  /// the user gives up.
  static Outcome<CollectedPins> ask(const KeyCreationRequest& request, UserDialog& dialog);

  /// The PIN of a key, or null for a key without user-defined PIN.
  const SecureBytes* find(const std::string& key_id) const;

 private:
  std::vector<SecureBytes> pins_;
  std::map<std::string, std::size_t> pin_of_key_;  // key id -> position in pins_
};

}  // namespace sks::keygen2
