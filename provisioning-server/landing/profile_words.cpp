#include "provisioning-server/landing/profile_words.h"

#include <algorithm>
#include <array>

#include "provisioning-server/life_cycle/management_actions.h"

namespace sks::issuer {
namespace {

using keygen2::KeySpec;
using keygen2::PinPolicySpec;

// Positions of keygen2.md 4.14.
constexpr std::uint8_t kNoBiometrics = 0;

/// In the order of FoundKeyAction.
constexpr auto kActions = std::to_array<std::string_view>(
    {"condition.ignore", "condition.refuse", "condition.remove", "condition.unlock", "condition.update"});

/// "ec.nist.p256" out of "https://webpki.github.io/sks/algorithm#ec.nist.p256".
std::string_view short_algorithm(std::string_view uri) {
  const std::size_t mark = uri.find('#');
  return mark == std::string_view::npos ? uri : uri.substr(mark + 1);
}

std::string numbered(std::string_view key, std::uint8_t number) {
  return std::string(key) + '.' + std::to_string(number);
}

/// Sentences one behind the other.
void add(std::string& text, const std::string& sentence) { text += (text.empty() ? "" : " ") + sentence; }

std::string pin_sentences(const PinPolicySpec& policy, bool has_puk, const Locale& locale) {
  std::string text;
  const std::string symbols = locale.text(numbered("symbols", policy.format));
  const std::string low = std::to_string(policy.min_length);
  const std::string high = std::to_string(policy.max_length);
  if (policy.min_length == policy.max_length)
    add(text, locale.text("pin.exact", {{"min", low}, {"symbols", symbols}}));
  else
    add(text, locale.text("pin.range", {{"min", low}, {"max", high}, {"symbols", symbols}}));
  add(text, locale.counted("pin.retries", policy.retry_limit));
  if (has_puk) add(text, locale.text("pin.puk"));
  if (!policy.user_modifiable) add(text, locale.text("pin.fixed"));
  return text;
}

Markup describe_key(const Profile& profile, const KeySpec& key, std::string protection, const Locale& locale) {
  const std::optional<SignatureProfile>& signature = signature_profile_of(profile, key);
  const std::string usage = "usage." + std::string(app_usage_name(key.app_usage));
  if (key.biometric_protection != kNoBiometrics)
    add(protection, locale.text(numbered("biometric", key.biometric_protection)));
  add(protection, locale.text(numbered("export", key.export_protection)));
  Markup purpose;
  if (signature)
    purpose =
        html("<p>{text}</p>\n", {{"text", locale.text("key.signature_profile", {{"service", signature->service},
                                                                                {"operation", signature->operation},
                                                                                {"loa", signature->loa},
                                                                                {"sscd", signature->sscd}})}});
  return html(
      "<li>\n<h3><bdi>{name}</bdi></h3>\n<p>{what}</p>\n{purpose}<p>{protection}</p>\n<p "
      "class=\"faint\">{algorithm}</p>\n"
      "</li>\n",
      {{"name", key.friendly_name.empty() ? locale.text(usage) : key.friendly_name},
       {"what", locale.text(usage + ".what")},
       {"purpose", purpose},
       {"protection", protection},
       {"algorithm", locale.text("key.algorithm", {{"algorithm", short_algorithm(key.key_algorithm)}})}});
}

}  // namespace

Markup describe_keys(const Profile& profile, const Locale& locale) {
  Markup items;
  for (const PinPolicySpec& policy : profile.pin_policies)
    for (const KeySpec& key : policy.keys)
      items += describe_key(profile, key, pin_sentences(policy, profile.puk.has_value(), locale), locale);
  for (const KeySpec& key : profile.keys)
    items += describe_key(profile, key, locale.text(key.device_pin_protection ? "pin.device" : "pin.none"), locale);
  return items.empty() ? items : html("<ul class=\"keys\">\n{items}</ul>\n", {{"items", items}});
}

Markup describe_order(const ManagementOrder& order, const Locale& locale) {
  return html("<p>{text}</p>\n", {{"text", locale.text("order." + std::string(action_of(*order.kind).word))}});
}

Markup describe_conditions(const Profile& profile, const Locale& locale) {
  std::vector<std::string_view> keys;
  if (profile.privacy_enabled) keys.emplace_back("condition.anonymous");
  for (const Lookup& lookup : profile.lookups) {
    const std::string_view key = kActions.at(static_cast<std::size_t>(lookup.action));
    if (std::ranges::find(keys, key) == keys.end()) keys.push_back(key);
  }
  Markup items;
  for (const std::string_view key : keys) items += html("<li>{text}</li>\n", {{"text", locale.text(key)}});
  return items.empty() ? items : html("<ul>\n{items}</ul>\n", {{"items", items}});
}

}  // namespace sks::issuer
