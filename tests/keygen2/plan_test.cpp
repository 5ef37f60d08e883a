#include <doctest/doctest.h>

#include <array>

#include "keygen2/enumerations.h"
#include "keygen2/issuer_plan.h"
#include "keygen2/target_rules.h"
#include "tests/keygen2/enrolment.h"

// What an issuer may ask for: keygen2.md 4.2 to 4.14, 7.9 to 7.11.

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

/// SPKI of a new key.
Bytes public_key(const char* algorithm) {
  const auto key = crypto::PrivateKey::generate(*find_algorithm(algorithm));
  REQUIRE(key);
  return key->public_key().spki();
}

constexpr const char* kP384 = "https://webpki.github.io/sks/algorithm#ec.nist.p384";
constexpr const char* kEd25519 = "https://webpki.github.io/sks/algorithm#ed25519";

void look_for_keys(IssuancePlan& plan) {
  plan.key_management_key = public_key(kP256);
  plan.lookups.push_back({plan.key_management_key, SearchFilter()});
  plan.lookups.front().filter->subject_reg_ex = "CN=.*";
}

void without_keys(IssuancePlan& plan) {
  plan.puk_policies.clear();
  plan.pin_policies.clear();
  plan.keys.clear();
}

/// `count` different queries.
std::vector<std::string> queries(int count) {
  std::vector<std::string> result;
  for (int i = 0; i < count; ++i) result.push_back("urn:x:" + std::to_string(i));
  return result;
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
    {"issuer URI of 1001 bytes", [](IssuancePlan& p) { p.issuer_uri = "https:" + std::string(995, 'x'); }},
    {"key management key that only signs with EdDSA",
     [](IssuancePlan& p) { p.key_management_key = public_key(kEd25519); }},
    {"neither keys nor lookups", [](IssuancePlan& p) { without_keys(p); }},
    {"unknown action", [](IssuancePlan& p) { p.action = 2; }},
    {"unlocking creates keys", [](IssuancePlan& p) { p.action = kActionUnlock; }},
    {"unlocking creates keys after discovery",
     [](IssuancePlan& p) {
       p.action = kActionUnlock;
       look_for_keys(p);
     }},
    {"unlocking without discovery",
     [](IssuancePlan& p) {
       p.action = kActionUnlock;
       without_keys(p);
     }},
    {"deferred without keys",
     [](IssuancePlan& p) {
       without_keys(p);
       look_for_keys(p);
       p.deferred_issuance = true;
     }},
    {"language of three letters",
     [](IssuancePlan& p) {
       p.preferred_languages = {"en", "deu"};
     }},
    {"language in capitals", [](IssuancePlan& p) { p.preferred_languages = {"EN"}; }},
    {"empty language", [](IssuancePlan& p) { p.preferred_languages = {""}; }},
    {"too many languages", [](IssuancePlan& p) { p.preferred_languages = std::vector<std::string>(185, "en"); }},
    {"unknown container", [](IssuancePlan& p) { p.target_key_containers = {5}; }},
    {"container twice",
     [](IssuancePlan& p) {
       p.target_key_containers = {1, 0, 1};
     }},
    {"query is no URI", [](IssuancePlan& p) { p.capability_queries = {"x"}; }},
    {"query twice",
     [](IssuancePlan& p) {
       p.capability_queries = {"urn:x", "urn:x"};
     }},
    {"51 queries", [](IssuancePlan& p) { p.capability_queries = queries(51); }},
    {"50 queries beside a needed one",
     [](IssuancePlan& p) {
       p.capability_queries = queries(50);
       free_key(p).key_algorithm = kEd25519;
     }},
    {"asks an anonymous device for its identity",
     [](IssuancePlan& p) {
       p.privacy_enabled = true;
       p.capability_queries = {std::string(kImeiNumber)};
     }},
    {"discovery without key management key",
     [](IssuancePlan& p) {
       look_for_keys(p);
       p.key_management_key.clear();
     }},
    {"21 lookups",
     [](IssuancePlan& p) {
       look_for_keys(p);
       p.lookups.resize(21, p.lookups.front());
     }},
    {"lookup with a P-384 key",
     [](IssuancePlan& p) {
       look_for_keys(p);
       p.lookups.front().key_management_key = public_key(kP384);
     }},
    {"lookup with a filter that no saved session can hold",
     [](IssuancePlan& p) {
       look_for_keys(p);
       for (int i = 1; i < 10'000; ++i) p.lookups.front().filter->policy_rules.push_back("1." + std::to_string(i));
     }},
    {"lookup with no key",
     [](IssuancePlan& p) {
       look_for_keys(p);
       p.lookups.front().key_management_key.clear();
     }},
    {"filter without members",
     [](IssuancePlan& p) {
       look_for_keys(p);
       p.lookups.front().filter = SearchFilter();
     }},
    {"filter with a regular expression that does not compile",
     [](IssuancePlan& p) {
       look_for_keys(p);
       p.lookups.front().filter->issuer_reg_ex = "(";
     }},
    {"filter with a rule that has a zero arc",
     [](IssuancePlan& p) {
       look_for_keys(p);
       p.lookups.front().filter->policy_rules = {"2.5.29.32.0"};
     }},
    {"filter with a short fingerprint",
     [](IssuancePlan& p) {
       look_for_keys(p);
       p.lookups.front().filter->finger_print = Bytes(31);
     }},
    {"roll-over to nothing",
     [](IssuancePlan& p) {
       p.roll_overs.push_back({public_key(kP256), Bytes(64, 1), {}});
     }},
    {"roll-over of no key",
     [](IssuancePlan& p) {
       p.key_management_key = public_key(kP256);
       p.roll_overs.push_back({Bytes{0x30, 0x00}, Bytes(64, 1), {}});
     }},
    {"reserve above what a session key can do", [](IssuancePlan& p) { p.reserve.target_operations = 16000; }},
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
    {"issuer URI of 1000 bytes", [](IssuancePlan& p) { p.issuer_uri = "https:" + std::string(994, 'x'); }},
    {"longest life time", [](IssuancePlan& p) { p.session_life_time = 32767; }},
    {"all languages", [](IssuancePlan& p) { p.preferred_languages = std::vector<std::string>(184, "en"); }},
    {"all containers",
     [](IssuancePlan& p) {
       p.target_key_containers = {4, 3, 2, 1, 0};
     }},
    {"50 queries", [](IssuancePlan& p) { p.capability_queries = queries(50); }},
    {"asks an attested device for its identity",
     [](IssuancePlan& p) { p.capability_queries = {std::string(kImeiNumber)}; }},
    {"discovery and keys", look_for_keys},
    {"discovery alone",
     [](IssuancePlan& p) {
       without_keys(p);
       look_for_keys(p);
     }},
    {"discovery to unlock",
     [](IssuancePlan& p) {
       without_keys(p);
       look_for_keys(p);
       p.action = kActionUnlock;
     }},
    {"20 lookups, one of them by an RSA key",
     [](IssuancePlan& p) {
       look_for_keys(p);
       p.lookups.resize(20, p.lookups.front());
       p.lookups.back().key_management_key = public_key(kRsa2048);
     }},
    {"deferred", [](IssuancePlan& p) { p.deferred_issuance = true; }},
    {"P-384 key management key", [](IssuancePlan& p) { p.key_management_key = public_key(kP384); }},
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
    // The time in milliseconds, in hexadecimal. Spec: keygen2.md 4.1
    CHECK(session->server_session_id().starts_with("1a3185c5000"));
    CHECK(session->client_session_id().empty());
  }
}

