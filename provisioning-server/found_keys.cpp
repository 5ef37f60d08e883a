#include "provisioning-server/found_keys.h"

#include <algorithm>

#include "keygen2/enumerations.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

std::string fingerprint_of(const keygen2::FoundKey& key) {
  return to_hex(crypto::sha256(key.credential.certificate_path.front()));
}

Error not_ours(const std::string& fingerprint, const std::string& why) {
  return {Status::not_allowed, "the client has found the key of " + fingerprint + ", which " + why};
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
  for (std::size_t i = 0; i < filters_.size() && i <= key.lookup; ++i) {
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
  SKS_LET(const std::size_t lookup, deciding_lookup(key, credential));
  std::string fingerprint = credential.fingerprint;
  recognized_.emplace(std::move(fingerprint), Recognized{std::move(credential), lookup});
  return {};
}

Result<void> FoundKeys::decide(const keygen2::FoundKey& key, const Recognized& recognized,
                               keygen2::Management& management) {
  const Lookup& lookup = profile_.lookups[recognized.lookup];
  const Credential& credential = recognized.credential;
  if (lookup.same_subject && credential.subject != session_.subject) return {};
  const bool is_valid = credential.status == Credential::Status::issued;
  const auto operate = [&](std::vector<keygen2::TargetKey>& targets, KeyOperation::Kind kind) {
    targets.push_back(
        {key.credential.certificate_path.front(), key.credential.owner, credential.key_management_key, {}});
    operations_.push_back({credential.fingerprint, kind, key.credential.owner.server});
  };
  switch (lookup.action) {
    case FoundKeyAction::ignore:
      return {};
    case FoundKeyAction::refuse:
      refused_ = is_valid;
      if (is_valid) return Error{Status::not_allowed, "the device has the key of " + credential.fingerprint};
      return {};
    case FoundKeyAction::remove:
      operate(management.operations.remove, KeyOperation::Kind::remove);
      return {};
    case FoundKeyAction::unlock:
      if (is_valid && key.credential.locked) operate(management.operations.unlock, KeyOperation::Kind::unlock);
      return {};
  }
  return {};
}

Result<keygen2::Management> FoundKeys::manage(const std::vector<keygen2::FoundKey>& found) {
  keygen2::Management management;
  for (const keygen2::FoundKey& key : found) {
    const auto recognized = recognized_.extract(fingerprint_of(key));
    if (!recognized.empty()) SKS_TRY(decide(key, recognized.mapped(), management));
  }
  if (operations_.size() > kMaxKeyOperations)
    return Error{Status::not_allowed, "the device has more keys than one session can operate on"};
  return management;
}

}  // namespace sks::issuer
