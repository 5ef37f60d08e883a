#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>

#include "sks-core/base/encoding.h"
#include "tests/keygen2/json_edit.h"
#include "tests/provisioning-server/issuer_fixture.h"

/// Sessions that ask for capabilities, and that find keys of earlier sessions.
using namespace sks;
using namespace sks::issuer;
namespace edit = sks::test::json_edit;
using test::Device;
using test::IssuerLab;
using test::outcome;

namespace {

/// Puts tables into the default profile, in front of its PIN policy.
void add_tables(const IssuerLab& lab, const std::string& tables) {
  lab.edit_profile("default", "\n[[pin_policy]]", "\n" + tables + "\n[[pin_policy]]");
}

std::int64_t count_status(const IssuerLab& lab, const std::string& status) {
  return lab.count("SELECT count(*) FROM credentials WHERE status = '" + status + "'");
}

std::string print_of(const Bytes& certificate) { return to_hex(crypto::sha256(certificate)); }

/// An enrolment whose client says something else about the keys that it has found.
Response enrol_lying(IssuerLab& lab, Device& device, const std::string& profile,
                     const std::function<std::string(const std::string&)>& change) {
  device.begin_again();
  Response response = device.get(lab.new_ticket(profile));
  while (response.status == 200) {
    const std::string answer = device.answer(response);
    response = device.post(edit::contains(answer, "/lookupResults") ? change(answer) : answer);
  }
  return response;
}

constexpr const char* kDelete = "[[lookup]]\naction = \"delete\"\n";

}  // namespace

TEST_CASE("Capabilities: one that is required and not there refuses the device, with its name in the audit log") {
  IssuerLab lab;
  add_tables(lab,
             "[[capability]]\nquery = \"ed25519\"\nrequired = true\n"
             "[[capability]]\nquery = \"biometric-support\"\nrequired = true\n");
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "capability");
  CHECK(
      lab.count("SELECT count(*) FROM audit WHERE action = 'InvocationResponse' AND result = 'capability' AND detail ="
                " 'the client does not support https://webpki.github.io/keygen2/feature#biometric-support'") == 1);
  CHECK(lab.count("SELECT count(*) FROM sessions WHERE phase = 'aborted' AND device_fingerprint = ''") == 1);
}

TEST_CASE("Capabilities: what the profile requires is told before what the keys need") {
  IssuerLab lab;
  lab.edit_profile("default", "  [[pin_policy.key]]\n",
                   "  [[pin_policy.key]]\n  biometric_protection = \"alternative\"\n");
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "policy");
  add_tables(lab, "[[capability]]\nquery = \"biometric-support\"\nrequired = true\n");
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "capability");
  // Answers that never came say nothing about the device.
  device.begin_again();
  CHECK(device.get(lab.new_ticket()).status == 200);
  CHECK(outcome(device.post("{}")) == "json");
}

TEST_CASE("Capabilities: a value that is required has to be told") {
  IssuerLab lab;
  add_tables(lab, "[[capability]]\nquery = \"os-version\"\nrequired = true\n");
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "capability");
}

TEST_CASE("Capabilities: the answers stand in the audit log") {
  IssuerLab lab;
  add_tables(lab,
             "[[capability]]\nquery = \"biometric-support\"\n[[capability]]\nquery = \"ed25519\"\nrequired = true\n"
             "[[capability]]\nquery = \"list\"\n[[capability]]\nquery = \"urn:example:unknown\"\n");
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  CHECK(lab.count("SELECT count(*) FROM audit WHERE action = 'InvocationResponse' AND result = 'ok' AND detail ="
                  " 'https://webpki.github.io/keygen2/feature#biometric-support: no;"
                  " https://webpki.github.io/sks/algorithm#ed25519: yes;"
                  " https://webpki.github.io/keygen2/logotype#list: yes; urn:example:unknown: no'") == 1);
}

TEST_CASE("Lookups: delete removes the older keys of the subject from the device, and from what is valid") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const Bytes older = device.certificate(0);
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 2);
  CHECK(count_status(lab, "issued") == 2);

  add_tables(lab, kDelete);
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 1);
  CHECK(device.certificate(0) != older);
  CHECK(count_status(lab, "issued") == 1);
  CHECK(count_status(lab, "removed") == 2);
  CHECK((*lab.issuer->repository().find_credential(to_hex(crypto::sha256(older))))->status ==
        Credential::Status::removed);
}

