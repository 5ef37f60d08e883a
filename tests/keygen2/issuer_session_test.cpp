#include <doctest/doctest.h>

#include "keygen2/messages.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/private_key.h"
#include "tests/keygen2/enrolment.h"
#include "tests/keygen2/json_edit.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

/// The value at a place with its first character changed, still base64url.
std::string flipped(const std::string& message, const std::string& pointer) {
  std::string value = edit::get(message, pointer);
  value.front() = value.front() == 'A' ? 'B' : 'A';
  return edit::with(message, pointer, quoted(value));
}

/// A point of P-256 that nobody has used in the session.
std::string fresh_key() {
  const auto key = crypto::PrivateKey::generate(*find_algorithm(kP256));
  REQUIRE(key);
  return R"({"kty":"EC","crv":"P-256","x":")" + to_base64url(key->public_key().ec_x()) + R"(","y":")" +
         to_base64url(key->public_key().ec_y()) + "\"}";
}

IssuancePlan two_keys() {
  IssuancePlan plan = plan_with_key();
  plan.keys.push_back(key_spec());
  return plan;
}

struct Manipulation {
  const char* name;
  int messages;  ///< passed on before: 1, 3, 5 or 7
  std::string (*change)(const std::string&);
  ErrorClass expected;
};

const std::vector<Manipulation> kManipulations{
    {"I-1: another session", 1, [](const std::string& m) { return edit::with(m, "/serverSessionId", R"("other")"); },
     ErrorClass::session},
    {"I-1: answers nobody asked for", 1,
     [](const std::string& m) {
       return edit::with(m, "/clientCapabilities", R"([{"type":"urn:x","supported":true}])");
     },
     ErrorClass::value},
    {"I-2: another session", 3, [](const std::string& m) { return edit::with(m, "/serverSessionId", R"("other")"); },
     ErrorClass::session},
    {"I-2: the same serverTime written differently", 3,
     [](const std::string& m) { return edit::with(m, "/serverTime", R"("2027-01-15T08:00:01Z")"); }, ErrorClass::value},
    {"I-2: deviceId left out", 3, [](const std::string& m) { return edit::without(m, "/deviceId"); },
     ErrorClass::value},
    {"I-2: device certificate altered", 3,
     [](const std::string& m) { return flipped(m, "/deviceId/certificatePath/0"); }, ErrorClass::crypto},
    {"I-2: path without links", 3,
     [](const std::string& m) {
       const Enrolment stranger(plan_with_key());
       return edit::with(m, "/deviceId/certificatePath/1",
                         quoted(to_base64url(stranger.identity.certificate_path().front())));
     },
     ErrorClass::crypto},
    {"I-2: ephemeral key of another type", 3,
     [](const std::string& m) {
       return edit::with(m, "/clientEphemeralKey",
                         R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
     },
     ErrorClass::crypto},
    {"I-2: ephemeral key on another curve", 3,
     [](const std::string& m) {
       const auto key =
           crypto::PrivateKey::generate(*find_algorithm("https://webpki.github.io/sks/algorithm#ec.nist.p384"));
       REQUIRE(key);
       return edit::with(m, "/clientEphemeralKey",
                         R"({"kty":"EC","crv":"P-384","x":")" + to_base64url(key->public_key().ec_x()) + R"(","y":")" +
                             to_base64url(key->public_key().ec_y()) + "\"}");
     },
     ErrorClass::crypto},
    {"I-2: another ephemeral key", 3,
     [](const std::string& m) { return edit::with(m, "/clientEphemeralKey", fresh_key()); }, ErrorClass::crypto},
    {"I-2: attestation altered", 3, [](const std::string& m) { return flipped(m, "/attestation"); },
     ErrorClass::crypto},
    {"I-2: clientSessionId altered", 3,
     [](const std::string& m) { return edit::with(m, "/clientSessionId", R"("other")"); }, ErrorClass::crypto},
    {"I-2: clientTime altered", 3,
     [](const std::string& m) { return edit::with(m, "/clientTime", R"("2027-01-15T08:00:01+00:00")"); },
     ErrorClass::crypto},
    {"I-4: another server session", 5,
     [](const std::string& m) { return edit::with(m, "/serverSessionId", R"("other")"); }, ErrorClass::session},
    {"I-4: another client session", 5,
     [](const std::string& m) { return edit::with(m, "/clientSessionId", R"("other")"); }, ErrorClass::session},
    {"I-4: a key is missing", 5, [](const std::string& m) { return edit::without(m, "/generatedKeys/1"); },
     ErrorClass::value},
    {"I-4: another id", 5, [](const std::string& m) { return edit::with(m, "/generatedKeys/1/id", R"("Key.3")"); },
     ErrorClass::value},
    {"I-4: ids exchanged", 5,
     [](const std::string& m) {
       return edit::with(edit::with(m, "/generatedKeys/0/id", R"("Key.2")"), "/generatedKeys/1/id", R"("Key.1")");
     },
     ErrorClass::value},
    {"I-4: key of another type", 5,
     [](const std::string& m) {
       return edit::with(m, "/generatedKeys/0/publicKey",
                         R"({"kty":"RSA","n":")" + to_base64url(Bytes(256, 0xC1)) + R"(","e":"AQAB"})");
     },
     ErrorClass::value},
    {"I-4: another key", 5,
     [](const std::string& m) { return edit::with(m, "/generatedKeys/0/publicKey", fresh_key()); }, ErrorClass::crypto},
    {"I-4: attestation altered", 5, [](const std::string& m) { return flipped(m, "/generatedKeys/1/attestation"); },
     ErrorClass::crypto},
    {"I-4: attestations exchanged", 5,
     [](const std::string& m) {
       return edit::with(m, "/generatedKeys/0/attestation", quoted(edit::get(m, "/generatedKeys/1/attestation")));
     },
     ErrorClass::crypto},
    {"I-5: another session", 7, [](const std::string& m) { return edit::with(m, "/clientSessionId", R"("other")"); },
     ErrorClass::session},
    {"I-5: attestation altered", 7, [](const std::string& m) { return flipped(m, "/attestation"); },
     ErrorClass::crypto},
};

}  // namespace

