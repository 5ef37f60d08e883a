#include "sks-core/engine/post_operations.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "sks-core/base/byte_writer.h"
#include "sks-core/engine/lifetime.h"
#include "sks-core/engine/session_crypto.h"

namespace sks::engine {
namespace {

constexpr std::string_view kTargetKeyReference = "TargetKeyReference";

// Chapter 7.2, and for activate and deactivate sks-extensions.md: whether two operations on one target go together.
// Rows and columns in the order of PostAction. The extension calls activate and deactivate idempotent: they may be
// repeated and mixed, and the last one counts.
constexpr std::size_t kActions = 6;
constexpr std::array<std::array<bool, kActions>, kActions> kCompatible{{
    /*               delete unlock update clone  activate deactivate */
    /* delete     */ {false, false, false, false, false, false},
    /* unlock     */ {false, false, true, true, true, true},
    /* update     */ {false, true, false, true, true, true},
    /* clone      */ {false, true, true, true, true, true},
    /* activate   */ {false, true, true, true, true, true},
    /* deactivate */ {false, true, true, true, true, true},
}};

constexpr bool compatible(PostAction one, PostAction other) {
  return kCompatible.at(static_cast<std::size_t>(one)).at(static_cast<std::size_t>(other));
}

constexpr bool is_symmetric_table() {
  for (std::size_t i = 0; i < kActions; ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (kCompatible.at(i).at(k) != kCompatible.at(k).at(i)) return false;
  return true;
}
static_assert(is_symmetric_table(), "the order of recording is irrelevant");
static_assert(static_cast<std::size_t>(PostAction::deactivate) + 1 == kActions);

std::string number(KeyHandle key) { return std::to_string(key.value); }

// Tells a key from one that takes its place under the same handle.
crypto::Sha256Digest identity(const KeyEntry& key) {
  ByteWriter out;
  out.array(key.certificate_path.empty() ? ByteView() : ByteView(key.certificate_path.front())).array(key.public_key);
  return crypto::sha256(out.view());
}

bool switches_activation(const PostOperation& operation) {
  return operation.action == PostAction::activate || operation.action == PostAction::deactivate;
}

void switch_activation(const PostOperation& operation, std::uint8_t& state) {
  const unsigned others = state & ~unsigned{kSuspendedByIssuer};
  state = static_cast<std::uint8_t>(operation.action == PostAction::activate ? others : others | kSuspendedByIssuer);
}

// A key of the session itself, as activate and deactivate take it, has nothing to lose before close.
bool is_own(const StoreState& state, const Session& session, KeyHandle key) {
  const KeyEntry::Row* const row = state.find_row<KeyEntry>(key);
  return row != nullptr && row->session == session.handle;
}

// What clone and update pass on: the membership in the PIN group, not a copy of it. Spec: 7.5.
void inherit_protection(KeyEntry& heir, const KeyEntry& target) {
  heir.pin_policy = target.pin_policy;
  heir.pin_group = target.pin_group;
  heir.device_pin_protection = target.device_pin_protection;
}

Result<void> unlock(Change& change, const KeyEntry& key) {
  SKS_LET(PinGroup* const group, change.edit<PinGroup>(key.pin_group));
  group->error_count = 0;
  SKS_LET(const std::shared_ptr<const PinPolicy> policy, change.find<PinPolicy>(key.pin_policy));
  if (!policy->puk_policy) return {};
  SKS_LET(PukPolicy* const puk, change.edit<PukPolicy>(policy->puk_policy));
  puk->error_count = 0;
  return {};
}

// The new key moves to the target's handle, with its secret and its extensions; those of the target are gone.
Result<void> replace(SessionCall& call, const KeyEntry& target, KeyEntry& heir) {
  Change& change = call.change;
  SKS_LET(SecureBytes material, call.core.state->key_material(heir.handle));
  change.set_key_material(target.handle, std::move(material));
  for (const ExtensionHandle old : change.linked<ExtensionsOfKey>(target.handle)) change.erase<Extension>(old);
  for (const ExtensionReference& reference : heir.extensions) {
    SKS_LET(Extension* const extension, change.edit<Extension>(reference.handle));
    extension->key = target.handle;
  }
  heir.activation_state = target.activation_state;
  change.rename(heir, target.handle);
  return {};
}

Result<void> perform(SessionCall& call, const PostOperation& operation) {
  Change& change = call.change;
  if (operation.action == PostAction::delete_key) return erase_key(change, operation.target);
  // After an update this is the new key, which has inherited all that unlock and clone work on.
  SKS_LET(const std::shared_ptr<const KeyEntry> target, change.find<KeyEntry>(operation.target));
  if (operation.action == PostAction::unlock) return unlock(change, *target);
  SKS_LET(KeyEntry* const heir, change.edit<KeyEntry>(operation.new_key));
  inherit_protection(*heir, *target);
  if (operation.action == PostAction::update) return replace(call, *target, *heir);
  return {};
}

// Activate and deactivate come after all others. So they reach an updated key whether they were recorded before or
// after the update, for its target or for the new key itself.
Result<void> perform_activations(SessionCall& call) {
  std::map<KeyHandle, KeyHandle> moved;
  for (const PostOperation& operation : call.session.post_operations)
    if (operation.action == PostAction::update) moved.emplace(operation.new_key, operation.target);
  for (const PostOperation& operation : call.session.post_operations) {
    if (!switches_activation(operation)) continue;
    const auto found = moved.find(operation.target);
    SKS_LET(KeyEntry* const key, call.change.edit<KeyEntry>(found == moved.end() ? operation.target : found->second));
    switch_activation(operation, key->activation_state);
  }
  return {};
}

// Chapter 7.6: everything that `old` still owns. Its keys keep their handles.
Result<void> absorb(SessionCall& call, ProvisioningHandle old) {
  Change& change = call.change;
  const ProvisioningHandle owner = call.session.handle;
  for (const KeyHandle handle : change.linked<KeysOfSession>(old)) {
    SKS_LET(KeyEntry* const key, change.edit<KeyEntry>(handle));
    key->session = owner;
  }
  for (const PinPolicyHandle handle : change.linked<PinPoliciesOfSession>(old)) {
    SKS_LET(PinPolicy* const policy, change.edit<PinPolicy>(handle));
    policy->session = owner;
  }
  for (const PukPolicyHandle handle : change.linked<PukPoliciesOfSession>(old)) {
    SKS_LET(PukPolicy* const policy, change.edit<PukPolicy>(handle));
    policy->session = owner;
  }
  change.erase<Session>(old);
  return {};
}

}  // namespace

Result<Target> find_target(const Core& core, KeyHandle handle) {
  SKS_LET(std::shared_ptr<const KeyEntry> key, core.state->find<KeyEntry>(handle));
  if (key == nullptr) return Error{Status::no_key, "Unknown key " + number(handle)};
  SKS_LET(std::shared_ptr<const Session> owner, core.state->get<Session>(key->session));
  if (core.is_open(key->session) || owner->key_management_key.empty())
    return Error{Status::option, "Key " + number(handle) + " cannot be managed remotely"};
  return Target{std::move(key), std::move(owner)};
}

Result<void> authenticate(SessionCall& call, const Target& target, const SignedOperation& operation) {
  Session& session = call.session;
  SKS_LET(const crypto::Sha256Digest mac, next_mac(session, operation.method, operation.mac_data));
  if (session.privacy_enabled != target.owner->privacy_enabled)
    return Error{Status::option, "privacyEnabled differs for key " + number(target.key->handle)};
  SKS_TRY(compare_mac(mac, operation.mac, operation.method));
  const ByteView device = device_id(call.core.ports.identity, session.privacy_enabled);
  SKS_LET(const crypto::Sha256Digest reference,
          next_target_reference(session, device, target.key->certificate_path.front()));
  SKS_LET(const crypto::PublicKey kmk, crypto::PublicKey::from_spki(target.owner->key_management_key));
  Result<void> verified =
      crypto::verify_signature(kmk, concat({as_bytes(kTargetKeyReference), reference}), operation.authorization);
  if (verified) return {};
  return Error{verified.error().status, "Authorization signature invalid for key " + number(target.key->handle)};
}

Result<void> record_operation(Session& session, PostAction action, const KeyEntry& target, KeyHandle new_key) {
  for (const PostOperation& other : session.post_operations) {
    if (new_key && other.new_key == new_key) return Error{Status::option, "New key " + number(new_key) + " used twice"};
    if (other.target == target.handle && !compatible(other.action, action))
      return Error{Status::option, "Conflicting operation on key " + number(target.handle)};
  }
  session.post_operations.push_back({action, target.handle, new_key, identity(target)});
  return {};
}

Result<std::uint8_t> activation_state_after(const StoreState& state, const Session& session, KeyHandle key) {
  // An update makes two keys one: the new key with the state of its target.
  KeyHandle target = key;
  KeyHandle new_key = key;
  for (const PostOperation& operation : session.post_operations)
    if (operation.action == PostAction::update && (operation.target == key || operation.new_key == key)) {
      target = operation.target;
      new_key = operation.new_key;
    }
  SKS_LET(const std::shared_ptr<const KeyEntry> entry, state.find<KeyEntry>(target));
  // The user may have deleted the target of an update meanwhile; close will find that out.
  std::uint8_t result = entry == nullptr ? std::uint8_t{0} : entry->activation_state;
  for (const PostOperation& operation : session.post_operations)
    if (switches_activation(operation) && (operation.target == target || operation.target == new_key))
      switch_activation(operation, result);
  return result;
}

Result<void> check_targets(const Core& core, const Session& session) {
  for (const PostOperation& operation : session.post_operations) {
    if (is_own(*core.state, session, operation.target)) continue;
    SKS_LET(const Target target, find_target(core, operation.target));
    // Another session has put a key of its own in the place of the one that this operation is about, and was authorized
    // for. Appendix B7 allows to refuse this.
    if (identity(*target.key) != operation.target_identity)
      return Error{Status::no_key, "Key " + number(operation.target) + " has been replaced"};
  }
  return {};
}

Result<void> perform_operations(SessionCall& call) {
  const StoreState& state = *call.core.state;
  std::set<ProvisioningHandle> owners;
  for (const PostOperation& operation : call.session.post_operations)
    owners.insert(state.find_row<KeyEntry>(operation.target)->session);
  owners.erase(call.session.handle);
  for (const PostOperation& operation : call.session.post_operations)
    if (!switches_activation(operation)) SKS_TRY(perform(call, operation));
  SKS_TRY(perform_activations(call));
  for (const ProvisioningHandle old : owners) SKS_TRY(absorb(call, old));
  return {};
}

}  // namespace sks::engine
