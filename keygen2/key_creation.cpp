#include <algorithm>

#include "keygen2/enumerations.h"
#include "keygen2/jwk.h"
#include "keygen2/key_algorithm.h"
#include "keygen2/message_common.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/pin_value.h"
#include "sks-core/crypto/algorithms.h"

/// KeyCreationRequest and KeyCreationResponse. Spec: keygen2.md 4.9, 4.10.
namespace sks::keygen2 {
namespace {

constexpr Range kPukRetryLimit{0, kMaxRetryLimit};
constexpr Range kPinRetryLimit{1, kMaxRetryLimit};
constexpr Range kPinLength{1, pin::kMaxLength};
constexpr Range kServerSeedSize{0, 64};

enum class Place : std::uint8_t { top_level, pin_policy };

void write_key(JsonWriter& out, const KeyEntrySpecifier& key) {
  out.text("id", key.id);
  if (key.encrypted_pin) out.bytes("encryptedPin", *key.encrypted_pin);
  if (key.enable_pin_caching) out.boolean("enablePinCaching", true);
  if (key.device_pin_protection) out.boolean("devicePinProtection", true);
  out.text("appUsage", kAppUsages.at(key.app_usage)).text("keyAlgorithm", key.key_algorithm);
  if (!key.key_parameters.empty()) out.bytes("keyParameters", key.key_parameters);
  if (!key.endorsed_algorithms.empty()) out.texts("endorsedAlgorithms", key.endorsed_algorithms);
  if (!key.server_seed.empty()) out.bytes("serverSeed", key.server_seed);
  if (key.biometric_protection != kBiometricNone)
    out.text("biometricProtection", kBiometricProtections.at(key.biometric_protection));
  if (key.delete_protection != kProtectionNone)
    out.text("deleteProtection", kDeleteProtections.at(key.delete_protection));
  if (key.export_protection != kNonExportable)
    out.text("exportProtection", kExportProtections.at(key.export_protection));
  if (!key.friendly_name.empty()) out.text("friendlyName", key.friendly_name);
  out.bytes("mac", key.mac);
}

void write_pin_policy(JsonWriter& out, const PinPolicySpecifier& pin) {
  out.text("id", pin.id)
      .number("minLength", pin.min_length)
      .number("maxLength", pin.max_length)
      .number("retryLimit", pin.retry_limit)
      .text("format", kFormats.at(pin.format));
  if (!pin.user_modifiable) out.boolean("userModifiable", false);
  if (pin.grouping != kGroupingNone) out.text("grouping", kGroupings.at(pin.grouping));
  if (pin.input_method != 0) out.text("inputMethod", kInputMethods.at(pin.input_method));
  if (pin.pattern_restrictions != 0) {
    std::vector<std::string> names;
    for (std::size_t bit = 0; bit < kPatternRestrictions.size(); ++bit)
      if ((pin.pattern_restrictions >> bit & 1U) != 0) names.emplace_back(kPatternRestrictions.at(bit));
    out.texts("patternRestrictions", names);
  }
  out.bytes("mac", pin.mac).objects("keyEntrySpecifiers", pin.keys, write_key);
}

void write_puk_policy(JsonWriter& out, const PukPolicySpecifier& puk) {
  out.text("id", puk.id)
      .bytes("encryptedPuk", puk.encrypted_puk)
      .number("retryLimit", puk.retry_limit)
      .text("format", kFormats.at(puk.format))
      .bytes("mac", puk.mac)
      .objects("pinPolicySpecifiers", puk.pin_policies, write_pin_policy);
}

void read_key_algorithm(JsonReader& in, KeyEntrySpecifier& key) {
  key.key_algorithm = in.uri("keyAlgorithm");
  key.key_parameters = in.optional_bytes("keyParameters", kKeyParametersSize).value_or(Bytes());
  const KeyAlgorithm* const algorithm = find_key_algorithm(key.key_algorithm);
  if (algorithm == nullptr) return in.fail(ErrorClass::value, "unknown keyAlgorithm");
  if (algorithm->takes_exponent != in.has("keyParameters"))
    in.fail(ErrorClass::value, "keyParameters are for algorithms with an exponent, and mandatory there");
  else if (algorithm->takes_exponent && !is_exponent(key.key_parameters))
    in.fail(ErrorClass::value, "keyParameters are no RSA exponent");
}

void read_endorsed_algorithms(JsonReader& in, KeyEntrySpecifier& key) {
  key.endorsed_algorithms = in.optional_uris("endorsedAlgorithms");
  const std::vector<std::string>& algorithms = key.endorsed_algorithms;
  if (algorithms.size() > kMaxEndorsedAlgorithms) in.fail(ErrorClass::value, "too many endorsedAlgorithms");
  if (!std::ranges::is_sorted(algorithms) || has_duplicates(algorithms))
    in.fail(ErrorClass::value, "endorsedAlgorithms are not in ascending order");
  if (algorithms.size() > 1 && std::ranges::find(algorithms, kNoneAlgorithm) != algorithms.end())
    in.fail(ErrorClass::value, "the algorithm #none stands only alone");
}

void read_place(JsonReader& in, KeyEntrySpecifier& key, Place place) {
  const bool in_policy = place == Place::pin_policy;
  const std::string_view stranger = in_policy ? "devicePinProtection" : "encryptedPin";
  // Read in either case, so that a wrong type is found as well.
  key.encrypted_pin = in.optional_bytes("encryptedPin", kEncryptedPassphraseSize);
  key.device_pin_protection = in.optional_boolean("devicePinProtection", false);
  if (in.has(stranger)) in.fail(ErrorClass::json, std::string(stranger) + " does not belong here");
}

KeyEntrySpecifier read_key(JsonReader& in, Place place) {
  KeyEntrySpecifier key;
  key.id = in.id("id");
  read_place(in, key, place);
  key.enable_pin_caching = in.optional_boolean("enablePinCaching", false);
  key.app_usage = in.enumeration("appUsage", kAppUsages);
  read_key_algorithm(in, key);
  read_endorsed_algorithms(in, key);
  key.server_seed = in.optional_bytes("serverSeed", kServerSeedSize).value_or(Bytes());
  key.biometric_protection = in.optional_enumeration("biometricProtection", kBiometricProtections, kBiometricNone);
  key.delete_protection = in.optional_enumeration("deleteProtection", kDeleteProtections, kProtectionNone);
  key.export_protection = in.optional_enumeration("exportProtection", kExportProtections, kNonExportable);
  key.friendly_name = in.optional_text("friendlyName").value_or("");
  if (count_code_points(key.friendly_name) > kMaxFriendlyName) in.fail(ErrorClass::value, "friendlyName is too long");
  key.mac = in.bytes("mac", kMacSize);
  return key;
}

/// Rules of 4.9 that bind a policy and its keys together.
void check_policy(JsonReader& in, const PinPolicySpecifier& policy) {
  if (policy.max_length < policy.min_length) in.fail(ErrorClass::value, "maxLength is below minLength");
  const bool missing_group = (policy.pattern_restrictions & pin::kMissingGroup) != 0;
  if (missing_group && !pin::has_groups(static_cast<pin::Format>(policy.format)))
    in.fail(ErrorClass::value, "missing-group is for the formats alphanumeric and string");
  for (const KeyEntrySpecifier& key : policy.keys) {
    if (key.encrypted_pin.has_value() == policy.user_defined())
      in.fail(ErrorClass::value, "a PIN policy mixes preset and user-defined PINs");
    if (key.enable_pin_caching && policy.input_method != kInputMethodTrustedGui)
      in.fail(ErrorClass::value, "enablePinCaching asks for the inputMethod trusted-gui");
  }
}

PinPolicySpecifier read_pin_policy(JsonReader& in) {
  PinPolicySpecifier pin;
  pin.id = in.id("id");
  pin.min_length = read_u16(in, "minLength", kPinLength);
  pin.max_length = read_u16(in, "maxLength", kPinLength);
  pin.retry_limit = read_u16(in, "retryLimit", kPinRetryLimit);
  pin.format = in.enumeration("format", kFormats);
  pin.user_modifiable = in.optional_boolean("userModifiable", true);
  pin.grouping = in.optional_enumeration("grouping", kGroupings, kGroupingNone);
  pin.input_method = in.optional_enumeration("inputMethod", kInputMethods, 0);
  pin.pattern_restrictions = in.optional_enumeration_set("patternRestrictions", kPatternRestrictions);
  pin.mac = in.bytes("mac", kMacSize);
  for (JsonReader& key : in.objects("keyEntrySpecifiers")) pin.keys.push_back(read_key(key, Place::pin_policy));
  check_policy(in, pin);
  return pin;
}

PukPolicySpecifier read_puk_policy(JsonReader& in) {
  PukPolicySpecifier puk;
  puk.id = in.id("id");
  puk.encrypted_puk = in.bytes("encryptedPuk", kEncryptedPassphraseSize);
  puk.retry_limit = read_u16(in, "retryLimit", kPukRetryLimit);
  puk.format = in.enumeration("format", kFormats);
  puk.mac = in.bytes("mac", kMacSize);
  for (JsonReader& pin : in.objects("pinPolicySpecifiers")) puk.pin_policies.push_back(read_pin_policy(pin));
  return puk;
}

/// Gathers what the rules over a whole request need.
struct Census {
  std::vector<std::string> ids;
  std::size_t policies = 0;
  std::size_t keys = 0;
  bool caching_without_policy = false;

