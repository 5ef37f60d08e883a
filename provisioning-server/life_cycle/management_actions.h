#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "provisioning-server/repository.h"

namespace sks::issuer {

/// What can be ordered for a key on a device, as the command line and the REST API spell it.
struct ManagementAction {
  KeyOperation::Kind kind;
  std::string_view word;
  std::string_view done;  ///< in sentences about what has happened
  // Of which credentials: those in force always.
  bool when_suspended;
  bool when_revoked;
};

/// In the order of KeyOperation::Kind.
const ManagementAction& action_of(KeyOperation::Kind kind);
std::optional<KeyOperation::Kind> find_action(std::string_view word);
/// "unlock, update, ...".
std::string action_words();

/// Whether the action may be ordered for a credential with that status.
bool is_allowed(KeyOperation::Kind kind, Credential::Status status);

}  // namespace sks::issuer
