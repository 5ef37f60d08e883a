#pragma once

#include "provisioning-server/internal/toml_table.h"
#include "provisioning-server/management_policy.h"

/// The tables [[capability]] and [[lookup]] of a profile. Failures stick to the table.
namespace sks::issuer {

std::vector<CapabilityQuery> read_capabilities(TomlTable& root);
std::vector<Lookup> read_lookups(TomlTable& root, bool privacy_enabled);

}  // namespace sks::issuer
