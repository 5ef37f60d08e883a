#include <algorithm>

#include "provisioning-server/internal/management_reader.h"
#include "provisioning-server/policy.h"
#include "provisioning-server/policy/key_reader.h"
#include "provisioning-server/policy/profile_files.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kMaxSessionLifeTime = 32767;

}  // namespace

bool is_profile_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  return !name.empty() && name.size() <= 64 && name.find_first_not_of(kAllowed) == std::string_view::npos;
}

Result<Profile> parse_profile(std::string_view content, const std::string& name, const std::string& file,
                              const ReadProfileFile& read) {
  SKS_LET(TomlFile document, TomlFile::parse(content, file));
  TomlTable root = document.root();
  Profile profile;
  profile.name = name;
  ProfileFiles files(read);
  profile.privacy_enabled = root.boolean_or("privacy_enabled", false);
  profile.session_life_time =
      static_cast<std::uint16_t>(root.integer_or("session_life_time", 60, kMaxSessionLifeTime, 900));
  profile.certificate = read_certificate_rules(root);
  profile.limits = read_limits(root);
  profile.puk = read_puk_policy(root);
  KeyExtensionReader extensions{files, profile.key_extensions};
  for (const TomlTable& policy : root.tables("pin_policy"))
    profile.pin_policies.push_back(read_pin_policy(policy, profile, extensions));
  for (const TomlTable& key : root.tables("key")) profile.keys.push_back(read_plain_key(key, profile, extensions));
  profile.capabilities = read_capabilities(root);
  profile.lookups = read_lookups(root, profile.privacy_enabled);
  if (profile.pin_policies.empty() && profile.keys.empty() && profile.lookups.empty())
    root.refuse("", "a profile needs at least one [[key]], [[pin_policy]] with a [[pin_policy.key]], or [[lookup]]");
  const bool updates = std::ranges::any_of(
      profile.lookups, [](const Lookup& lookup) { return lookup.action == FoundKeyAction::update; });
  if (updates && profile.pin_policies.empty() && profile.keys.empty())
    root.refuse("", "a [[lookup]] with action = \"update\" needs a [[key]] or [[pin_policy.key]] to make a new one of");
  if (profile.puk && profile.pin_policies.empty())
    root.refuse("puk_policy", "a [puk_policy] needs a [[pin_policy]] that it can unlock");
  if (profile.privacy_enabled &&
      (profile.limits.credentials_per_device != 0 || profile.limits.sessions_per_device_and_hour != 0))
    root.refuse("limits",
                "limits of a device cannot stand beside privacy_enabled = true: nothing tells anonymous devices"
                " apart");
  SKS_TRY(document.finish());
  profile.text = {name, {}, std::string(content), files.take()};
  profile.digest = profile.text.digest = profile_digest(profile.text.content, profile.text.files);
  return profile;
}

}  // namespace sks::issuer
