#include "sks-core/engine/pin_rules.h"
#include "sks-core/engine/store_state.h"

namespace sks::engine {
namespace {

// Collects the first contradiction; the checks read as statements about sound records.
class Findings {
 public:
  void require(bool holds, const char* statement) {
    if (!holds && first_ == nullptr) first_ = statement;
  }
  Result<void> result() const {
    if (first_ == nullptr) return {};
    return Error{Status::internal, std::string("the store contradicts itself: ") + first_};
  }

 private:
  const char* first_ = nullptr;
};

template <class T>
void check_handles(const StoreState& state, std::uint32_t next, Findings& findings) {
  const Table<T>& table = state.all<T>();
  if (table.empty()) return;
  findings.require(table.begin()->first.value != 0, "no handle is 0");
  findings.require(table.rbegin()->first.value < next, "every handle is below its counter");
}

void check_key(const StoreState& state, const KeyEntry& key, Findings& findings) {
  const auto session = state.find<Session>(key.session);
  findings.require(session != nullptr, "every key has a session");
  if (session == nullptr) return;
  if (session->is_open())
    findings.require(session->name_space.contains(key.id), "an open session knows the ids of its keys");
  else
    findings.require(key.has_certificate(), "every key of a closed session has a certificate");
  findings.require(static_cast<bool>(key.pin_policy) == static_cast<bool>(key.pin_group),
                   "a key has a PIN group exactly when it has a PIN policy");
  if (!key.pin_policy) return;
  findings.require(!key.device_pin_protection, "a key has one PIN");
  const auto policy = state.find<PinPolicy>(key.pin_policy);
  const auto group = state.find<PinGroup>(key.pin_group);
  findings.require(policy != nullptr && group != nullptr, "the PIN policy and group of a key exist");
  if (policy == nullptr || group == nullptr) return;
  findings.require(policy->session == key.session, "a key and its PIN policy have the same session");
  findings.require(group->policy == key.pin_policy, "the PIN group of a key belongs to its policy");
  findings.require(group->group_class == group_class(policy->grouping, key.app_usage),
                   "a key is in the PIN group of its usage");
}

void check_group(const StoreState& state, const PinGroup& group, Findings& findings) {
  const auto policy = state.find<PinPolicy>(group.policy);
  findings.require(policy != nullptr, "every PIN group has a policy");
  if (policy == nullptr) return;
  findings.require(!state.index().keys_of_group.of(group.handle).empty(), "every PIN group has a key");
  findings.require(group.error_count <= policy->retry_limit, "a PIN error count stays within its limit");
  for (const PinGroupHandle other : state.index().groups_of_policy.of(group.policy)) {
    const bool distinct = other == group.handle || policy->grouping == Grouping::none ||
                          state.find<PinGroup>(other)->group_class != group.group_class;
    findings.require(distinct, "a policy has one PIN group of a kind");
  }
}

void check_pin_policy(const StoreState& state, const PinPolicy& policy, Findings& findings) {
  const auto session = state.find<Session>(policy.session);
  findings.require(session != nullptr, "every PIN policy has a session");
  if (session != nullptr && session->is_open())
    findings.require(session->name_space.contains(policy.id), "an open session knows the ids of its PIN policies");
  else
    findings.require(!state.index().keys_of_policy.of(policy.handle).empty(), "a PIN policy outlives no key");
  if (!policy.puk_policy) return;
  const auto puk = state.find<PukPolicy>(policy.puk_policy);
  findings.require(puk != nullptr && puk->session == policy.session,
                   "a PIN policy and its PUK policy have the same session");
}

void check_puk_policy(const StoreState& state, const PukPolicy& policy, Findings& findings) {
  const auto session = state.find<Session>(policy.session);
  findings.require(session != nullptr, "every PUK policy has a session");
  if (session != nullptr && session->is_open())
    findings.require(session->name_space.contains(policy.id), "an open session knows the ids of its PUK policies");
  else
    findings.require(!state.index().pin_policies_of_puk.of(policy.handle).empty(),
                     "a PUK policy outlives no PIN policy");
  findings.require(policy.error_count <= policy.retry_limit, "a PUK error count stays within its limit");
}

}  // namespace

Result<void> check_consistency(const StoreState& state, const std::set<KeyHandle>& key_material) {
  Findings findings;
  const Counters& next = state.counters();
  check_handles<Session>(state, next.session, findings);
  check_handles<KeyEntry>(state, next.key, findings);
  check_handles<PinPolicy>(state, next.pin_policy, findings);
  check_handles<PukPolicy>(state, next.puk_policy, findings);
  check_handles<PinGroup>(state, next.pin_group, findings);
  for (const auto& [handle, session] : state.all<Session>())
    findings.require(session->is_open() || !state.index().keys_of_session.of(handle).empty(),
                     "a closed session has a key");
  for (const auto& [handle, key] : state.all<KeyEntry>()) {
    findings.require(key_material.contains(handle), "every key has its private key");
    check_key(state, *key, findings);
  }
  findings.require(key_material.size() == state.all<KeyEntry>().size(), "every private key has its key");
  for (const auto& [handle, group] : state.all<PinGroup>()) check_group(state, *group, findings);
  for (const auto& [handle, policy] : state.all<PinPolicy>()) check_pin_policy(state, *policy, findings);
  for (const auto& [handle, policy] : state.all<PukPolicy>()) check_puk_policy(state, *policy, findings);
  return findings.result();
}

}  // namespace sks::engine
