#include "keygen2/issuer_plan.h"

#include <algorithm>

#include "keygen2/enumerations.h"
#include "keygen2/key_algorithm.h"
#include "keygen2/mac_data.h"
#include "keygen2/message_common.h"
#include "keygen2/pin_grouping.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/pin_value.h"
#include "sks-core/crypto/algorithms.h"

namespace sks::keygen2 {
namespace {

constexpr std::uint16_t kMaxSessionLifeTime = 32767;
constexpr std::size_t kMaxSessionKeyUses = 32000;
constexpr std::size_t kMaxServerSeed = 64;      // bytes
constexpr std::size_t kMaxLanguages = 184;      // as many as there are
constexpr std::size_t kMaxFilterText = 0xFFFF;  // bytes that a saved session can hold
constexpr std::uint8_t kLastOfFour = 3;

/// A rule and the sentence that says which one it is. Rows are checked in order.
struct Rule {
  bool holds;
  const char* sentence;
};

Outcome<void> check_rules(std::initializer_list<Rule> rules) {
  for (const Rule& rule : rules)
    if (!rule.holds) return Failure{ErrorClass::value, rule.sentence};
  return {};
}

/// What protects a key, seen from the key.
struct Surroundings {
  const PinPolicySpec* pin = nullptr;
  const PukPolicySpec* puk = nullptr;
};

bool endorsed_algorithms_ok(const std::vector<std::string>& algorithms) {
  const bool none = std::ranges::find(algorithms, kNoneAlgorithm) != algorithms.end();
  return algorithms.size() <= kMaxEndorsedAlgorithms && std::ranges::all_of(algorithms, is_uri) &&
         !has_duplicates(algorithms) && (!none || algorithms.size() == 1);
}

bool biometrics_ok(const KeySpec& key, bool has_pin) {
  if (key.biometric_protection == kBiometricNone) return true;
  return (key.biometric_protection == kBiometricExclusive) != has_pin;
}

bool protection_ok(std::uint8_t protection, bool has_pin, bool has_puk) {
  if (protection == kProtectionPin) return has_pin;
  if (protection == kProtectionPuk) return has_puk;
  return true;
}

Outcome<void> check_key(const KeySpec& key, Surroundings around) {
  const KeyAlgorithm* const algorithm = find_key_algorithm(key.key_algorithm);
  const bool takes_exponent = algorithm != nullptr && algorithm->takes_exponent;
  const bool has_pin = around.pin != nullptr || key.device_pin_protection;
  const bool has_puk = around.puk != nullptr;
  return check_rules({
      {algorithm != nullptr, "unknown key algorithm"},
      {takes_exponent != key.key_parameters.empty(), "key parameters are for algorithms with an exponent"},
      {key.key_parameters.size() <= std::size_t{kKeyParametersSize.max}, "key parameters are longer than 8 bytes"},
      {key.key_parameters.empty() || is_exponent(key.key_parameters), "key parameters are no RSA exponent"},
      {key.app_usage <= kLastOfFour, "unknown application usage"},
      {key.export_protection <= kLastOfFour, "unknown export protection"},
      {key.delete_protection <= kLastOfFour, "unknown delete protection"},
      {key.biometric_protection <= kLastOfFour, "unknown biometric protection"},
      {is_utf8(key.friendly_name) && count_code_points(key.friendly_name) <= kMaxFriendlyName,
       "a friendly name is no text of at most 100 characters"},
      {endorsed_algorithms_ok(key.endorsed_algorithms), "the endorsed algorithms are no set of algorithm URIs"},
      {key.server_seed.size() <= kMaxServerSeed, "a server seed is longer than 64 bytes"},
      {around.pin == nullptr || !key.device_pin_protection, "a device PIN is for keys without PIN policy"},
      {around.pin != nullptr || !key.preset_pin, "a preset PIN is for keys under a PIN policy"},
      {!key.enable_pin_caching || (around.pin != nullptr && around.pin->input_method == kInputMethodTrustedGui),
       "PIN caching asks for a PIN policy with the input method trusted-gui"},
      {biometrics_ok(key, has_pin), "biometrics are an alternative or a complement to a PIN, or exclude one"},
      {protection_ok(key.export_protection, has_pin, has_puk), "the export protection asks for a PIN or a PUK"},
      {protection_ok(key.delete_protection, has_pin, has_puk), "the delete protection asks for a PIN or a PUK"},
  });
}

/// Whether the preset PINs of a policy agree and differ as its grouping asks for.
bool grouping_ok(const PinPolicySpec& policy) {
  if (policy.grouping == kGroupingNone) return true;
  for (const KeySpec& one : policy.keys) {
    for (const KeySpec& other : policy.keys) {
      const bool same_class = pin_class(policy.grouping, one.app_usage) == pin_class(policy.grouping, other.app_usage);
      if (equal_constant_time(one.preset_pin->view(), other.preset_pin->view()) != same_class) return false;
    }
  }
  return true;
}

Outcome<void> check_preset_pins(const PinPolicySpec& policy) {
  const auto is_preset = [](const KeySpec& key) { return key.preset_pin.has_value(); };
  if (std::ranges::none_of(policy.keys, is_preset)) return {};
  if (!std::ranges::all_of(policy.keys, is_preset))
    return Failure{ErrorClass::value, "a PIN policy mixes preset and user-defined PINs"};
  const pin::Rules rules{static_cast<pin::Format>(policy.format), policy.min_length, policy.max_length,
                         policy.pattern_restrictions};
  for (const KeySpec& key : policy.keys) {
    const std::optional<pin::BrokenRule> broken = pin::find_broken_rule(rules, key.preset_pin->view());
    if (broken) return Failure{ErrorClass::value, "preset PIN: " + std::string(to_string(*broken))};
  }
  return check_rules({{grouping_ok(policy), "the preset PINs do not fit the grouping of their policy"}});
}

Outcome<void> check_pin_policy(const PinPolicySpec& policy, const PukPolicySpec* puk) {
  const bool groups_exist = pin::has_groups(static_cast<pin::Format>(policy.format));
  const bool missing_group = (policy.pattern_restrictions & pin::kMissingGroup) != 0;
  SKS_TRY(check_rules({
      {!policy.keys.empty(), "a PIN policy without keys"},
      {policy.min_length >= 1 && policy.min_length <= policy.max_length && policy.max_length <= pin::kMaxLength,
       "the lengths of a PIN are not within 1 to 128"},
      {policy.retry_limit >= 1 && policy.retry_limit <= kMaxRetryLimit, "the retry limit of a PIN is not 1 to 10000"},
      {policy.format <= kLastOfFour, "unknown PIN format"},
      {policy.grouping <= kLastOfFour, "unknown PIN grouping"},
      {policy.input_method <= kInputMethodTrustedGui, "unknown input method"},
      {policy.pattern_restrictions <= pin::kAllPatterns, "unknown pattern restriction"},
      {groups_exist || !missing_group, "missing-group is for the formats alphanumeric and string"},
  }));
  for (const KeySpec& key : policy.keys) SKS_TRY(check_key(key, {&policy, puk}));
  return check_preset_pins(policy);
}

Outcome<void> check_puk_policy(const PukPolicySpec& puk) {
  SKS_TRY(check_rules({
      {!puk.pin_policies.empty(), "a PUK policy without PIN policy"},
      {puk.format <= kLastOfFour, "unknown PUK format"},
      {puk.retry_limit <= kMaxRetryLimit, "the retry limit of a PUK is above 10000"},
      {!puk.puk.empty() && puk.puk.size() <= pin::kMaxLength, "the length of a PUK is not within 1 to 128"},
  }));
  if (!pin::obeys_format(static_cast<pin::Format>(puk.format), puk.puk.view()))
    return Failure{ErrorClass::value, "a PUK does not obey its format"};
  for (const PinPolicySpec& policy : puk.pin_policies) SKS_TRY(check_pin_policy(policy, &puk));
  return {};
}

Outcome<crypto::PublicKey> decoded(ByteView spki) {
  Result<crypto::PublicKey> key = crypto::PublicKey::from_spki(spki);
  if (!key) return failure(ErrorClass::value, key.error());
  return std::move(key).value();
}

bool key_management_key_ok(const Bytes& spki) {
  const Result<crypto::PublicKey> key = crypto::PublicKey::from_spki(spki);
  return key && (key->kind() == KeyKind::rsa || key->kind() == KeyKind::ec);
}

/// Calls `visit(const PinPolicySpec&)` and `visit(const KeySpec&)` for all of a plan.
template <class VisitPolicy, class VisitKey>
void for_each(const KeyPlan& plan, const VisitPolicy& visit_policy, const VisitKey& visit_key) {
  const auto visit = [&](const std::vector<PinPolicySpec>& policies) {
    for (const PinPolicySpec& policy : policies) {
      visit_policy(policy);
      for (const KeySpec& key : policy.keys) visit_key(key);
    }
  };
  for (const PukPolicySpec& puk : plan.puk_policies) visit(puk.pin_policies);
  visit(plan.pin_policies);
  for (const KeySpec& key : plan.keys) visit_key(key);
}

constexpr auto kIgnorePolicy = [](const PinPolicySpec&) {};

/// The roll-overs below one key. `count` is of the whole tree.
Outcome<void> check_roll_overs(const std::vector<RollOver>& keys, ByteView newer, std::size_t depth,
                               std::size_t& count) {
  for (const RollOver& key : keys) {
    if (++count > kMaxUpdatableKeys || depth > kMaxUpdatableKeyDepth)
      return Failure{ErrorClass::value, "too many key management keys to be replaced"};
    if (!key_management_key_ok(key.key_management_key))
      return Failure{ErrorClass::value, "a key management key to be replaced is no RSA or EC key"};
    SKS_LET(const crypto::PublicKey older, decoded(key.key_management_key));
    const auto authorized = crypto::verify_signature(older, roll_over_data(newer), key.authorization);
    if (!authorized) return Failure{ErrorClass::crypto, "a key management key does not authorize its replacement"};
    SKS_TRY(check_roll_overs(key.older, key.key_management_key, depth + 1, count));
  }
  return {};
}

Outcome<void> check_lookup(const LookupSpec& lookup) {
  const Result<crypto::PublicKey> key = crypto::PublicKey::from_spki(lookup.key_management_key);
  if (!key || !jsf_algorithm(*key))
    return Failure{ErrorClass::value, "the key management key of a lookup is no RSA or P-256 key"};
  if (!lookup.filter) return {};
  const std::string text = filter_text(*lookup.filter);
  if (text.size() > kMaxFilterText) return Failure{ErrorClass::value, "a search filter is longer than 65535 bytes"};
  const auto filter = parse_filter(text);
  if (!filter) return Failure{ErrorClass::value, "a search filter: " + filter.error().detail};
  return {};
}

bool languages_ok(const std::vector<std::string>& languages) {
  return languages.size() <= kMaxLanguages && std::ranges::all_of(languages, [](const std::string& language) {
           return language.size() == 2 && std::ranges::all_of(language, [](char c) { return c >= 'a' && c <= 'z'; });
         });
}

bool containers_ok(std::vector<std::uint8_t> containers) {
  std::ranges::sort(containers);
  return std::ranges::adjacent_find(containers) == containers.end() &&
         (containers.empty() || containers.back() < kKeyContainers.size());
}

/// The first message. Spec: 4.2.
Outcome<void> check_invocation(const IssuancePlan& plan) {
  const std::vector<std::string>& queries = plan.capability_queries;
  const bool asks_imei = std::ranges::find(queries, kImeiNumber) != queries.end();
  return check_rules({
      {plan.action <= kActionUnlock, "unknown action"},
      {plan.action != kActionUnlock || key_count(plan) == 0, "a session for unlocking creates no keys"},
      {languages_ok(plan.preferred_languages), "a preferred language is no ISO 639-1 code"},
      {containers_ok(plan.target_key_containers), "the key containers are no set of known ones"},
      {std::ranges::all_of(queries, is_uri) && !has_duplicates(queries), "the capability queries are no set of URIs"},
      {queries.size() + required_capabilities(plan).size() <= kMaxCapabilityQueries, "more than 50 capability queries"},
      {!asks_imei || !plan.privacy_enabled, "an anonymous session does not ask for the identity of the device"},
  });
}

/// Management of keys of earlier sessions. Spec: 4.4, 4.6, 7.10, 7.11.
Outcome<void> check_management(const IssuancePlan& plan) {
  const bool has_key = !plan.key_management_key.empty();
  SKS_TRY(check_rules({
      {!has_key || key_management_key_ok(plan.key_management_key), "the key management key is no RSA or EC key"},
      {plan.roll_overs.empty() || has_key, "a roll-over asks for the key management key that is rolled over to"},
      {plan.lookups.empty() || has_key,
       "a session that manages keys asks for a key management key: the keys could not be managed any more"},
      {plan.lookups.size() <= kMaxLookups, "more than 20 lookups"},
  }));
  for (const LookupSpec& lookup : plan.lookups) SKS_TRY(check_lookup(lookup));
  std::size_t count = 0;
  return check_roll_overs(plan.roll_overs, plan.key_management_key, 1, count);
}

/// Builds the specifiers, counting their ids.
class RequestBuilder {
 public:
  explicit RequestBuilder(const std::function<Bytes(ByteView)>& encrypt) : encrypt_(encrypt) {}

