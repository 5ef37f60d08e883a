#pragma once

#include <string>
#include <string_view>

#include "provisioning-server/policy.h"

/// The files that a new issuer starts with, commented for the operator who edits them.
namespace sks::issuer {

std::string default_config(const MainUrl& url, DeviceTrustMode trust);
std::string default_profile();
std::string pair_profile();
std::string_view default_registered_devices();

}  // namespace sks::issuer