namespace {

/// A chain of `depth` generations below the newest key, and `siblings` more keys next to the last one.
IssuancePlan roll_over_plan(TestAuthority& authority, int depth, int siblings) {
  std::vector<Bytes> keys;
  for (int i = 0; i <= depth; ++i) keys.push_back(authority.add_management_key());
  std::vector<RollOver> below;
  for (auto older = keys.rbegin(); older + 1 != keys.rend(); ++older) {
    std::vector<RollOver> level;
    level.push_back(authority.roll_over(*older, *(older + 1), std::move(below)));
    if (older == keys.rbegin())
      for (int i = 0; i < siblings; ++i)
        level.push_back(authority.roll_over(authority.add_management_key(), *(older + 1)));
    below = std::move(level);
  }
  IssuancePlan plan = plan_with_key();
  plan.key_management_key = keys.front();
  plan.roll_overs = std::move(below);
  return plan;
}

std::string_view start_of(const IssuancePlan& plan) {
  const FakeClock clock(kNow);
  const auto session = IssuerSession::start(plan, {clock, system_random(), {Bytes{1}}});
  return session ? std::string_view() : to_string(session.error().error_class);
}

}  // namespace

TEST_CASE("IssuancePlan: a roll-over is as deep and as wide as clients accept [keygen2.md 7.10, B]") {
  struct Case {
    int depth;
    int siblings;
    const char* expected;
  };
  constexpr auto kCases = std::to_array<Case>(
      {{1, 0, ""}, {8, 0, ""}, {9, 0, "VALUE"}, {1, 15, ""}, {1, 16, "VALUE"}, {8, 8, ""}, {8, 9, "VALUE"}});
  for (const Case& c : kCases) {
    CAPTURE(c.depth);
    CAPTURE(c.siblings);
    TestAuthority authority;
    CHECK(start_of(roll_over_plan(authority, c.depth, c.siblings)) == c.expected);
  }
}

