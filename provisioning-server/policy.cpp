#include "provisioning-server/policy.h"

#include <algorithm>
#include <array>

#include "keygen2/enumerations.h"
#include "provisioning-server/internal/algorithm_name.h"
#include "provisioning-server/internal/management_reader.h"
#include "provisioning-server/internal/toml_table.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/algorithms.h"
#include "sks-core/crypto/hash.h"

namespace sks::issuer {
namespace {

using keygen2::KeySpec;
using keygen2::PinPolicySpec;

// Spec: keygen2.md 4.14
constexpr auto kFormats = std::to_array<Choice>({{"numeric", 0}, {"alphanumeric", 1}, {"string", 2}, {"binary", 3}});
constexpr auto kGroupings =
    std::to_array<Choice>({{"none", 0}, {"shared", 1}, {"signature+standard", 2}, {"unique", 3}});
constexpr auto kPatterns = std::to_array<Choice>(
    {{"two-in-a-row", 1}, {"three-in-a-row", 2}, {"sequence", 4}, {"repeated", 8}, {"missing-group", 16}});
constexpr auto kInputMethods = std::to_array<Choice>({{"any", 0}, {"programmatic", 1}, {"trusted-gui", 2}});
constexpr auto kAppUsages =
    std::to_array<Choice>({{"signature", 0}, {"authentication", 1}, {"encryption", 2}, {"universal", 3}});
constexpr auto kBiometric = std::to_array<Choice>({{"none", 0}, {"alternative", 1}, {"combined", 2}, {"exclusive", 3}});
constexpr auto kDelete = std::to_array<Choice>({{"none", 0}, {"pin", 1}, {"puk", 2}, {"non-deletable", 3}});
constexpr auto kExport = std::to_array<Choice>({{"none", 0}, {"pin", 1}, {"puk", 2}, {"non-exportable", 3}});
// A PUK is drawn at random and read out by people, so not every format of a PIN makes sense.
constexpr auto kPukFormats = std::to_array<Choice>({{"numeric", 0}, {"alphanumeric", 1}});
constexpr auto kClientAuth = std::to_array<Choice>({{"clientAuth", 0}});
constexpr auto kTrustModes =
    std::to_array<Choice>({{"open", static_cast<std::uint8_t>(DeviceTrustMode::open)},
                           {"registered", static_cast<std::uint8_t>(DeviceTrustMode::registered)},
                           {"ca", static_cast<std::uint8_t>(DeviceTrustMode::ca)}});

constexpr std::uint8_t kByPin = 1;
constexpr std::uint8_t kByPuk = 2;
constexpr std::uint8_t kNonExportable = 3;
constexpr std::int64_t kMaxRetryLimit = 10000;
constexpr std::int64_t kMaxPassphrase = 128;
constexpr std::int64_t kMaxSessionLifeTime = 32767;
constexpr std::int64_t kMaxValidityDays = 36500;

std::string_view word_of(std::span<const Choice> choices, std::uint8_t value) {
  for (const Choice& choice : choices)
    if (choice.value == value) return choice.word;
  return "unknown";
}

std::uint16_t u16(std::int64_t value) { return static_cast<std::uint16_t>(value); }

/// Two's complement, big-endian, without needless leading bytes.
Bytes exponent_bytes(std::int64_t exponent) {
  Bytes bytes;
  for (; exponent != 0; exponent >>= 8) bytes.push_back(static_cast<std::uint8_t>(exponent & 0xff));
  if (!bytes.empty() && bytes.back() >= 0x80) bytes.push_back(0);
  std::ranges::reverse(bytes);
  return bytes;
}

/// Control characters would reach the terminals and windows of users. Spec: keygen2.md Appendix B for the length.
std::string read_friendly_name(TomlTable& table) {
  constexpr std::size_t kMaxFriendlyName = 100;
  std::string name = table.text_or("friendly_name", "");
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  // U+0080 to U+009F are C2 80 to C2 9F in UTF-8.
  bool has_control = std::ranges::any_of(name, is_control);
  for (std::size_t at = name.find('\xc2'); at != std::string::npos; at = name.find('\xc2', at + 1))
    has_control |= at + 1 < name.size() && static_cast<unsigned char>(name[at + 1]) < 0xa0;
  if (has_control) table.refuse("friendly_name", "friendly_name must not hold control characters");
  if (count_code_points(name) > kMaxFriendlyName)
    table.refuse("friendly_name", "friendly_name must not be longer than 100 characters");
  return name;
}

/// The rules of createKeyEntry and of the close of a session, which would only tell after the user has chosen PINs.
/// Spec: sks-api.md 6.6
std::vector<std::string> read_endorsed_algorithms(TomlTable& table, const Algorithm* key) {
  constexpr std::string_view kList = "endorsed_algorithms";
  std::vector<std::string> uris;
  for (const std::string& name : table.texts_or_none(kList)) {
    const Algorithm* const row = algorithm_named(name);
    const std::string what = "\"" + name + "\"";
    if (row == nullptr) {
      table.refuse(kList, "endorsed_algorithms holds the unknown algorithm " + what);
      continue;
    }
    const bool is_none = row->uri == kNoneAlgorithm;
    if (row->family == KeyFamily::none && !is_none)
      table.refuse(kList, "endorsed_algorithms must not hold " + what + ", no key can be used with it");
    if (key != nullptr && row->family != KeyFamily::none && row->family != key->family)
      table.refuse(kList, "endorsed_algorithms holds " + what + ", which does not fit the algorithm of the key");
    uris.emplace_back(row->uri);
  }
  std::ranges::sort(uris);
  if (std::ranges::adjacent_find(uris) != uris.end())
    table.refuse(kList, "endorsed_algorithms holds an algorithm twice");
  if (uris.size() > 1 && std::ranges::count(uris, kNoneAlgorithm) != 0)
    table.refuse(kList, "endorsed_algorithms must hold \"none\" alone");
  return uris;
}

/// What may protect a key: a PIN and a PUK that exist.
struct Protectors {
  bool pin;
  bool puk;
};

std::uint8_t read_protection(TomlTable& table, std::string_view name, std::span<const Choice> choices,
                             std::uint8_t fallback, Protectors protectors) {
  const std::uint8_t protection = table.choice_or(name, choices, fallback);
  if (protection == kByPin && !protectors.pin)
    table.refuse(name, std::string(name) + " = \"pin\" needs a key under a [[pin_policy]] or with a device PIN");
  if (protection == kByPuk && !protectors.puk)
    table.refuse(name, std::string(name) + " = \"puk\" needs a [puk_policy] and a key under a [[pin_policy]]");
  return protection;
}

KeySpec read_key(TomlTable table, Protectors protectors) {
  KeySpec key;
  key.app_usage = table.choice("app_usage", kAppUsages);
  const std::string name = table.text("algorithm");
  const Algorithm* const algorithm = algorithm_named(name);
  if (algorithm == nullptr || algorithm->category != Category::key_generation) {
    table.refuse("algorithm", "algorithm \"" + name + "\" is not one for making keys");
  } else {
    key.key_algorithm = algorithm->uri;
    if (algorithm->takes_parameters) {
      key.key_parameters = exponent_bytes(table.integer("rsa_exponent", 3, 0xffffffff));
    } else if (table.has("rsa_exponent")) {
      table.integer("rsa_exponent", 3, 0xffffffff);
      table.refuse("rsa_exponent", "rsa_exponent goes only with the algorithms whose name ends in .exp");
    }
  }
  key.friendly_name = read_friendly_name(table);
  key.endorsed_algorithms = read_endorsed_algorithms(table, algorithm);
  key.export_protection = read_protection(table, "export_protection", kExport, kNonExportable, protectors);
  key.delete_protection = read_protection(table, "delete_protection", kDelete, 0, protectors);
  key.biometric_protection = table.choice_or("biometric_protection", kBiometric, 0);
  return key;
}

PinPolicySpec read_pin_policy(TomlTable table, bool has_puk) {
  PinPolicySpec policy;
  policy.format = table.choice("format", kFormats);
  policy.min_length = u16(table.integer("min_length", 1, kMaxPassphrase));
  policy.max_length = u16(table.integer("max_length", policy.min_length, kMaxPassphrase));
  policy.retry_limit = u16(table.integer("retry_limit", 1, kMaxRetryLimit));
  policy.grouping = table.choice_or("grouping", kGroupings, 0);
  policy.user_modifiable = table.boolean_or("user_modifiable", true);
  policy.input_method = table.choice_or("input_method", kInputMethods, 0);
  for (const std::uint8_t bit : table.choices_or_none("pattern_restrictions", kPatterns))
    policy.pattern_restrictions = static_cast<std::uint8_t>(policy.pattern_restrictions | bit);
  for (TomlTable& key : table.tables("key")) {
    KeySpec spec = read_key(key, {true, has_puk});
    spec.enable_pin_caching = key.boolean_or("enable_pin_caching", false);
    policy.keys.push_back(std::move(spec));
  }
  if (policy.keys.empty()) table.refuse("format", "a [[pin_policy]] needs at least one [[pin_policy.key]] below it");
  return policy;
}

std::optional<PukPolicy> read_puk_policy(TomlTable& root) {
  if (!root.has("puk_policy")) return std::nullopt;
  TomlTable table = root.table("puk_policy");
  PukPolicy policy;
  policy.format = table.choice("format", kPukFormats);
  policy.length = static_cast<std::size_t>(table.integer("length", 6, kMaxPassphrase));
  policy.retry_limit = u16(table.integer("retry_limit", 0, kMaxRetryLimit));
  return policy;
}

KeySpec copy_of(const KeySpec& key) {
  KeySpec copy;
  copy.app_usage = key.app_usage;
  copy.key_algorithm = key.key_algorithm;
  copy.key_parameters = key.key_parameters;
  copy.friendly_name = key.friendly_name;
  copy.endorsed_algorithms = key.endorsed_algorithms;
  copy.export_protection = key.export_protection;
  copy.delete_protection = key.delete_protection;
  copy.biometric_protection = key.biometric_protection;
  copy.enable_pin_caching = key.enable_pin_caching;
  copy.device_pin_protection = key.device_pin_protection;
  return copy;
}

std::vector<KeySpec> copy_of(const std::vector<KeySpec>& keys) {
  std::vector<KeySpec> copies;
  copies.reserve(keys.size());
  for (const KeySpec& key : keys) copies.push_back(copy_of(key));
  return copies;
}

PinPolicySpec copy_of(const PinPolicySpec& policy) {
  PinPolicySpec copy;
  copy.min_length = policy.min_length;
  copy.max_length = policy.max_length;
  copy.retry_limit = policy.retry_limit;
  copy.format = policy.format;
  copy.user_modifiable = policy.user_modifiable;
  copy.grouping = policy.grouping;
  copy.input_method = policy.input_method;
  copy.pattern_restrictions = policy.pattern_restrictions;
  copy.keys = copy_of(policy.keys);
  return copy;
}

}  // namespace

bool is_profile_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  return !name.empty() && name.size() <= 64 && name.find_first_not_of(kAllowed) == std::string_view::npos;
}

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
  const std::int64_t threads = limits.integer_or("threads", 1, 64, 2);
  DatabaseConfig database = read_database_config(root);
  AuditConfig audit = read_audit_config(root);
  AuthorityConfig authority = read_authority(root);
  const RenewalConfig renewal = read_renewal(root);
  RevocationConfig revocation = read_revocation(root);
  OperationsConfig operations = read_operations(root, limits);
  const AccessConfig access = read_access(root);
  LandingConfig landing = read_landing(root);
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
  return config;
}

