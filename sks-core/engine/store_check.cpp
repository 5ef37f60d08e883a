#include "sks-core/engine/store_state.h"

namespace sks::engine {
namespace {

// Collects the first contradiction; the checks read as statements about sound rows.
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

class RowChecks {
 public:
  explicit RowChecks(const StoreState& state) : state_(state) {}

  template <class T>
  void check_handles(std::uint32_t next) {
    const DirectoryTable<T>& table = state_.directory().table<T>();
    findings_.require(table.empty() || table.highest().value < next, "every handle is below its counter");
  }

  void check(ProvisioningHandle handle, const Session::Row& session) {
    findings_.require(session.open || !state_.linked<KeysOfSession>(handle).empty(), "a closed session has a key");
  }

  void check(KeyHandle, const KeyEntry::Row& key) {
    const Session::Row* const session = state_.find_row<Session>(key.session);
    findings_.require(session != nullptr, "every key has a session");
    if (session != nullptr && !session->open)
      findings_.require(key.certificate != 0, "every key of a closed session has a certificate");
    findings_.require(static_cast<bool>(key.pin_policy) == static_cast<bool>(key.pin_group),
                      "a key has a PIN group exactly when it has a PIN policy");
    if (!key.pin_policy) return;
    const PinPolicy::Row* const policy = state_.find_row<PinPolicy>(key.pin_policy);
    const PinGroup::Row* const group = state_.find_row<PinGroup>(key.pin_group);
    findings_.require(policy != nullptr && group != nullptr, "the PIN policy and group of a key exist");
    if (policy == nullptr || group == nullptr) return;
    findings_.require(policy->session == key.session, "a key and its PIN policy have the same session");
    findings_.require(group->policy == key.pin_policy, "the PIN group of a key belongs to its policy");
  }

  void check(PinGroupHandle handle, const PinGroup::Row& group) {
    findings_.require(state_.find_row<PinPolicy>(group.policy) != nullptr, "every PIN group has a policy");
    findings_.require(!state_.linked<KeysOfGroup>(handle).empty(), "every PIN group has a key");
  }

  void check(PinPolicyHandle handle, const PinPolicy::Row& policy) {
    const Session::Row* const session = state_.find_row<Session>(policy.session);
    findings_.require(session != nullptr, "every PIN policy has a session");
    if (session != nullptr && !session->open)
      findings_.require(!state_.linked<KeysOfPolicy>(handle).empty(), "a PIN policy outlives no key");
    if (!policy.puk_policy) return;
    const PukPolicy::Row* const puk = state_.find_row<PukPolicy>(policy.puk_policy);
    findings_.require(puk != nullptr && puk->session == policy.session,
                      "a PIN policy and its PUK policy have the same session");
  }

  void check(PukPolicyHandle handle, const PukPolicy::Row& policy) {
    const Session::Row* const session = state_.find_row<Session>(policy.session);
    findings_.require(session != nullptr, "every PUK policy has a session");
    if (session != nullptr && !session->open)
      findings_.require(!state_.linked<PinPoliciesOfPuk>(handle).empty(), "a PUK policy outlives no PIN policy");
  }

  void check(ExtensionHandle, const Extension::Row& extension) {
    findings_.require(state_.find_row<KeyEntry>(extension.key) != nullptr, "every extension has a key");
  }

  /// Reads a session that is still being provisioned, with everything in it.
  Result<void> check_open_session(ProvisioningHandle handle) {
    SKS_LET(const auto session, state_.get<Session>(handle));
    for (const KeyHandle key : state_.linked<KeysOfSession>(handle)) {
      SKS_LET(const auto entry, state_.get<KeyEntry>(key));
      check_name(*session, entry->id);
    }
    for (const PukPolicyHandle puk : state_.linked<PukPoliciesOfSession>(handle)) {
      SKS_LET(const auto policy, state_.get<PukPolicy>(puk));
      check_name(*session, policy->id);
    }
    for (const PinPolicyHandle pin : state_.linked<PinPoliciesOfSession>(handle)) {
      SKS_LET(const auto policy, state_.get<PinPolicy>(pin));
      check_name(*session, policy->id);
      for (const PinGroupHandle group : state_.linked<GroupsOfPolicy>(pin)) SKS_TRY(state_.get<PinGroup>(group));
    }
    return {};
  }

  Result<void> result() const { return findings_.result(); }

 private:
  void check_name(const Session& session, const std::string& id) {
    findings_.require(session.name_space.contains(id), "an open session knows the ids of its objects");
  }

  const StoreState& state_;
  Findings findings_;
};

}  // namespace

Result<void> check_consistency(const StoreState& state) {
  RowChecks checks(state);
  const Counters& next = state.counters();
  checks.check_handles<Session>(next.session);
  checks.check_handles<KeyEntry>(next.key);
  checks.check_handles<PinPolicy>(next.pin_policy);
  checks.check_handles<PukPolicy>(next.puk_policy);
  checks.check_handles<PinGroup>(next.pin_group);
  checks.check_handles<Extension>(next.extension);
  state.directory().for_each_table([&](const auto& table) {
    table.for_each([&](const auto& handle, const auto& row) { checks.check(handle, row); });
  });
  SKS_TRY(checks.result());
  Result<void> sound;
  state.directory().table<Session>().for_each([&](ProvisioningHandle handle, const Session::Row& session) {
    if (sound && session.open) sound = checks.check_open_session(handle);
  });
  SKS_TRY(std::move(sound));
  return checks.result();
}

}  // namespace sks::engine