TEST_CASE("IssuerSession: a manipulated response is refused with the class of its check, and ends the run") {
  for (const Manipulation& manipulation : kManipulations) {
    CAPTURE(manipulation.name);
    Enrolment run(two_keys());
    run.start();
    const std::string response = run.pass(manipulation.messages);
    const IssuerPhase before = run.issuer->phase();
    const auto result = run.to_issuer(manipulation.change(response));
    REQUIRE_FALSE(result);
    CHECK(to_string(result.error().error_class) == to_string(manipulation.expected));
    CHECK(run.issuer->phase() == before);
    // The genuine response comes too late now.
    const auto late = run.to_issuer(response);
    REQUIRE_FALSE(late);
    CHECK(late.error().error_class == ErrorClass::state);
  }
}

TEST_CASE("IssuerSession: a device identifies itself in privacy enabled mode") {
  Enrolment named(plan_with_key());
  named.start();
  named.pass(3);
  Enrolment run(plan_with_key());
  run.plan.privacy_enabled = true;
  run.start();
  const std::string response = edit::with(run.pass(3), "/deviceId/certificatePath",
                                          "[" + quoted(edit::get(named.last, "/deviceId/certificatePath/0")) + "]");
  const auto result = run.to_issuer(response);
  REQUIRE_FALSE(result);
  CHECK(result.error().error_class == ErrorClass::value);
}

TEST_CASE("IssuerSession: an unattested session is no substitute for an attested one") {
  // A client that leaves out deviceId and attests with the session key itself: the same run in privacy enabled mode.
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

TEST_CASE("IssuerSession: the client was connected to somebody else") {
  for (const bool none : {false, true}) {
    Enrolment run(plan_with_key());
    run.server_certificates = none ? std::vector<Bytes>() : std::vector<Bytes>{Bytes{7}, Bytes{8}};
    run.start();
    const auto result = run.to_issuer(run.pass(3));
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::crypto);
  }
}

TEST_CASE("IssuerSession: clocks more than a day apart are refused with TIME") {
  for (const std::int64_t difference : {-86401, -86400, 86400, 86401}) {
    CAPTURE(difference);
    Enrolment run(plan_with_key());
    run.start();
    const std::string response = run.pass(3);
    run.issuer_clock.set(kNow + difference);
    const auto result = run.to_issuer(response);
    CHECK(static_cast<bool>(result) == (difference == -86400 || difference == 86400));
    if (!result) CHECK(result.error().error_class == ErrorClass::time);
  }
}

