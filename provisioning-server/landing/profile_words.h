#pragma once

#include "provisioning-server/landing/html.h"
#include "provisioning-server/landing/locale.h"
#include "provisioning-server/policy.h"
#include "provisioning-server/repository.h"

namespace sks::issuer {

/// The keys of a profile in words: what each is for, what protects it, and whether it can leave the device. Empty when
/// the profile has none.
Markup describe_keys(const Profile& profile, const Locale& locale);

/// What an order for keys that the device has does to them.
Markup describe_order(const ManagementOrder& order, const Locale& locale);

/// What else a session of the profile does. Empty when there is nothing to say.
Markup describe_conditions(const Profile& profile, const Locale& locale);

}  // namespace sks::issuer
