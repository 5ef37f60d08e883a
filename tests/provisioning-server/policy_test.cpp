#include "provisioning-server/policy.h"

#include <doctest/doctest.h>

#include <array>

#include "provisioning-server/default_files.h"
#include "tests/support/fakes.h"

using namespace sks;
using namespace sks::issuer;

namespace {

constexpr const char* kMinimal = R"([certificate]
validity_days = 10
[[key]]
app_usage = "authentication"
algorithm = "ec.nist.p256"
)";

struct Refused {
  const char* name;
  std::string content;
  std::string sentence;  // all of it, the file's name and line included
};

}  // namespace

TEST_CASE("parse_config: reads what init writes") {
  const auto url = MainUrl::parse("https://localhost:8443/keygen2");
  for (const auto mode : {DeviceTrustMode::open, DeviceTrustMode::registered, DeviceTrustMode::ca}) {
    const auto config = parse_config(default_config(*url, mode), "issuer.toml");
    REQUIRE(config);
    CHECK(config->url.text() == "https://localhost:8443/keygen2");
    CHECK(config->device_trust == mode);
    CHECK(config->ticket_minutes == 60);
    CHECK(config->connections == 1024);
    CHECK(config->database.url == "sqlite:issuer.db");
    CHECK_FALSE(config->audit.node.empty());
    CHECK(config->audit.checkpoint_entries == 1000);
    CHECK(config->audit.checkpoint_seconds == 60);
  }
}

TEST_CASE("parse_config: refuses with the file, the line and one sentence") {
  const std::array<Refused, 11> cases{{
      {"node with a space", "url = \"https://h/k\"\ndevice_trust = \"open\"\n[audit]\nnode = \"a b\"\n",
       "f:4: node must have 1 to 64 characters of ASCII and no spaces"},
      {"no checkpoints", "url = \"https://h/k\"\ndevice_trust = \"open\"\n[audit]\ncheckpoint_entries = 0\n",
       "f:4: checkpoint_entries must be a whole number from 1 to 1000000"},
      {"unknown key", "url = \"https://h/k\"\ndevice_trust = \"open\"\ndevice_thrust = 1\n",
       "f:3: the key device_thrust is not known here"},
      {"unknown key in a table", "url = \"https://h/k\"\ndevice_trust = \"open\"\n[limits]\nthread = 1\n",
       "f:4: the key thread is not known here"},
      {"no url", "device_trust = \"open\"\n", "f:1: url is missing"},
      {"bad url", "device_trust = \"open\"\nurl = \"http://h/k\"\n", "f:2: the URL must begin with https://"},
      {"path of the result page", "device_trust = \"open\"\nurl = \"https://h/result\"\n",
       "f:2: the URL must not have the path /result, the issuer uses it"},
      {"wrong type", "url = 1\ndevice_trust = \"open\"\n", "f:1: url must be a text in quotes"},
      {"bad word", "url = \"https://h/k\"\ndevice_trust = \"all\"\n",
       "f:2: device_trust must be one of \"open\", \"registered\", \"ca\""},
      {"out of range", "url = \"https://h/k\"\ndevice_trust = \"open\"\n[limits]\nthreads = 0\n",
       "f:4: threads must be a whole number from 1 to 64"},
      {"not a table", "url = \"https://h/k\"\ndevice_trust = \"open\"\nlimits = 3\n",
       "f:3: limits must be a table, written [limits]"},
  }};
  for (const Refused& c : cases) {
    CAPTURE(c.name);
    const auto config = parse_config(c.content, "f");
    REQUIRE_FALSE(config);
    CHECK(config.error().status == Status::option);
    CHECK(config.error().detail == c.sentence);
  }
}

TEST_CASE("parse_config: names the line of broken TOML") {
  const auto config = parse_config("url = \"https://h/k\"\ndevice_trust = \"open\n", "f");
  REQUIRE_FALSE(config);
  CHECK(config.error().detail.starts_with("f:2: "));
  CHECK_FALSE(parse_config("url = \"https://h/k\"\nurl = \"https://h/k\"\ndevice_trust = \"open\"\n", "f"));
}