TEST_CASE("IssuerSession: what the issuer decides against ends the run with POLICY") {
  Enrolment run(plan_with_key());
  run.start();
  SUBCASE("the device") {
    run.authority.accepts = false;
    const std::string response = run.pass(3);
    // Asked first: nothing else of the response has been used, so a wrong attestation goes unnoticed.
    const auto result = run.to_issuer(flipped(response, "/attestation"));
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::policy);
    CHECK(result.error().detail == "unknown device");
  }
  SUBCASE("a certificate") {
    run.authority.certifies = false;
    const auto result = run.to_issuer(run.pass(5));
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::policy);
  }
}

TEST_CASE("IssuerSession: a certificate for another key is not sent") {
  Enrolment run(plan_with_key());
  run.authority.mistakes_key = true;
  run.start();
  const auto result = run.to_issuer(run.pass(5));
  REQUIRE_FALSE(result);
  CHECK(result.error().error_class == ErrorClass::crypto);
}

TEST_CASE("IssuerSession: a path that no client accepts is not sent") {
  for (const std::size_t certificates : {10U, 11U}) {
    CAPTURE(certificates);
    Enrolment run(plan_with_key());
    run.authority.more_certificates = certificates - 2;
    run.start();
    const auto result = run.to_issuer(run.pass(5));
    CHECK(static_cast<bool>(result) == (certificates == 10));
    if (!result) CHECK(result.error().error_class == ErrorClass::policy);
  }
}

TEST_CASE("IssuerSession: answers to capability queries are complete, unique and of the right form") {
  const std::string ed25519 = "https://webpki.github.io/sks/algorithm#ed25519";
  const std::string yes = R"({"type":")" + ed25519 + R"(","supported":true})";
  struct Case {
    const char* name;
    std::string answers;
    const char* expected;
  };
  const std::vector<Case> cases{
      {"right", "[" + yes + "]", ""},
      {"twice", "[" + yes + "," + yes + "]", "VALUE"},
      {"another one", R"([{"type":"urn:x","supported":true}])", "VALUE"},
      {"refused", R"([{"type":")" + ed25519 + R"(","supported":false}])", "POLICY"},
      {"values", R"([{"type":")" + ed25519 + R"(","values":["x"]}])", "VALUE"},
      {"image", R"([{"type":")" + ed25519 + R"(","imageAttributes":{"mimeType":"a/b","width":1,"height":1}}])",
       "VALUE"},
      {"two forms", R"([{"type":")" + ed25519 + R"(","supported":true,"values":["x"]}])", "JSON"},
      {"no form", R"([{"type":")" + ed25519 + R"("}])", "JSON"},
      {"negative width",
       R"([{"type":")" + ed25519 + R"(","imageAttributes":{"mimeType":"a/b","width":-1,"height":1}}])", "VALUE"},
      {"none", "[]", "JSON"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    IssuancePlan plan = plan_with_key();
    plan.keys[0].key_algorithm = ed25519;
    Enrolment run(std::move(plan));
    run.start();
    const auto result = run.to_issuer(edit::with(run.pass(1), "/clientCapabilities", c.answers));
    CHECK((result ? std::string_view() : to_string(result.error().error_class)) == c.expected);
  }
}

TEST_CASE("IssuerSession: in every phase only one message is expected") {
  Enrolment source(plan_with_key());
  source.start();
  source.pass(7);
  std::vector<std::string> all = source.messages;
  for (const char* const file : {"05-CredentialDiscoveryRequest.json", "06-CredentialDiscoveryResponse.json"})
    all.push_back(read_file(source_file("tests/vectors/keygen2/" + std::string(file))));
  REQUIRE(all.size() == kMessageTypeCount);
  for (int phase = 0; phase <= 4; ++phase) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      CAPTURE(phase);
      CAPTURE(i);
      Enrolment run(plan_with_key());
      run.start();
      run.pass(2 * phase);
      CHECK(static_cast<int>(run.issuer->phase()) == phase);
      const auto result = run.to_issuer(all[i]);
      REQUIRE_FALSE(result);
      const bool expected = phase < 4 && i == static_cast<std::size_t>(2 * phase + 1);
      CHECK((result.error().error_class == ErrorClass::state) != expected);
      if (expected) CHECK(result.error().error_class == ErrorClass::session);  // of the other run
    }
  }
}

