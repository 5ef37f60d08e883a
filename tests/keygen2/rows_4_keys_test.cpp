#include <doctest/doctest.h>

#include "keygen2/mac_data.h"
#include "tests/keygen2/json_edit.h"
#include "tests/keygen2/rows.h"
#include "tests/support/temp_dir.h"
#include "tests/support/vectors.h"

// Chapter 4.9 of keygen2.md, row by row. The message is that of its Appendix C.4: a PUK policy, in it a PIN policy with
// a key, and a key without PIN.
namespace sks::test::rows {
namespace {

using namespace keygen2;
namespace edit = json_edit;

using M = KeyCreationRequest;
using Edits = std::vector<std::pair<std::string, std::string>>;

std::string request() { return read_file(source_file("tests/vectors/keygen2/07-KeyCreationRequest.json")); }
const std::string kPuk = "/pukPolicySpecifiers/0/";
const std::string kPin = kPuk + "pinPolicySpecifiers/0/";
const std::string kPinKey = kPin + "keyEntrySpecifiers/0/";
const std::string kTopKey = "/keyEntrySpecifiers/0/";
const std::string kAlgorithm = "https://webpki.github.io/sks/algorithm#";

template <class V>
Read member(V M::*property) {
  return reads<M>([property](const M& message) -> const V& { return message.*property; });
}
template <class V>
Read of_puk(V PukPolicySpecifier::*property) {
  return reads<M>([property](const M& message) -> const V& { return message.puk_policies.at(0).*property; });
}
template <class V>
Read of_pin(V PinPolicySpecifier::*property) {
  return reads<M>(
      [property](const M& message) -> const V& { return message.puk_policies.at(0).pin_policies.at(0).*property; });
}
template <class V>
Read of_pin_key(V KeyEntrySpecifier::*property) {
  return reads<M>([property](const M& message) -> const V& {
    return message.puk_policies.at(0).pin_policies.at(0).keys.at(0).*property;
  });
}
template <class V>
Read of_top_key(V KeyEntrySpecifier::*property) {
  return reads<M>([property](const M& message) -> const V& { return message.keys.at(0).*property; });
}

std::string with(std::string message, const Edits& edits) {
  for (const auto& [pointer, value] : edits)
    message = value.empty() ? edit::without(message, pointer) : edit::with(message, pointer, value);
  return message;
}

/// The request with PINs of any length up to the longest, so that either length can be changed alone.
std::string wide_pin() { return with(request(), {{kPin + "minLength", "1"}, {kPin + "maxLength", "128"}}); }
std::string trusted_gui() { return edit::with(request(), kPin + "inputMethod", R"("trusted-gui")"); }
/// The PIN policy's only key carries its PIN.
std::string preset_request() { return edit::with(request(), kPinKey + "encryptedPin", bytes_json(32)); }
std::string exponent() {
  return with(request(), {{kTopKey + "keyAlgorithm", text_json(kAlgorithm + "rsa2048.exp")},
                          {kTopKey + "keyParameters", R"("AQAB")"}});
}

std::vector<Rule> cited(const char* citation, std::vector<Rule> rules) {
  for (Rule& rule : rules) rule.citation = citation;
  return rules;
}

/// Keys K1, K2, ... like the one without PIN.
std::string top_keys(std::size_t count) {
  const std::string key = edit::value(request(), "/keyEntrySpecifiers/0");
  std::string all;
  for (std::size_t i = 0; i < count; ++i)
    all += (i == 0 ? "" : ",") + edit::with(key, "/id", text_json("K" + std::to_string(i)));
  return "[" + all + "]";
}

}  // namespace

TEST_CASE("Rows of 4.9: KeyCreationRequest") {
  const std::string pin = edit::value(request(), "/pukPolicySpecifiers/0/pinPolicySpecifiers/0");
  const std::string other_pin =
      edit::with(edit::with(pin, "/id", R"("PIN.2")"), "/keyEntrySpecifiers/0/id", R"("Key.3")");
  const std::vector<Row> table{
      {"[keygen2.md 4.9 keyEntryAlgorithm]", request(), "/keyEntryAlgorithm", constant_uri(kAlgorithm + "key.1"),
       kMandatory, member(&M::key_entry_algorithm)},
      {"[keygen2.md 4.9 deferredIssuance]", request(), "/deferredIssuance", boolean(), optional("false", "false"),
       member(&M::deferred_issuance)},
      {"[keygen2.md 4.9 pukPolicySpecifiers]", request(), "/pukPolicySpecifiers", object_array(), optional("[]"),
       member(&M::puk_policies)},
      {"[keygen2.md 4.9 pinPolicySpecifiers]", request(), "/pinPolicySpecifiers",
       object_array().with({{"[" + other_pin + "]", "[object]"}}, {}), optional("[]"), member(&M::pin_policies)},
      {"[keygen2.md 4.9 keyEntrySpecifiers]", request(), "/keyEntrySpecifiers",
       object_array().with({{top_keys(2), "[object,object]"}}, {}), optional("[]"), member(&M::keys)},
  };
  for (const Row& row : table) check(row);
  const std::vector<Rule> rules{
      {"[keygen2.md 4.9 pukPolicySpecifiers]",
       "keys under it alone",
       request(),
       {{"/keyEntrySpecifiers", ""}},
       std::nullopt},
      {"[keygen2.md 4.9 pinPolicySpecifiers]",
       "keys under it alone",
       request(),
       {{"/pukPolicySpecifiers", ""}, {"/keyEntrySpecifiers", ""}, {"/pinPolicySpecifiers", "[" + pin + "]"}},
       std::nullopt},
      {"[keygen2.md 4.9 keyEntrySpecifiers]",
       "no key at all",
       request(),
       {{"/pukPolicySpecifiers", ""}, {"/keyEntrySpecifiers", ""}},
       ErrorClass::value},
      {"[keygen2.md 4.9 keyEntrySpecifiers]",
       "an object of another kind",
       request(),
       {{"/keyEntrySpecifiers", "[" + pin + "]"}},
       ErrorClass::json},
  };
  for (const Rule& rule : rules) check(rule);
}

TEST_CASE("Rows of 4.9: pukPolicySpecifier") {
  using P = PukPolicySpecifier;
  const std::vector<Row> table{
      {"[keygen2.md 4.9 pukPolicySpecifier.id]", request(), kPuk + "id", id(), kMandatory, of_puk(&P::id)},
      {"[keygen2.md 4.9 pukPolicySpecifier.encryptedPuk]", request(), kPuk + "encryptedPuk", byte_array(32, 160),
       kMandatory, of_puk(&P::encrypted_puk)},
      {"[keygen2.md 4.9 pukPolicySpecifier.retryLimit]", request(), kPuk + "retryLimit", number(0, 10000), kMandatory,
       of_puk(&P::retry_limit)},
      {"[keygen2.md 4.9 pukPolicySpecifier.format] [keygen2.md 4.14 format]", request(), kPuk + "format",
       choice({"numeric", "alphanumeric", "string", "binary"}), kMandatory, of_puk(&P::format)},
      {"[keygen2.md 4.9 pukPolicySpecifier.mac]", request(), kPuk + "mac", byte_array(32, 32), kMandatory,
       of_puk(&P::mac)},
      {"[keygen2.md 4.9 pukPolicySpecifier.pinPolicySpecifiers]", request(), kPuk + "pinPolicySpecifiers",
       object_array(), kMandatory, of_puk(&P::pin_policies)},
  };
  for (const Row& row : table) check(row);
}

TEST_CASE("Rows of 4.9: pinPolicySpecifier") {
  using P = PinPolicySpecifier;
  const Type patterns = array(
      {{{R"("two-in-a-row")", "1"},
        {R"("three-in-a-row")", "2"},
        {R"("sequence")", "4"},
        {R"("repeated")", "8"},
        {R"("missing-group")", "16"},
        {R"("missing-group","sequence","repeated","three-in-a-row","two-in-a-row")", "31"},
        {R"("sequence","sequence")", "4"}},
       {{R"("Sequence")", ErrorClass::value}, {R"("four-in-a-row")", ErrorClass::value}, {"4", ErrorClass::json}}});
  // A set is shown as the number of its bits.
  Type pattern_set = patterns;
  for (Accepted& value : pattern_set.accepted) value.shown = value.shown.substr(1, value.shown.size() - 2);
  const std::string string_format = edit::with(request(), kPin + "format", R"("string")");
  const std::vector<Row> table{
      {"[keygen2.md 4.9 pinPolicySpecifier.id]", request(), kPin + "id", id(), kMandatory, of_pin(&P::id)},
      {"[keygen2.md 4.9 pinPolicySpecifier.minLength]", wide_pin(), kPin + "minLength", number(1, 128), kMandatory,
       of_pin(&P::min_length)},
      {"[keygen2.md 4.9 pinPolicySpecifier.maxLength]", wide_pin(), kPin + "maxLength", number(1, 128), kMandatory,
       of_pin(&P::max_length)},
      {"[keygen2.md 4.9 pinPolicySpecifier.retryLimit]", request(), kPin + "retryLimit", number(1, 10000), kMandatory,
       of_pin(&P::retry_limit)},
      {"[keygen2.md 4.9 pinPolicySpecifier.format] [keygen2.md 4.14 format]",
       edit::without(request(), kPin + "patternRestrictions"), kPin + "format",
       choice({"numeric", "alphanumeric", "string", "binary"}), kMandatory, of_pin(&P::format)},
      {"[keygen2.md 4.9 pinPolicySpecifier.userModifiable]", request(), kPin + "userModifiable", boolean(),
       optional("true", "true"), of_pin(&P::user_modifiable)},
      {"[keygen2.md 4.9 pinPolicySpecifier.grouping] [keygen2.md 4.14 grouping]", request(), kPin + "grouping",
       choice({"none", "shared", "signature+standard", "unique"}), optional("0", R"("none")"), of_pin(&P::grouping)},
      {"[keygen2.md 4.9 pinPolicySpecifier.inputMethod] [keygen2.md 4.14 inputMethod]", request(), kPin + "inputMethod",
       choice({"any", "programmatic", "trusted-gui"}), optional("0", R"("any")"), of_pin(&P::input_method)},
      {"[keygen2.md 4.9 pinPolicySpecifier.patternRestrictions] [keygen2.md 4.14 patternRestrictions]", string_format,
       kPin + "patternRestrictions", pattern_set, optional("0"), of_pin(&P::pattern_restrictions)},
      {"[keygen2.md 4.9 pinPolicySpecifier.mac]", request(), kPin + "mac", byte_array(32, 32), kMandatory,
       of_pin(&P::mac)},
      {"[keygen2.md 4.9 pinPolicySpecifier.keyEntrySpecifiers]", request(), kPin + "keyEntrySpecifiers", object_array(),
       kMandatory, of_pin(&P::keys)},
  };
  for (const Row& row : table) check(row);
  const auto lengths = [](const char* min, const char* max) {
    return Edits{{kPin + "minLength", min}, {kPin + "maxLength", max}};
  };
  const auto group = [](const char* format) {
    return Edits{{kPin + "format", format}, {kPin + "patternRestrictions", R"(["missing-group"])"}};
  };
  const char* const max_length = "[keygen2.md 4.9 pinPolicySpecifier.maxLength]";
  const char* const pattern = "[keygen2.md 4.9 pinPolicySpecifier.patternRestrictions]";
  const std::vector<Rule> rules{
      {max_length, "equal to minLength", request(), lengths("5", "5"), std::nullopt},
      {max_length, "below minLength", request(), lengths("5", "4"), ErrorClass::value},
      {pattern, "groups of numbers", request(), group(R"("numeric")"), ErrorClass::value},
      {pattern, "groups of bytes", request(), group(R"("binary")"), ErrorClass::value},
      {pattern, "groups of alphanumeric", request(), group(R"("alphanumeric")"), std::nullopt},
      {pattern, "groups of a string", request(), group(R"("string")"), std::nullopt},
  };
  for (const Rule& rule : rules) check(rule);
}

TEST_CASE("Rows of 4.9: keyEntrySpecifier") {
  using K = KeyEntrySpecifier;
  Type algorithm = constant_uri(kAlgorithm + "ec.nist.p256")
                       .with({}, {{text_json(kAlgorithm + "rsa1024"), ErrorClass::value},
                                  {R"("P-256")", ErrorClass::value},
                                  {R"("ES256")", ErrorClass::value},
                                  {text_json(kAlgorithm + "rsa2048.exp"), ErrorClass::value}});
  for (const char* const name : {"rsa2048", "rsa3072", "rsa4096", "ec.nist.p384", "ec.nist.p521", "ec.secg.p256k1",
                                 "ec.brainpool.p256r1", "ed25519", "ed448", "x25519", "x448"})
    algorithm.accepted.push_back({text_json(kAlgorithm + name), text_json(kAlgorithm + name)});
  Type exponent_algorithm;
  for (const char* const name : {"rsa1024.exp", "rsa2048.exp", "rsa3072.exp", "rsa4096.exp"})
    exponent_algorithm.accepted.push_back({text_json(kAlgorithm + name), text_json(kAlgorithm + name)});
  exponent_algorithm.refused.push_back({text_json(kAlgorithm + "rsa2048"), ErrorClass::value});
  std::string most;
  for (int i = 0; i < 255; ++i) most += (i == 0 ? "" : ",") + text_json("urn:" + std::to_string(1000 + i));
  const std::string none = text_json(kAlgorithm + "none");
  const Type endorsed =
      array(uri().with({{R"("urn:A","urn:a","urn:b")", R"("urn:A","urn:a","urn:b")"}, {most, most}, {none, none}},
                       {{R"("urn:b","urn:a")", ErrorClass::value},
                        {R"("urn:a","urn:A")", ErrorClass::value},
                        {R"("urn:a","urn:a")", ErrorClass::value},
                        {none + R"(,"urn:a")", ErrorClass::value},
                        {R"("a:a",)" + none, ErrorClass::value},
                        {most + R"(,"urn:2000")", ErrorClass::value}}));
  const std::string long_name = text_json(repeated(100, "\xC3\x85"));
  const std::vector<std::string> protections{"none", "pin", "puk"};
  const std::vector<Row> table{
      {"[keygen2.md 4.9 keyEntrySpecifier.id]", request(), kTopKey + "id", id(), kMandatory, of_top_key(&K::id)},
      {"[keygen2.md 4.9 keyEntrySpecifier.encryptedPin]", preset_request(), kPinKey + "encryptedPin",
       byte_array(32, 160), optional("absent"), of_pin_key(&K::encrypted_pin)},
      {"[keygen2.md 4.9 keyEntrySpecifier.enablePinCaching]", trusted_gui(), kPinKey + "enablePinCaching", boolean(),
       optional("false", "false"), of_pin_key(&K::enable_pin_caching)},
      {"[keygen2.md 4.9 keyEntrySpecifier.devicePinProtection]", request(), kTopKey + "devicePinProtection", boolean(),
       optional("false", "false"), of_top_key(&K::device_pin_protection)},
      {"[keygen2.md 4.9 keyEntrySpecifier.appUsage] [keygen2.md 4.14 appUsage]", request(), kTopKey + "appUsage",
       choice({"signature", "authentication", "encryption", "universal"}), kMandatory, of_top_key(&K::app_usage)},
      {"[keygen2.md 4.9 keyEntrySpecifier.keyAlgorithm]", request(), kTopKey + "keyAlgorithm", algorithm, kMandatory,
       of_top_key(&K::key_algorithm)},
      {"[keygen2.md 4.9 keyEntrySpecifier.keyAlgorithm]", exponent(), kTopKey + "keyAlgorithm", exponent_algorithm,
       kMandatory, of_top_key(&K::key_algorithm)},
      {"[keygen2.md 4.9 keyEntrySpecifier.endorsedAlgorithms]", request(), kTopKey + "endorsedAlgorithms", endorsed,
       optional("[]"), of_top_key(&K::endorsed_algorithms)},
      {"[keygen2.md 4.9 keyEntrySpecifier.serverSeed]", request(), kTopKey + "serverSeed", byte_array(0, 64),
       optional(R"("")", R"("")"), of_top_key(&K::server_seed)},
      {"[keygen2.md 4.9 keyEntrySpecifier.biometricProtection] [keygen2.md 4.14 biometricProtection]", request(),
       kPinKey + "biometricProtection", choice({"none", "alternative", "combined", "exclusive"}),
       optional("0", R"("none")"), of_pin_key(&K::biometric_protection)},
      {"[keygen2.md 4.9 keyEntrySpecifier.deleteProtection] [keygen2.md 4.14 deleteProtection]", request(),
       kPinKey + "deleteProtection", choice({"none", "pin", "puk", "non-deletable"}), optional("0", R"("none")"),
       of_pin_key(&K::delete_protection)},
      {"[keygen2.md 4.9 keyEntrySpecifier.exportProtection] [keygen2.md 4.14 exportProtection]", request(),
       kPinKey + "exportProtection", choice({"none", "pin", "puk", "non-exportable"}),
       optional("3", R"("non-exportable")"), of_pin_key(&K::export_protection)},
      {"[keygen2.md 4.9 keyEntrySpecifier.friendlyName]", request(), kTopKey + "friendlyName",
       text(0, 100).with({{long_name, long_name}}, {}), optional(R"("")", R"("")"), of_top_key(&K::friendly_name)},
      {"[keygen2.md 4.9 keyEntrySpecifier.mac]", request(), kTopKey + "mac", byte_array(32, 32), kMandatory,
       of_top_key(&K::mac)},
  };
  for (const Row& row : table) check(row);
}

TEST_CASE("Rows of 4.9: keyParameters are the positive exponent of the algorithms that take one") {
  // Two's complement: AQAB is 65537, Aw is 3, AIE is 129, gQ is negative. An even number is no exponent, nor is 1.
  const auto parameters = [](const char* value) { return Edits{{kTopKey + "keyParameters", value}}; };
  const char* const row = "[keygen2.md 4.9 keyEntrySpecifier.keyParameters]";
  const std::vector<Rule> rules{
      {row, "65537", exponent(), parameters(R"("AQAB")"), std::nullopt},
      {row, "3", exponent(), parameters(R"("Aw")"), std::nullopt},
      {row, "a leading zero that keeps it positive", exponent(), parameters(R"("AIE")"), std::nullopt},
      {row, "8 bytes", exponent(), parameters(R"("AQAAAAAAAAE")"), std::nullopt},
      {row, "9 bytes", exponent(), parameters(R"("AQAAAAAAAAAB")"), ErrorClass::value},
      {row, "no byte", exponent(), parameters(R"("")"), ErrorClass::value},
      {row, "negative", exponent(), parameters(R"("gQ")"), ErrorClass::value},
      {row, "zero", exponent(), parameters(R"("AA")"), ErrorClass::value},
      {row, "one", exponent(), parameters(R"("AQ")"), ErrorClass::value},
      {row, "even", exponent(), parameters(R"("AIA")"), ErrorClass::value},
      {row, "no base64url", exponent(), parameters(R"("AQ==")"), ErrorClass::value},
      {row, "number", exponent(), parameters("3"), ErrorClass::json},
      {row, "array", exponent(), parameters(R"(["Aw"])"), ErrorClass::json},
      {row, "null", exponent(), parameters("null"), ErrorClass::json},
      {row, "missing", exponent(), parameters(""), ErrorClass::value},
      {row, "for another algorithm", request(), parameters(R"("AQAB")"), ErrorClass::value},
  };
  for (const Rule& rule : rules) check(rule);
  const auto decoded = decode<M>(exponent());
  REQUIRE(decoded);
  CHECK(decoded->keys.at(0).key_parameters == Bytes{1, 0, 1});
  const auto without = decode<M>(request());
  REQUIRE(without);
  CHECK(without->keys.at(0).key_parameters.empty());
}

TEST_CASE("Rows of 4.9: what belongs under a PIN policy, and what does not") {
  const std::string second = edit::with(edit::value(request(), kPin + "keyEntrySpecifiers/0"), "/id", R"("Key.3")");
  const std::string preset = edit::with(second, "/encryptedPin", bytes_json(32));
  const std::string at = kPin + "keyEntrySpecifiers/1";
  std::vector<Rule> rules = cited(
      "[keygen2.md 4.9 keyEntrySpecifier.encryptedPin]",
      {
          {"", "outside of a policy", request(), {{kTopKey + "encryptedPin", bytes_json(32)}}, ErrorClass::json},
          {"", "all keys", preset_request(), {{at, preset}}, std::nullopt},
          {"", "no key", request(), {{at, second}}, std::nullopt},
          {"", "the second only", request(), {{at, preset}}, ErrorClass::value},
          {"", "the first only", preset_request(), {{at, second}}, ErrorClass::value},
          {"", "userModifiable beside it", preset_request(), {{kPinKey + "userModifiable", "true"}}, ErrorClass::json},
      });
  for (const Rule& rule :
       cited("[keygen2.md 4.9 keyEntrySpecifier.enablePinCaching]",
             {
                 {"", "with any input method", request(), {{kPinKey + "enablePinCaching", "true"}}, ErrorClass::value},
                 {"",
                  "with programmatic input",
                  request(),
                  {{kPin + "inputMethod", R"("programmatic")"}, {kPinKey + "enablePinCaching", "true"}},
                  ErrorClass::value},
                 {"", "with trusted-gui", trusted_gui(), {{kPinKey + "enablePinCaching", "true"}}, std::nullopt},
                 {"", "outside of a policy", request(), {{kTopKey + "enablePinCaching", "true"}}, ErrorClass::value},
                 {"",
                  "false is the default anywhere",
                  request(),
                  {{kTopKey + "enablePinCaching", "false"}, {kPinKey + "enablePinCaching", "false"}},
                  std::nullopt},
             }))
    rules.push_back(rule);
  for (const char* const value : {"true", "false"})
    rules.push_back({"[keygen2.md 4.9 keyEntrySpecifier.devicePinProtection]",
                     "inside of a policy",
                     request(),
                     {{kPinKey + "devicePinProtection", value}},
                     ErrorClass::json});
  for (const Rule& rule : rules) check(rule);
}

TEST_CASE("Rows of 4.9: PUK policies, PIN policies and keys share one namespace") {
  const std::vector<Rule> rules{
      {"[keygen2.md 4.9 pukPolicySpecifier.id]",
       "that of a PIN policy",
       request(),
       {{kPuk + "id", R"("PIN.1")"}},
       ErrorClass::value},
      {"[keygen2.md 4.9 pinPolicySpecifier.id]",
       "that of a key",
       request(),
       {{kPin + "id", R"("Key.2")"}},
       ErrorClass::value},
      {"[keygen2.md 4.9 keyEntrySpecifier.id]",
       "that of a PUK policy",
       request(),
       {{kTopKey + "id", R"("PUK.1")"}},
       ErrorClass::value},
      {"[keygen2.md 4.9 keyEntrySpecifier.id]",
       "that of another key",
       request(),
       {{kTopKey + "id", R"("Key.1")"}},
       ErrorClass::value},
      {"[keygen2.md 4.9 keyEntrySpecifier.id]",
       "another letter case",
       request(),
       {{kTopKey + "id", R"("KEY.1")"}},
       std::nullopt},
  };
  for (const Rule& rule : rules) check(rule);
}

// What the key store gets beyond the properties, as the MAC inputs tell it: Appendix C.3 prints those of PIN.1, counter
// 1, and of Key.1 and Key.2, counters 2 and 4.
TEST_CASE("Rows of 4.9: derived values") {
  std::map<long, Bytes> printed;
  for (const VectorBlock& block : read_vectors("keygen2/c3-macs.vec")) {
    for (const char* const other : {"Method", "Element", "Size", "Sha256", "Mac"})
      if (block.has(other)) CHECK_FALSE(block.text(other).empty());
    const long counter = block.number("Counter");
    if (block.has("Data")) printed[counter] = block.hex("Data");
  }
  const auto decoded = decode<M>(request());
  const auto preset = decode<M>(preset_request());
  REQUIRE(decoded);
  REQUIRE(preset);
  const PukPolicySpecifier& puk = decoded->puk_policies.at(0);
  const PinPolicySpecifier& pin = puk.pin_policies.at(0);
  const KeyEntrySpecifier& key = pin.keys.at(0);
  const PinPolicySpecifier* const no_pin = nullptr;
  struct Case {
    const char* citation;
    Bytes found;
    std::string expected;
  };
  const std::string pin_data = to_hex(printed.at(1));
  const std::string id = "000550494e2e31";      // str("PIN.1")
  const std::string puk_id = "000550554b2e31";  // str("PUK.1")
  REQUIRE(pin_data.starts_with(id + puk_id + "01"));
  const std::string rest = pin_data.substr(id.size() + puk_id.size() + 2);
  const std::string key_data = to_hex(printed.at(2));
  const std::size_t at = key_data.find("0000" + id);  // serverSeed, PIN policy
  REQUIRE(at != std::string::npos);
  const std::string without_pin = key_data.substr(0, at) + "00000000" + key_data.substr(at + 4 + id.size());
  const std::vector<Case> cases{
      {"[keygen2.md 4.9 pinPolicySpecifier.userDefined]", pin_policy_data(pin, &puk), pin_data},
      {"[keygen2.md 4.9 pinPolicySpecifier.userDefined]",
       pin_policy_data(preset->puk_policies.at(0).pin_policies.at(0), &puk), id + puk_id + "00" + rest},
      {"[keygen2.md 4.9 pinPolicySpecifier.pukPolicyHandle]", pin_policy_data(pin, nullptr), id + "0000" + "01" + rest},
      {"[keygen2.md 4.9 keyEntrySpecifier.pinPolicyHandle]", key_entry_data(key, &pin, decoded->key_entry_algorithm),
       key_data},
      {"[keygen2.md 4.9 keyEntrySpecifier.pinPolicyHandle]", key_entry_data(key, no_pin, decoded->key_entry_algorithm),
       without_pin},
      {"[keygen2.md 4.9 keyEntrySpecifier.pinPolicyHandle]",
       key_entry_data(decoded->keys.at(0), no_pin, decoded->key_entry_algorithm), to_hex(printed.at(4))},
  };
  for (const Case& c : cases) {
    const std::string citation = c.citation;
    CAPTURE(citation);
    CHECK(to_hex(c.found) == c.expected);
  }
}

}  // namespace sks::test::rows
