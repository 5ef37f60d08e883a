#include <doctest/doctest.h>

#include <memory>

#include "keygen2/enumerations.h"
#include "keygen2/messages.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/private_key.h"
#include "tests/keygen2/enrolment.h"
#include "tests/keygen2/json_edit.h"

// The issuer's checks of keygen2.md chapter 1.5, and its other rules about responses.
using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

constexpr const char* kP384 = "https://webpki.github.io/sks/algorithm#ec.nist.p384";
constexpr const char* kOsVendor = "https://webpki.github.io/keygen2/clientattr#os-vendor";
constexpr const char* kCard = "https://webpki.github.io/keygen2/logotype#card";

std::string text_json(const std::string& text) { return "\"" + text + "\""; }

/// The value at a place with its first character changed, still base64url.
std::string flipped(const std::string& message, const std::string& pointer) {
  std::string value = edit::get(message, pointer);
  value.front() = value.front() == 'A' ? 'B' : 'A';
  return edit::with(message, pointer, text_json(value));
}

crypto::PrivateKey new_key(const char* algorithm, ByteView parameters = {}) {
  auto key = crypto::PrivateKey::generate(*find_algorithm(algorithm), parameters);
  REQUIRE(key);
  return std::move(key).value();
}

/// A public key that nobody has used in the session.
std::string fresh_key(const char* algorithm, const std::string& curve) {
  const crypto::PublicKey key = new_key(algorithm).public_key();
  return R"({"kty":"EC","crv":")" + curve + R"(","x":")" + to_base64url(key.ec_x()) + R"(","y":")" +
         to_base64url(key.ec_y()) + "\"}";
}

std::string fresh_certificate() {
  const Enrolment stranger(plan_with_key());
  return text_json(to_base64url(stranger.identity.certificate_path().front()));
}

std::string other_server(const std::string& m) { return edit::with(m, "/serverSessionId", R"("other")"); }
std::string other_client(const std::string& m) { return edit::with(m, "/clientSessionId", R"("other")"); }

/// The identifiers in another case. They are compared as they are: none has a letter of its own that would not change.
std::string other_case(const std::string& m, const std::string& pointer) {
  std::string value = edit::get(m, pointer);
  for (char& c : value) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return edit::with(m, pointer, text_json(value));
}

/// What is running when a response is manipulated.
enum class Scene : std::uint8_t { two_keys, queries, discovery };

std::unique_ptr<Enrolment> run_of(Scene scene) {
  IssuancePlan plan = plan_with_key();
  plan.keys.push_back(key_spec());
  if (scene == Scene::queries) plan.capability_queries = {kBiometricFeature.data(), kOsVendor};
  auto run = std::make_unique<Enrolment>(std::move(plan));
  if (scene == Scene::discovery) {
    const Bytes management_key = run->authority.add_management_key();
    run->plan.key_management_key = management_key;
    run->start();
    run->pass_all();
    IssuancePlan next = plan_with_lookup(management_key);
    next.lookups.push_back({management_key, SearchFilter()});
    next.lookups.back().filter->subject_reg_ex = "CN=Key\\.1";
    run->start_another(std::move(next));
    return run;
  }
  run->start();
  return run;
}

struct Manipulation {
  const char* name;
  Scene scene;
  int messages;  ///< passed on before: 1, 3, 5 or 7
  std::string (*change)(const std::string&);
  ErrorClass expected;
};

