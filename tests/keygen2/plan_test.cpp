#include <doctest/doctest.h>

#include "tests/keygen2/enrolment.h"

using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;

namespace {

/// A plan with a PUK policy, a preset PIN policy below it, a user-defined policy and a key without PIN: all of it
/// legal.
IssuancePlan full_plan() {
  IssuancePlan plan = plan_with_key();
  PukPolicySpec puk;
  puk.puk = secret("12345678");
  PinPolicySpec preset;
  preset.input_method = 2;
  preset.keys.push_back(key_spec(kP256, 0));
  preset.keys.back().preset_pin = secret("1357");
  preset.keys.push_back(key_spec(kP256, 1));
  preset.keys.back().preset_pin = secret("2468");
  puk.pin_policies.push_back(std::move(preset));
  plan.puk_policies.push_back(std::move(puk));
  PinPolicySpec chosen;
  chosen.keys.push_back(key_spec());
  plan.pin_policies.push_back(std::move(chosen));
  return plan;
}

PukPolicySpec& puk_of(IssuancePlan& plan) { return plan.puk_policies[0]; }
PinPolicySpec& preset_of(IssuancePlan& plan) { return plan.puk_policies[0].pin_policies[0]; }
PinPolicySpec& chosen_of(IssuancePlan& plan) { return plan.pin_policies[0]; }
KeySpec& preset_key(IssuancePlan& plan) { return preset_of(plan).keys[0]; }
KeySpec& chosen_key(IssuancePlan& plan) { return chosen_of(plan).keys[0]; }
KeySpec& free_key(IssuancePlan& plan) { return plan.keys[0]; }

struct Case {
  const char* name;
  void (*change)(IssuancePlan&);
};

const std::vector<Case> kRefused{
    {"issuer URI", [](IssuancePlan& p) { p.issuer_uri = "no uri"; }},
    {"empty issuer URI", [](IssuancePlan& p) { p.issuer_uri.clear(); }},
    {"life time 0", [](IssuancePlan& p) { p.session_life_time = 0; }},
    {"life time 32768", [](IssuancePlan& p) { p.session_life_time = 32768; }},
    {"key management key",
     [](IssuancePlan& p) {
       p.key_management_key = {0x30, 0x00};
     }},
    {"no key at all",
     [](IssuancePlan& p) {
       p.puk_policies.clear();
       p.pin_policies.clear();
       p.keys.clear();
     }},
    {"PUK policy without PIN policy", [](IssuancePlan& p) { puk_of(p).pin_policies.clear(); }},
    {"empty PUK", [](IssuancePlan& p) { puk_of(p).puk = SecureBytes(); }},
    {"PUK of 129 bytes", [](IssuancePlan& p) { puk_of(p).puk = secret(std::string(129, '1')); }},
    {"PUK of a wrong format", [](IssuancePlan& p) { puk_of(p).puk = secret("abc"); }},
    {"PUK format", [](IssuancePlan& p) { puk_of(p).format = 4; }},
    {"PUK retry limit", [](IssuancePlan& p) { puk_of(p).retry_limit = 10001; }},
    {"PIN policy without keys", [](IssuancePlan& p) { chosen_of(p).keys.clear(); }},
    {"minimal length 0", [](IssuancePlan& p) { chosen_of(p).min_length = 0; }},
    {"lengths exchanged", [](IssuancePlan& p) { chosen_of(p).min_length = 9; }},
    {"maximal length 129", [](IssuancePlan& p) { chosen_of(p).max_length = 129; }},
    {"PIN retry limit 0", [](IssuancePlan& p) { chosen_of(p).retry_limit = 0; }},
    {"PIN retry limit 10001", [](IssuancePlan& p) { chosen_of(p).retry_limit = 10001; }},
    {"PIN format", [](IssuancePlan& p) { chosen_of(p).format = 4; }},
    {"grouping", [](IssuancePlan& p) { chosen_of(p).grouping = 4; }},
    {"input method", [](IssuancePlan& p) { chosen_of(p).input_method = 3; }},
    {"pattern", [](IssuancePlan& p) { chosen_of(p).pattern_restrictions = 0x20; }},
    {"missing-group with numeric", [](IssuancePlan& p) { chosen_of(p).pattern_restrictions = 0x10; }},
    {"missing-group with binary",
     [](IssuancePlan& p) {
       chosen_of(p).format = 3;
       chosen_of(p).pattern_restrictions = 0x10;
     }},
    {"preset PIN too short", [](IssuancePlan& p) { preset_key(p).preset_pin = secret("123"); }},
    {"preset PIN too long", [](IssuancePlan& p) { preset_key(p).preset_pin = secret("123456789"); }},
    {"preset PIN of a wrong format", [](IssuancePlan& p) { preset_key(p).preset_pin = secret("12a4"); }},
    {"preset PIN against a pattern",
     [](IssuancePlan& p) {
       preset_of(p).pattern_restrictions = 0x04;
       preset_key(p).preset_pin = secret("1234");
     }},
    {"preset for the first key only", [](IssuancePlan& p) { preset_of(p).keys[1].preset_pin.reset(); }},
    {"preset for the second key only", [](IssuancePlan& p) { preset_key(p).preset_pin.reset(); }},
    {"shared, but different", [](IssuancePlan& p) { preset_of(p).grouping = 1; }},
    {"signature+standard, but equal",
     [](IssuancePlan& p) {
       preset_of(p).grouping = 2;
       preset_key(p).preset_pin = secret("2468");
     }},
    {"signature+standard, one class, but different",
     [](IssuancePlan& p) {
       preset_of(p).grouping = 2;
       preset_key(p).app_usage = 2;
     }},
    {"unique, but equal",
     [](IssuancePlan& p) {
       preset_of(p).grouping = 3;
       preset_key(p).preset_pin = secret("2468");
     }},
    {"unique, one usage, but different",
     [](IssuancePlan& p) {
       preset_of(p).grouping = 3;
       preset_key(p).app_usage = 1;
     }},
    {"preset PIN without policy", [](IssuancePlan& p) { free_key(p).preset_pin = secret("1234"); }},
    {"device PIN under a policy", [](IssuancePlan& p) { chosen_key(p).device_pin_protection = true; }},
    {"PIN caching without trusted-gui", [](IssuancePlan& p) { chosen_key(p).enable_pin_caching = true; }},
    {"PIN caching without policy", [](IssuancePlan& p) { free_key(p).enable_pin_caching = true; }},
    {"application usage", [](IssuancePlan& p) { free_key(p).app_usage = 4; }},
    {"key algorithm",
     [](IssuancePlan& p) { free_key(p).key_algorithm = "https://webpki.github.io/sks/algorithm#rsa1024"; }},
    {"key parameters too much", [](IssuancePlan& p) { free_key(p).key_parameters = {3}; }},
    {"key parameters missing", [](IssuancePlan& p) { free_key(p).key_algorithm += ".exp"; }},
    {"key parameters of 9 bytes",
     [](IssuancePlan& p) {
       free_key(p).key_algorithm = "https://webpki.github.io/sks/algorithm#rsa2048.exp";
       free_key(p).key_parameters = Bytes(9, 1);
     }},
    {"negative RSA exponent",
     [](IssuancePlan& p) {
       free_key(p).key_algorithm = "https://webpki.github.io/sks/algorithm#rsa2048.exp";
       free_key(p).key_parameters = {0x81};
     }},
    {"even RSA exponent",
     [](IssuancePlan& p) {
       free_key(p).key_algorithm = "https://webpki.github.io/sks/algorithm#rsa2048.exp";
       free_key(p).key_parameters = {0x01, 0x00};
     }},
    {"RSA exponent 1",
     [](IssuancePlan& p) {
       free_key(p).key_algorithm = "https://webpki.github.io/sks/algorithm#rsa2048.exp";
       free_key(p).key_parameters = {0x00, 0x01};
     }},
    {"friendly name of 101 characters", [](IssuancePlan& p) { free_key(p).friendly_name = std::string(101, 'x'); }},
    {"friendly name is no UTF-8", [](IssuancePlan& p) { free_key(p).friendly_name = "\xFF"; }},
    {"endorsed algorithm twice",
     [](IssuancePlan& p) {
       free_key(p).endorsed_algorithms = {"urn:a", "urn:a"};
     }},
    {"endorsed algorithm is no URI", [](IssuancePlan& p) { free_key(p).endorsed_algorithms = {"a"}; }},
    {"#none not alone",
     [](IssuancePlan& p) {
       free_key(p).endorsed_algorithms = {"https://webpki.github.io/sks/algorithm#none", "urn:a"};
     }},
    {"export protection", [](IssuancePlan& p) { free_key(p).export_protection = 4; }},
    {"delete protection", [](IssuancePlan& p) { free_key(p).delete_protection = 4; }},
    {"biometric protection", [](IssuancePlan& p) { free_key(p).biometric_protection = 4; }},
    {"export by PIN without PIN", [](IssuancePlan& p) { free_key(p).export_protection = 1; }},
    {"delete by PIN without PIN", [](IssuancePlan& p) { free_key(p).delete_protection = 1; }},
    {"export by PUK without PUK", [](IssuancePlan& p) { chosen_key(p).export_protection = 2; }},
    {"delete by PUK without PUK", [](IssuancePlan& p) { chosen_key(p).delete_protection = 2; }},
    {"delete by PUK with a device PIN",
     [](IssuancePlan& p) {
       free_key(p).device_pin_protection = true;
       free_key(p).delete_protection = 2;
     }},
    {"biometrics as an alternative to no PIN", [](IssuancePlan& p) { free_key(p).biometric_protection = 1; }},
    {"biometrics combined with no PIN", [](IssuancePlan& p) { free_key(p).biometric_protection = 2; }},
    {"exclusive biometrics with a PIN", [](IssuancePlan& p) { chosen_key(p).biometric_protection = 3; }},
    {"21 policies",
     [](IssuancePlan& p) {
       while (p.pin_policies.size() < 19) {
         PinPolicySpec more;
         more.keys.push_back(key_spec());
         p.pin_policies.push_back(std::move(more));
       }
     }},
    {"too many keys for one session key",
     [](IssuancePlan& p) {
       while (p.keys.size() < 10700) p.keys.push_back(key_spec());
     }},
};

const std::vector<Case> kAccepted{
    {"as it is", [](IssuancePlan&) {}},
    {"PUK without retry limit", [](IssuancePlan& p) { puk_of(p).retry_limit = 0; }},
    {"protection by PUK",
     [](IssuancePlan& p) {
       preset_key(p).export_protection = 2;
       preset_key(p).delete_protection = 2;
     }},
    {"protection by PIN", [](IssuancePlan& p) { chosen_key(p).delete_protection = 1; }},
    {"protection by device PIN",
     [](IssuancePlan& p) {
       free_key(p).device_pin_protection = true;
       free_key(p).delete_protection = 1;
       free_key(p).biometric_protection = 2;
     }},
    {"RSA exponent with its sign",
     [](IssuancePlan& p) {
       free_key(p).key_algorithm = "https://webpki.github.io/sks/algorithm#rsa2048.exp";
       free_key(p).key_parameters = {0x00, 0x81};
     }},
    {"exclusive biometrics", [](IssuancePlan& p) { free_key(p).biometric_protection = 3; }},
    {"biometrics as an alternative", [](IssuancePlan& p) { chosen_key(p).biometric_protection = 1; }},
    {"PIN caching", [](IssuancePlan& p) { preset_key(p).enable_pin_caching = true; }},
    {"unique", [](IssuancePlan& p) { preset_of(p).grouping = 3; }},
    {"signature+standard", [](IssuancePlan& p) { preset_of(p).grouping = 2; }},
    {"friendly name of 100 umlauts",
     [](IssuancePlan& p) {
       for (int i = 0; i < 100; ++i) free_key(p).friendly_name += "\xC3\x85";
     }},
};

Outcome<IssuerSession> start(const Case& c) {
  IssuancePlan plan = full_plan();
  c.change(plan);
  const FakeClock clock(kNow);
  return IssuerSession::start(plan, {clock, system_random(), {Bytes{1}}});
}

}  // namespace

TEST_CASE("IssuerSession: a plan that breaks a rule is refused with VALUE") {
  for (const Case& c : kRefused) {
    CAPTURE(c.name);
    const auto session = start(c);
    REQUIRE_FALSE(session);
    CHECK(session.error().error_class == ErrorClass::value);
    CHECK_FALSE(session.error().detail.empty());
  }
}

TEST_CASE("IssuerSession: a plan that obeys the rules is accepted") {
  for (const Case& c : kAccepted) {
    CAPTURE(c.name);
    const auto session = start(c);
    if (!session) FAIL(session.error().detail);
    CHECK(session->phase() == IssuerPhase::invocation);
    CHECK(session->server_session_id().size() == 32);
    CHECK(session->client_session_id().empty());
  }
}
