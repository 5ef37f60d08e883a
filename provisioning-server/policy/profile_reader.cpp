#include <algorithm>
#include <array>

#include "provisioning-server/internal/management_reader.h"
#include "provisioning-server/policy.h"
#include "provisioning-server/policy/key_reader.h"
#include "provisioning-server/policy/profile_files.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

namespace sks::issuer {
namespace {

constexpr auto kClientAuth = std::to_array<Choice>({{"clientAuth", 0}});
constexpr std::int64_t kMaxSessionLifeTime = 32767;
constexpr std::int64_t kMaxValidityDays = 36500;

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
  TomlTable certificate = root.table("certificate");
  profile.validity_days = certificate.integer("validity_days", 1, kMaxValidityDays);
  certificate.choices_or_none("extended_key_usage", kClientAuth);
  profile.email_from_subject = certificate.boolean_or("email_from_subject", false);
  profile.puk = read_puk_policy(root);
  for (const TomlTable& policy : root.tables("pin_policy"))
    profile.pin_policies.push_back(read_pin_policy(policy, profile.puk.has_value(), profile));
  for (const TomlTable& key : root.tables("key")) profile.keys.push_back(read_plain_key(key, profile));
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
  SKS_TRY(document.finish());
  profile.text = {name, {}, std::string(content), files.take()};
  profile.digest = profile.text.digest = profile_digest(profile.text.content, profile.text.files);
  return profile;
}

}  // namespace sks::issuer