const std::vector<Manipulation> kManipulations{
    {"[keygen2.md I-1.1] another session", Scene::two_keys, 1, other_server, ErrorClass::session},
    {"[keygen2.md I-1.1] the session in capitals", Scene::two_keys, 1,
     [](const std::string& m) { return other_case(m, "/serverSessionId"); }, ErrorClass::session},
    {"[keygen2.md I-1.2] an answer that nobody asked for", Scene::two_keys, 1,
     [](const std::string& m) {
       return edit::with(m, "/clientCapabilities", R"([{"type":"urn:x","supported":true}])");
     },
     ErrorClass::value},
    {"[keygen2.md I-1.2] an answer is missing", Scene::queries, 1,
     [](const std::string& m) { return edit::without(m, "/clientCapabilities/1"); }, ErrorClass::value},
    {"[keygen2.md I-1.2] all answers are missing", Scene::queries, 1,
     [](const std::string& m) { return edit::without(m, "/clientCapabilities"); }, ErrorClass::value},
    {"[keygen2.md I-1.2] an answer too many", Scene::queries, 1,
     [](const std::string& m) {
       return edit::with(m, "/clientCapabilities/2", R"({"type":"urn:x","supported":false})");
     },
     ErrorClass::value},
    {"[keygen2.md I-1.3] one query is answered twice, one not at all", Scene::queries, 1,
     [](const std::string& m) {
       return edit::with(m, "/clientCapabilities/1/type", text_json(kBiometricFeature.data()));
     },
     ErrorClass::value},
    {"[keygen2.md I-1.3] an answer to something else", Scene::queries, 1,
     [](const std::string& m) { return edit::with(m, "/clientCapabilities/1/type", R"("urn:x")"); }, ErrorClass::value},

    {"[keygen2.md I-2.1] another session", Scene::two_keys, 3, other_server, ErrorClass::session},
    {"[keygen2.md I-2.2] serverTime of a second later", Scene::two_keys, 3,
     [](const std::string& m) { return edit::with(m, "/serverTime", R"("2027-01-15T08:00:01Z")"); }, ErrorClass::value},
    {"[keygen2.md I-2.2] the same serverTime written differently", Scene::two_keys, 3,
     [](const std::string& m) { return edit::with(m, "/serverTime", R"("2027-01-15T08:00:00.0Z")"); },
     ErrorClass::value},
    {"[keygen2.md I-2.3] deviceId left out", Scene::two_keys, 3,
     [](const std::string& m) { return edit::without(m, "/deviceId"); }, ErrorClass::value},
    {"[keygen2.md I-2.4] device certificate altered", Scene::two_keys, 3,
     [](const std::string& m) { return flipped(m, "/deviceId/certificatePath/0"); }, ErrorClass::crypto},
    {"[keygen2.md I-2.4] path without links", Scene::two_keys, 3,
     [](const std::string& m) { return edit::with(m, "/deviceId/certificatePath/1", fresh_certificate()); },
     ErrorClass::crypto},
    {"[keygen2.md I-2.6] ephemeral key of another type", Scene::two_keys, 3,
     [](const std::string& m) {
       return edit::with(m, "/clientEphemeralKey",
                         R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
     },
     ErrorClass::crypto},
    {"[keygen2.md I-2.6] ephemeral key on another curve", Scene::two_keys, 3,
     [](const std::string& m) { return edit::with(m, "/clientEphemeralKey", fresh_key(kP384, "P-384")); },
     ErrorClass::crypto},
    {"[keygen2.md I-2.6] ephemeral key that is no point", Scene::two_keys, 3,
     [](const std::string& m) { return flipped(m, "/clientEphemeralKey/y"); }, ErrorClass::crypto},
    {"[keygen2.md I-2.7] another device certificate", Scene::two_keys, 3,
     [](const std::string& m) { return edit::with(m, "/deviceId/certificatePath", "[" + fresh_certificate() + "]"); },
     ErrorClass::crypto},
    {"[keygen2.md I-2.7] another ephemeral key", Scene::two_keys, 3,
     [](const std::string& m) { return edit::with(m, "/clientEphemeralKey", fresh_key(kP256, "P-256")); },
     ErrorClass::crypto},
    {"[keygen2.md I-2.7] attestation altered", Scene::two_keys, 3,
     [](const std::string& m) { return flipped(m, "/attestation"); }, ErrorClass::crypto},
    {"[keygen2.md I-2.7] clientSessionId altered", Scene::two_keys, 3, other_client, ErrorClass::crypto},
    {"[keygen2.md I-2.7] clientTime altered", Scene::two_keys, 3,
     [](const std::string& m) { return edit::with(m, "/clientTime", R"("2027-01-15T08:00:01+00:00")"); },
     ErrorClass::crypto},

    {"[keygen2.md I-3.1] another server session", Scene::discovery, 5, other_server, ErrorClass::session},
    {"[keygen2.md I-3.1] another client session", Scene::discovery, 5, other_client, ErrorClass::session},
    {"[keygen2.md I-3.2] an answer is missing", Scene::discovery, 5,
     [](const std::string& m) { return edit::without(m, "/lookupResults/1"); }, ErrorClass::value},
    {"[keygen2.md I-3.2] an answer to something else", Scene::discovery, 5,
     [](const std::string& m) { return edit::with(m, "/lookupResults/1/id", R"("Lookup.3")"); }, ErrorClass::value},
    {"[keygen2.md I-3.2] one lookup is answered twice, one not at all", Scene::discovery, 5,
     [](const std::string& m) { return edit::with(m, "/lookupResults/1/id", R"("Lookup.1")"); }, ErrorClass::value},
    {"[keygen2.md I-3.2] an answer too many", Scene::discovery, 5,
     [](const std::string& m) {
       return edit::with(m, "/lookupResults/2", R"({"id":"Lookup.3","matchingCredentials":[]})");
     },
     ErrorClass::value},
    {"[keygen2.md I-3.3] a path without links", Scene::discovery, 5,
     [](const std::string& m) {
       return edit::with(m, "/lookupResults/0/matchingCredentials/0/certificatePath/1", fresh_certificate());
     },
     ErrorClass::crypto},
    {"[keygen2.md I-3.3] no certificate", Scene::discovery, 5,
     [](const std::string& m) {
       return edit::with(m, "/lookupResults/0/matchingCredentials/0/certificatePath/0", R"("AAAA")");
     },
     ErrorClass::crypto},

    {"[keygen2.md I-4.1] another server session", Scene::two_keys, 5, other_server, ErrorClass::session},
    {"[keygen2.md I-4.1] another client session", Scene::two_keys, 5, other_client, ErrorClass::session},
    {"[keygen2.md I-4.2] a key is missing", Scene::two_keys, 5,
     [](const std::string& m) { return edit::without(m, "/generatedKeys/1"); }, ErrorClass::value},
    {"[keygen2.md I-4.2] another id", Scene::two_keys, 5,
     [](const std::string& m) { return edit::with(m, "/generatedKeys/1/id", R"("Key.3")"); }, ErrorClass::value},
    {"[keygen2.md I-4.2] ids exchanged", Scene::two_keys, 5,
     [](const std::string& m) {
       return edit::with(edit::with(m, "/generatedKeys/0/id", R"("Key.2")"), "/generatedKeys/1/id", R"("Key.1")");
     },
     ErrorClass::value},
    {"[keygen2.md I-4.3] key of another type", Scene::two_keys, 5,
     [](const std::string& m) {
       return edit::with(m, "/generatedKeys/0/publicKey",
                         R"({"kty":"RSA","n":")" + to_base64url(Bytes(256, 0xC1)) + R"(","e":"AQAB"})");
     },
     ErrorClass::value},
    {"[keygen2.md I-4.3] key on another curve", Scene::two_keys, 5,
     [](const std::string& m) { return edit::with(m, "/generatedKeys/0/publicKey", fresh_key(kP384, "P-384")); },
     ErrorClass::value},
    {"[keygen2.md I-4.5] another key", Scene::two_keys, 5,
     [](const std::string& m) { return edit::with(m, "/generatedKeys/0/publicKey", fresh_key(kP256, "P-256")); },
     ErrorClass::crypto},
    {"[keygen2.md I-4.5] attestation altered", Scene::two_keys, 5,
     [](const std::string& m) { return flipped(m, "/generatedKeys/1/attestation"); }, ErrorClass::crypto},
    {"[keygen2.md I-4.5] attestation of the other key", Scene::two_keys, 5,
     [](const std::string& m) {
       return edit::with(m, "/generatedKeys/0/attestation", text_json(edit::get(m, "/generatedKeys/1/attestation")));
     },
     ErrorClass::crypto},

    {"[keygen2.md I-5.1] another server session", Scene::two_keys, 7, other_server, ErrorClass::session},
    {"[keygen2.md I-5.1] another client session", Scene::two_keys, 7, other_client, ErrorClass::session},
    {"[keygen2.md I-5.2] attestation altered", Scene::two_keys, 7,
     [](const std::string& m) { return flipped(m, "/attestation"); }, ErrorClass::crypto},
};

std::string_view class_of(const Outcome<std::string>& outcome) {
  return outcome ? std::string_view() : to_string(outcome.error().error_class);
}

}  // namespace