Result<Profile> parse_profile(std::string_view content, const std::string& name, const std::string& file) {
  SKS_LET(TomlFile document, TomlFile::parse(content, file));
  TomlTable root = document.root();
  Profile profile;
  profile.name = name;
  profile.digest = to_hex(crypto::sha256(as_bytes(content)));
  profile.privacy_enabled = root.boolean_or("privacy_enabled", false);
  profile.session_life_time = u16(root.integer_or("session_life_time", 60, kMaxSessionLifeTime, 900));
  TomlTable certificate = root.table("certificate");
  profile.validity_days = certificate.integer("validity_days", 1, kMaxValidityDays);
  certificate.choices_or_none("extended_key_usage", kClientAuth);
  profile.email_from_subject = certificate.boolean_or("email_from_subject", false);
  profile.puk = read_puk_policy(root);
  for (const TomlTable& policy : root.tables("pin_policy"))
    profile.pin_policies.push_back(read_pin_policy(policy, profile.puk.has_value()));
  for (TomlTable& key : root.tables("key")) {
    const bool has_device_pin = key.boolean_or("device_pin_protection", false);
    KeySpec spec = read_key(key, {has_device_pin, false});
    spec.device_pin_protection = has_device_pin;
    profile.keys.push_back(std::move(spec));
  }
  profile.capabilities = read_capabilities(root);
  profile.lookups = read_lookups(root, profile.privacy_enabled);
  if (profile.pin_policies.empty() && profile.keys.empty() && profile.lookups.empty())
    root.refuse("", "a profile needs at least one [[key]], [[pin_policy]] with a [[pin_policy.key]], or [[lookup]]");
  if (profile.puk && profile.pin_policies.empty())
    root.refuse("puk_policy", "a [puk_policy] needs a [[pin_policy]] that it can unlock");
  SKS_TRY(document.finish());
  return profile;
}