TEST_CASE("parse_config: broken TOML that toml++ itself does not expect is refused like any other") {
  const auto config = parse_config("[[[[", "issuer.toml");
  REQUIRE_FALSE(config);
  CHECK(config.error().status == Status::option);
  CHECK(config.error().detail.starts_with("issuer.toml:1: "));
}

TEST_CASE("parse_profile: reads the two profiles that init writes") {
  const auto single = parse_profile(default_profile(), "default", "default.toml");
  REQUIRE(single);
  CHECK(single->certificate.validity_days == 730);
  CHECK_FALSE(single->privacy_enabled);
  CHECK_FALSE(single->puk);
  CHECK(single->keys.empty());
  REQUIRE(single->pin_policies.size() == 1);
  const keygen2::PinPolicySpec& pin = single->pin_policies[0];
  CHECK(pin.format == 0);
  CHECK(pin.min_length == 4);
  CHECK(pin.max_length == 8);
  CHECK(pin.retry_limit == 3);
  CHECK(pin.grouping == 1);
  CHECK(pin.user_modifiable);
  REQUIRE(pin.keys.size() == 1);
  CHECK(pin.keys[0].app_usage == 1);
  CHECK(pin.keys[0].key_algorithm == "https://webpki.github.io/sks/algorithm#ec.nist.p256");
  CHECK(pin.keys[0].export_protection == 3);

  const auto pair = parse_profile(pair_profile(), "pair", "pair.toml");
  REQUIRE(pair);
  REQUIRE(pair->pin_policies.size() == 1);
  REQUIRE(pair->pin_policies[0].keys.size() == 2);
  CHECK(pair->pin_policies[0].keys[1].app_usage == 0);
  CHECK(pair->pin_policies[0].keys[1].key_algorithm == "https://webpki.github.io/sks/algorithm#rsa2048");
  CHECK(pair->digest != single->digest);
}

TEST_CASE("parse_profile: the signature profile that init writes as a comment counts without its sign") {
  const auto uncommented = [](std::string text) {
    const std::string sign = "# signature_profile";
    const std::size_t at = text.rfind(sign);
    REQUIRE(at != std::string::npos);
    return text.replace(at, 2, "");
  };
  const auto pair = parse_profile(uncommented(pair_profile()), "pair", "pair.toml");
  REQUIRE(pair);
  REQUIRE(pair->signature_profiles.size() == 2);
  CHECK_FALSE(pair->signature_profiles[0]);
  REQUIRE(pair->signature_profiles[1]);
  CHECK(pair->signature_profiles[1]->uri() == "mss:bank.example:approve-payment:high:qscd");

  std::string text = uncommented(default_profile());
  const auto unfit = parse_profile(text, "default", "default.toml");
  REQUIRE_FALSE(unfit);
  CHECK(unfit.error().detail.ends_with("signature_profile goes only with app_usage = \"signature\""));
  const std::string usage = "app_usage = \"authentication\"\n";
  text.replace(text.rfind(usage), usage.size(), "app_usage = \"signature\"\n");
  const auto single = parse_profile(text, "default", "default.toml");
  REQUIRE(single);
  REQUIRE(single->signature_profiles.size() == 1);
  CHECK(single->signature_profiles[0]);
}

