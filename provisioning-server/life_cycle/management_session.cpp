#include "provisioning-server/life_cycle/management_session.h"

#include <algorithm>

#include "keygen2/enumerations.h"
#include "provisioning-server/life_cycle/management_actions.h"
#include "provisioning-server/life_cycle/replacements.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

using Kind = KeyOperation::Kind;

/// Whether the device may have its key or that whose place it was to take. Revoked before its session ended, its
/// certificate is out of use for good, but the place is that of the other one all the same.
bool is_in_doubt(const Credential& credential) {
  const bool was_in_force = credential.issued != 0;
  return credential.status == Credential::Status::pending || credential.status == Credential::Status::abandoned ||
         (credential.status == Credential::Status::revoked && !was_in_force);
}

bool needs_profile(const ManagementOrder& order) { return !order.kind || makes_key(*order.kind); }

Result<std::shared_ptr<const Profile>> without_profile(const std::string& name) {
  auto rules = std::make_shared<Profile>();
  rules->name = name;
  return std::shared_ptr<const Profile>(std::move(rules));
}

bool suspends(const ManagementOrder& order) {
  return order.kind && (*order.kind == Kind::suspend || *order.kind == Kind::resume);
}

}  // namespace

Result<std::shared_ptr<const Profile>> find_rules(ProfileStore& profiles, const std::string& profile,
                                                  const ManagementOrder& order) {
  return needs_profile(order) ? profiles.find(profile) : without_profile(profile);
}

Result<std::shared_ptr<const Profile>> find_session_rules(ProfileStore& profiles, const Session& session) {
  return needs_profile(session.order) ? profiles.find_version(session.profile, session.profile_digest)
                                      : without_profile(session.profile);
}

std::vector<CapabilityQuery> capabilities_for(const Profile& rules, const ManagementOrder& order) {
  if (!order.kind) return rules.capabilities;
  if (suspends(order)) return {{std::string(keygen2::kKeySuspension), true}};
  return {};
}

const Credential* deciding_target(const std::vector<Credential>& targets, const std::string& credential) {
  const auto at = [&](const std::string& fingerprint) -> const Credential* {
    const auto found = std::ranges::find(targets, fingerprint, &Credential::fingerprint);
    return found == targets.end() ? nullptr : &*found;
  };
  const Credential* target = at(credential);
  // No more steps than there are targets.
  for (std::size_t i = 0; target != nullptr && is_in_doubt(*target) && i < targets.size(); ++i) {
    const Credential* const earlier = target->replaces.empty() ? nullptr : at(target->replaces);
    if (earlier == nullptr) break;
    target = earlier;
  }
  return target;
}

Result<void> check_targets(const ManagementOrder& order, const std::vector<Credential>& targets) {
  if (targets.empty())
    return Error{Status::not_available, "there is no key to " + std::string(action_of(*order.kind).word)};
  if (order.fingerprint.empty()) return {};
  const auto target = std::ranges::find(targets, order.fingerprint, &Credential::fingerprint);
  if (target == targets.end()) return Error{Status::not_available, "there is no credential " + order.fingerprint};
  if (is_allowed(*order.kind, target->status)) return {};
  return Error{Status::not_allowed, "credential " + order.fingerprint + " is " +
                                        std::string(to_string(target->status)) + ", so its key cannot be " +
                                        std::string(action_of(*order.kind).done)};
}

Result<keygen2::IssuancePlan> make_management_plan(const Profile& rules, const ManagementOrder& order,
                                                   const std::vector<Credential>& targets,
                                                   const std::string& issuer_uri, const KeyManager& keys) {
  keygen2::IssuancePlan plan;
  plan.issuer_uri = issuer_uri;
  plan.session_life_time = rules.session_life_time;
  plan.key_management_key = keys.public_key();
  plan.reserve.target_operations = kMaxKeyOperations;
  if (*order.kind == Kind::unlock) plan.action = keygen2::kActionUnlock;
  for (const CapabilityQuery& query : capabilities_for(rules, order)) plan.capability_queries.push_back(query.uri);
  for (const Credential& target : targets) {
    if (!makes_key(*order.kind) || !is_allowed(*order.kind, target.status)) continue;
    SKS_LET(keygen2::KeySpec key, replacement_spec(rules, target, *order.kind));
    plan.keys.push_back(std::move(key));
  }
  if (plan.keys.size() > kMaxReplacements)
    return Error{Status::not_allowed, "the device has more keys than one session can replace"};
  // A new key has the signature profile of the key that the profile makes for it, if there is one.
  plan.reserve.extensions = static_cast<std::uint16_t>(plan.keys.size());
  keygen2::LookupSpec lookup{keys.public_key(), {}};
  // With a successor in doubt, either of the two may be on the device.
  if (!order.fingerprint.empty() && targets.size() == 1) {
    lookup.filter.emplace();
    SKS_LET(lookup.filter->finger_print, from_hex(order.fingerprint));
  }
  plan.lookups.push_back(std::move(lookup));
  add_generations(plan, keys);
  return plan;
}

}  // namespace sks::issuer