TEST_CASE("Lookups: the audit row of the last message names the keys that were deleted and unlocked") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string mine = print_of(device.certificate(0));
  CHECK(outcome(device.enrol_again(lab.new_ticket("pair"))) == "complete");
  REQUIRE(device.key_count() == 3);
  std::vector<std::string> pair{print_of(device.certificate(1)), print_of(device.certificate(2))};
  std::ranges::sort(pair);
  device.lock(0);
  add_tables(lab, "[[lookup]]\naction = \"unlock\"\nfilter = { finger_print = \"" + mine + "\" }\n" + kDelete);
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 2);
  const std::string device_print = print_of(device.device_certificate());
  CHECK(lab.count("SELECT count(*) FROM audit WHERE action = 'ProvisioningFinalizationResponse' AND result = 'ok' AND"
                  " detail = 'device " +
                  device_print + "; deleted " + pair[0] + ' ' + pair[1] + "; unlocked " + mine + "'") == 1);
  // The sessions before had nothing to tell beside the device.
  CHECK(lab.count("SELECT count(*) FROM audit WHERE action = 'ProvisioningFinalizationResponse' AND detail = 'device " +
                  device_print + "'") == 2);
}

TEST_CASE("Lookups: keys of another subject are left alone unless the profile says otherwise") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  lab.execute("UPDATE credentials SET subject = 'CN=Mo Doe,O=Example'");
  add_tables(lab, kDelete);
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 2);

  lab.edit_profile("default", "\naction = \"delete\"\n", "\naction = \"delete\"\nsame_subject = false\n");
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 1);
  CHECK(count_status(lab, "removed") == 2);
}

TEST_CASE("Lookups: the keys that a deletion leaves belong to the session that made it, and can still be found") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket("pair"))) == "complete");
  add_tables(lab, std::string(kDelete) + "filter = { app_usage = \"signature\" }\n");
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 2);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'issued' AND app_usage = 'authentication'") == 2);

  lab.edit_profile("default", "filter = { app_usage = \"signature\" }", "filter = { app_usage = \"authentication\" }");
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 1);
  CHECK(count_status(lab, "removed") == 3);
}

TEST_CASE("Lookups: the first one that finds a key decides about it") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket("pair"))) == "complete");
  add_tables(lab, "[[lookup]]\naction = \"ignore\"\nfilter = { app_usage = \"signature\" }\n" + std::string(kDelete));
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 2);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'removed' AND app_usage = 'authentication'") == 1);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'issued' AND app_usage = 'signature'") == 1);
}

TEST_CASE("Lookups: the device does not choose which of them decides about a key") {
  const auto without_first = [](const std::string& answer) {
    return edit::with(answer, "/lookupResults/0/matchingCredentials", "[]");
  };
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket("pair"))) == "complete");
  test::write_file(lab.path + "/profiles/tidy.toml",
                   "[certificate]\nvalidity_days = 1\n[[lookup]]\naction = \"ignore\"\n"
                   "filter = { app_usage = \"signature\" }\n" +
                       std::string(kDelete));
  CHECK(outcome(enrol_lying(lab, device, "tidy", without_first)) == "complete");
  CHECK(device.key_count() == 1);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'issued' AND app_usage = 'signature'") == 1);

  lab.edit_profile("tidy", "\"ignore\"", "\"refuse\"");
  CHECK(outcome(enrol_lying(lab, device, "tidy", without_first)) == "existing-key");

  // Nor does a path without the certificate that the first one asks for.
  const std::string authority = print_of(lab.issuer->credential_authority().der());
  lab.edit_profile("tidy", "app_usage = \"signature\"", "finger_print = \"" + authority + "\"");
  const auto cut = [&](const std::string& answer) {
    const std::string path = "/lookupResults/1/matchingCredentials/0/certificatePath";
    const std::string end_entity = edit::value(answer, path + "/0");
    return edit::with(without_first(answer), path, '[' + end_entity + ']');
  };
  CHECK(outcome(enrol_lying(lab, device, "tidy", cut)) == "existing-key");
  CHECK(device.key_count() == 1);
}

TEST_CASE("Lookups: the last one may ask for a grouping") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  add_tables(lab, "[[lookup]]\naction = \"ignore\"\nfilter = { app_usage = \"encryption\" }\n" + std::string(kDelete) +
                      "filter = { grouping = \"unique\" }\n");
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 2);
  lab.edit_profile("default", "filter = { grouping = \"unique\" }", "filter = { grouping = \"shared\" }");
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 1);
}

TEST_CASE("Lookups: keys under an authority that has been replaced are found by its certificate") {
  IssuerLab lab;
  const IssuerLab other;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const std::string older = print_of(lab.issuer->credential_authority().der());
  test::write_file(lab.path + "/credential-ca.pem", test::read_file(other.path + "/credential-ca.pem"));
  // In plain form: each issuer seals under a key of its own.
  const auto key = issuer::read_key_file(other.path + "/keys/credential-ca.key", other.issuer->file_seal());
  REQUIRE(key);
  test::write_file(lab.path + "/keys/credential-ca.key", sks::to_string(issuer::key_to_pem(*key)->view()));
  lab.restart();
  const std::string newer = print_of(lab.issuer->credential_authority().der());
  REQUIRE(newer != older);
  // Not by that of the new one, which has not issued them.
  add_tables(lab, "[[lookup]]\naction = \"refuse\"\nfilter = { finger_print = \"" + newer + "\" }\n" + kDelete +
                      "filter = { finger_print = \"" + older + "\" }\n");
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 1);
  CHECK(count_status(lab, "removed") == 1);
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "existing-key");
}