TEST_CASE("parse_profile: knows every setting of a profile") {
  const auto profile = parse_profile(R"(
session_life_time = 60
privacy_enabled = true
[certificate]
validity_days = 1
extended_key_usage = ["clientAuth"]
email_from_subject = true
[puk_policy]
format = "alphanumeric"
length = 10
retry_limit = 0
[[pin_policy]]
format = "string"
min_length = 6
max_length = 20
retry_limit = 5
grouping = "signature+standard"
user_modifiable = false
input_method = "trusted-gui"
pattern_restrictions = ["sequence", "missing-group"]
[[pin_policy.key]]
app_usage = "encryption"
algorithm = "rsa2048.exp"
rsa_exponent = 65537
friendly_name = "Mail"
endorsed_algorithms = ["rsa-sha256", "https://webpki.github.io/sks/algorithm#rsa.pkcs1.none"]
export_protection = "puk"
delete_protection = "pin"
biometric_protection = "alternative"
enable_pin_caching = true
[[key]]
app_usage = "universal"
algorithm = "https://webpki.github.io/sks/algorithm#ec.nist.p384"
device_pin_protection = true
)",
                                     "all", "f");
  REQUIRE(profile);
  CHECK(profile->session_life_time == 60);
  CHECK(profile->privacy_enabled);
  CHECK(profile->certificate.email_from_subject);
  REQUIRE(profile->puk);
  CHECK(profile->puk->format == 1);
  CHECK(profile->puk->length == 10);
  CHECK(profile->puk->retry_limit == 0);
  const keygen2::PinPolicySpec& pin = profile->pin_policies.at(0);
  CHECK(pin.format == 2);
  CHECK(pin.grouping == 2);
  CHECK_FALSE(pin.user_modifiable);
  CHECK(pin.input_method == 2);
  CHECK(pin.pattern_restrictions == 0x14);
  const keygen2::KeySpec& mail = pin.keys.at(0);
  CHECK(mail.app_usage == 2);
  CHECK(mail.key_parameters == Bytes{1, 0, 1});
  CHECK(mail.friendly_name == "Mail");
  CHECK(mail.endorsed_algorithms == std::vector<std::string>{"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
                                                             "https://webpki.github.io/sks/algorithm#rsa.pkcs1.none"});
  CHECK(mail.export_protection == 2);
  CHECK(mail.delete_protection == 1);
  CHECK(mail.biometric_protection == 1);
  CHECK(mail.enable_pin_caching);
  CHECK(profile->keys.at(0).device_pin_protection);

  const auto order = keys_in_message_order(*profile);
  REQUIRE(order.size() == 2);
  CHECK(order[0]->app_usage == 2);
  CHECK(order[1]->app_usage == 3);
  const auto plan = make_plan(*profile, "https://h/k", Bytes{1}, SecureBytes::copy_of(as_bytes("0123456789")));
  REQUIRE(plan.puk_policies.size() == 1);
  CHECK(plan.puk_policies[0].pin_policies.size() == 1);
  CHECK(plan.pin_policies.empty());
  CHECK(plan.keys.size() == 1);
}

TEST_CASE("parse_profile: writes RSA exponents as two's complement") {
  const std::string head =
      "[certificate]\nvalidity_days = 1\n[[key]]\napp_usage = \"signature\"\nalgorithm = \"rsa2048.exp\"\n";
  // Spec: keygen2.md 4.9, keyParameters
  CHECK(parse_profile(head + "rsa_exponent = 3\n", "p", "f")->keys[0].key_parameters == Bytes{0x03});
  CHECK(parse_profile(head + "rsa_exponent = 255\n", "p", "f")->keys[0].key_parameters == Bytes{0x00, 0xff});
}

