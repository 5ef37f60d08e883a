#include "sks-core/engine/core.h"
#include "sks-core/engine/lifetime.h"
#include "sks-core/engine/suspension.h"

/// deleteKey and exportKey: sks-api.md 4.22.
namespace sks {
namespace engine {
namespace {

Result<void> check_protection(Core& core, const KeyEntry& key, Protection protection, ByteView authorization,
                              std::string_view deed) {
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
      return Error{Status::not_allowed,
                   "Key " + std::to_string(key.handle.value) + " must not be " + std::string(deed)};
  }
  SKS_CHECK(false);
}

// Durable before the key leaves.
Result<void> mark_exported(Core& core, const KeyEntry& key) {
  if ((key.key_backup & kExported) != 0) return {};
  Change change(*core.state);
  SKS_LET(KeyEntry* const entry, change.edit<KeyEntry>(key.handle));
  entry->key_backup |= kExported;
  change.forbid_return();
  return change.commit();
}

Result<SecureBytes> encode(const KeyMaterial& material) {
  if (const auto* const private_key = std::get_if<crypto::PrivateKey>(&material)) return private_key->to_pkcs8();
  return SecureBytes::copy_of(std::get<SecureBytes>(material).view());
}

}  // namespace
}  // namespace engine

Result<void> Engine::delete_key(KeyHandle handle, const SecureBytes& authorization) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({authorization.view()}, {}));
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  SKS_TRY(engine::check_protection(core, *key, key->delete_protection, authorization.view(), "deleted"));
  engine::Change change(*core.state);
  SKS_TRY(engine::erase_key(change, handle));
  change.forbid_return();
  SKS_TRY(change.commit());
  core.key_cache.erase(handle);
  return {};
}

Result<SecureBytes> Engine::export_key(KeyHandle handle, const SecureBytes& authorization) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({authorization.view()}, {}));
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  SKS_TRY(engine::check_active(*key));
  SKS_TRY(engine::check_protection(core, *key, key->export_protection, authorization.view(), "exported"));
  SKS_LET(const engine::SharedKeyMaterial material, core.key_material(*key));
  SKS_LET(SecureBytes exported, engine::encode(*material));
  SKS_TRY(engine::mark_exported(core, *key));
  return exported;
}

}  // namespace sks
