#pragma once

#include <string>
#include <string_view>

#include "provisioning-server/policy.h"

/// The files that a new issuer starts with, commented for the operator who edits them.
namespace sks::issuer {

/// `database` as open_database() takes it; empty: the SQLite file in the folder.
std::string default_config(const MainUrl& url, DeviceTrustMode trust, const std::string& database = "");
std::string default_profile();
std::string pair_profile();
std::string_view default_registered_devices();

}  // namespace sks::issuer
