#include "provisioning-server/policy/key_reader.h"

#include <algorithm>
#include <array>

#include "provisioning-server/internal/algorithm_name.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/crypto/algorithms.h"

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
constexpr std::uint8_t kSignatureUsage = 0;
constexpr auto kAppUsages =
    std::to_array<Choice>({{"signature", 0}, {"authentication", 1}, {"encryption", 2}, {"universal", 3}});
constexpr auto kBiometric = std::to_array<Choice>({{"none", 0}, {"alternative", 1}, {"combined", 2}, {"exclusive", 3}});
constexpr auto kDelete = std::to_array<Choice>({{"none", 0}, {"pin", 1}, {"puk", 2}, {"non-deletable", 3}});
constexpr auto kExport = std::to_array<Choice>({{"none", 0}, {"pin", 1}, {"puk", 2}, {"non-exportable", 3}});
// A PUK is drawn at random and read out by people, so not every format of a PIN makes sense.
constexpr auto kPukFormats = std::to_array<Choice>({{"numeric", 0}, {"alphanumeric", 1}});

constexpr std::uint8_t kByPin = 1;
constexpr std::uint8_t kByPuk = 2;
constexpr std::uint8_t kNonExportable = 3;
constexpr std::int64_t kMaxRetryLimit = 10000;
constexpr std::int64_t kMaxPassphrase = 128;

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

std::optional<SignatureProfile> read_signature_profile(TomlTable& table, const KeySpec& key) {
  constexpr std::string_view kName = "signature_profile";
  if (!table.has(kName)) return std::nullopt;
  Result<SignatureProfile> profile = SignatureProfile::parse(table.text(kName));
  if (!profile) table.refuse(kName, "signature_profile: " + profile.error().detail);
  if (key.app_usage != kSignatureUsage)
    table.refuse(kName, "signature_profile goes only with app_usage = \"signature\"");
  if (!profile) return std::nullopt;
  return std::move(profile).value();
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

}  // namespace

std::string_view app_usage_name(std::uint8_t app_usage) { return word_of(kAppUsages, app_usage); }

KeySpec read_plain_key(TomlTable table, Profile& profile, KeyExtensionReader& extensions) {
  const bool has_device_pin = table.boolean_or("device_pin_protection", false);
  KeySpec spec = read_key(table, {has_device_pin, false});
  profile.signature_profiles.push_back(read_signature_profile(table, spec));
  spec.device_pin_protection = has_device_pin;
  extensions.read(table);
  return spec;
}

PinPolicySpec read_pin_policy(TomlTable table, Profile& profile, KeyExtensionReader& extensions) {
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
    KeySpec spec = read_key(key, {true, profile.puk.has_value()});
    spec.enable_pin_caching = key.boolean_or("enable_pin_caching", false);
    profile.signature_profiles.push_back(read_signature_profile(key, spec));
    extensions.read(key);
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

}  // namespace sks::issuer