TEST_CASE("parse_profile: refuses with the file, the line and one sentence") {
  const std::string pin =
      "[certificate]\nvalidity_days = 10\n[[pin_policy]]\nformat = \"numeric\"\nmin_length = 4\nmax_length = 8\n";
  const std::string key = "[[pin_policy.key]]\napp_usage = \"signature\"\nalgorithm = \"rsa2048\"\n";
  const std::array<Refused, 15> cases{{
      {"nothing", "", "f:1: validity_days is missing"},
      {"no keys", "[certificate]\nvalidity_days = 10\n",
       "f:1: a profile needs at least one [[key]], [[pin_policy]] with a [[pin_policy.key]], or [[lookup]]"},
      {"unknown key", std::string("life_time = 3\n") + kMinimal, "f:1: the key life_time is not known here"},
      {"unknown key of a key", std::string(kMinimal) + "colour = 1\n", "f:6: the key colour is not known here"},
      {"PIN caching without PIN", std::string(kMinimal) + "enable_pin_caching = true\n",
       "f:6: the key enable_pin_caching is not known here"},
      {"session too long", std::string("session_life_time = 32768\n") + kMinimal,
       "f:1: session_life_time must be a whole number from 60 to 32767"},
      {"purpose",
       std::string("[certificate]\nvalidity_days = 1\nextended_key_usage = [\"serverAuth\"]\n") +
           "[[key]]\napp_usage = \"signature\"\nalgorithm = \"rsa2048\"\n",
       "f:3: extended_key_usage holds \"serverAuth\", which is neither an object identifier nor one of \"clientAuth\", "
       "\"codeSigning\", \"emailProtection\", \"documentSigning\", \"smartcardLogon\""},
      {"unknown algorithm",
       "[certificate]\nvalidity_days = 1\n[[key]]\napp_usage = \"signature\"\nalgorithm = \"dsa\"\n",
       "f:5: algorithm \"dsa\" is not one for making keys"},
      {"signature algorithm",
       "[certificate]\nvalidity_days = 1\n[[key]]\napp_usage = \"signature\"\nalgorithm = \"rsa-sha256\"\n",
       "f:5: algorithm \"rsa-sha256\" is not one for making keys"},
      {"exponent missing",
       "[certificate]\nvalidity_days = 1\n[[key]]\napp_usage = \"signature\"\nalgorithm = \"rsa2048.exp\"\n",
       "f:3: rsa_exponent is missing"},
      {"exponent not wanted", std::string(kMinimal) + "rsa_exponent = 3\n",
       "f:6: rsa_exponent goes only with the algorithms whose name ends in .exp"},
      {"no retry limit", pin + key, "f:3: retry_limit is missing"},
      {"lengths crossed",
       pin + "retry_limit = 3\n" + key + "[[pin_policy]]\nformat = \"numeric\"\nmin_length = 5\n" +
           "max_length = 4\nretry_limit = 3\n" + key,
       "f:14: max_length must be a whole number from 5 to 128"},
      {"PIN policy without keys", pin + "retry_limit = 3\n",
       "f:4: a [[pin_policy]] needs at least one [[pin_policy.key]] below it"},
      {"PUK without PIN", std::string("[puk_policy]\nformat = \"numeric\"\nlength = 8\nretry_limit = 3\n") + kMinimal,
       "f:1: a [puk_policy] needs a [[pin_policy]] that it can unlock"},
  }};
  for (const Refused& c : cases) {
    CAPTURE(c.name);
    const auto profile = parse_profile(c.content, "p", "f");
    REQUIRE_FALSE(profile);
    CHECK(profile.error().status == Status::option);
    CHECK(profile.error().detail == c.sentence);
  }
}

