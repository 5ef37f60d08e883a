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
  const char* sentence;  // all of it, the file's name and line included
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
    CHECK(config->connections == 256);
  }
}

TEST_CASE("parse_config: refuses with the file, the line and one sentence") {
  const std::array<Refused, 9> cases{{
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

TEST_CASE("parse_profile: reads the two profiles that init writes") {
  const auto single = parse_profile(default_profile(), "default", "default.toml");
  REQUIRE(single);
  CHECK(single->validity_days == 730);
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
  CHECK(profile->email_from_subject);
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
       "f:1: a profile needs at least one [[key]] or [[pin_policy]] with a [[pin_policy.key]]"},
      {"unknown key", std::string("life_time = 3\n") + kMinimal, "f:1: the key life_time is not known here"},
      {"unknown key of a key", std::string(kMinimal) + "colour = 1\n", "f:6: the key colour is not known here"},
      {"PIN caching without PIN", std::string(kMinimal) + "enable_pin_caching = true\n",
       "f:6: the key enable_pin_caching is not known here"},
      {"session too long", std::string("session_life_time = 32768\n") + kMinimal,
       "f:1: session_life_time must be a whole number from 60 to 32767"},
      {"purpose",
       std::string("[certificate]\nvalidity_days = 1\nextended_key_usage = [\"serverAuth\"]\n") +
           "[[key]]\napp_usage = \"signature\"\nalgorithm = \"rsa2048\"\n",
       "f:3: extended_key_usage may only hold \"clientAuth\""},
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
