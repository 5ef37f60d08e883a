#include "sks-core/engine/core.h"

/// PINs and PUKs in the hands of the user: sks-api.md 4.23 to 4.25 and verifyPin of sks-extensions.md.
namespace sks {

Result<void> Engine::unlock_key(KeyHandle, const SecureBytes&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<void> Engine::change_pin(KeyHandle, const SecureBytes&, const SecureBytes&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<void> Engine::set_pin(KeyHandle, const SecureBytes&, const SecureBytes&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<void> Engine::verify_pin(KeyHandle handle, const SecureBytes& pin) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({pin.view()}, {}));
  const std::lock_guard lock(core.mutex);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  if (!key->pin_policy)
    return Error{Status::not_allowed, "Key " + std::to_string(handle.value) + " has no PIN of its own"};
  return engine::verify_pin(core.authorization(), *key, pin.view());
}

}  // namespace sks