TEST_CASE("parse_profile: refuses keys that no device would make, at the line that is wrong") {
  const std::string ec =
      "[certificate]\nvalidity_days = 1\n[[key]]\napp_usage = \"signature\"\nalgorithm = \"ec.nist.p256\"\n";
  const std::string rsa =
      "[certificate]\nvalidity_days = 1\n[[key]]\napp_usage = \"signature\"\nalgorithm = \"rsa2048\"\n";
  const std::string pin =
      "[certificate]\nvalidity_days = 1\n[[pin_policy]]\nformat = \"numeric\"\nmin_length = 4\nmax_length = 8\n"
      "retry_limit = 3\n[[pin_policy.key]]\napp_usage = \"signature\"\nalgorithm = \"rsa2048\"\n";
  const std::string puk = "[puk_policy]\nformat = \"numeric\"\nlength = 8\nretry_limit = 3\n";
  const auto endorse = [](const std::string& list) { return "endorsed_algorithms = [" + list + "]\n"; };
  const auto name = [](const std::string& text) { return "friendly_name = \"" + text + "\"\n"; };
  const std::string controls = "f:6: friendly_name must not hold control characters";
  const std::string too_long = "f:6: friendly_name must not be longer than 100 characters";
  const std::string no_puk = " = \"puk\" needs a [puk_policy] and a key under a [[pin_policy]]";
  const std::string no_pin = " = \"pin\" needs a key under a [[pin_policy]] or with a device PIN";
  struct Wrong {
    std::string content;
    std::string sentence;
  };
  const std::vector<Wrong> wrong{
      {ec + endorse("\"rsa-sha256\""),
       "f:6: endorsed_algorithms holds \"rsa-sha256\", which does not fit the algorithm of the key"},
      {rsa + endorse("\"rsa-sha256\", \"ecdsa-sha256\""),
       "f:6: endorsed_algorithms holds \"ecdsa-sha256\", which does not fit the algorithm of the key"},
      {rsa + endorse("\"ed25519\""),
       "f:6: endorsed_algorithms holds \"ed25519\", which does not fit the algorithm of the key"},
      {rsa + endorse("\"session.1\""),
       "f:6: endorsed_algorithms must not hold \"session.1\", no key can be used with it"},
      {rsa + endorse("\"key.1\""), "f:6: endorsed_algorithms must not hold \"key.1\", no key can be used with it"},
      {rsa + endorse("\"none\", \"rsa-sha256\""), "f:6: endorsed_algorithms must hold \"none\" alone"},
      {rsa + endorse("\"rsa-sha256\", \"rsa-sha256\""), "f:6: endorsed_algorithms holds an algorithm twice"},
      {rsa + endorse("\"dsa\""), "f:6: endorsed_algorithms holds the unknown algorithm \"dsa\""},
      {rsa + name("a\\nb"), controls},
      {rsa + name("\\u001b[2J"), controls},
      {rsa + name("\\u007f"), controls},
      {rsa + name("\\u0085"), controls},
      {rsa + name(std::string(101, 'x')), too_long},
      {rsa + "export_protection = \"puk\"\n", "f:6: export_protection" + no_puk},
      {rsa + "delete_protection = \"puk\"\n", "f:6: delete_protection" + no_puk},
      {rsa + "export_protection = \"pin\"\n", "f:6: export_protection" + no_pin},
      {pin + "delete_protection = \"puk\"\n", "f:11: delete_protection" + no_puk},
      {puk + pin + "[[key]]\napp_usage = \"signature\"\nalgorithm = \"rsa2048\"\ndelete_protection = \"puk\"\n",
       "f:18: delete_protection" + no_puk},
  };
  for (const Wrong& c : wrong) {
    CAPTURE(c.content);
    const auto profile = parse_profile(c.content, "p", "f");
    REQUIRE_FALSE(profile);
    CHECK(profile.error().status == Status::option);
    CHECK(profile.error().detail == c.sentence);
  }

  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "\u00e4";
  const std::vector<std::string> right{ec + endorse("\"ecdsa-sha256\""),
                                       ec + endorse("\"none\""),
                                       rsa + endorse("\"rsa-sha512\", \"rsa-sha256\""),
                                       rsa + name(umlauts),
                                       rsa + name("\\u00a0\\u0100"),
                                       rsa + "device_pin_protection = true\ndelete_protection = \"pin\"\n",
                                       puk + pin + "delete_protection = \"puk\"\n"};
  for (const std::string& content : right) {
    CAPTURE(content);
    CHECK(parse_profile(content, "p", "f"));
  }
}

TEST_CASE("parse_profile: signature profiles stand with signature keys, in the order of the keys") {
  const std::string head =
      "[certificate]\nvalidity_days = 10\n[[pin_policy]]\nformat = \"numeric\"\nmin_length = 4\nmax_length = 8\n"
      "retry_limit = 3\n";
  const std::string plain = "app_usage = \"signature\"\nalgorithm = \"rsa2048\"\n";
  const auto profile = parse_profile("[[key]]\n" + plain + "signature_profile = \"mss:b:sign:low:software\"\n" + head +
                                         "[[pin_policy.key]]\n" + plain + "[[pin_policy.key]]\n" + plain +
                                         "signature_profile = \"mss:a:sign:high:qscd\"\n",
                                     "p", "f");
  REQUIRE(profile);
  REQUIRE(profile->signature_profiles.size() == 3);
  CHECK_FALSE(profile->signature_profiles[0]);
  REQUIRE(profile->signature_profiles[1]);
  CHECK(profile->signature_profiles[1]->uri() == "mss:a:sign:high:qscd");
  REQUIRE(profile->signature_profiles[2]);
  CHECK(profile->signature_profiles[2]->uri() == "mss:b:sign:low:software");
  CHECK(make_plan(*profile, "https://h/k", {}, {}).reserve.extensions == 2);

  const std::array<Refused, 4> cases{{
      {"not a signature key",
       "[certificate]\nvalidity_days = 1\n[[key]]\napp_usage = \"authentication\"\nalgorithm = \"rsa2048\"\n"
       "signature_profile = \"mss:a:b:c:d\"\n",
       "f:6: signature_profile goes only with app_usage = \"signature\""},
      {"no URI", std::string(kMinimal) + "signature_profile = 3\n", "f:6: signature_profile must be a text in quotes"},
      {"a part is missing", head + "[[pin_policy.key]]\n" + plain + "signature_profile = \"mss:a:b:c\"\n",
       "f:11: signature_profile: the sscd of a signature profile is missing"},
      {"another scheme", std::string(kMinimal) + "signature_profile = \"https://a\"\n",
       "f:6: signature_profile: a signature profile is written mss:<service>:<operation>:<loa>:<sscd>"},
  }};
  for (const Refused& c : cases) {
    CAPTURE(c.name);
    const auto refused = parse_profile(c.content, "p", "f");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().status == Status::option);
    CHECK(refused.error().detail == c.sentence);
  }
}

