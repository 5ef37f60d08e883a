#include "sks-core/engine/core.h"

/// Post-provisioning: sks-api.md 4.6, 4.15 and 4.16.
namespace sks {

Result<void> Engine::update_key_management_key(ProvisioningHandle, ByteView, ByteView) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<void> Engine::post_delete_key(ProvisioningHandle, const TargetAuthorization&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<void> Engine::post_unlock_key(ProvisioningHandle, const TargetAuthorization&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<void> Engine::post_update_key(KeyHandle, const TargetAuthorization&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

Result<void> Engine::post_clone_key_protection(KeyHandle, const TargetAuthorization&) {
  return Error{Status::not_allowed, "not offered by this store"};
}

}  // namespace sks
