#pragma once

#include "provisioning-server/admin_api/api_json.h"
#include "provisioning-server/policy.h"

namespace sks::issuer {

/// A profile in one line of a list.
Json profile_summary_json(const Profile& profile);

/// Everything that a profile says, by the names of its file where it has some. What is encrypted on its way to a device
/// is described and not shown. `kmk_generation`: of the key management key that new keys are issued under.
Json decoded_profile_json(const Profile& profile, std::int64_t kmk_generation);

}  // namespace sks::issuer