TEST_CASE("IssuancePlan: an authorization of a roll-over is verified before it is sent [keygen2.md 7.10]") {
  TestAuthority authority;
  const IssuancePlan good = roll_over_plan(authority, 3, 1);
  struct Case {
    const char* name;
    void (*change)(TestAuthority&, IssuancePlan&);
  };
  const std::vector<Case> cases{
      {"altered", [](TestAuthority&, IssuancePlan& p) { p.roll_overs[0].authorization[5] ^= 1; }},
      {"empty", [](TestAuthority&, IssuancePlan& p) { p.roll_overs[0].authorization.clear(); }},
      {"a byte too long", [](TestAuthority&, IssuancePlan& p) { p.roll_overs[0].authorization.push_back(0); }},
      {"of the second generation altered",
       [](TestAuthority&, IssuancePlan& p) { p.roll_overs[0].older[0].authorization[5] ^= 1; }},
      {"of a sibling in the third generation altered",
       [](TestAuthority&, IssuancePlan& p) { p.roll_overs[0].older[0].older[1].authorization[5] ^= 1; }},
      {"of the second generation over the newest key, not over the one above",
       [](TestAuthority& a, IssuancePlan& p) {
         RollOver& second = p.roll_overs[0].older[0];
         second.authorization = a.roll_over(second.key_management_key, p.key_management_key).authorization;
       }},
      {"by the newer key over the older one",
       [](TestAuthority& a, IssuancePlan& p) {
         p.roll_overs[0].authorization =
             a.roll_over(p.key_management_key, p.roll_overs[0].key_management_key).authorization;
       }},
      {"over another newest key",
       [](TestAuthority& a, IssuancePlan& p) { p.key_management_key = a.add_management_key(); }},
  };
  REQUIRE(start_of(good) == "");
  for (const Case& c : cases) {
    CAPTURE(c.name);
    IssuancePlan plan = roll_over_plan(authority, 3, 1);
    c.change(authority, plan);
    CHECK(start_of(plan) == "CRYPTO");
  }
}