  Outcome<void> puk(const PukPolicySpecifier& puk) {
    ids.push_back(puk.id);
    ++policies;
    return {};
  }
  Outcome<void> pin(const PinPolicySpecifier& pin, const PukPolicySpecifier*) {
    ids.push_back(pin.id);
    ++policies;
    return {};
  }
  Outcome<void> key(const KeyEntrySpecifier& key, const PinPolicySpecifier* pin) {
    ids.push_back(key.id);
    ++keys;
    if (pin == nullptr && key.enable_pin_caching) caching_without_policy = true;
    return {};
  }
};

void check_request(JsonReader& in, const KeyCreationRequest& request) {
  Census census;
  SKS_CHECK(static_cast<bool>(walk(request, census)));
  if (census.keys == 0) in.fail(ErrorClass::value, "the request contains no key");
  if (has_duplicates(census.ids)) in.fail(ErrorClass::value, "an id occurs twice");
  if (census.caching_without_policy) in.fail(ErrorClass::value, "enablePinCaching is for keys under a PIN policy");
  if (census.policies > kMaxPolicies) in.fail(ErrorClass::policy, "too many PIN and PUK policies");
}

}  // namespace

std::string KeyCreationRequest::encode() const {
  JsonWriter out = begin_message(kType, ids);
  out.text("keyEntryAlgorithm", key_entry_algorithm);
  if (deferred_issuance) out.boolean("deferredIssuance", true);
  if (!puk_policies.empty()) out.objects("pukPolicySpecifiers", puk_policies, write_puk_policy);
  if (!pin_policies.empty()) out.objects("pinPolicySpecifiers", pin_policies, write_pin_policy);
  if (!keys.empty()) out.objects("keyEntrySpecifiers", keys, write_key);
  return out.finish();
}

void KeyCreationRequest::read(JsonReader& in) {
  ids = read_ids(in);
  key_entry_algorithm = in.uri("keyEntryAlgorithm");
  if (key_entry_algorithm != kKeyEntryAlgorithm) in.fail(ErrorClass::value, "unknown keyEntryAlgorithm");
  deferred_issuance = in.optional_boolean("deferredIssuance", false);
  for (JsonReader& puk : in.optional_objects("pukPolicySpecifiers")) puk_policies.push_back(read_puk_policy(puk));
  for (JsonReader& pin : in.optional_objects("pinPolicySpecifiers")) pin_policies.push_back(read_pin_policy(pin));
  for (JsonReader& key : in.optional_objects("keyEntrySpecifiers")) keys.push_back(read_key(key, Place::top_level));
  check_request(in, *this);
  check_message_signature(in);
}

std::string KeyCreationResponse::encode() const {
  JsonWriter out = begin_message(kType, ids);
  out.objects("generatedKeys", keys, [](JsonWriter& members, const GeneratedKey& key) {
    members.text("id", key.id);
    write_public_key(members, "publicKey", *key.public_key);
    members.bytes("attestation", key.attestation);
  });
  return out.finish();
}

void KeyCreationResponse::read(JsonReader& in) {
  ids = read_ids(in);
  for (JsonReader& element : in.objects("generatedKeys")) {
    GeneratedKey key;
    key.id = element.id("id");
    key.public_key = read_public_key(element, "publicKey", KeyPlace::generated);
    key.attestation = element.bytes("attestation", kMacSize);
    keys.push_back(std::move(key));
  }
}

}  // namespace sks::keygen2
