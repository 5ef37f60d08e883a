#include "provisioning-server/found_keys.h"

#include <algorithm>

#include "keygen2/enumerations.h"
#include "provisioning-server/life_cycle/management_actions.h"
#include "provisioning-server/life_cycle/management_session.h"
#include "provisioning-server/life_cycle/replacements.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

std::string fingerprint_of(const keygen2::FoundKey& key) {
  return to_hex(crypto::sha256(key.credential.certificate_path.front()));
}

Error not_ours(const std::string& fingerprint, const std::string& why) {
  return {Status::not_allowed, "the client has found the key of " + fingerprint + ", which " + why};
}

/// Where the operation goes that takes no new key.
std::vector<keygen2::TargetKey>* list_of(keygen2::TargetOperations& operations, KeyOperation::Kind kind) {
  switch (kind) {
    case KeyOperation::Kind::unlock:
      return &operations.unlock;
    case KeyOperation::Kind::remove:
      return &operations.remove;
    case KeyOperation::Kind::suspend:
      return &operations.deactivate;
    case KeyOperation::Kind::resume:
      return &operations.activate;
    case KeyOperation::Kind::update:
    case KeyOperation::Kind::clone:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

Result<Credential> FoundKeys::find(const keygen2::FoundKey& key) {
  const std::string fingerprint = fingerprint_of(key);
  const keygen2::SessionIds& owner = key.credential.owner;
  SKS_LET(std::optional<Credential> credential,
          repository_.find_credential_in(fingerprint, owner.server, owner.client));
  if (!credential) return not_ours(fingerprint, "is not on record for that session");
  return std::move(*credential);
}

Result<void> FoundKeys::compile_filters() {
  while (filters_.size() < profile_.lookups.size()) {
    const std::optional<keygen2::SearchFilter>& filter = profile_.lookups[filters_.size()].filter;
    if (!filter) {
      filters_.emplace_back();
      continue;
    }
    auto matcher = keygen2::FilterMatcher::compile(*filter);
    if (!matcher) return Error{Status::internal, matcher.error().detail};
    filters_.emplace_back(std::move(matcher).value());
  }
  return {};
}

Result<std::vector<Bytes>> FoundKeys::path_of(const keygen2::FoundKey& key) const {
  std::vector<Bytes> path = key.credential.certificate_path;
  const crypto::Certificate authority = authority_.certificate();
  if (std::ranges::find(path, authority.der()) != path.end()) return path;
  SKS_LET(const crypto::Certificate end_entity, crypto::Certificate::from_der(path.front()));
  if (end_entity.is_issued_by(authority)) path.push_back(authority.der());
  return path;
}

Result<std::size_t> FoundKeys::deciding_lookup(const keygen2::FoundKey& key, const Credential& credential) {
  SKS_TRY(compile_filters());
  SKS_LET(const std::vector<Bytes> path, path_of(key));
  const auto* const usage = std::ranges::find(keygen2::kAppUsages, credential.app_usage);
  for (std::size_t i = 0; i < filters_.size() && i <= generations_.lookup_of(key.lookup); ++i) {
    if (!filters_[i]) return i;
    // The grouping is not on record; only the last lookup may ask for it, and takes the device's word.
    const auto matches = filters_[i]->matches(
        {path, profile_.lookups[i].filter->grouping, static_cast<std::uint8_t>(usage - keygen2::kAppUsages.begin())},
        budget_);
    if (!matches) return Error{Status::not_allowed, matches.error().detail};
    if (*matches) return i;
  }
  return not_ours(credential.fingerprint, "its lookup does not ask for");
}

Result<void> FoundKeys::recognize(const keygen2::FoundKey& key) {
  SKS_LET(Credential credential, find(key));
  // Anonymous clients name no device, so that this holds for all of them.
  if (credential.device_fingerprint != session_.device_fingerprint ||
      credential.privacy_enabled != profile_.privacy_enabled)
    return not_ours(credential.fingerprint, "was issued to another device");
  if (recognized_.contains(credential.fingerprint)) return {};
  std::size_t lookup = 0;
  // What an order is about is decided by the records alone.
  if (!session_.order.kind) {
    SKS_LET(lookup, deciding_lookup(key, credential));
  }
  std::string fingerprint = credential.fingerprint;
  recognized_.emplace(std::move(fingerprint),
                      Recognized{std::move(credential), lookup, generations_.generation_of(key.lookup)});
  return {};
}

Error FoundKeys::refuse(Refusal why, const std::string& sentence) {
  refusal_ = why;
  return {Status::not_allowed, sentence};
}

Result<void> FoundKeys::operate(const keygen2::FoundKey& key, const Recognized& recognized, KeyOperation::Kind kind) {
  const Credential& credential = recognized.credential;
  if (makes_key(kind)) {
    SKS_LET(keygen2::KeySpec spec, replacement_spec(profile_, credential, kind));
    new_keys_.emplace(credential.fingerprint, std::move(spec));
  } else {
    std::vector<keygen2::TargetKey>* const list = list_of(management_.operations, kind);
    SKS_CHECK(list != nullptr);
    // The key management key that the device has for it, which may not be that of the records.
    list->push_back({key.credential.certificate_path.front(),
                     key.credential.owner,
                     keys_.public_key_of(recognized.kmk_generation),
                     {}});
  }
  operations_.push_back({credential.fingerprint, kind, key.credential.owner.server, recognized.kmk_generation});
  return {};
}

Result<void> FoundKeys::decide(const keygen2::FoundKey& key, const Recognized& recognized) {
  const Lookup& lookup = profile_.lookups[recognized.lookup];
  const Credential& credential = recognized.credential;
  if (lookup.same_subject && credential.subject != session_.subject) return {};
  const bool is_valid = credential.status == Credential::Status::issued;
  switch (lookup.action) {
    case FoundKeyAction::ignore:
      return {};
    case FoundKeyAction::refuse:
      if (is_valid) return refuse(Refusal::existing_key, "the device has the key of " + credential.fingerprint);
      return {};
    case FoundKeyAction::remove:
      return operate(key, recognized, KeyOperation::Kind::remove);
    case FoundKeyAction::unlock:
      if (!is_valid || !key.credential.locked) return {};
      return operate(key, recognized, KeyOperation::Kind::unlock);
    case FoundKeyAction::update:
      // A key of a kind that the profile does not make is left alone.
      if (!is_valid || !find_spec(profile_, credential)) return {};
      return operate(key, recognized, KeyOperation::Kind::update);
  }
  return {};
}

Result<void> FoundKeys::decide_ordered(const keygen2::FoundKey& key, const Recognized& recognized,
                                       const std::vector<Credential>& targets) {
  const ManagementOrder& order = session_.order;
  const Credential* const target = deciding_target(targets, recognized.credential.fingerprint);
  // Another key of the device, or, by a client that lies, two keys in one place.
  if (target == nullptr || !settled_.insert(target->fingerprint).second) return {};
  if (!is_allowed(*order.kind, target->status)) {
    if (order.fingerprint.empty()) return {};
    return refuse(Refusal::credential_state,
                  "credential " + target->fingerprint + " is " + std::string(to_string(target->status)) + " meanwhile");
  }
  return operate(key, recognized, *order.kind);
}

Result<keygen2::Management> FoundKeys::manage(const std::vector<keygen2::FoundKey>& found) {
  const ManagementOrder& order = session_.order;
  std::vector<Credential> targets;
  if (order.kind) {
    SKS_LET(targets, repository_.find_targets(order, session_.subject, session_.profile));
  }
  for (const keygen2::FoundKey& key : found) {
    const auto recognized = recognized_.extract(fingerprint_of(key));
    if (recognized.empty()) continue;
    SKS_TRY(order.kind ? decide_ordered(key, recognized.mapped(), targets) : decide(key, recognized.mapped()));
  }
  if (order.kind && operations_.empty())
    return refuse(Refusal::key_missing, "the device shows no key that was ordered");
  if (operations_.size() > kMaxKeyOperations || new_keys_.size() > kMaxReplacements)
    return Error{Status::not_allowed, "the device has more keys than one session can operate on"};
  if (!new_keys_.empty() || order.kind) management_.keys.emplace();
  for (auto& [fingerprint, spec] : new_keys_) management_.keys->keys.push_back(std::move(spec));
  return std::move(management_);
}

}  // namespace sks::issuer
