#include "keygen2/client_session.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "keygen2/messages.h"
#include "tests/keygen2/enrolment.h"
#include "tests/keygen2/json_edit.h"
#include "tests/support/temp_dir.h"

using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

/// A PUK, a PIN policy with two keys, and a key without PIN.
IssuancePlan rich_plan() {
  IssuancePlan plan = plan_with_key();
  PukPolicySpec puk;
  puk.puk = secret("12345678");
  PinPolicySpec policy;
  policy.grouping = 1;
  policy.keys.push_back(key_spec());
  policy.keys.push_back(key_spec());
  puk.pin_policies.push_back(std::move(policy));
  plan.puk_policies.push_back(std::move(puk));
  return plan;
}

std::string vector_message(const std::string& file) { return read_file(source_file("tests/vectors/keygen2/" + file)); }

const std::string kPuk = "/pukPolicySpecifiers/0";
const std::string kPin = kPuk + "/pinPolicySpecifiers/0";
const std::string kKey = kPin + "/keyEntrySpecifiers/0";
const std::string kTopKey = "/keyEntrySpecifiers/0";

struct Manipulation {
  const char* name;
  int messages;  ///< passed on before: 0, 2, 4 or 6
  std::string pointer;
  std::string value;  ///< empty: the property is left out
  ErrorClass expected;
};