SecureBytes draw_puk(const Profile& profile, const Random& random) {
  if (!profile.puk) return {};
  // The symbols of the format alphanumeric; the digits come first, so that they are all of numeric.
  constexpr std::string_view kSymbols = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const std::size_t count = profile.puk->format == 0 ? 10 : kSymbols.size();
  SecureBytes puk(profile.puk->length);
  for (std::uint8_t& symbol : puk.span()) {
    // Bytes above the last whole multiple are drawn again, so that all symbols are equally likely.
    do random.fill({&symbol, 1});
    while (symbol >= 256 / count * count);
    symbol = static_cast<std::uint8_t>(kSymbols[symbol % count]);
  }
  return puk;
}

keygen2::IssuancePlan make_plan(const Profile& profile, const std::string& issuer_uri, const Bytes& key_management_key,
                                SecureBytes puk) {
  keygen2::IssuancePlan plan;
  plan.issuer_uri = issuer_uri;
  plan.privacy_enabled = profile.privacy_enabled;
  plan.session_life_time = profile.session_life_time;
  plan.key_management_key = key_management_key;
  std::vector<PinPolicySpec> pin_policies;
  for (const PinPolicySpec& policy : profile.pin_policies) pin_policies.push_back(copy_of(policy));
  if (profile.puk) {
    keygen2::PukPolicySpec unlock;
    unlock.puk = std::move(puk);
    unlock.retry_limit = profile.puk->retry_limit;
    unlock.format = profile.puk->format;
    unlock.pin_policies = std::move(pin_policies);
    plan.puk_policies.push_back(std::move(unlock));
  } else {
    plan.pin_policies = std::move(pin_policies);
  }
  plan.keys = copy_of(profile.keys);
  for (const CapabilityQuery& query : profile.capabilities) plan.capability_queries.push_back(query.uri);
  for (const Lookup& lookup : profile.lookups) plan.lookups.push_back({key_management_key, lookup.filter});
  if (!profile.lookups.empty()) plan.reserve.target_operations = kMaxKeyOperations;
  const auto unlocks = [](const Lookup& lookup) { return lookup.action == FoundKeyAction::unlock; };
  const bool only_unlocks = std::ranges::all_of(profile.lookups, unlocks) && !profile.lookups.empty();
  if (only_unlocks && keys_in_message_order(profile).empty()) plan.action = keygen2::kActionUnlock;
  return plan;
}

std::vector<const KeySpec*> keys_in_message_order(const Profile& profile) {
  std::vector<const KeySpec*> keys;
  for (const PinPolicySpec& policy : profile.pin_policies)
    for (const KeySpec& key : policy.keys) keys.push_back(&key);
  for (const KeySpec& key : profile.keys) keys.push_back(&key);
  return keys;
}

std::string_view app_usage_name(std::uint8_t app_usage) { return word_of(kAppUsages, app_usage); }

std::string_view device_trust_name(DeviceTrustMode mode) {
  return word_of(kTrustModes, static_cast<std::uint8_t>(mode));
}

std::optional<DeviceTrustMode> find_device_trust(std::string_view name) {
  for (const Choice& choice : kTrustModes)
    if (choice.word == name) return static_cast<DeviceTrustMode>(choice.value);
  return std::nullopt;
}

}  // namespace sks::issuer
