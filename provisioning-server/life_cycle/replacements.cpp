#include "provisioning-server/life_cycle/replacements.h"

#include <algorithm>

#include "keygen2/enumerations.h"

namespace sks::issuer {
namespace {

using keygen2::KeySpec;

/// The PIN policy above a key of the profile; null if none.
const keygen2::PinPolicySpec* policy_above(const Profile& profile, const KeySpec& key) {
  for (const keygen2::PinPolicySpec& policy : profile.pin_policies)
    for (const KeySpec& one : policy.keys)
      if (&one == &key) return &policy;
  return nullptr;
}

/// A key without PIN policy of its own cannot ask for the PIN that it will have.
std::uint8_t without_pin(std::uint8_t protection, std::uint8_t nothing_opens) {
  return protection == keygen2::kProtectionPin || protection == keygen2::kProtectionPuk ? nothing_opens : protection;
}

Error not_like_it(const KeySpec& key, const std::string& why) {
  return {Status::not_allowed, "the key \"" + key.friendly_name + "\" of the profile " + why};
}

}  // namespace

Result<const KeySpec*> find_spec(const Profile& profile, const Credential& credential) {
  const std::vector<const KeySpec*> keys = keys_in_message_order(profile);
  const auto has_usage = [&](const KeySpec* key) { return app_usage_name(key->app_usage) == credential.app_usage; };
  const auto same = std::ranges::find_if(
      keys, [&](const KeySpec* key) { return has_usage(key) && key->friendly_name == credential.friendly_name; });
  if (same != keys.end()) return *same;
  const auto similar = std::ranges::find_if(keys, has_usage);
  if (similar != keys.end()) return *similar;
  return Error{Status::not_available, "profile \"" + profile.name + "\" makes no key for " + credential.app_usage};
}

Result<KeySpec> replacement_spec(const Profile& profile, const Credential& target, KeyOperation::Kind kind) {
  SKS_LET(const KeySpec* const key, find_spec(profile, target));
  const keygen2::PinPolicySpec* const policy = policy_above(profile, *key);
  const bool shares_pin = policy == nullptr || policy->grouping == keygen2::kGroupingShared;
  if (kind == KeyOperation::Kind::clone && !shares_pin)
    return not_like_it(*key, "has a PIN that it shares with no other key: its policy needs grouping = \"shared\"");
  const bool has_pin = policy != nullptr || key->device_pin_protection;
  if (has_pin && key->biometric_protection == keygen2::kBiometricCombined)
    return not_like_it(*key, "takes biometrics and a PIN together, which a key without a PIN of its own cannot");
  KeySpec made = copy_of(*key);
  made.device_pin_protection = false;
  made.enable_pin_caching = false;
  // "alternative" to a PIN is left out: then the PIN is the only way.
  if (has_pin) made.biometric_protection = keygen2::kBiometricNone;
  made.export_protection = without_pin(key->export_protection, keygen2::kNonExportable);
  made.delete_protection = without_pin(key->delete_protection, keygen2::kNonDeletable);
  return made;
}

Result<void> Replacements::load() {
  operations_.emplace();
  const bool by_profile = std::ranges::any_of(
      profile_.lookups, [](const Lookup& lookup) { return lookup.action == FoundKeyAction::update; });
  const bool by_order = session_.order.kind && makes_key(*session_.order.kind);
  if (!by_profile && !by_order) return {};
  SKS_LET(const std::vector<KeyOperation> all, repository_.find_operations(session_.id));
  // In the order of the fingerprints, as FoundKeys asks for the keys.
  std::ranges::copy_if(all, std::back_inserter(*operations_),
                       [](const KeyOperation& operation) { return makes_key(operation.kind); });
  return {};
}

Result<std::optional<Replacement>> Replacements::find(std::size_t index) {
  if (!operations_) SKS_TRY(load());
  if (operations_->empty()) return std::optional<Replacement>();
  if (index >= operations_->size()) return Error{Status::internal, "a key that nothing asks for"};
  const KeyOperation& operation = (*operations_)[index];
  SKS_LET(const std::optional<Credential> target, repository_.find_credential(operation.fingerprint));
  SKS_LET(const std::string client, repository_.find_client_session(operation.owner));
  const Bytes key = keys_.public_key_of(operation.kmk_generation);
  if (!target || client.empty()) return Error{Status::internal, "the key to be replaced is not on record"};
  if (key.empty()) return Error{Status::not_available, "this process has not read that key management key"};
  Replacement made;
  made.kind = operation.kind;
  made.target = *target;
  made.key = {target->certificate, {operation.owner, client}, key, {}};
  return std::optional<Replacement>(std::move(made));
}

}  // namespace sks::issuer
