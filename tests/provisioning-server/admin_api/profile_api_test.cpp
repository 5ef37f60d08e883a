#include <doctest/doctest.h>

#include "tests/provisioning-server/admin_api/api_lab.h"

using namespace sks;
using namespace sks::test;
using nlohmann::json;

namespace {

constexpr const char* kLogo = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
// By `printf '%s' ... | base64 | tr +/ -_ | tr -d =` and `sha256sum`.
constexpr const char* kLogoText = "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4";
constexpr const char* kLogoDigest = "900fbe934249ad120004bd24adf66aad8817d89586273c0cc50e187bddebb601";

/// What the file says, by hand.
struct Shown {
  explicit Shown(ApiLab& lab) {
    write_file(lab.issuer.path + "/profiles/logo.svg", kLogo);
    write_file(lab.issuer.path + "/profiles/full.toml", read_file(SKS_FULL_PROFILE));
    response = lab.as("auditor", "GET", "/profiles/full");
    decoded = lab.json(response).at("decoded");
  }
  issuer::Response response;
  json decoded;
};

}  // namespace

TEST_CASE("Profiles API: what certificates say is shown, and what has to be known for it") {
  ApiLab lab;
  const json rules = Shown(lab).decoded.at("certificate");
  CHECK(rules == json::parse(R"({
    "validity_days": 90,
    "subject_source": "directory",
    "subject": "CN={cn},O=Example\\, Bank,emailAddress={mail?}",
    "subject_data": [
      {"name": "account", "required": true}, {"name": "cn", "required": true}, {"name": "id", "required": false},
      {"name": "login", "required": true}, {"name": "mail", "required": false}],
    "email_from_subject": true,
    "alternative_names": {"email": ["{mail?}"], "upn": ["{login}@example.org"], "uri": ["urn:employee:{id?}"]},
    "extended_key_usage": ["clientAuth", "emailProtection", "1.3.6.1.4.1.99999.7"],
    "key_usage": {
      "signature": ["digitalSignature", "nonRepudiation"], "authentication": ["digitalSignature"],
      "encryption": ["keyAgreement"], "universal": ["digitalSignature"]},
    "policies": ["1.3.6.1.4.1.99999.1"],
    "extensions": [{"oid": "1.3.6.1.4.1.99999.2", "critical": true, "value": "0500"}]
  })"));
}

TEST_CASE("Profiles API: limits, PIN, PUK, questions and lookups are shown, and the key management key") {
  ApiLab lab;
  const json decoded = Shown(lab).decoded;
  CHECK(decoded.at("session_life_time") == 600);
  CHECK(decoded.at("privacy_enabled") == false);
  CHECK(decoded.at("kmk_generation") == 1);
  CHECK(decoded.at("limits") == json::parse(R"({
    "credentials_per_device": 2, "credentials_per_subject": 3, "sessions_per_device_and_hour": 4})"));
  CHECK(decoded.at("puk_policy") == json::parse(R"({"format": "alphanumeric", "length": 10, "retry_limit": 0})"));
  CHECK(decoded.at("pin_policies") == json::parse(R"([
    {"format": "alphanumeric", "min_length": 6, "max_length": 12, "retry_limit": 5, "grouping": "signature+standard",
     "user_modifiable": false, "input_method": "trusted-gui", "pattern_restrictions": ["sequence", "missing-group"],
     "keys": 1},
    {"format": "numeric", "min_length": 4, "max_length": 4, "retry_limit": 3, "grouping": "none",
     "user_modifiable": true, "input_method": "any", "pattern_restrictions": [], "keys": 1}])"));
  CHECK(decoded.at("capabilities") == json::parse(R"([
    {"query": "https://webpki.github.io/keygen2/clientattr#os-version", "required": true},
    {"query": "urn:example:question", "required": false}])"));
  CHECK(decoded.at("lookups") == json::parse(R"([
    {"action": "delete", "same_subject": false, "filter": {
      "finger_print": ["00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"], "serial_number": ["42"],
      "subject_reg_ex": [".*O=Example.*"], "policy_rules": ["1.2.3", "-1.2.4"],
      "issued_before": ["2026-01-31T12:00:00Z"], "app_usage": ["encryption"]}},
    {"action": "unlock", "same_subject": true, "filter": {}}])"));
}

