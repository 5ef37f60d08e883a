#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keygen2/issuer_session.h"
#include "provisioning-server/access/access_config.h"
#include "provisioning-server/audit/audit_config.h"
#include "provisioning-server/authority/authority_config.h"
#include "provisioning-server/database/database_config.h"
#include "provisioning-server/landing/landing_config.h"
#include "provisioning-server/management_policy.h"
#include "provisioning-server/operations/operations_config.h"
#include "provisioning-server/policy/certificate_rules.h"
#include "provisioning-server/policy/device_rules.h"
#include "provisioning-server/policy/key_extensions.h"
#include "provisioning-server/policy/limits.h"
#include "provisioning-server/policy/profile_archive.h"
#include "provisioning-server/policy/subject_directory.h"
#include "provisioning-server/revocation/revocation_config.h"
#include "provisioning-server/signature_profiles/signature_profile.h"
#include "provisioning-server/url.h"

/// What is issued to whom: the part that an operator writes, in TOML files.
namespace sks::issuer {

enum class DeviceTrustMode : std::uint8_t { open, registered, ca };

/// D/issuer.toml.
struct IssuerConfig {
  MainUrl url;
  DeviceTrustMode device_trust = DeviceTrustMode::registered;
  std::int64_t ticket_minutes = 60;
  std::int64_t session_starts_per_second = 100;  ///< above it: 429
  std::int64_t connections = 1024;               ///< open at one time
  std::int64_t threads = 16;
  DatabaseConfig database = {};
  AuditConfig audit = {};
  AuthorityConfig authority = {};
  RenewalConfig renewal = {};
  RevocationConfig revocation = {};
  OperationsConfig operations = {};
  AccessConfig access = {};
  LandingConfig landing = {};
  std::vector<DeviceAuthorityRules> device_authorities = {};  ///< empty with mode ca: device-ca.pem stands alone
  DirectoryConfig directory = {};
};

/// A PUK is drawn for every session of the profile and kept sealed, for the help desk.
struct PukPolicy {
  std::uint8_t format = 0;
  std::uint16_t retry_limit = 3;
  std::size_t length = 8;
};

/// D/profiles/<name>.toml: one kind of credentials.
struct Profile {
  std::string name;
  std::string digest;  ///< what the audit log refers to: see profile_digest()
  ProfileText text;    ///< what it was read from
  bool privacy_enabled = false;
  std::uint16_t session_life_time = 900;  ///< seconds
  CertificateRules certificate;
  ProfileLimits limits;
  std::optional<PukPolicy> puk;
  std::vector<keygen2::PinPolicySpec> pin_policies;
  std::vector<keygen2::KeySpec> keys;  ///< without PIN
  /// Of the keys, in the order of keys_in_message_order(); only signature keys have one.
  std::vector<std::optional<SignatureProfile>> signature_profiles;
  std::vector<std::vector<KeyExtension>> key_extensions;  ///< by the position in message order
  std::vector<CapabilityQuery> capabilities;
  std::vector<Lookup> lookups;
};

/// Operations on found keys that one session has room for.
inline constexpr std::uint16_t kMaxKeyOperations = 1000;

/// Fail with option as "file:line: sentence". `file` is only for messages.
Result<IssuerConfig> parse_config(std::string_view content, const std::string& file);
/// `read` gives what the profile refers to, by the name that stands in it; without it a profile may refer to nothing.
using ReadProfileFile = std::function<Result<Bytes>(const std::string& name)>;
Result<Profile> parse_profile(std::string_view content, const std::string& name, const std::string& file,
                              const ReadProfileFile& read = {});

/// Names of profiles are file names: letters, digits, '-', '_', at most 64.
bool is_profile_name(std::string_view name);

/// A PUK by the profile's rules, or empty when it has no PUK policy.
SecureBytes draw_puk(const Profile& profile, const Random& random);

/// `key_management_key` makes the keys manageable by later sessions; a profile with lookups needs it.
keygen2::IssuancePlan make_plan(const Profile& profile, const std::string& issuer_uri, const Bytes& key_management_key,
                                SecureBytes puk);

/// The keys in the order of keygen2.md 4.8: AttestedKey::index counts along it.
std::vector<const keygen2::KeySpec*> keys_in_message_order(const Profile& profile);

/// Another one like it; the PIN is not preset.
keygen2::KeySpec copy_of(const keygen2::KeySpec& key);

/// What the signatures of a key are for, which is one of those in the profile itself and no copy.
const std::optional<SignatureProfile>& signature_profile_of(const Profile& profile, const keygen2::KeySpec& key);

/// "signature", "authentication", ... as keygen2.md 4.14 spells it.
std::string_view app_usage_name(std::uint8_t app_usage);
std::string_view device_trust_name(DeviceTrustMode mode);
std::optional<DeviceTrustMode> find_device_trust(std::string_view name);

}  // namespace sks::issuer