const std::vector<Manipulation> kManipulations{
    {"C-1: context", 0, "/@context", R"("https://webpki.github.io/keygen2")", ErrorClass::json},
    {"C-1: unknown qualifier", 0, "/@qualifier", R"("InvocationRequest2")", ErrorClass::json},
    {"C-1: unknown action", 0, "/action", R"("Manage")", ErrorClass::value},
    {"C-1: id", 0, "/serverSessionId", R"("a b")", ErrorClass::value},
    {"C-1: no such container", 0, "/targetKeyContainers", R"(["uicc","sdcard"])", ErrorClass::policy},
    {"C-1: unknown container", 0, "/targetKeyContainers", R"(["cloud"])", ErrorClass::value},
    {"C-1: container twice", 0, "/targetKeyContainers", R"(["software","software"])", ErrorClass::value},
    {"C-1: no languages", 0, "/preferredLanguages", "[]", ErrorClass::json},
    {"C-1: query twice", 0, "/clientCapabilityQuery", R"(["urn:x","urn:x"])", ErrorClass::value},
    {"C-1: query is no URI", 0, "/clientCapabilityQuery", R"(["x"])", ErrorClass::value},
    {"C-1: message signature without its key", 0, "/signature", R"({"algorithm":"ES256","value":"AA"})",
     ErrorClass::crypto},
    {"C-2: another session", 2, "/serverSessionId", R"("other")", ErrorClass::session},
    {"C-2: serverTime with offset", 2, "/serverTime", R"("2027-01-15T08:00:00+00:00")", ErrorClass::value},
    {"C-2: implausible serverTime", 2, "/serverTime", R"("2027-01-16T08:00:01Z")", ErrorClass::time},
    {"C-2: unknown session key algorithm", 2, "/sessionKeyAlgorithm",
     R"("https://webpki.github.io/sks/algorithm#session.2")", ErrorClass::value},
    {"C-2: sessionKeyLimit 0", 2, "/sessionKeyLimit", "0", ErrorClass::value},
    {"C-2: sessionKeyLimit 32768", 2, "/sessionKeyLimit", "32768", ErrorClass::value},
    {"C-2: sessionLifeTime 0", 2, "/sessionLifeTime", "0", ErrorClass::value},
    {"C-2: sessionLifeTime 65536", 2, "/sessionLifeTime", "65536", ErrorClass::value},
    {"C-2: ephemeral key is no EC key", 2, "/serverEphemeralKey",
     R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})", ErrorClass::crypto},
    {"C-2: ephemeral key not on its curve", 2, "/serverEphemeralKey/y",
     R"("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")", ErrorClass::crypto},
    {"C-2: key management key is no RSA or EC key", 2, "/keyManagementKey",
     R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})", ErrorClass::value},
    {"C-2: roll-over without key", 2, "/updatableKeyManagementKeys", "[{}]", ErrorClass::json},
    {"C-4: another server session", 4, "/serverSessionId", R"("other")", ErrorClass::session},
    {"C-4: another client session", 4, "/clientSessionId", R"("other")", ErrorClass::session},
    {"C-4: unknown key entry algorithm", 4, "/keyEntryAlgorithm", R"("https://webpki.github.io/sks/algorithm#key.2")",
     ErrorClass::value},
    {"C-4: PUK of a wrong length", 4, kPuk + "/encryptedPuk", R"("AA")", ErrorClass::value},
    {"C-4: PUK retry limit", 4, kPuk + "/retryLimit", "10001", ErrorClass::value},
    {"C-4: PUK without PIN policy", 4, kPuk + "/pinPolicySpecifiers", "[]", ErrorClass::json},
    {"C-4: PIN retry limit 0", 4, kPin + "/retryLimit", "0", ErrorClass::value},
    {"C-4: minLength 0", 4, kPin + "/minLength", "0", ErrorClass::value},
    {"C-4: maxLength below minLength", 4, kPin + "/maxLength", "3", ErrorClass::value},
    {"C-4: maxLength 129", 4, kPin + "/maxLength", "129", ErrorClass::value},
    {"C-4: unknown format", 4, kPin + "/format", R"("hex")", ErrorClass::value},
    {"C-4: unknown grouping", 4, kPin + "/grouping", R"("all")", ErrorClass::value},
    {"C-4: unknown input method", 4, kPin + "/inputMethod", R"("gui")", ErrorClass::value},
    {"C-4: unknown pattern", 4, kPin + "/patternRestrictions", R"(["four-in-a-row"])", ErrorClass::value},
    {"C-4: missing-group with numeric", 4, kPin + "/patternRestrictions", R"(["missing-group"])", ErrorClass::value},
    {"C-4: PIN policy without keys", 4, kPin + "/keyEntrySpecifiers", "[]", ErrorClass::json},
    {"C-4: preset after user-defined PIN", 4, kPin + "/keyEntrySpecifiers/1/encryptedPin",
     "\"" + std::string(43, 'A') + "\"", ErrorClass::value},
    {"C-4: preset before user-defined PIN", 4, kKey + "/encryptedPin", "\"" + std::string(43, 'A') + "\"",
     ErrorClass::value},
    {"C-4: preset PIN outside a policy", 4, kTopKey + "/encryptedPin", "\"" + std::string(43, 'A') + "\"",
     ErrorClass::json},
    {"C-4: device PIN inside a policy, even false", 4, kKey + "/devicePinProtection", "false", ErrorClass::json},
    {"C-4: userModifiable of a key", 4, kKey + "/userModifiable", "true", ErrorClass::json},
    {"C-4: PIN caching without trusted-gui", 4, kKey + "/enablePinCaching", "true", ErrorClass::value},
    {"C-4: PIN caching without policy", 4, kTopKey + "/enablePinCaching", "true", ErrorClass::value},
    {"C-4: id used by a PUK and a key", 4, kTopKey + "/id", R"("PUK.1")", ErrorClass::value},
    {"C-4: id used by two keys", 4, kTopKey + "/id", R"("Key.1")", ErrorClass::value},
    {"C-4: unknown key algorithm", 4, kTopKey + "/keyAlgorithm", R"("https://webpki.github.io/sks/algorithm#rsa1024")",
     ErrorClass::value},
    {"C-4: exponent missing", 4, kTopKey + "/keyAlgorithm", R"("https://webpki.github.io/sks/algorithm#rsa2048.exp")",
     ErrorClass::value},
    {"C-4: exponent too much", 4, kTopKey + "/keyParameters", R"("AQAB")", ErrorClass::value},
    {"C-4: endorsed algorithms not ascending", 4, kTopKey + "/endorsedAlgorithms", R"(["urn:b","urn:a"])",
     ErrorClass::value},
    {"C-4: endorsed algorithm twice", 4, kTopKey + "/endorsedAlgorithms", R"(["urn:a","urn:a"])", ErrorClass::value},
    {"C-4: #none not alone", 4, kTopKey + "/endorsedAlgorithms",
     R"(["https://webpki.github.io/sks/algorithm#none","urn:a"])", ErrorClass::value},
    {"C-4: server seed of 65 bytes", 4, kTopKey + "/serverSeed", "\"" + std::string(87, 'A') + "\"", ErrorClass::value},
    {"C-4: friendly name of 101 characters", 4, kTopKey + "/friendlyName", "\"" + std::string(101, 'x') + "\"",
     ErrorClass::value},
    {"C-4: MAC of 31 bytes", 4, kTopKey + "/mac", "\"" + std::string(42, 'A') + "\"", ErrorClass::value},
    {"C-4: wrong MAC", 4, kTopKey + "/mac", "\"" + std::string(43, 'A') + "\"", ErrorClass::sks},
    {"C-4: value changed under its MAC", 4, kPin + "/retryLimit", "4", ErrorClass::sks},
    {"C-4: PUK MAC left out", 4, kPuk + "/mac", "", ErrorClass::json},
    {"C-5: another server session", 6, "/serverSessionId", R"("other")", ErrorClass::session},
    {"C-5: another client session", 6, "/clientSessionId", R"("other")", ErrorClass::session},
    {"C-5: a credential is missing", 6, "/issuedCredentials/2", "", ErrorClass::value},
    {"C-5: no credentials", 6, "/issuedCredentials", "", ErrorClass::value},
    {"C-5: a credential for an unknown key", 6, "/issuedCredentials/2/id", R"("Key.4")", ErrorClass::value},
    {"C-5: two credentials for one key", 6, "/issuedCredentials/2/id", R"("Key.1")", ErrorClass::value},
    {"C-5: path without links", 6, "/issuedCredentials/0/certificatePath/2", R"("AA")", ErrorClass::crypto},
    {"C-5: certificate that is none", 6, "/issuedCredentials/0/certificatePath/0", R"("AAAA")", ErrorClass::crypto},
    {"C-5: wrong MAC", 6, "/issuedCredentials/0/mac", "\"" + std::string(43, 'A') + "\"", ErrorClass::sks},
    {"C-5: close nonce of 33 bytes", 6, "/sessionCloseData/nonce", "\"" + std::string(44, 'A') + "\"",
     ErrorClass::value},
    {"C-5: empty close nonce", 6, "/sessionCloseData/nonce", R"("")", ErrorClass::value},
    {"C-5: wrong close MAC", 6, "/sessionCloseData/mac", "\"" + std::string(43, 'A') + "\"", ErrorClass::sks},
    {"C-5: close data missing", 6, "/sessionCloseData", "", ErrorClass::json},
    {"C-5: no other keys", 6, "/deleteKeys", "[]", ErrorClass::json},
    {"C-5: an extension without members", 6, "/issuedCredentials/1/extensions", "[{}]", ErrorClass::json},
};

}  // namespace

