#pragma once

#include "sks-core/engine/records.h"

/// Suspended keys: sks-extensions.md, activate and deactivate.
namespace sks::engine {

/// Fails with not_allowed when the key is suspended. For the methods of rule 3, which ask before they look at a PIN.
inline Result<void> check_active(const KeyEntry& key) {
  if (key.activation_state != 0)
    return Error{Status::not_allowed, "Key " + std::to_string(key.handle.value) + " is suspended"};
  return {};
}

}  // namespace sks::engine
