#pragma once

#include "sks-core/engine/core.h"

/// Operations on keys of closed sessions: authorized and recorded while the session is open, performed when it closes.
/// Spec: sks-api.md chapter 7, sks-extensions.md rules 1 and 2.
namespace sks::engine {

/// A key that an operation is about, and the session that owns it.
struct Target {
  std::shared_ptr<const KeyEntry> key;
  std::shared_ptr<const Session> owner;
};

/// targetKey of chapter 4. Fails with no_key, or with option (its session is open or has no key management key).
Result<Target> find_target(const Core& core, KeyHandle key);

/// What the issuer says about an operation, apart from its target.
struct SignedOperation {
  std::string_view method;
  ByteView mac_data;
  ByteView mac;
  ByteView authorization;
};

/// Steps 4 to 7 of chapter 4.15: the MAC, privacyEnabled, and the signature by the owner's current key management key.
/// Fails with option, mac or crypto.
Result<void> authenticate(SessionCall& call, const Target& target, const SignedOperation& operation);

/// Adds an operation to those that close will perform. Fails with option when it conflicts with one of them. Spec: 7.2.
Result<void> record_operation(Session& session, PostAction action, const KeyEntry& target, KeyHandle new_key = {});

/// The activation state that `key` will have when `session` closes, as far as its operations so far tell. Fails as
/// StoreState::get().
Result<std::uint8_t> activation_state_after(const StoreState& state, const Session& session, KeyHandle key);

/// closeProvisioningSession step 6: the targets are still there. Fails with no_key or option.
Result<void> check_targets(const Core& core, const Session& session);

/// closeProvisioningSession steps 7 and 8: performs the operations in the order of recording, and takes over the
/// sessions that own their targets. Only after check_targets(). Fails with storage or internal.
Result<void> perform_operations(SessionCall& call);

}  // namespace sks::engine
