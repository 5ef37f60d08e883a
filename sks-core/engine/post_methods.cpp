#include "sks-core/base/byte_writer.h"
#include "sks-core/engine/algorithm_rules.h"
#include "sks-core/engine/post_operations.h"

/// Post-provisioning: sks-api.md 4.6, 4.15 and 4.16.
namespace sks {
namespace engine {
namespace {

Error option(std::string why) { return {Status::option, std::move(why)}; }

/// What tells one method from another: its name, what it records, and the steps of its own before the MAC.
struct TargetMethod {
  std::string_view name;
  PostAction action;
  Result<void> (*check)(const KeyEntry& target);
};

struct HeirMethod {
  std::string_view name;
  PostAction action;
  Result<void> (*check)(const StoreState& state, const KeyEntry& heir, const KeyEntry& target);
};

Result<void> accept_any(const KeyEntry&) { return {}; }

Result<void> check_has_pin(const KeyEntry& target) {
  if (!target.pin_policy) return option("Key " + std::to_string(target.handle.value) + " has no PIN policy");
  return {};
}

Result<void> check_same_usage(const StoreState&, const KeyEntry& heir, const KeyEntry& target) {
  if (heir.app_usage != target.app_usage) return option("appUsage differs between new key and target");
  return {};
}

Result<void> check_sharing(const StoreState& state, const KeyEntry&, const KeyEntry& target) {
  if (!target.pin_policy) return {};
  SKS_LET(const std::shared_ptr<const PinPolicy> policy, state.get<PinPolicy>(target.pin_policy));
  if (policy->grouping != Grouping::shared) return option("the PIN of the target is not meant to be shared");
  return {};
}

constexpr TargetMethod kPostDeleteKey{"postDeleteKey", PostAction::delete_key, accept_any};
constexpr TargetMethod kPostUnlockKey{"postUnlockKey", PostAction::unlock, check_has_pin};
constexpr HeirMethod kPostUpdateKey{"postUpdateKey", PostAction::update, check_same_usage};
constexpr HeirMethod kPostCloneKeyProtection{"postCloneKeyProtection", PostAction::clone, check_sharing};

// Chapter 4.15, from step 2 on.
Result<void> record(SessionCall& call, const TargetMethod& method, const TargetAuthorization& request) {
  SKS_LET(const Target target, find_target(call.core, request.target));
  SKS_TRY(method.check(*target.key));
  ByteWriter data;
  data.array(request.authorization);
  SKS_TRY(authenticate(call, target, {method.name, data.view(), request.mac, request.authorization}));
  return record_operation(call.session, method.action, *target.key);
}

// Chapter 4.16, from step 2 on.
Result<void> record(SessionCall& call, const HeirMethod& method, const KeyEntry& heir,
                    const TargetAuthorization& request) {
  const StoreState& state = *call.core.state;
  SKS_LET(const Target target, find_target(call.core, request.target));
  if (heir.pin_policy || heir.device_pin_protection) return option("New key " + heir.id + " has a PIN of its own");
  SKS_TRY(method.check(state, heir, *target.key));
  if (!heir.has_certificate()) return option("Certificate path missing: " + heir.id);
  ByteWriter data;
  data.array(heir.certificate_path.front()).array(request.authorization);
  SKS_TRY(authenticate(call, target, {method.name, data.view(), request.mac, request.authorization}));
  return record_operation(call.session, method.action, *target.key, heir.handle);
}

Result<void> post(Core& core, const TargetMethod& method, ProvisioningHandle session,
                  const TargetAuthorization& request) {
  SKS_TRY(check_decodable({request.authorization, request.mac}, {}));
  return core.in_open_session(session, [&](SessionCall& call) { return record(call, method, request); });
}

Result<void> post(Core& core, const HeirMethod& method, KeyHandle key, const TargetAuthorization& request) {
  SKS_TRY(check_decodable({request.authorization, request.mac}, {}));
  return core.in_session_of(
      key, [&](SessionCall& call, const KeyEntry& heir) { return record(call, method, heir, request); });
}

constexpr std::string_view kRollOverAuthorization = "RollOverAuthorization";

// Chapter 4.6, step 3 as appendix E9 has it.
Result<void> check_new_kmk(ByteView spki) {
  if (spki.empty()) return option("keyManagementKey is empty");
  SKS_LET(const crypto::PublicKey key, crypto::PublicKey::from_spki(spki));
  return check_supported(key, "keyManagementKey");
}

Result<void> update_kmk(Core& core, ProvisioningHandle handle, ByteView new_kmk, ByteView authorization) {
  const std::string name = "Provisioning session " + std::to_string(handle.value);
  SKS_LET(const std::shared_ptr<const Session> session, core.state->find<Session>(handle));
  if (session == nullptr)
    return Error{Status::no_session, "Unknown provisioning session " + std::to_string(handle.value)};
  if (core.is_open(handle)) return Error{Status::not_allowed, name + " is still open"};
  if (session->key_management_key.empty()) return Error{Status::not_allowed, name + " has no key management key"};
  SKS_TRY(check_new_kmk(new_kmk));
  SKS_LET(const crypto::PublicKey kmk, crypto::PublicKey::from_spki(session->key_management_key));
  SKS_TRY(crypto::verify_signature(kmk, concat({as_bytes(kRollOverAuthorization), new_kmk}), authorization));
  Change change(*core.state);
  SKS_LET(Session* const updated, change.edit<Session>(handle));
  updated->key_management_key = to_bytes(new_kmk);
  change.forbid_return();
  return change.commit();
}

}  // namespace
}  // namespace engine

Result<void> Engine::update_key_management_key(ProvisioningHandle session, ByteView key_management_key,
                                               ByteView authorization) {
  SKS_TRY(engine::check_decodable({key_management_key, authorization}, {}));
  const std::lock_guard lock(impl_->core.locks.store);
  return engine::update_kmk(impl_->core, session, key_management_key, authorization);
}

Result<void> Engine::post_delete_key(ProvisioningHandle session, const TargetAuthorization& target) {
  return engine::post(impl_->core, engine::kPostDeleteKey, session, target);
}

Result<void> Engine::post_unlock_key(ProvisioningHandle session, const TargetAuthorization& target) {
  return engine::post(impl_->core, engine::kPostUnlockKey, session, target);
}

Result<void> Engine::post_update_key(KeyHandle key, const TargetAuthorization& target) {
  return engine::post(impl_->core, engine::kPostUpdateKey, key, target);
}

Result<void> Engine::post_clone_key_protection(KeyHandle key, const TargetAuthorization& target) {
  return engine::post(impl_->core, engine::kPostCloneKeyProtection, key, target);
}

}  // namespace sks
