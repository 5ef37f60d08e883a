#pragma once

#include "provisioning-server/internal/toml_table.h"
#include "provisioning-server/management_policy.h"

/// The tables [[capability]] and [[lookup]] of a profile. Failures stick to the table.
namespace sks::issuer {

std::vector<CapabilityQuery> read_capabilities(TomlTable& root);
/// The members of a filter, at least one.
keygen2::SearchFilter read_filter(TomlTable table);
std::vector<Lookup> read_lookups(TomlTable& root, bool privacy_enabled);

}  // namespace sks::issuer
