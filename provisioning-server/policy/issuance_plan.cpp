#include <algorithm>

#include "keygen2/enumerations.h"
#include "provisioning-server/policy.h"

namespace sks::issuer {
namespace {

using keygen2::KeySpec;
using keygen2::PinPolicySpec;

std::vector<KeySpec> copy_of(const std::vector<KeySpec>& keys) {
  std::vector<KeySpec> copies;
  copies.reserve(keys.size());
  for (const KeySpec& key : keys) copies.push_back(sks::issuer::copy_of(key));
  return copies;
}

PinPolicySpec copy_of(const PinPolicySpec& policy) {
  PinPolicySpec copy;
  copy.min_length = policy.min_length;
  copy.max_length = policy.max_length;
  copy.retry_limit = policy.retry_limit;
  copy.format = policy.format;
  copy.user_modifiable = policy.user_modifiable;
  copy.grouping = policy.grouping;
  copy.input_method = policy.input_method;
  copy.pattern_restrictions = policy.pattern_restrictions;
  copy.keys = copy_of(policy.keys);
  return copy;
}

}  // namespace

KeySpec copy_of(const KeySpec& key) {
  KeySpec copy;
  copy.app_usage = key.app_usage;
  copy.key_algorithm = key.key_algorithm;
  copy.key_parameters = key.key_parameters;
  copy.friendly_name = key.friendly_name;
  copy.endorsed_algorithms = key.endorsed_algorithms;
  copy.export_protection = key.export_protection;
  copy.delete_protection = key.delete_protection;
  copy.biometric_protection = key.biometric_protection;
  copy.enable_pin_caching = key.enable_pin_caching;
  copy.device_pin_protection = key.device_pin_protection;
  return copy;
}

SecureBytes draw_puk(const Profile& profile, const Random& random) {
  if (!profile.puk) return {};
  // The symbols of the format alphanumeric; the digits come first, so that they are all of numeric.
  constexpr std::string_view kSymbols = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const std::size_t count = profile.puk->format == 0 ? 10 : kSymbols.size();
  SecureBytes puk(profile.puk->length);
  for (std::uint8_t& symbol : puk.span()) {
    // Bytes above the last whole multiple are drawn again, so that all symbols are equally likely.
    do random.fill({&symbol, 1});
    while (symbol >= 256 / count * count);
    symbol = static_cast<std::uint8_t>(kSymbols[symbol % count]);
  }
  return puk;
}

keygen2::IssuancePlan make_plan(const Profile& profile, const std::string& issuer_uri, const Bytes& key_management_key,
                                SecureBytes puk) {
  keygen2::IssuancePlan plan;
  plan.issuer_uri = issuer_uri;
  plan.privacy_enabled = profile.privacy_enabled;
  plan.session_life_time = profile.session_life_time;
  plan.key_management_key = key_management_key;
  std::vector<PinPolicySpec> pin_policies;
  for (const PinPolicySpec& policy : profile.pin_policies) pin_policies.push_back(copy_of(policy));
  if (profile.puk) {
    keygen2::PukPolicySpec unlock;
    unlock.puk = std::move(puk);
    unlock.retry_limit = profile.puk->retry_limit;
    unlock.format = profile.puk->format;
    unlock.pin_policies = std::move(pin_policies);
    plan.puk_policies.push_back(std::move(unlock));
  } else {
    plan.pin_policies = std::move(pin_policies);
  }
  plan.keys = copy_of(profile.keys);
  for (const std::optional<SignatureProfile>& signature : profile.signature_profiles)
    if (signature) ++plan.reserve.extensions;
  for (const CapabilityQuery& query : profile.capabilities) plan.capability_queries.push_back(query.uri);
  for (const Lookup& lookup : profile.lookups) plan.lookups.push_back({key_management_key, lookup.filter});
  if (!profile.lookups.empty()) plan.reserve.target_operations = kMaxKeyOperations;
  for (const std::vector<KeyExtension>& of_key : profile.key_extensions)
    for (const KeyExtension& extension : of_key)
      ++(is_encrypted(extension) ? plan.reserve.encrypted_extensions : plan.reserve.extensions);
  const auto unlocks = [](const Lookup& lookup) { return lookup.action == FoundKeyAction::unlock; };
  const bool only_unlocks = std::ranges::all_of(profile.lookups, unlocks) && !profile.lookups.empty();
  if (only_unlocks && keys_in_message_order(profile).empty()) plan.action = keygen2::kActionUnlock;
  return plan;
}

std::vector<const KeySpec*> keys_in_message_order(const Profile& profile) {
  std::vector<const KeySpec*> keys;
  for (const PinPolicySpec& policy : profile.pin_policies)
    for (const KeySpec& key : policy.keys) keys.push_back(&key);
  for (const KeySpec& key : profile.keys) keys.push_back(&key);
  return keys;
}

const std::optional<SignatureProfile>& signature_profile_of(const Profile& profile, const KeySpec& key) {
  const std::vector<const KeySpec*> keys = keys_in_message_order(profile);
  const auto place = std::ranges::find(keys, &key);
  SKS_CHECK(place != keys.end());
  return profile.signature_profiles.at(static_cast<std::size_t>(place - keys.begin()));
}

}  // namespace sks::issuer
