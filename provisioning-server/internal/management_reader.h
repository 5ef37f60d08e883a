#pragma once

#include "provisioning-server/internal/toml_table.h"
#include "provisioning-server/management_policy.h"

/// The tables [[capability]] and [[lookup]] of a profile. Failures stick to the table.
namespace sks::issuer {

std::vector<CapabilityQuery> read_capabilities(TomlTable& root);
/// The members of a filter, at least one.
keygen2::SearchFilter read_filter(TomlTable table);
/// A member of a filter by its name in profiles.
struct FilterMember {
  std::string_view name;
  std::vector<std::string> values;  ///< one, but for rules
};
/// The mirror of read_filter().
std::vector<FilterMember> filter_members(const keygen2::SearchFilter& filter);
/// "delete", as profiles spell it.
std::string_view action_name(FoundKeyAction action);
std::vector<Lookup> read_lookups(TomlTable& root, bool privacy_enabled);

}  // namespace sks::issuer