TEST_CASE("draw_puk: draws every symbol of the format equally likely") {
  Profile profile;
  CHECK(draw_puk(profile, system_random()).empty());
  profile.puk = PukPolicy{0, 3, 4};
  test::ScriptedRandom random;
  // 250 is the first byte beyond the last whole ten: it is drawn again.
  for (const std::uint8_t byte : Bytes{0, 250, 255, 9, 249, 10}) random.queue({byte});
  const SecureBytes puk = draw_puk(profile, random);
  CHECK(sks::to_string(puk.view()) == "0990");
}

TEST_CASE("is_profile_name: cannot leave the folder of the profiles") {
  for (const char* const good : {"default", "pair", "A-1_b"}) CHECK(is_profile_name(good));
  for (const char* const bad : {"", "..", "a/b", "../keys", "a.b", "a b", "\xc3\xa4"})
    CHECK_FALSE(is_profile_name(bad));
  CHECK_FALSE(is_profile_name(std::string(65, 'a')));
}

TEST_CASE("parse_profile: reads what is asked and looked up") {
  const auto profile = parse_profile(std::string(kMinimal) + R"(
[[capability]]
query = "biometric-support"
[[capability]]
query = "ed25519"
required = true
[[capability]]
query = "urn:sks:ext:key-suspension"
[[lookup]]
action = "delete"
[[lookup]]
action = "unlock"
[[lookup]]
action = "ignore"
filter = { app_usage = "signature" }
[[lookup]]
action = "refuse"
same_subject = false
[lookup.filter]
finger_print = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
issuer_reg_ex = "CN=.*"
serial_number = "340282366920938463463374607431768211456"
subject_reg_ex = '\QCN=Jo\E'
email_reg_ex = ".*@example\\.com"
policy_rules = ["1.3.6", "-1.3.7"]
key_usage_rules = ["digitalSignature", "-keyAgreement"]
extended_key_usage_rules = ["1.3.6.1.5.5.7.3.2"]
issued_before = "2026-02-01T00:00:00Z"
issued_after = "1970-01-01T00:00:00Z"
grouping = "signature+standard"
app_usage = "encryption"
)",
                                     "p", "f");
  REQUIRE(profile);
  REQUIRE(profile->capabilities.size() == 3);
  CHECK(profile->capabilities[0].uri == "https://webpki.github.io/keygen2/feature#biometric-support");
  CHECK_FALSE(profile->capabilities[0].required);
  CHECK(profile->capabilities[1].uri == "https://webpki.github.io/sks/algorithm#ed25519");
  CHECK(profile->capabilities[1].required);
  CHECK(profile->capabilities[2].uri == "urn:sks:ext:key-suspension");
  REQUIRE(profile->lookups.size() == 4);
  CHECK(profile->lookups[0].action == FoundKeyAction::remove);
  CHECK(profile->lookups[0].same_subject);
  CHECK_FALSE(profile->lookups[0].filter);
  CHECK(profile->lookups[1].action == FoundKeyAction::unlock);
  CHECK(profile->lookups[2].action == FoundKeyAction::ignore);
  CHECK(profile->lookups[3].action == FoundKeyAction::refuse);
  CHECK_FALSE(profile->lookups[3].same_subject);
  REQUIRE(profile->lookups[3].filter);
  const keygen2::SearchFilter& filter = *profile->lookups[3].filter;
  REQUIRE(filter.finger_print);
  CHECK(filter.finger_print->size() == 32);
  CHECK(filter.finger_print->back() == 0x1f);
  CHECK(filter.issuer_reg_ex == "CN=.*");
  CHECK(filter.serial_number == "340282366920938463463374607431768211456");
  CHECK(filter.subject_reg_ex == "\\QCN=Jo\\E");
  CHECK(filter.email_reg_ex == ".*@example\\.com");
  CHECK(filter.policy_rules == std::vector<std::string>{"1.3.6", "-1.3.7"});
  CHECK(filter.key_usage_rules == std::vector<std::string>{"digitalSignature", "-keyAgreement"});
  CHECK(filter.extended_key_usage_rules == std::vector<std::string>{"1.3.6.1.5.5.7.3.2"});
  CHECK(filter.issued_before == 1769904000);
  CHECK(filter.issued_after == 0);
  CHECK(filter.grouping == 2);
  CHECK(filter.app_usage == 2);

  const auto plan = make_plan(*profile, "https://h/k", Bytes{1}, {});
  CHECK(plan.action == 0);
  CHECK(plan.capability_queries.size() == 3);
  REQUIRE(plan.lookups.size() == 4);
  CHECK(plan.lookups[0].key_management_key == Bytes{1});
  CHECK(plan.lookups[3].filter == filter);
  CHECK(plan.reserve.target_operations == kMaxKeyOperations);
}