TEST_CASE("Lookups: an anonymous device's keys are deleted there, and stay on record where and as they were") {
  IssuerLab lab;
  for (const char* const profile : {"default", "pair"})
    lab.edit_profile(profile, "privacy_enabled = false", "privacy_enabled = true");
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket("pair"))) == "complete");
  add_tables(lab, std::string(kDelete) + "filter = { app_usage = \"signature\" }\n");
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 2);
  CHECK(count_status(lab, "issued") == 3);
  CHECK(lab.count("SELECT count(*) FROM operations WHERE operation = 'remove'") == 1);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE owner <> server_session_id") == 0);

  // On the device, the first session is gone and the second one has its other key.
  lab.edit_profile("default", "filter = { app_usage = \"signature\" }", "filter = { app_usage = \"authentication\" }");
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 1);
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(device.key_count() == 1);
  CHECK(count_status(lab, "issued") == 5);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE owner <> server_session_id") == 0);
}

TEST_CASE("Lookups: refuse ends the session as long as the key that was found is valid") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  add_tables(lab, "[[lookup]]\naction = \"refuse\"\n");
  const std::string fingerprint = to_hex(crypto::sha256(device.certificate(0)));
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "existing-key");
  CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'existing-key' AND detail LIKE '%" + fingerprint + "%'") ==
        1);
  CHECK(device.key_count() == 1);

  REQUIRE(lab.issuer->revocations().revoke(fingerprint, RevocationReason::unspecified,
                                           {lab.clock.now(), "operator", "revoke", "", "", "ok", ""}));
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
}

TEST_CASE("Lookups: unlock forgives the wrong attempts at a locked PIN") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  CHECK_FALSE(device.is_locked(0));
  device.lock(0);
  CHECK(device.is_locked(0));
  add_tables(lab, "[[lookup]]\naction = \"unlock\"\n");
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK_FALSE(device.is_locked(0));
  CHECK(device.key_count() == 2);
  CHECK(count_status(lab, "issued") == 2);
  CHECK(lab.count("SELECT count(*) FROM operations WHERE operation = 'unlock'") == 1);
}

TEST_CASE("Lookups: a profile without keys only manages") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  test::write_file(lab.path + "/profiles/clean.toml", "[certificate]\nvalidity_days = 1\n" + std::string(kDelete));
  CHECK(outcome(device.enrol_again(lab.new_ticket("clean"))) == "complete");
  CHECK(device.key_count() == 0);
  CHECK(count_status(lab, "removed") == 1);
}

TEST_CASE("Lookups: what does not fit the records ends the session and removes nothing") {
  struct Case {
    const char* name;
    const char* change;
  };
  constexpr auto kCases = std::to_array<Case>({
      {"another device", "UPDATE credentials SET device_fingerprint = 'other'"},
      {"anonymous", "UPDATE credentials SET privacy_enabled = 1"},
      {"another session", "UPDATE credentials SET owner = 'other'"},
      {"another client session", "UPDATE sessions SET client_session_id = 'other' WHERE phase = 'done'"},
      {"unknown credential", "DELETE FROM credentials"},
      {"not what the lookup asks for", "UPDATE credentials SET app_usage = 'encryption'"},
  });
  for (const Case& c : kCases) {
    CAPTURE(c.name);
    IssuerLab lab;
    Device device(lab);
    CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
    add_tables(lab, std::string(kDelete) + "filter = { app_usage = \"authentication\" }\n");
    lab.execute(c.change);
    CHECK(outcome(device.enrol_again(lab.new_ticket())) == "policy");
    CHECK(device.key_count() == 1);
    CHECK(count_status(lab, "removed") == 0);
  }
}

TEST_CASE("Lookups: a session that ends before its last message removes nothing on record") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  add_tables(lab, kDelete);
  device.begin_again();
  Response response = device.get(lab.new_ticket());
  for (int step = 0; step < 4; ++step) response = device.post(device.answer(response));
  CHECK(lab.count("SELECT count(*) FROM operations") == 1);
  CHECK(outcome(device.post("{}")) == "json");
  CHECK(count_status(lab, "removed") == 0);
  CHECK(count_status(lab, "issued") == 1);

  // The device has not closed that session; its keys can be found as before.
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(count_status(lab, "removed") == 1);
}

TEST_CASE("Lookups: go on after a restart between any two steps") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  add_tables(lab, kDelete);
  device.begin_again();
  Response response = device.get(lab.new_ticket());
  int steps = 0;
  while (response.status == 200) {
    lab.restart();
    response = device.post(device.answer(response));
    ++steps;
  }
  CHECK(steps == 5);
  CHECK(outcome(response) == "complete");
  CHECK(count_status(lab, "removed") == 1);
}
