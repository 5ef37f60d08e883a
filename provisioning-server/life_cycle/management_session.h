#pragma once

#include <memory>
#include <vector>

#include "keygen2/issuer_session.h"
#include "provisioning-server/key_manager.h"
#include "provisioning-server/policy.h"
#include "provisioning-server/profile_store.h"
#include "provisioning-server/repository.h"

/// Sessions of tickets that order something for keys that a device has: discovery first, then that operation alone.
namespace sks::issuer {

/// The rules of a session: those of its profile, or without one where no certificate is made. Fails as
/// ProfileStore::find().
Result<std::shared_ptr<const Profile>> find_rules(ProfileStore& profiles, const std::string& profile,
                                                  const ManagementOrder& order);

/// The same for a session that was started with them. Fails as ProfileStore::find_version().
Result<std::shared_ptr<const Profile>> find_session_rules(ProfileStore& profiles, const Session& session);

/// What the client is asked before anything else.
std::vector<CapabilityQuery> capabilities_for(const Profile& rules, const ManagementOrder& order);

/// Whether the order can be carried out for `targets`, as Repository::find_targets() gives them. Fails with
/// not_available (there is no such key), not_allowed (the status of its credential does not allow it).
Result<void> check_targets(const ManagementOrder& order, const std::vector<Credential>& targets);

/// The plan of such a session. Fails as replacement_spec(), and with not_allowed when it would take too many keys.
Result<keygen2::IssuancePlan> make_management_plan(const Profile& rules, const ManagementOrder& order,
                                                   const std::vector<Credential>& targets,
                                                   const std::string& issuer_uri, const KeyManager& keys);

/// The target on whose status it depends what may happen to the key of `credential`, which is one of `targets`: itself,
/// or what it was to replace in a session whose end is in doubt. Null: it is none of them.
const Credential* deciding_target(const std::vector<Credential>& targets, const std::string& credential);

}  // namespace sks::issuer
