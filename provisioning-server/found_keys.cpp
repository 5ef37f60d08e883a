#include "provisioning-server/found_keys.h"

#include <algorithm>
#include <set>

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

Result<void> FoundKeys::check_filter(const keygen2::FoundKey& key, const Credential& credential) const {
  if (key.lookup >= profile_.lookups.size()) return Error{Status::internal, "a lookup that the profile does not make"};
  if (!profile_.lookups[key.lookup].filter) return {};
  keygen2::SearchFilter filter = *profile_.lookups[key.lookup].filter;
  filter.grouping.reset();  // not on record
  const auto matcher = keygen2::FilterMatcher::compile(filter);
  if (!matcher) return Error{Status::internal, matcher.error().detail};
  const auto* const usage = std::ranges::find(keygen2::kAppUsages, credential.app_usage);
  const std::vector<Bytes> path{credential.certificate, authority_.certificate().der()};
  keygen2::MatchBudget budget;
  const auto matches =
      matcher->matches({path, std::nullopt, static_cast<std::uint8_t>(usage - keygen2::kAppUsages.begin())}, budget);
  if (!matches || !*matches) return not_ours(credential.fingerprint, "its lookup does not ask for");
  return {};
}

Result<void> FoundKeys::recognize(const keygen2::FoundKey& key) {
  SKS_LET(const Credential credential, find(key));
  if (credential.device_fingerprint != session_.device_fingerprint ||
      credential.privacy_enabled != profile_.privacy_enabled)
    return not_ours(credential.fingerprint, "was issued to another device");
  return check_filter(key, credential);
}

Result<void> FoundKeys::decide(const keygen2::FoundKey& key, const Credential& credential,
                               keygen2::Management& management) {
  const Lookup& lookup = profile_.lookups.at(key.lookup);
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
  std::set<std::string> decided;
  for (const keygen2::FoundKey& key : found) {
    if (!decided.insert(fingerprint_of(key)).second) continue;
    SKS_LET(const Credential credential, find(key));
    SKS_TRY(decide(key, credential, management));
  }
  if (operations_.size() > kMaxKeyOperations)
    return Error{Status::not_allowed, "the device has more keys than one session can operate on"};
  return management;
}

}  // namespace sks::issuer
