#pragma once

#include "sks-core/engine/store_state.h"

/// Automatic deletion: sks-api.md 1.4.
namespace sks::engine {

/// Removes a key with its extensions, and whatever only it kept alive: PIN group, PIN policy, PUK policy and session.
/// Sees the changes made so far. Fails as StoreState::get().
Result<void> erase_key(Change& change, KeyHandle key);

/// Removes the policies and groups that a key has just left, if nothing refers to them any more.
Result<void> release_pin(Change& change, PinPolicyHandle policy, PinGroupHandle group);

}  // namespace sks::engine
