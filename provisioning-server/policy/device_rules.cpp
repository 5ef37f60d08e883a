#include "provisioning-server/policy/device_rules.h"

#include <algorithm>
#include <array>

#include "provisioning-server/internal/management_reader.h"
#include "provisioning-server/policy.h"
#include "provisioning-server/policy/extension_der.h"

namespace sks::issuer {
namespace {

using Period = attestation::DevicePathRules::Period;
using Revocation = attestation::DevicePathRules::Revocation;

constexpr std::int64_t kMaxIntermediates = 8;  // a path has at most 10 certificates
constexpr auto kRevocations =
    std::to_array<Choice>({{"required", static_cast<std::uint8_t>(Revocation::required)},
                           {"if-available", static_cast<std::uint8_t>(Revocation::if_available)},
                           {"none", static_cast<std::uint8_t>(Revocation::none)}});
constexpr auto kPeriods = std::to_array<Choice>({{"all", static_cast<std::uint8_t>(Period::all)},
                                                 {"authorities", static_cast<std::uint8_t>(Period::authorities)},
                                                 {"none", static_cast<std::uint8_t>(Period::none)}});

void read_revocation(TomlTable& table, DeviceAuthorityRules& rules) {
  rules.revocation = static_cast<Revocation>(
      table.choice_or("revocation", kRevocations, static_cast<std::uint8_t>(Revocation::required)));
  rules.lists = table.texts_or_none("crl");
  if (rules.revocation == Revocation::required && rules.lists.empty())
    table.refuse(
        "revocation",
        "the devices of \"" + rules.name +
            "\" would all be refused: revocation = \"required\", which is the default, needs crl = [\"FILE\"]");
  if (rules.revocation == Revocation::none && !rules.lists.empty())
    table.refuse("crl", "crl is of no use with revocation = \"none\"");
}

DeviceAuthorityRules read_authority_rules(TomlTable& table) {
  DeviceAuthorityRules rules;
  rules.name = table.text("name");
  // It stands in the log, in metrics and in the audit log.
  if (!is_profile_name(rules.name))
    table.refuse("name", "name must have 1 to 64 characters: letters, digits, '-' and '_'");
  rules.file = table.text("file");
  rules.profiles = table.texts_or_none("profiles");
  for (const std::string& profile : rules.profiles)
    if (!is_profile_name(profile))
      table.refuse("profiles", "profiles holds \"" + profile + "\", which no profile is called");
  if (table.has("filter")) rules.filter = read_filter(table.table("filter"));
  if (rules.filter && (rules.filter->grouping || rules.filter->app_usage))
    table.refuse("filter", "the filter for a device has no grouping and no app_usage");
  rules.required_extensions = table.texts_or_none("required_extensions");
  for (const std::string& oid : rules.required_extensions)
    if (object_identifier(oid).empty())
      table.refuse("required_extensions", "required_extensions holds \"" + oid + "\", which is no object identifier");
  if (table.has("max_intermediates"))
    rules.max_intermediates = static_cast<std::size_t>(table.integer("max_intermediates", 0, kMaxIntermediates));
  rules.period = static_cast<Period>(table.choice_or("validity", kPeriods, static_cast<std::uint8_t>(Period::all)));
  read_revocation(table, rules);
  return rules;
}

}  // namespace

std::vector<DeviceAuthorityRules> read_device_authorities(TomlTable& root) {
  std::vector<DeviceAuthorityRules> authorities;
  for (TomlTable& table : root.tables("device_ca")) {
    DeviceAuthorityRules rules = read_authority_rules(table);
    if (std::ranges::find(authorities, rules.name, &DeviceAuthorityRules::name) != authorities.end())
      table.refuse("name", "there are two device CAs named \"" + rules.name + '"');
    authorities.push_back(std::move(rules));
  }
  return authorities;
}

DeviceAuthorityRules plain_device_authority(const std::string& file) {
  DeviceAuthorityRules rules;
  rules.name = "device-ca";
  rules.file = file;
  rules.revocation = Revocation::none;
  return rules;
}

std::string_view revocation_name(Revocation revocation) {
  return word_of(kRevocations, static_cast<std::uint8_t>(revocation));
}

}  // namespace sks::issuer