TEST_CASE("Profiles API: keys are shown with all that protects them and comes beside them, but no encrypted content") {
  ApiLab lab;
  const Shown shown(lab);
  const json& keys = shown.decoded.at("keys");
  REQUIRE(keys.size() == 3);
  json first = keys.at(0);
  const json extensions = first.at("extensions");
  first.erase("extensions");
  CHECK(first == json::parse(R"({
    "app_usage": "signature", "algorithm": "https://webpki.github.io/sks/algorithm#rsa2048.exp",
    "friendly_name": "Signing <key>",
    "endorsed_algorithms": ["http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"],
    "export_protection": "puk", "delete_protection": "pin", "biometric_protection": "combined",
    "enable_pin_caching": true, "device_pin_protection": false, "rsa_exponent": 65537, "pin_policy": 0,
    "signature_profile": "mss:bank.example:approve-payment:high:qscd"})"));
  // SHA-256 by sha256sum.
  CHECK(extensions == json::array({
                          {{"kind", "extensions"},
                           {"type", "https://example.com/terms"},
                           {"size", 25},
                           {"digest", "82ea0dd1b8518a53262b7e2b52345520e00bf8d746ae701fcdf6b48e4da597c4"},
                           {"text", "See <https://example.com>"}},
                          {{"kind", "encryptedExtensions"}, {"type", "https://example.com/secret"}, {"size", 19}},
                          {{"kind", "extensions"},
                           {"type", "https://example.com/binary"},
                           {"size", 2},
                           {"digest", "06eb7d6a69ee19e5fbdf749018d3d2abfa04bcbd1365db312eb86dc7169389b8"}},
                          {{"kind", "propertyBags"},
                           {"type", "https://example.com/account"},
                           {"properties",
                            {{{"name", "number"}, {"value", "{account}"}, {"writable", true}},
                             {{"name", "bank"}, {"value", "Example"}, {"writable", false}}}}},
                          {{"kind", "logotypes"},
                           {"type", "https://webpki.github.io/keygen2/logotype#application"},
                           {"size", 41},
                           {"digest", kLogoDigest},
                           {"media_type", "image/svg+xml"},
                           {"content", kLogoText}},
                      }));
  CHECK(keys.at(1).at("pin_policy") == 1);
  CHECK(keys.at(1).at("delete_protection") == "non-deletable");
  CHECK_FALSE(keys.at(1).contains("rsa_exponent"));
  CHECK_FALSE(keys.at(1).contains("signature_profile"));
  CHECK(keys.at(1).at("extensions").empty());
  CHECK_FALSE(keys.at(2).contains("pin_policy"));
  CHECK(keys.at(2).at("device_pin_protection") == true);
  CHECK(keys.at(2).at("export_protection") == "pin");
}

TEST_CASE("Profiles API: what a profile leaves out is shown as what counts then") {
  ApiLab lab;
  const auto decoded = lab.json(lab.as("operator", "GET", "/profiles/default")).at("decoded");
  const json& rules = decoded.at("certificate");
  CHECK(rules.at("subject_source") == "ticket");
  CHECK(rules.at("subject") == "");
  CHECK(rules.at("subject_data").empty());
  CHECK(rules.at("extended_key_usage") == json::array({"clientAuth"}));
  CHECK(rules.at("key_usage").at("authentication") == json::array({"digitalSignature"}));
  CHECK(decoded.at("limits").at("credentials_per_device") == 0);
  CHECK_FALSE(decoded.contains("puk_policy"));
  CHECK(decoded.at("lookups").empty());
  CHECK(decoded.at("keys").at(0).at("biometric_protection") == "none");
}