TEST_CASE("ClientSession: a manipulated request is refused with the class of its check, and nothing stays open") {
  for (const Manipulation& manipulation : kManipulations) {
    CAPTURE(manipulation.name);
    Enrolment run(rich_plan());
    run.user.pins = {"2468"};
    run.start();
    const std::string request = run.pass(manipulation.messages);
    const auto result =
        run.to_client(manipulation.value.empty() ? edit::without(request, manipulation.pointer)
                                                 : edit::with(request, manipulation.pointer, manipulation.value));
    REQUIRE_FALSE(result);
    CHECK(to_string(result.error().error_class) == to_string(manipulation.expected));
    if (manipulation.expected == ErrorClass::sks) CHECK(result.error().status == Status::mac);
    CHECK(run.count_sessions(SessionState::open) == 0);
    CHECK(run.count_sessions(SessionState::closed) == 0);
    CHECK(run.keys().empty());
    CHECK_FALSE(run.client->committed());
    // The genuine request comes too late now.
    const auto late = run.to_client(request);
    REQUIRE_FALSE(late);
    CHECK(late.error().error_class == ErrorClass::state);
  }
}

TEST_CASE("ClientSession: in every phase only the messages of its rows are expected") {
  Enrolment source(plan_with_key());
  source.start();
  source.pass(7);
  std::vector<std::string> all = source.messages;
  all.push_back(vector_message("05-CredentialDiscoveryRequest.json"));
  all.push_back(vector_message("06-CredentialDiscoveryResponse.json"));
  REQUIRE(all.size() == kMessageTypeCount);
  constexpr std::size_t finalization = 6;
  constexpr std::size_t discovery = 8;
  // A finalization as the first message resumes, if there is anything to resume.
  for (std::size_t phase = 0; phase <= 4; ++phase) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      CAPTURE(phase);
      CAPTURE(i);
      Enrolment run(plan_with_key());
      run.start();
      run.pass(static_cast<int>(2 * phase));
      const auto result = run.to_client(all[i]);
      const bool expected = (phase < 4 && i == 2 * phase) || (phase == 2 && (i == discovery || i == finalization)) ||
                            (phase == 0 && i == finalization);
      CHECK((!result && result.error().error_class == ErrorClass::state) != expected);
      if (phase == 0 && i == finalization) CHECK(result.error().error_class == ErrorClass::session);
      if (phase == 2 && i == discovery) CHECK(result.error().error_class == ErrorClass::session);
      CHECK(run.client->committed() == (phase == 4));
      if (!result) CHECK(run.count_sessions(SessionState::open) == 0);
    }
  }
}

TEST_CASE("ClientSession: a termination ends the run, successfully after the last response only") {
  for (int messages = 0; messages <= 7; messages += 1) {
    CAPTURE(messages);
    Enrolment run(plan_with_key());
    run.start();
    run.pass(messages);
    const auto result = run.client->terminated();
    CHECK(static_cast<bool>(result) == (messages == 7));
    if (!result) CHECK(result.error().error_class == ErrorClass::state);
    CHECK(run.count_sessions(SessionState::open) == 0);
    CHECK(run.keys().size() == (messages == 7 ? 1 : 0));
    CHECK_FALSE(run.client->terminated());
  }
}