TEST_CASE("IssuerSession: only a complete save is restored") {
  Enrolment run(plan_with_key());
  run.start();
  run.pass(4);
  const SecureBytes saved = run.issuer->save();
  REQUIRE(IssuerSession::restore(saved));
  for (std::size_t size = 0; size < saved.size(); ++size) {
    const auto restored = IssuerSession::restore(SecureBytes::copy_of(saved.view().first(size)));
    REQUIRE_FALSE(restored);
    CHECK(restored.error().error_class == ErrorClass::value);
  }
  Bytes longer = to_bytes(saved.view());
  longer.push_back(0);
  CHECK_FALSE(IssuerSession::restore(SecureBytes::copy_of(longer)));
  Bytes other_version = to_bytes(saved.view());
  other_version.front() = 2;
  CHECK_FALSE(IssuerSession::restore(SecureBytes::copy_of(other_version)));
  Bytes other_phase = to_bytes(saved.view());
  other_phase.at(5) = 0;  // after version and length: the phase, with data of another one
  CHECK_FALSE(IssuerSession::restore(SecureBytes::copy_of(other_phase)));
}

TEST_CASE("IssuerSession: a damaged save is refused, or gives a run that fails or goes on") {
  for (int messages = 1; messages <= 7; messages += 2) {
    IssuancePlan plan = plan_with_key();
    PukPolicySpec puk;
    puk.puk = secret("12345678");
    PinPolicySpec preset;
    preset.keys.push_back(key_spec());
    preset.keys.back().preset_pin = secret("1357");
    puk.pin_policies.push_back(std::move(preset));
    plan.puk_policies.push_back(std::move(puk));
    Enrolment run(std::move(plan));
    run.start();
    const std::string response = run.pass(messages);
    const Bytes saved = to_bytes(run.issuer->save().view());
    for (std::size_t at = 0; at < saved.size(); ++at) {
      CAPTURE(messages);
      CAPTURE(at);
      Bytes damaged = saved;
      damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ (at % 3 == 0 ? 0xFF : 1U << (at % 8)));
      auto restored = IssuerSession::restore(SecureBytes::copy_of(damaged));
      if (!restored) continue;
      CHECK(equal(restored->save().view(), damaged));
      run.issuer.emplace(std::move(restored).value());
      CHECK_NOTHROW(static_cast<void>(run.to_issuer(response)));
    }
  }
}

TEST_CASE("IssuerSession: a run that failed or finished holds no secret, also after restoring it") {
  Enrolment run(plan_with_key());
  run.start();
  SUBCASE("failed") {
    const std::string response = run.pass(5);
    CHECK_FALSE(run.to_issuer("{}"));
    const SecureBytes saved = run.issuer->save();
    CHECK(saved.size() < 1000);
    run.saves_issuer = true;
    const auto late = run.to_issuer(response);
    REQUIRE_FALSE(late);
    CHECK(late.error().error_class == ErrorClass::state);
  }
  SUBCASE("finished") {
    run.pass(8);
    run.saves_issuer = true;
    const auto again = run.to_issuer(run.messages.at(7));
    REQUIRE_FALSE(again);
    CHECK(again.error().error_class == ErrorClass::state);
    CHECK(run.issuer->phase() == IssuerPhase::done);
  }
}

TEST_CASE("IssuerSession: an exception ends the run like any failure") {
  Enrolment run(plan_with_key());
  run.start();
  const std::string response = run.pass(5);
  run.authority.runs_out_of_memory = true;
  CHECK_THROWS_AS(static_cast<void>(run.to_issuer(response)), std::bad_alloc);
  run.authority.runs_out_of_memory = false;
  const auto late = run.to_issuer(response);
  REQUIRE_FALSE(late);
  CHECK(late.error().error_class == ErrorClass::state);
}

TEST_CASE("IssuerSession: messages above 1 MiB are refused unread") {
  Enrolment run(plan_with_key());
  run.start();
  const std::string response = run.pass(1);
  const auto result = run.to_issuer(response + std::string(kMaxMessageToIssuer, ' '));
  REQUIRE_FALSE(result);
  CHECK(result.error().error_class == ErrorClass::json);
}
