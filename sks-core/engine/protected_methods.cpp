#include "sks-core/engine/core.h"
#include "sks-core/engine/lifetime.h"

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

}  // namespace
}  // namespace engine

Result<void> Engine::delete_key(KeyHandle handle, const SecureBytes& authorization) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({authorization.view()}, {}));
  const std::lock_guard lock(core.mutex);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  SKS_TRY(engine::check_protection(core, *key, key->delete_protection, authorization.view()));
  engine::Change change(*core.state);
  SKS_TRY(engine::erase_key(change, handle));
  SKS_TRY(change.commit());
  core.key_cache.erase(handle);
  return {};
}

Result<SecureBytes> Engine::export_key(KeyHandle, const SecureBytes&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

}  // namespace sks