TEST_CASE("IssuancePlan: RSA keys roll over to EC keys and back") {
  TestAuthority authority;
  const Bytes newest = authority.add_management_key(kP256);
  const Bytes middle = authority.add_management_key(kRsa2048);
  const Bytes oldest = authority.add_management_key(kP256);
  IssuancePlan plan = plan_with_key();
  plan.key_management_key = newest;
  std::vector<RollOver> below;
  below.push_back(authority.roll_over(oldest, middle));
  plan.roll_overs.push_back(authority.roll_over(middle, newest, std::move(below)));
  CHECK(start_of(plan) == "");
}

TEST_CASE("IssuancePlan: each operation uses the session key as often as keygen2.md 7.9 says") {
  struct Case {
    const char* name;
    void (*change)(IssuancePlan&);
    std::size_t cost;
  };
  // Beside closeProvisioningSession, 2. A key: createKeyEntry 2, or 3 with a preset PIN, and setCertificatePath 1.
  const std::vector<Case> cases{
      {"key", [](IssuancePlan& p) { p.keys.push_back(key_spec()); }, 3},
      {"user-defined PIN",
       [](IssuancePlan& p) {
         p.pin_policies.emplace_back();
         p.pin_policies.back().keys.push_back(key_spec());
       },
       1 + 3},
      {"preset PIN",
       [](IssuancePlan& p) {
         p.pin_policies.emplace_back();
         p.pin_policies.back().keys.push_back(key_spec());
         p.pin_policies.back().keys.back().preset_pin = secret("1357");
       },
       1 + 4},
      {"PUK",
       [](IssuancePlan& p) {
         p.puk_policies.emplace_back();
         p.puk_policies.back().puk = secret("1357");
         p.puk_policies.back().pin_policies.emplace_back();
         p.puk_policies.back().pin_policies.back().keys.push_back(key_spec());
         p.puk_policies.back().pin_policies.back().keys.push_back(key_spec());
       },
       2 + 1 + 3 + 3},
      {"import", [](IssuancePlan& p) { p.reserve.imported_keys = 3; }, 3 * 2},
      {"extensions", [](IssuancePlan& p) { p.reserve.extensions = 3; }, 3 * 1},
      {"encrypted extensions", [](IssuancePlan& p) { p.reserve.encrypted_extensions = 3; }, 3 * 2},
      {"operations on other keys", [](IssuancePlan& p) { p.reserve.target_operations = 3; }, 3 * 2},
  };
  CHECK(session_key_uses(IssuancePlan()) == 2);
  for (const Case& c : cases) {
    CAPTURE(c.name);
    IssuancePlan plan;
    c.change(plan);
    CHECK(session_key_uses(plan) == 2 + c.cost);
  }
}

TEST_CASE("TargetRules: which operations may have the same target [keygen2.md 7.11, sks-extensions.md]") {
  using enum TargetOperation;
  constexpr auto kAll = std::to_array({clone, update, unlock, remove, activate, deactivate});
  // Delete excludes all others, update another update and, as other issuers have it, a clone; unlock another unlock.
  // Of suspending and bringing back only one can be meant.
  constexpr std::array<std::array<bool, 6>, 6> kAllowed{{
      {true, false, true, false, true, true},
      {false, false, true, false, true, true},
      {true, true, false, false, true, true},
      {false, false, false, false, false, false},
      {true, true, true, false, false, false},
      {true, true, true, false, false, false},
  }};
  const Bytes target{1, 2, 3};
  for (std::size_t i = 0; i < kAll.size(); ++i) {
    for (std::size_t j = 0; j < kAll.size(); ++j) {
      CAPTURE(i);
      CAPTURE(j);
      TargetRules rules;
      REQUIRE(rules.add(target, kAll.at(i)));
      const auto second = rules.add(target, kAll.at(j));
      CHECK(static_cast<bool>(second) == kAllowed.at(i).at(j));
      if (!second) CHECK(second.error().error_class == ErrorClass::value);
      CHECK(rules.add(Bytes{1, 2, 4}, kAll.at(j)));
    }
  }
}