  PukPolicySpecifier puk(const PukPolicySpec& spec) {
    PukPolicySpecifier result;
    result.id = "PUK." + std::to_string(++puks_);
    result.encrypted_puk = encrypt_(spec.puk.view());
    result.retry_limit = spec.retry_limit;
    result.format = spec.format;
    for (const PinPolicySpec& policy : spec.pin_policies) result.pin_policies.push_back(pin(policy));
    return result;
  }

  PinPolicySpecifier pin(const PinPolicySpec& spec) {
    PinPolicySpecifier result;
    result.id = "PIN." + std::to_string(++pins_);
    result.min_length = spec.min_length;
    result.max_length = spec.max_length;
    result.retry_limit = spec.retry_limit;
    result.format = spec.format;
    result.user_modifiable = spec.user_modifiable;
    result.grouping = spec.grouping;
    result.input_method = spec.input_method;
    result.pattern_restrictions = spec.pattern_restrictions;
    for (const KeySpec& entry : spec.keys) result.keys.push_back(key(entry));
    return result;
  }

  KeyEntrySpecifier key(const KeySpec& spec) {
    KeyEntrySpecifier result;
    result.id = "Key." + std::to_string(++keys_);
    if (spec.preset_pin) result.encrypted_pin = encrypt_(spec.preset_pin->view());
    result.enable_pin_caching = spec.enable_pin_caching;
    result.device_pin_protection = spec.device_pin_protection;
    result.app_usage = spec.app_usage;
    result.key_algorithm = spec.key_algorithm;
    result.key_parameters = spec.key_parameters;
    result.endorsed_algorithms = spec.endorsed_algorithms;
    std::ranges::sort(result.endorsed_algorithms);
    result.biometric_protection = spec.biometric_protection;
    result.delete_protection = spec.delete_protection;
    result.export_protection = spec.export_protection;
    result.friendly_name = spec.friendly_name;
    result.server_seed = spec.server_seed;
    return result;
  }

