#pragma once

#include <optional>

#include "provisioning-server/internal/toml_table.h"
#include "provisioning-server/policy.h"

/// The keys of a profile and what protects them. Failures stick to the table.
namespace sks::issuer {

std::optional<PukPolicy> read_puk_policy(TomlTable& root);
/// [[pin_policy]] with the keys below it. What a key has beside its KeySpec goes to `profile`.
keygen2::PinPolicySpec read_pin_policy(TomlTable table, bool has_puk, Profile& profile);
/// [[key]]: one without PIN policy.
keygen2::KeySpec read_plain_key(TomlTable table, Profile& profile);

}  // namespace sks::issuer
