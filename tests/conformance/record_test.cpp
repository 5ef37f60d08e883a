#include "conformance/record.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>

#include "conformance/live_key_store.h"
#include "conformance/replay.h"
#include "conformance/report.h"
#include "sks-core/base/encoding.h"
#include "tests/conformance/faulty_store.h"
#include "tests/support/temp_dir.h"

namespace sks::conformance {
namespace {

Recording read(const std::string& folder) {
  auto recording = read_recording(folder);
  REQUIRE(recording);
  return std::move(recording).value();
}

std::size_t calls_of(const Recording& recording, std::string_view method) {
  return static_cast<std::size_t>(std::ranges::count(recording.calls, method, &RecordedCall::method));
}

/// What shows that a scenario does what it is called after: in its last session, besides a close.
const std::map<std::string, std::vector<std::string>>& telling_calls() {
  static const std::map<std::string, std::vector<std::string>> all{
      {"enrol", {"createKeyEntry", "signData"}},
      {"enrol-anonymously", {"createKeyEntry"}},
      {"enrol-pin", {"createPinPolicy", "createKeyEntry"}},
      {"enrol-puk", {"createPukPolicy", "unlockKey"}},
      {"enrol-preset-pin", {"createPinPolicy", "signData"}},
      {"enrol-device-pin", {"createKeyEntry"}},
      {"enrol-several", {"createKeyEntry", "createKeyEntry", "createKeyEntry", "createKeyEntry"}},
      {"every-use",
       {"signData", "signHashedData", "asymmetricKeyDecrypt", "keyAgreement", "exportKey", "changePin", "setPin",
        "verifyPin", "deleteKey"}},
      {"deferred", {"createKeyEntry", "enumerateProvisioningSessions"}},
      {"import-symmetric", {"importSymmetricKey", "performHmac"}},
      {"import-private", {"importPrivateKey", "signData"}},
      {"extensions", {"addExtension", "addExtension", "addExtension", "addExtension", "getExtension", "setProperty"}},
      {"unlock", {"postUnlockKey"}},
      {"delete", {"postDeleteKey"}},
      {"update", {"postUpdateKey"}},
      {"clone", {"postCloneKeyProtection"}},
      {"roll-over", {"updateKeyManagementKey", "postUnlockKey"}},
      {"enrol-twice", {"createKeyEntry"}},
  };
  return all;
}

}  // namespace

TEST_CASE("Record: what every scenario writes passes verify, and replay on another key store") {
  for (const ScenarioName& scenario : record_scenarios()) {
    CAPTURE(std::string(scenario.name));
    test::TempDir folder;
    const auto folders = record(scenario.name, folder.path());
    if (!folders) FAIL(folders.error().detail);
    REQUIRE_FALSE(folders->empty());
    for (const auto& results : {verify(*folders), replay(*folders, (*LiveKeyStore::open("memory:"))->store())}) {
      CAPTURE(to_table(results));
      CHECK(outcome_of(results) == Outcome::passed);
      // Handles of the recording are all known: nothing is left out.
      CHECK(std::ranges::all_of(results, [](const SessionResult& result) { return result.notes.empty(); }));
    }
    const Recording last = read(folders->back());
    CHECK(calls_of(last, "closeProvisioningSession") == 1);
    REQUIRE(telling_calls().contains(scenario.name));
    const std::vector<std::string>& expected = telling_calls().at(scenario.name);
    for (const std::string& method : expected) {
      CAPTURE(method);
      CHECK(calls_of(last, method) >= static_cast<std::size_t>(std::ranges::count(expected, method)));
    }
  }
}

TEST_CASE("Record: modes that no message names are those of the scenario") {
  test::TempDir folder;
  const auto anonymous = record("enrol-anonymously", folder.path());
  REQUIRE(anonymous);
  const Recording recording = read(anonymous->front());
  CHECK(recording.secrets["privacyEnabled"] == true);
  CHECK_FALSE(recording.messages.at(3).content.contains("deviceId"));
  const auto preset = record("enrol-preset-pin", folder.path());
  REQUIRE(preset);
  const Json pins = read(preset->front()).secrets["pins"];
  REQUIRE(pins.size() == 1);
  CHECK(pins[0]["setBy"] == "issuer");
  CHECK(pins[0]["text"] == "312589");
  CHECK(pins[0]["value"] == to_hex(as_bytes("312589")));
}

TEST_CASE("Record: what a replay of keys in use finds out about a key store") {
  struct Case {
    test::Fault fault;
    const char* finding;
  };
  const auto flip = [](Result<SecureBytes>& bytes) {
    if (bytes) bytes->span().back() ^= 1U;
  };
  const std::array<Case, 6> cases{{
      {{"asymmetricKeyDecrypt", test::Twist<SecureBytes>(flip)}, "key-use: asymmetricKeyDecrypt is \"537563"},
      {{"exportKey", test::Twist<SecureBytes>(flip)}, "user-management: exportKey is not the private key"},
      {{"keyAgreement", test::Twist<SecureBytes>(flip)}, "key-use: keyAgreement the shared secret differs"},
      {{"signHashedData",
        [](Result<Bytes>& signature) {
          if (signature) signature->front() ^= 1U;
        }},
       "key-use: signHashedData is "},
      {{"signData",
        [](Result<Bytes>& signature) {
          if (signature) signature->pop_back();
        }},
       "key-use: signData is "},
      {{"verifyPin", [](Result<void>& verified) { verified = Result<void>(); }}, "key-use: verifyPin is success"},
  }};
  test::TempDir folder;
  const auto folders = record("every-use", folder.path());
  REQUIRE(folders);
  for (const Case& c : cases) {
    CAPTURE(c.fault.method);
    const auto device = LiveKeyStore::open("memory:").value();
    test::FaultyStore store((*device).store(), c.fault);
    const auto results = replay(*folders, store);
    bool found = false;
    for (const CheckResult& row : results.front().checks)
      for (const Finding& finding : row.findings.list())
        found =
            found ||
            (std::string(row.topic->name) + ": " + finding.place.note + ' ' + finding.sentence).starts_with(c.finding);
    CAPTURE(to_table(results));
    CHECK(found);
  }
}

TEST_CASE("Record: two recordings of a scenario share no secret") {
  test::TempDir first;
  test::TempDir second;
  const Json a = read(record("enrol-pin", first.path()).value().front()).secrets;
  const Json b = read(record("enrol-pin", second.path()).value().front()).secrets;
  for (const char* const member : {"sessionKey", "serverEphemeralKey", "clientSessionId", "keyManagementKeys",
                                   "deviceCertificates", "serverCertificate"}) {
    CAPTURE(member);
    CHECK(a[member] != b[member]);
  }
}

TEST_CASE("Record: nothing is written over, and a scenario that is none is told") {
  test::TempDir folder;
  const auto unknown = record("enroll", folder.path());
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().status == Status::option);
  CHECK(unknown.error().detail == "no scenario is called enroll");
  REQUIRE(record("enrol", folder.path()));
  const std::string before = test::read_file(folder.file("enrol/secrets.json"));
  const auto again = record("enrol", folder.path());
  REQUIRE_FALSE(again);
  CHECK(again.error().status == Status::option);
  CHECK(again.error().detail == folder.file("enrol") + " exists already");
  CHECK(test::read_file(folder.file("enrol/secrets.json")) == before);
  const auto nowhere = record("enrol", folder.file("enrol/secrets.json"));
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().status == Status::not_available);
}

}  // namespace sks::conformance
