#include "sks-core/engine/core.h"
#include "sks-core/engine/pin_rules.h"
#include "sks-core/engine/suspension.h"

/// PINs and PUKs in the hands of the user: sks-api.md 4.23 to 4.25 and verifyPin of sks-extensions.md.
namespace sks {
namespace engine {
namespace {

Error no_pin(const KeyEntry& key, Status status) {
  return {status, "Key " + std::to_string(key.handle.value) + " has no PIN of its own"};
}

// The one place of this file that writes an error count.
void clear_errors(PinGroup& group) { group.error_count = 0; }

Result<void> unlock(Core& core, const KeyEntry& key) {
  Change change(*core.state);
  SKS_LET(PinGroup* const group, change.edit<PinGroup>(key.pin_group));
  clear_errors(*group);
  return change.commit();
}

enum class Errors : std::uint8_t { keep, clear };

// What changePin and setPin do once the user is authorized. Only a new value goes with cleared errors.
Result<void> give_pin(Core& core, const KeyEntry& key, const SecureBytes& pin, Errors errors) {
  if (!key.pin_policy) return no_pin(key, Status::option);
  SKS_LET(const std::shared_ptr<const PinPolicy> policy, core.state->get<PinPolicy>(key.pin_policy));
  if (!policy->user_modifiable)
    return Error{Status::not_allowed, "the PIN of key " + std::to_string(key.handle.value) + " is not modifiable"};
  Change change(*core.state);
  SKS_LET(PinGroup* const group, change.edit<PinGroup>(key.pin_group));
  SKS_TRY(check_new_pin(*core.state, *policy, *group, pin.view()));
  group->value = share(SecureBytes::copy_of(pin.view()));
  if (errors == Errors::clear) clear_errors(*group);
  change.forbid_return();  // the old PIN is not to come back
  return change.commit();
}

}  // namespace
}  // namespace engine

Result<void> Engine::unlock_key(KeyHandle handle, const SecureBytes& puk) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({puk.view()}, {}));
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  SKS_TRY(engine::verify_puk(core.authorization(), *key, puk.view()));
  return engine::unlock(core, *key);
}

Result<void> Engine::change_pin(KeyHandle handle, const SecureBytes& pin, const SecureBytes& new_pin) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({pin.view(), new_pin.view()}, {}));
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  SKS_TRY(engine::verify_pin(core.authorization(), *key, pin.view()));
  return engine::give_pin(core, *key, new_pin, engine::Errors::keep);
}

Result<void> Engine::set_pin(KeyHandle handle, const SecureBytes& puk, const SecureBytes& new_pin) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({puk.view(), new_pin.view()}, {}));
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  SKS_TRY(engine::verify_puk(core.authorization(), *key, puk.view()));
  return engine::give_pin(core, *key, new_pin, engine::Errors::clear);
}

Result<void> Engine::verify_pin(KeyHandle handle, const SecureBytes& pin) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({pin.view()}, {}));
  const std::lock_guard lock(core.locks.store);
  SKS_LET(const std::shared_ptr<const engine::KeyEntry> key, core.std_key(handle));
  SKS_TRY(engine::check_active(*key));
  if (!key->pin_policy) return engine::no_pin(*key, Status::not_allowed);
  return engine::verify_pin(core.authorization(), *key, pin.view());
}

}  // namespace sks
