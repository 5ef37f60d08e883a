#include "provisioning-server/admin_api/profile_json.h"

#include <algorithm>

#include "keygen2/enumerations.h"
#include "provisioning-server/internal/management_reader.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/encoding.h"

namespace sks::issuer {
namespace {

using keygen2::KeySpec;
using keygen2::PinPolicySpec;

constexpr std::size_t kMostShownText = 2000;

Json sources_json(const std::vector<TextTemplate>& templates) {
  Json texts = Json::array();
  for (const TextTemplate& one : templates) texts.push_back(one.source());
  return texts;
}

/// The template as one text; a value escapes what a name would take apart.
std::string subject_text(const CertificateRules& rules) {
  std::vector<crypto::DnAttribute> name;
  for (const CertificateRules::SubjectAttribute& attribute : rules.subject)
    name.push_back({attribute.type, attribute.value.source()});
  return dn_text(name);
}

std::string_view subject_source(const CertificateRules& rules) {
  if (rules.from_directory) return "directory";
  return rules.subject.empty() ? "ticket" : "data";
}

/// What has to be known of a subject for anything in the profile.
Json subject_data_json(const Profile& profile) {
  std::map<std::string, bool> names = placeholders(profile.certificate);
  for (const std::vector<KeyExtension>& extensions : profile.key_extensions)
    for (const KeyExtension& extension : extensions)
      for (const KeyExtension::Property& property : extension.properties) property.value.add_placeholders(names);
  Json rows = Json::array();
  for (const auto& [name, required] : names) rows.push_back({{"name", name}, {"required", required}});
  return rows;
}

Json certificate_rules_json(const Profile& profile) {
  const CertificateRules& rules = profile.certificate;
  Json key_usage = Json::object();
  for (std::uint8_t usage = 0; usage < rules.key_usages.size(); ++usage)
    key_usage[std::string(app_usage_name(usage))] = key_usage_names(rules, usage);
  Json extensions = Json::array();
  for (const CertificateRules::FurtherExtension& extension : rules.further_extensions)
    extensions.push_back(
        {{"oid", extension.oid}, {"critical", extension.critical}, {"value", to_hex(extension.value)}});
  return {
      {"validity_days", rules.validity_days},
      {"subject_source", subject_source(rules)},
      {"subject", subject_text(rules)},
      {"subject_data", subject_data_json(profile)},
      {"email_from_subject", rules.email_from_subject},
      {"alternative_names",
       {{"email", sources_json(rules.emails)}, {"upn", sources_json(rules.upns)}, {"uri", sources_json(rules.uris)}}},
      {"extended_key_usage", rules.extended_key_usages},
      {"key_usage", std::move(key_usage)},
      {"policies", rules.policies},
      {"extensions", std::move(extensions)}};
}

Json pin_policy_json(const PinPolicySpec& policy) {
  Json patterns = Json::array();
  for (std::size_t bit = 0; bit < keygen2::kPatternRestrictions.size(); ++bit)
    if ((policy.pattern_restrictions >> bit & 1U) != 0) patterns.push_back(keygen2::kPatternRestrictions.at(bit));
  return {{"format", keygen2::kFormats.at(policy.format)},
          {"min_length", policy.min_length},
          {"max_length", policy.max_length},
          {"retry_limit", policy.retry_limit},
          {"grouping", keygen2::kGroupings.at(policy.grouping)},
          {"user_modifiable", policy.user_modifiable},
          {"input_method", keygen2::kInputMethods.at(policy.input_method)},
          {"pattern_restrictions", std::move(patterns)},
          {"keys", policy.keys.size()}};
}

bool is_shown_as_text(const KeyExtension& extension) {
  const std::string text = sks::to_string(extension.content);
  return extension.kind != keygen2::kLogotype && !is_encrypted(extension) && text.size() <= kMostShownText &&
         is_utf8(text) &&
         std::ranges::none_of(text, [](char c) { return c >= 0 && c < ' ' && c != '\n' && c != '\t'; });
}

Json extension_json(const KeyExtension& extension) {
  Json json{{"kind", keygen2::kExtensionKinds.at(extension.kind)}, {"type", extension.type}};
  if (extension.kind == keygen2::kPropertyBag) {
    Json properties = Json::array();
    for (const KeyExtension::Property& property : extension.properties)
      properties.push_back(
          {{"name", property.name}, {"value", property.value.source()}, {"writable", property.writable}});
    json["properties"] = std::move(properties);
    return json;
  }
  json["size"] = extension.content.size();
  if (!is_encrypted(extension)) json["digest"] = to_hex(crypto::sha256(extension.content));
  if (extension.kind == keygen2::kLogotype) {
    json["media_type"] = extension.media_type;
    json["content"] = to_base64url(extension.content);
  }
  if (is_shown_as_text(extension)) json["text"] = sks::to_string(extension.content);
  return json;
}

/// Big-endian.
std::int64_t exponent_of(const Bytes& bytes) {
  std::int64_t exponent = 0;
  for (const std::uint8_t byte : bytes) exponent = exponent << 8 | byte;
  return exponent;
}

/// `place`: in message order. `policy`: its position, if it is under one.
Json key_json(const Profile& profile, const KeySpec& key, std::size_t place, std::optional<std::size_t> policy) {
  Json json{{"app_usage", app_usage_name(key.app_usage)},
            {"algorithm", key.key_algorithm},
            {"friendly_name", key.friendly_name},
            {"endorsed_algorithms", key.endorsed_algorithms},
            {"export_protection", keygen2::kExportProtections.at(key.export_protection)},
            {"delete_protection", keygen2::kDeleteProtections.at(key.delete_protection)},
            {"biometric_protection", keygen2::kBiometricProtections.at(key.biometric_protection)},
            {"enable_pin_caching", key.enable_pin_caching},
            {"device_pin_protection", key.device_pin_protection}};
  if (!key.key_parameters.empty()) json["rsa_exponent"] = exponent_of(key.key_parameters);
  if (policy) json["pin_policy"] = *policy;
  if (const auto& signature = profile.signature_profiles.at(place)) json["signature_profile"] = signature->uri();
  Json extensions = Json::array();
  for (const KeyExtension& extension : profile.key_extensions.at(place))
    extensions.push_back(extension_json(extension));
  json["extensions"] = std::move(extensions);
  return json;
}

Json keys_json(const Profile& profile) {
  Json keys = Json::array();
  for (std::size_t policy = 0; policy < profile.pin_policies.size(); ++policy)
    for (const KeySpec& key : profile.pin_policies.at(policy).keys)
      keys.push_back(key_json(profile, key, keys.size(), policy));
  for (const KeySpec& key : profile.keys) keys.push_back(key_json(profile, key, keys.size(), std::nullopt));
  return keys;
}

Json lookup_json(const Lookup& lookup) {
  Json filter = Json::object();
  if (lookup.filter)
    for (const FilterMember& member : filter_members(*lookup.filter)) filter[std::string(member.name)] = member.values;
  return {{"action", action_name(lookup.action)}, {"same_subject", lookup.same_subject}, {"filter", std::move(filter)}};
}

}  // namespace

Json profile_summary_json(const Profile& profile) {
  return {{"name", profile.name},
          {"digest", profile.digest},
          {"keys", keys_in_message_order(profile).size()},
          {"pin_policies", profile.pin_policies.size()},
          {"has_puk", profile.puk.has_value()},
          {"lookups", profile.lookups.size()},
          {"privacy_enabled", profile.privacy_enabled},
          {"validity_days", profile.certificate.validity_days}};
}

Json decoded_profile_json(const Profile& profile, std::int64_t kmk_generation) {
  Json json{{"session_life_time", profile.session_life_time},
            {"privacy_enabled", profile.privacy_enabled},
            {"kmk_generation", kmk_generation},
            {"certificate", certificate_rules_json(profile)},
            {"limits",
             {{"credentials_per_device", profile.limits.credentials_per_device},
              {"credentials_per_subject", profile.limits.credentials_per_subject},
              {"sessions_per_device_and_hour", profile.limits.sessions_per_device_and_hour}}}};
  if (profile.puk)
    json["puk_policy"] = {{"format", keygen2::kFormats.at(profile.puk->format)},
                          {"length", profile.puk->length},
                          {"retry_limit", profile.puk->retry_limit}};
  Json policies = Json::array();
  for (const PinPolicySpec& policy : profile.pin_policies) policies.push_back(pin_policy_json(policy));
  json["pin_policies"] = std::move(policies);
  json["keys"] = keys_json(profile);
  Json capabilities = Json::array();
  for (const CapabilityQuery& query : profile.capabilities)
    capabilities.push_back({{"query", query.uri}, {"required", query.required}});
  json["capabilities"] = std::move(capabilities);
  Json lookups = Json::array();
  for (const Lookup& lookup : profile.lookups) lookups.push_back(lookup_json(lookup));
  json["lookups"] = std::move(lookups);
  return json;
}

}  // namespace sks::issuer