TEST_CASE("parse_profile: a profile that only unlocks tells the user so") {
  const std::string certificate = "[certificate]\nvalidity_days = 1\n";
  const std::string unlock = "[[lookup]]\naction = \"unlock\"\n";
  const auto action = [](const std::string& content) {
    return make_plan(*parse_profile(content, "p", "f"), "https://h/k", Bytes{1}, {}).action;
  };
  // Spec: keygen2.md 4.2
  CHECK(action(certificate + unlock) == 1);
  CHECK(action(certificate + unlock + "[[lookup]]\naction = \"delete\"\n") == 0);
  CHECK(action(kMinimal + unlock) == 0);
}

TEST_CASE("parse_profile: refuses questions and lookups that mean nothing, at the line that is wrong") {
  const std::string lookup = std::string(kMinimal) + "[[lookup]]\naction = \"delete\"\n";  // seven lines
  const auto filter = [&](const std::string& member) { return lookup + "[lookup.filter]\n" + member + "\n"; };
  const std::string capability = std::string(kMinimal) + "[[capability]]\n";
  std::string many = kMinimal;
  for (int i = 0; i < 21; ++i) many += "[[lookup]]\naction = \"ignore\"\n";
  std::string curious = kMinimal;
  for (int i = 0; i < 41; ++i) curious += "[[capability]]\nquery = \"urn:example:" + std::to_string(i) + "\"\n";
  const std::string time = " must be a time like \"2026-01-31T12:00:00Z\"";
  const std::vector<Refused> cases{
      {"no query", capability, "f:6: query is missing"},
      {"unknown name", capability + "query = \"bio\"\n", "f:7: query \"bio\" is no URI, and no known capability"},
      {"no URI", capability + "query = \"a: b\"\n", "f:7: query \"a: b\" is no URI, and no known capability"},
      {"asked twice", capability + "query = \"urn:a:b\"\n[[capability]]\nquery = \"urn:a:b\"\n",
       "f:9: query \"urn:a:b\" is asked twice"},
      {"required is no boolean", capability + "query = \"urn:a:b\"\nrequired = 1\n",
       "f:8: required must be true or false"},
      {"unknown key of a question", capability + "query = \"urn:a:b\"\noptional = true\n",
       "f:8: the key optional is not known here"},
      {"a table", std::string(kMinimal) + "[capability]\nquery = \"urn:a:b\"\n",
       "f:6: capability must be a list of tables, written [[capability]]"},
      {"too many questions", curious, "f:87: a profile asks for at most 40 capabilities"},
      {"no action", std::string(kMinimal) + "[[lookup]]\n", "f:6: action is missing"},
      {"unknown action", std::string(kMinimal) + "[[lookup]]\naction = \"renew\"\n",
       "f:7: action must be one of \"ignore\", \"refuse\", \"delete\", \"unlock\", \"update\""},
      {"too many lookups", many, "f:47: a profile makes at most 20 lookups"},
      {"filter is no table", lookup + "filter = \"all\"\n", "f:8: filter must be a table, written [filter]"},
      {"empty filter", lookup + "filter = {}\n",
       "f:8: a filter needs at least one member; leave it out to find every key"},
      {"unknown member", filter("app_usage = \"signature\"\nsubjectRegEx = \"x\""),
       "f:10: the key subjectRegEx is not known here"},
      {"finger print", filter("finger_print = \"00\""),
       "f:9: finger_print must be the SHA-256 of a certificate: 64 hexadecimal digits"},
      {"serial number", filter("serial_number = \"0x10\""), "f:9: serial_number must be a decimal number in quotes"},
      {"serial number without quotes", filter("serial_number = 10"), "f:9: serial_number must be a text in quotes"},
      {"no rules", filter("policy_rules = []"), "f:9: policy_rules must hold at least one rule"},
      {"expression is a list", filter("issuer_reg_ex = [\"x\"]"), "f:9: issuer_reg_ex must be a text in quotes"},
      {"local time", filter("issued_before = \"2026-01-31T12:00:00+01:00\""), "f:9: issued_before" + time},
      {"a date of TOML", filter("issued_after = 2026-01-31"), "f:9: issued_after must be a text in quotes"},
      {"a day that is not", filter("issued_after = \"2026-02-30T12:00:00Z\""), "f:9: issued_after" + time},
      {"subjects of anonymous devices", "privacy_enabled = true\n" + lookup + "same_subject = false\n",
       "f:9: same_subject = false cannot stand beside privacy_enabled = true: nothing else tells whether the key of an "
       "anonymous device is its own"},
      {"grouping before another lookup",
       lookup + "filter = { grouping = \"shared\" }\n[[lookup]]\naction = \"ignore\"\n",
       "f:8: only the last lookup can ask for a grouping: it is not on record, so the device would choose which lookup "
       "decides"},
      {"grouping", filter("grouping = \"all\""),
       "f:9: grouping must be one of \"none\", \"shared\", \"signature+standard\", \"unique\""},
  };
  for (const Refused& c : cases) {
    CAPTURE(c.name);
    const auto profile = parse_profile(c.content, "p", "f");
    REQUIRE_FALSE(profile);
    CHECK(profile.error().status == Status::option);
    CHECK(profile.error().detail == c.sentence);
  }
  // The rest of the sentence is that of keygen2.
  for (const std::string member :
       {"subject_reg_ex = \"(\"", "email_reg_ex = '(?<=x)y'", "policy_rules = [\"2.5.29.32.0\"]",
        "key_usage_rules = [\"signing\"]", "extended_key_usage_rules = [\"1.3.6\", \"-1.3.6\"]"}) {
    CAPTURE(member);
    const auto profile = parse_profile(filter(member), "p", "f");
    REQUIRE_FALSE(profile);
    CHECK(profile.error().detail.starts_with("f:9: " + member.substr(0, member.find(' ')) + " is wrong: "));
  }
}

TEST_CASE("parse_profile: characters beyond ASCII stand in comments and in texts of one line") {
  CHECK(
      parse_profile("# gr\u00fc\u00dfe\n" + std::string(kMinimal) + "friendly_name = \"Schl\u00fcssel\"\n", "p", "f"));
  // U+1680 is white space elsewhere, for which toml++ has no answer.
  for (const char* const text : {"\u1680x = 1\n", "[\u00e4]\n", "friendly_name = \u2003\"x\"\n",
                                 "friendly_name = \"\"\"\u00e4\"\"\"\n", "friendly_name = \"x\" \u00e4\n"}) {
    CAPTURE(text);
    const auto profile = parse_profile(std::string(kMinimal) + text, "p", "f");
    REQUIRE_FALSE(profile);
    CHECK(profile.error().detail ==
          "f:6: a character beyond ASCII may only stand in a comment or in a text of one line; \\uXXXX stands for it "
          "elsewhere");
  }
  const auto config = parse_config("url = \"https://h/k\"\ndevice_trust = \u201copen\u201d\n", "f");
  REQUIRE_FALSE(config);
  CHECK(config.error().detail.starts_with("f:2: a character beyond ASCII"));
}