TEST_CASE("IssuerSession: a manipulated response is refused with the class of its check, and ends the run") {
  for (const Manipulation& manipulation : kManipulations) {
    CAPTURE(manipulation.name);
    const std::unique_ptr<Enrolment> run = run_of(manipulation.scene);
    const std::string response = run->pass(manipulation.messages);
    const IssuerPhase before = run->issuer->phase();
    const std::string changed = manipulation.change(response);
    REQUIRE_FALSE(edit::same(changed, response));
    CHECK(class_of(run->to_issuer(changed)) == to_string(manipulation.expected));
    CHECK(run->issuer->phase() == before);
    // The genuine response comes too late now.
    CHECK(class_of(run->to_issuer(response)) == "STATE");
  }
}

TEST_CASE("IssuerSession: the runs that are manipulated succeed when they are not") {
  for (const Scene scene : {Scene::two_keys, Scene::queries, Scene::discovery}) {
    const std::unique_ptr<Enrolment> run = run_of(scene);
    run->pass_all();
    CHECK(run->issuer->phase() == IssuerPhase::done);
  }
}

TEST_CASE("IssuerSession: an answer has the form that its query asks for [keygen2.md I-1.4]") {
  const std::string yes = R"("supported":true)";
  const std::string no = R"("supported":false)";
  const std::string values = R"("values":["x"])";
  const std::string image = R"("imageAttributes":{"mimeType":"image/png","width":1,"height":1})";
  struct Case {
    std::string query;
    std::string answer;
    const char* expected;
  };
  const std::string feature(kBiometricFeature);
  const std::vector<Case> cases{
      {feature, yes, ""},
      {feature, no, ""},
      {feature, values, "VALUE"},
      {feature, image, "VALUE"},
      {"urn:unknown", yes, ""},
      {"urn:unknown", no, ""},
      {"urn:unknown", values, "VALUE"},
      {"urn:unknown", image, "VALUE"},
      {kOsVendor, yes, "VALUE"},
      {kOsVendor, no, ""},
      {kOsVendor, values, ""},
      {kOsVendor, image, "VALUE"},
      {kCard, yes, "VALUE"},
      {kCard, no, ""},
      {kCard, values, "VALUE"},
      {kCard, image, ""},
      {feature, yes + "," + values, "JSON"},
      {feature, R"("supported":"true")", "JSON"},
      {kOsVendor, R"("values":[])", "JSON"},
      {kOsVendor, R"("values":[1])", "JSON"},
      {kCard, R"("imageAttributes":{"mimeType":"image/png","width":-1,"height":1})", "VALUE"},
      {kCard, R"("imageAttributes":{"mimeType":"","width":1,"height":1})", "VALUE"},
      {kCard, R"("imageAttributes":{"mimeType":"image/png","width":1})", "JSON"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.query);
    CAPTURE(c.answer);
    IssuancePlan plan = plan_with_key();
    plan.capability_queries = {c.query};
    Enrolment run(std::move(plan));
    run.start();
    const auto result = run.to_issuer(
        edit::with(run.pass(1), "/clientCapabilities", "[{\"type\":" + text_json(c.query) + "," + c.answer + "}]"));
    CHECK(class_of(result) == c.expected);
    if (result) CHECK(run.issuer->capabilities().size() == 1);
  }
}

