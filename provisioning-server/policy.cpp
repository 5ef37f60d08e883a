#include "provisioning-server/policy.h"

#include <array>

#include "provisioning-server/internal/toml_table.h"

namespace sks::issuer {
namespace {

constexpr auto kTrustModes =
    std::to_array<Choice>({{"open", static_cast<std::uint8_t>(DeviceTrustMode::open)},
                           {"registered", static_cast<std::uint8_t>(DeviceTrustMode::registered)},
                           {"ca", static_cast<std::uint8_t>(DeviceTrustMode::ca)}});

}  // namespace

Result<IssuerConfig> parse_config(std::string_view content, const std::string& file) {
  SKS_LET(TomlFile document, TomlFile::parse(content, file));
  TomlTable root = document.root();
  Result<MainUrl> url = MainUrl::parse(root.text("url"));
  if (!url) root.refuse("url", url.error().detail);
  const auto trust = static_cast<DeviceTrustMode>(root.choice("device_trust", kTrustModes));
  const std::int64_t ticket_minutes = root.integer_or("ticket_minutes", 1, 60 * 24 * 365, 60);
  TomlTable limits = root.table("limits");
  const std::int64_t starts = limits.integer_or("session_starts_per_second", 1, 100000, 100);
  const std::int64_t connections = limits.integer_or("connections", 1, 20000, 1024);
  const std::int64_t threads = limits.integer_or("threads", 1, 64, 16);
  DatabaseConfig database = read_database_config(root);
  AuditConfig audit = read_audit_config(root);
  AuthorityConfig authority = read_authority(root);
  const RenewalConfig renewal = read_renewal(root);
  RevocationConfig revocation = read_revocation(root);
  OperationsConfig operations = read_operations(root, limits);
  const AccessConfig access = read_access(root);
  LandingConfig landing = read_landing(root);
  std::vector<DeviceAuthorityRules> device_authorities = read_device_authorities(root);
  if (trust != DeviceTrustMode::ca && !device_authorities.empty())
    root.refuse("device_ca", "[[device_ca]] goes only with device_trust = \"ca\"");
  DirectoryConfig directory = read_directory(root);
  SKS_TRY(document.finish());
  IssuerConfig config{std::move(url).value(), trust, ticket_minutes, starts, connections, threads};
  config.database = std::move(database);
  config.audit = std::move(audit);
  config.authority = std::move(authority);
  config.renewal = renewal;
  config.revocation = std::move(revocation);
  config.operations = std::move(operations);
  config.access = access;
  config.landing = std::move(landing);
  config.device_authorities = std::move(device_authorities);
  config.directory = std::move(directory);
  return config;
}

std::string_view device_trust_name(DeviceTrustMode mode) {
  return word_of(kTrustModes, static_cast<std::uint8_t>(mode));
}

std::optional<DeviceTrustMode> find_device_trust(std::string_view name) {
  for (const Choice& choice : kTrustModes)
    if (choice.word == name) return static_cast<DeviceTrustMode>(choice.value);
  return std::nullopt;
}

}  // namespace sks::issuer
