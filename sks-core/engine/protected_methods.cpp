#include "sks-core/engine/core.h"

/// Deleting and exporting keys: sks-api.md 4.22.
namespace sks {
namespace engine {
namespace {

Result<void> check_protection(const Core& core, const KeyEntry& key, Protection protection, ByteView authorization) {
  switch (protection) {
    case Protection::none:
      if (!authorization.empty())
        return Error{Status::option, "Key " + std::to_string(key.handle.value) + " takes no authorization"};
      return {};
    case Protection::pin:
      return verify_pin(core.authorization(), key, authorization);
    case Protection::puk:
      return verify_puk(core.authorization(), key, authorization);
    case Protection::forbidden:
      return Error{Status::not_allowed, "Key " + std::to_string(key.handle.value) + " must not be deleted"};
  }
  SKS_CHECK(false);
}

// Removes a key and whatever only it kept alive. Spec: sks-api.md 1.4.
void erase_key(Change& change, const StoreState& state, const KeyEntry& key) {
  const Index& index = state.index();
  change.erase<KeyEntry>(key.handle);
  if (change.surviving<KeyEntry>(index.keys_of_session.of(key.session)) == 0) change.erase<Session>(key.session);
  if (!key.pin_policy) return;
  if (change.surviving<KeyEntry>(index.keys_of_group.of(key.pin_group)) == 0) change.erase<PinGroup>(key.pin_group);
  if (change.surviving<KeyEntry>(index.keys_of_policy.of(key.pin_policy)) != 0) return;
  const PukPolicyHandle puk = state.find<PinPolicy>(key.pin_policy)->puk_policy;
  change.erase<PinPolicy>(key.pin_policy);
  if (puk && change.surviving<PinPolicy>(index.pin_policies_of_puk.of(puk)) == 0) change.erase<PukPolicy>(puk);
}

}  // namespace
}  // namespace engine

Result<void> Engine::delete_key(KeyHandle handle, const SecureBytes& authorization) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({authorization.view()}, {}));
  const std::lock_guard lock(core.mutex);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  SKS_TRY(engine::check_protection(core, *key, key->delete_protection, authorization.view()));
  engine::Change change(*core.state);
  engine::erase_key(change, *core.state, *key);
  SKS_TRY(change.commit());
  core.key_cache.erase(handle);
  return {};
}

Result<SecureBytes> Engine::export_key(KeyHandle, const SecureBytes&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

}  // namespace sks