TEST_CASE("IssuerSession: answers that are too large to be remembered are refused") {
  struct Case {
    const char* name;
    std::string query;
    std::string answer;
    const char* expected;
  };
  const auto values = [](std::size_t count, std::size_t size) {
    std::string list;
    for (std::size_t i = 0; i < count; ++i) list += (i == 0 ? "" : ",") + text_json(std::string(size, 'x'));
    return R"("values":[)" + list + "]";
  };
  const auto image = [](std::size_t size) {
    return R"("imageAttributes":{"mimeType":")" + std::string(size, 'x') + R"(","width":1,"height":1})";
  };
  const std::vector<Case> cases{
      {"largest value", kOsVendor, values(1, 1000), ""},
      {"value", kOsVendor, values(1, 1001), "POLICY"},
      {"value beyond 16 bits", kOsVendor, values(1, 70000), "POLICY"},
      {"most values", kOsVendor, values(100, 1), ""},
      {"values", kOsVendor, values(101, 1), "POLICY"},
      {"values beyond 16 bits", kOsVendor, values(70000, 1), "POLICY"},
      {"largest media type", kCard, image(128), ""},
      {"media type", kCard, image(129), "VALUE"},
      {"media type beyond 16 bits", kCard, image(70000), "VALUE"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    IssuancePlan plan = plan_with_key();
    plan.capability_queries = {c.query};
    Enrolment run(std::move(plan));
    run.start();
    const auto result = run.to_issuer(
        edit::with(run.pass(1), "/clientCapabilities", "[{\"type\":" + text_json(c.query) + "," + c.answer + "}]"));
    CHECK(class_of(result) == c.expected);
    CHECK(IssuerSession::restore(run.issuer->save()));
  }
}

TEST_CASE("IssuerSession: what the plan needs must be supported") {
  struct Case {
    const char* name;
    void (*change)(KeySpec&);
    std::string_view capability;
  };
  const std::vector<Case> cases{
      {"algorithm", [](KeySpec& key) { key.key_algorithm = "https://webpki.github.io/sks/algorithm#ed25519"; },
       "https://webpki.github.io/sks/algorithm#ed25519"},
      {"device PIN", [](KeySpec& key) { key.device_pin_protection = true; }, kDevicePinFeature},
      {"biometrics", [](KeySpec& key) { key.biometric_protection = kBiometricExclusive; }, kBiometricFeature},
  };
  for (const Case& c : cases) {
    for (const bool supported : {true, false}) {
      CAPTURE(c.name);
      CAPTURE(supported);
      IssuancePlan plan = plan_with_key();
      c.change(plan.keys.front());
      Enrolment run(std::move(plan));
      CHECK(edit::get(run.start(), "/clientCapabilityQuery/0") == c.capability);
      const auto result =
          run.to_issuer(edit::with(run.pass(1), "/clientCapabilities/0/supported", supported ? "true" : "false"));
      CHECK(class_of(result) == (supported ? "" : "POLICY"));
    }
  }
}

TEST_CASE("IssuerSession: a device identifies itself in an anonymous session [keygen2.md I-2.3]") {
  Enrolment run(plan_with_key());
  run.plan.privacy_enabled = true;
  run.start();
  const std::string response = edit::with(run.pass(3), "/deviceId/certificatePath", "[" + fresh_certificate() + "]");
  CHECK(class_of(run.to_issuer(response)) == "VALUE");
}

TEST_CASE("IssuerSession: an unattested session is no substitute for an attested one [keygen2.md I-2.3]") {
  // A client that leaves out deviceId and attests with the session key itself: the same run as an anonymous one.
  Enrolment run(plan_with_key());
  const std::string invocation = run.start();
  const auto invoked = run.to_client(edit::with(invocation, "/privacyEnabled", "true"));
  REQUIRE(invoked);
  const auto initialization = run.to_issuer(*invoked);
  REQUIRE(initialization);
  const auto response = run.to_client(*initialization);
  REQUIRE(response);
  const auto result = run.to_issuer(*response);
  REQUIRE_FALSE(result);
  CHECK(result.error().error_class == ErrorClass::value);
  CHECK(result.error().detail == "deviceId is missing");
}

TEST_CASE("IssuerSession: the mode of an attestation is the saved one [keygen2.md I-2.7]") {
  // The unattested session above, with the device certificate put in: its attestation is made with the session key.
  Enrolment run(plan_with_key());
  const auto invoked = run.to_client(edit::with(run.start(), "/privacyEnabled", "true"));
  REQUIRE(invoked);
  const auto initialization = run.to_issuer(*invoked);
  REQUIRE(initialization);
  const auto response = run.to_client(*initialization);
  REQUIRE(response);
  const std::string device = text_json(to_base64url(run.identity.certificate_path().front()));
  CHECK(class_of(run.to_issuer(edit::with(*response, "/deviceId/certificatePath", "[" + device + "]"))) == "CRYPTO");
}

TEST_CASE("IssuerSession: the client was connected to somebody else [keygen2.md I-2.7]") {
  for (const bool none : {false, true}) {
    Enrolment run(plan_with_key());
    run.server_certificates = none ? std::vector<Bytes>() : std::vector<Bytes>{Bytes{7}, Bytes{8}};
    run.start();
    CHECK(class_of(run.to_issuer(run.pass(3))) == "CRYPTO");
  }
}

TEST_CASE("IssuerSession: the device is asked about before anything else is used [keygen2.md I-2.5]") {
  Enrolment run(plan_with_key());
  run.start();
  run.authority.accepts = false;
  const std::string response = run.pass(3);
  // A wrong attestation goes unnoticed.
  const auto result = run.to_issuer(flipped(response, "/attestation"));
  REQUIRE_FALSE(result);
  CHECK(result.error().error_class == ErrorClass::policy);
  CHECK(result.error().detail == "unknown device");
}

TEST_CASE("IssuerSession: a client session id that is on record is refused [keygen2.md I-2.8]") {
  Enrolment run(plan_with_key());
  run.start();
  const std::string response = run.pass(3);
  run.authority.client_sessions_on_record = {edit::get(response, "/clientSessionId")};
  const auto result = run.to_issuer(response);
  REQUIRE_FALSE(result);
  CHECK(result.error().error_class == ErrorClass::session);
  CHECK(run.issuer->client_session_id().empty());
}

TEST_CASE("IssuerSession: clocks more than a day apart are refused [keygen2.md I-2.9]") {
  for (const std::int64_t difference : {-86401, -86400, 86400, 86401}) {
    CAPTURE(difference);
    Enrolment run(plan_with_key());
    run.start();
    const std::string response = run.pass(3);
    run.issuer_clock.set(kNow + difference);
    const bool within = difference == -86400 || difference == 86400;
    CHECK(class_of(run.to_issuer(response)) == (within ? "" : "TIME"));
  }
}

TEST_CASE("IssuerSession: a found key that is not this issuer's is refused [keygen2.md I-3.4]") {
  const std::unique_ptr<Enrolment> run = run_of(Scene::discovery);
  const std::string response = run->pass(5);
  run->authority.recognizes = false;
  CHECK(class_of(run->to_issuer(response)) == "POLICY");
}

TEST_CASE("IssuerSession: the answers to lookups may come in any order [keygen2.md I-3.2]") {
  const std::unique_ptr<Enrolment> run = run_of(Scene::discovery);
  const std::string response = run->pass(5);
  CHECK(edit::get(response, "/lookupResults/1/id") == "Lookup.2");
  std::string exchanged = edit::with(response, "/lookupResults/0/id", R"("Lookup.2")");
  exchanged = edit::with(exchanged, "/lookupResults/1/id", R"("Lookup.1")");
  REQUIRE(run->to_issuer(exchanged));
  // Lookup.1 has one match now, and comes first.
  REQUIRE(run->authority.found.size() == 3);
  CHECK(run->authority.found[0].lookup == 0);
  CHECK(run->authority.found[1].lookup == 1);
  CHECK(run->authority.found[2].lookup == 1);
}

TEST_CASE("IssuerSession: an RSA key with another exponent is refused [keygen2.md I-4.4]") {
  struct Case {
    const char* algorithm;
    Bytes asked;  ///< keyParameters
    Bytes made;
    const char* expected;
  };
  const std::string with_exponent = std::string(kRsa2048) + ".exp";
  const std::vector<Case> cases{
      {kRsa2048, {}, {0x01, 0x00, 0x01}, ""},
      {kRsa2048, {}, {0x03}, "VALUE"},
      {with_exponent.c_str(), {0x03}, {0x03}, ""},
      {with_exponent.c_str(), {0x03}, {0x01, 0x00, 0x01}, "VALUE"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.algorithm);
    CAPTURE(c.made.size());
    IssuancePlan plan = plan_with_key();
    plan.keys.front() = key_spec(c.algorithm);
    plan.keys.front().key_parameters = c.asked;
    Enrolment run(std::move(plan));
    run.start();
    const std::string request = run.pass(4);
    run.key_source.queue(new_key(with_exponent.c_str(), c.made));
    const auto response = run.to_client(request);
    REQUIRE(response);
    CHECK(class_of(run.to_issuer(*response)) == c.expected);
  }
}

TEST_CASE("IssuerSession: one key for two entries is refused [keygen2.md I-4.6]") {
  const std::unique_ptr<Enrolment> run = run_of(Scene::two_keys);
  const std::string request = run->pass(4);
  const auto key = new_key(kP256).to_pkcs8();
  REQUIRE(key);
  for (int i = 0; i < 2; ++i) run->key_source.queue(crypto::PrivateKey::from_pkcs8(key->view()).value());
  const auto response = run->to_client(request);
  REQUIRE(response);
  REQUIRE(edit::get(*response, "/generatedKeys/0/publicKey/x") == edit::get(*response, "/generatedKeys/1/publicKey/x"));
  CHECK(class_of(run->to_issuer(*response)) == "POLICY");
}

TEST_CASE("IssuerSession: a key that the authority does not certify ends the run [keygen2.md I-4.6]") {
  const std::unique_ptr<Enrolment> run = run_of(Scene::two_keys);
  run->authority.certifies = false;
  CHECK(class_of(run->to_issuer(run->pass(5))) == "POLICY");
}

TEST_CASE("IssuerSession: messages above 1 MiB are refused unread") {
  Enrolment run(plan_with_key());
  run.start();
  const std::string response = run.pass(1);
  CHECK(class_of(run.to_issuer(response + std::string(kMaxMessageToIssuer, ' '))) == "JSON");
}