 private:
  const std::function<Bytes(ByteView)>& encrypt_;
  int puks_ = 0;
  int pins_ = 0;
  int keys_ = 0;
};

}  // namespace

std::size_t key_count(const KeyPlan& plan) {
  std::size_t count = 0;
  for_each(plan, kIgnorePolicy, [&](const KeySpec&) { ++count; });
  return count;
}

Outcome<void> check_key_plan(const KeyPlan& plan) {
  std::size_t policies = plan.puk_policies.size();
  for_each(
      plan, [&](const PinPolicySpec&) { ++policies; }, [](const KeySpec&) {});
  SKS_TRY(check_rules({{policies <= kMaxPolicies, "more than 20 PIN and PUK policies"}}));
  for (const PukPolicySpec& puk : plan.puk_policies) SKS_TRY(check_puk_policy(puk));
  for (const PinPolicySpec& policy : plan.pin_policies) SKS_TRY(check_pin_policy(policy, nullptr));
  for (const KeySpec& key : plan.keys) SKS_TRY(check_key(key, {}));
  return {};
}

Outcome<void> check_plan(const IssuancePlan& plan) {
  const std::size_t keys = key_count(plan);
  SKS_TRY(check_rules({
      {is_uri(plan.issuer_uri), "the issuer URI is not a URI of at most 1000 bytes"},
      {plan.session_life_time >= 1 && plan.session_life_time <= kMaxSessionLifeTime,
       "the session life time is not 1 to 32767 seconds"},
      {keys > 0 || !plan.lookups.empty(), "no key is planned, and none is looked for"},
      {keys > 0 || !plan.deferred_issuance, "issuance is deferred without a key"},
      {session_key_uses(plan) <= kMaxSessionKeyUses, "too much for one session"},
  }));
  SKS_TRY(check_key_plan(plan));
  SKS_TRY(check_invocation(plan));
  return check_management(plan);
}

std::vector<std::string> required_capabilities(const KeyPlan& plan) {
  std::vector<std::string> result;
  const auto require = [&](std::string_view capability) {
    if (std::ranges::find(result, capability) == result.end()) result.emplace_back(capability);
  };
  for_each(plan, kIgnorePolicy, [&](const KeySpec& key) {
    if (!find_key_algorithm(key.key_algorithm)->assumed) require(key.key_algorithm);
    if (key.device_pin_protection) require(kDevicePinFeature);
    if (key.biometric_protection != kBiometricNone) require(kBiometricFeature);
  });
  return result;
}

std::size_t session_key_uses(const KeyPlan& plan) {
  std::size_t count = cost::kPukPolicy * plan.puk_policies.size();
  for_each(
      plan, [&](const PinPolicySpec&) { count += cost::kPinPolicy; },
      [&](const KeySpec& key) {
        count += cost::kKey + cost::kCertificatePath + (key.preset_pin ? cost::kPresetPin : 0);
      });
  return count;
}

std::size_t session_key_uses(const IssuancePlan& plan) {
  const SessionReserve& reserve = plan.reserve;
  return session_key_uses(static_cast<const KeyPlan&>(plan)) + cost::kImport * reserve.imported_keys +
         cost::kExtension * reserve.extensions + cost::kEncryptedExtension * reserve.encrypted_extensions +
         cost::kTargetOperation * reserve.target_operations + cost::kClose;
}

KeyCreationRequest key_creation_request(const KeyPlan& plan, const std::function<Bytes(ByteView)>& encrypt) {
  RequestBuilder builder(encrypt);
  KeyCreationRequest request;
  request.key_entry_algorithm = kKeyEntryAlgorithm;
  for (const PukPolicySpec& puk : plan.puk_policies) request.puk_policies.push_back(builder.puk(puk));
  for (const PinPolicySpec& pin : plan.pin_policies) request.pin_policies.push_back(builder.pin(pin));
  for (const KeySpec& key : plan.keys) request.keys.push_back(builder.key(key));
  return request;
}

std::string filter_text(const SearchFilter& filter) {
  JsonWriter out;
  write_search_filter(out, filter);
  return out.finish();
}

Outcome<SearchFilter> parse_filter(std::string_view text) {
  SKS_LET(JsonDocument document, JsonDocument::parse(text, kMaxMessageToClient));
  JsonReader in = document.root();
  SearchFilter filter = read_search_filter(in);
  SKS_TRY(document.finish());
  return filter;
}

}  // namespace sks::keygen2