TEST_CASE("ClientSession: a message after the last response is refused, and the keys stay") {
  Enrolment run(plan_with_key());
  run.start();
  run.pass(7);
  const auto result = run.to_client(run.messages.at(6));
  REQUIRE_FALSE(result);
  CHECK(result.error().error_class == ErrorClass::state);
  CHECK(run.client->committed());
  CHECK(run.keys().size() == 1);
}

TEST_CASE("ClientSession: aborting or destroying an unfinished run removes its session") {
  Enrolment run(plan_with_key());
  run.start();
  run.pass(5);
  CHECK(run.count_sessions(SessionState::open) == 1);
  SUBCASE("aborted") {
    run.client->abort();
    run.client->abort();
  }
  SUBCASE("destroyed") { run.client.reset(); }
  CHECK(run.count_sessions(SessionState::open) == 0);
  CHECK(run.keys().empty());
}

TEST_CASE("ClientSession: a dialog that throws ends the run like any failure") {
  Enrolment run(rich_plan());
  run.start();
  const std::string request = run.pass(4);
  run.user.runs_out_of_memory = true;
  CHECK_THROWS_AS(static_cast<void>(run.to_client(request)), std::bad_alloc);
  CHECK(run.count_sessions(SessionState::open) == 0);
  run.user.runs_out_of_memory = false;
  const auto late = run.to_client(request);
  REQUIRE_FALSE(late);
  CHECK(late.error().error_class == ErrorClass::state);
}

TEST_CASE("ClientSession: clocks a day apart are just plausible") {
  for (const std::int64_t difference : {-86401, -86400, 86400, 86401}) {
    CAPTURE(difference);
    Enrolment run(plan_with_key());
    run.start();
    const std::string request = run.pass(2);
    run.clock.set(kNow + difference);
    const auto result = run.to_client(request);
    CHECK(static_cast<bool>(result) == (difference == -86400 || difference == 86400));
    if (!result) CHECK(result.error().error_class == ErrorClass::time);
  }
}

TEST_CASE("ClientSession: clientTime is written with the local offset, and is the SKS's own value") {
  const char* const before = std::getenv("TZ");
  const std::string saved = before == nullptr ? "" : before;
  struct Case {
    const char* zone;
    const char* expected;
  };
  for (const Case& c : {Case{"UTC", "2027-01-15T08:00:00+00:00"}, Case{"XXX-05:30", "2027-01-15T13:30:00+05:30"},
                        Case{"XXX03", "2027-01-15T05:00:00-03:00"}}) {
    CAPTURE(c.zone);
    setenv("TZ", c.zone, 1);
    tzset();
    Enrolment run(plan_with_key());
    run.start();
    CHECK(edit::get(run.pass(3), "/clientTime") == c.expected);
    CHECK(edit::get(run.last, "/serverTime") == "2027-01-15T08:00:00Z");
    CHECK(run.to_issuer(run.last));
  }
  if (before == nullptr)
    unsetenv("TZ");
  else
    setenv("TZ", saved.c_str(), 1);
  tzset();
}

TEST_CASE("ClientSession: a key store that fails gives SKS with its status, and nothing stays open") {
  for (int messages = 2; messages <= 6; messages += 2) {
    CAPTURE(messages);
    Enrolment run(plan_with_key());
    run.start();
    const std::string request = run.pass(messages);
    run.storage.fail_after(1);
    const auto result = run.to_client(request);
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::sks);
    CHECK(result.error().status == Status::storage);
    CHECK(run.count_sessions(SessionState::open) == 0);
    CHECK(run.keys().empty());
  }
}

TEST_CASE("ClientSession: limits on policies, paths and queries are refused with POLICY") {
  SUBCASE("51 queries") {
    Enrolment run(plan_with_key());
    std::string queries;
    for (int i = 0; i < 51; ++i) queries += (i == 0 ? "\"urn:" : ",\"urn:") + std::to_string(i) + "\"";
    const auto result = run.to_client(edit::with(run.start(), "/clientCapabilityQuery", "[" + queries + "]"));
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::policy);
  }
  SUBCASE("11 certificates") {
    Enrolment run(plan_with_key());
    run.start();
    std::string request = run.pass(6);
    const std::string ca = "\"" + edit::get(request, "/issuedCredentials/0/certificatePath/1") + "\"";
    for (int i = 2; i < 11; ++i)
      request = edit::with(request, "/issuedCredentials/0/certificatePath/" + std::to_string(i), ca);
    const auto result = run.to_client(request);
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::policy);
  }
  SUBCASE("8 MiB") {
    Enrolment run(plan_with_key());
    const auto result = run.to_client(run.start() + std::string(kMaxMessageToClient, ' '));
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::json);
  }
}
