#include "sks-core/engine/lifetime.h"

namespace sks::engine {

Result<void> erase_key(Change& change, KeyHandle handle) {
  SKS_LET(const std::shared_ptr<const KeyEntry> key, change.find<KeyEntry>(handle));
  for (const ExtensionHandle extension : change.linked<ExtensionsOfKey>(handle)) change.erase<Extension>(extension);
  change.erase<KeyEntry>(handle);
  if (!change.any_linked<KeysOfSession>(key->session)) change.erase<Session>(key->session);
  return release_pin(change, key->pin_policy, key->pin_group);
}

Result<void> release_pin(Change& change, PinPolicyHandle handle, PinGroupHandle group) {
  if (!handle) return {};
  if (!change.any_linked<KeysOfGroup>(group)) change.erase<PinGroup>(group);
  if (change.any_linked<KeysOfPolicy>(handle)) return {};
  SKS_LET(const std::shared_ptr<const PinPolicy> policy, change.find<PinPolicy>(handle));
  change.erase<PinPolicy>(handle);
  if (policy->puk_policy && !change.any_linked<PinPoliciesOfPuk>(policy->puk_policy))
    change.erase<PukPolicy>(policy->puk_policy);
  return {};
}

}  // namespace sks::engine
