#pragma once

#include <optional>

#include "provisioning-server/internal/toml_table.h"
#include "provisioning-server/policy.h"

/// The keys of a profile and what protects them. Failures stick to the table.
namespace sks::issuer {

/// Puts what each key gets beside its certificate behind that of the keys before it.
struct KeyExtensionReader {
  ProfileFiles& files;
  std::vector<std::vector<KeyExtension>>& made;
  void read(TomlTable& key) { made.push_back(read_key_extensions(key, files)); }
};

std::optional<PukPolicy> read_puk_policy(TomlTable& root);
/// [[pin_policy]] with the keys below it. What a key has beside its KeySpec goes to `profile`, whose PUK policy has
/// been read.
keygen2::PinPolicySpec read_pin_policy(TomlTable table, Profile& profile, KeyExtensionReader& extensions);
/// [[key]]: one without PIN policy.
keygen2::KeySpec read_plain_key(TomlTable table, Profile& profile, KeyExtensionReader& extensions);

}  // namespace sks::issuer
