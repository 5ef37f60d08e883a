#include "provisioning-server/enrolment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <thread>

#include "sks-core/base/encoding.h"
#include "tests/provisioning-server/issuer_fixture.h"

using namespace sks;
using namespace sks::issuer;
using test::Device;
using test::header;
using test::IssuerLab;
using test::outcome;

namespace {

/// Answers `steps` messages of a new enrolment and returns the response to the last one.
Response run_steps(Device& device, const std::string& init, int steps) {
  Response response = device.get(init);
  for (int i = 0; i < steps; ++i) response = device.post(device.answer(response));
  return response;
}

}  // namespace

TEST_CASE("Enrolment: a whole run issues a credential, with one audit row for each step") {
  IssuerLab lab;
  Device device(lab);
  const Response last = device.enrol(lab.new_ticket());
  CHECK(outcome(last) == "complete");
  CHECK(device.client().terminated());

  const Bytes der = device.certificate(0);
  const auto certificate = crypto::Certificate::from_der(der);
  REQUIRE(certificate);
  CHECK(certificate->is_issued_by(lab.issuer->credential_authority()));
  CHECK(certificate->not_before() == test::kStart - 300);
  CHECK(certificate->not_after() == test::kStart + 730 * 86400);
  const auto credential = lab.issuer->repository().find_credential(to_hex(crypto::sha256(der)));
  REQUIRE(credential);
  REQUIRE(*credential);
  CHECK((*credential)->status == Credential::Status::issued);
  CHECK((*credential)->subject == "CN=Jo Doe,O=Example");
  CHECK((*credential)->profile == "default");
  CHECK((*credential)->app_usage == "authentication");
  CHECK((*credential)->device_fingerprint == to_hex(crypto::sha256(device.device_certificate())));
  CHECK((*credential)->server_session_id.size() == 32);
  CHECK((*credential)->client_session_id.size() == 32);
  CHECK_FALSE((*credential)->key_management_key.empty());
  CHECK((*credential)->serial.size() >= 30);
  CHECK((*credential)->issuer == certificate->issuer());
  CHECK((*credential)->not_after == certificate->not_after());
  CHECK(lab.count("SELECT count(*) FROM devices WHERE length(certificate) > 100 AND fingerprint = '" +
                  (*credential)->device_fingerprint + "'") == 1);

  CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'ok'") == 6);  // ticket, GET and four responses
  CHECK(lab.count("SELECT count(*) FROM audit WHERE action = 'KeyCreationResponse' AND policy LIKE 'default %'") == 1);
  CHECK(lab.count("SELECT count(*) FROM sessions WHERE phase = 'done' AND length(sealed_state) = 0") == 1);
}

TEST_CASE("Enrolment: the pair profile issues two keys with their own uses") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket("pair"))) == "complete");
  CHECK(device.client().key_count() == 2);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'issued' AND app_usage = 'authentication'") == 1);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'issued' AND app_usage = 'signature'") == 1);
}

TEST_CASE("Enrolment: goes on after a restart between any two steps") {
  IssuerLab lab;
  Device device(lab);
  Response response = device.get(lab.new_ticket());
  int steps = 0;
  while (response.status == 200) {
    lab.restart();
    response = device.post(device.answer(response));
    ++steps;
  }
  CHECK(steps == 4);
  CHECK(outcome(response) == "complete");
}

TEST_CASE("Enrolment: nothing is issued before the last attestation has been verified") {
  IssuerLab lab;
  Device device(lab);
  run_steps(device, lab.new_ticket(), 3);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'pending'") == 1);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'issued'") == 0);
}

TEST_CASE("Enrolment: an exact repetition gets the stored response and changes nothing") {
  IssuerLab lab;
  Device device(lab);
  const std::string init = lab.new_ticket();
  Response response = device.get(init);
  CHECK(device.get(init).body == response.body);
  while (response.status == 200) {
    const std::string body = device.answer(response);
    response = device.post(body);
    const std::int64_t version = lab.count("SELECT version FROM sessions");
    const std::int64_t audits = lab.count("SELECT count(*) FROM audit");
    const Response again = device.post(body);
    CHECK(again.status == response.status);
    CHECK(again.body == response.body);
    CHECK(header(again, "Location") == header(response, "Location"));
    CHECK(lab.count("SELECT version FROM sessions") == version);
    CHECK(lab.count("SELECT count(*) FROM audit") == audits);
  }
  CHECK(outcome(response) == "complete");
}

TEST_CASE("Enrolment: a different body for an answered step destroys the session") {
  for (int steps = 1; steps <= 3; ++steps) {
    CAPTURE(steps);
    IssuerLab lab;
    Device device(lab);
    Response response = device.get(lab.new_ticket());
    std::string body;
    for (int i = 0; i < steps; ++i) {
      body = device.answer(response);
      response = device.post(body);
    }
    const std::string next = device.answer(response);
    CHECK(outcome(device.post(body + " ")) != "");
    CHECK(lab.count("SELECT count(*) FROM sessions WHERE phase = 'aborted' AND length(sealed_state) = 0") == 1);
    CHECK(outcome(device.post(next)) == "session-over");
    CHECK(lab.count("SELECT count(*) FROM credentials WHERE status IN ('pending', 'issued')") == 0);
  }
}

TEST_CASE("Enrolment: a body that is no message ends the session with the reason") {
  for (const char* const body : {"", "{}", "[]", "not json", "{\"@context\":1}"}) {
    CAPTURE(body);
    IssuerLab lab;
    Device device(lab);
    device.get(lab.new_ticket());
    CHECK(outcome(device.post(body)) == "json");
    CHECK(outcome(device.post(body)) == "json");  // its repetition gets the same answer
    CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'json'") == 1);
  }
}

TEST_CASE("Enrolment: a message of another session is refused") {
  IssuerLab lab;
  Device first(lab);
  Device second(lab);
  const std::string body = first.answer(first.get(lab.new_ticket()));
  second.get(lab.new_ticket());
  CHECK(outcome(second.post(body)) == "session");
  CHECK(first.post(body).status == 200);
}

TEST_CASE("Enrolment: a ticket starts one session, within its time, if it is ours") {
  IssuerLab lab;
  Device device(lab);
  const std::string init = lab.new_ticket();
  CHECK(device.get(init).status == 200);
  Device thief(lab);
  CHECK(outcome(thief.get(init)) == "ticket-used");
  CHECK(thief.cookie.empty());
  CHECK(lab.count("SELECT count(*) FROM sessions WHERE phase = 'aborted'") == 0);  // without the cookie it does no harm

  for (const char* const target : {"/keygen2", "/keygen2?", "/keygen2?ticket=", "/keygen2?ticket=abc",
                                   "/keygen2?ticket=%zz", "/keygen2?other=1"}) {
    CAPTURE(target);
    CHECK(outcome(thief.get(target)) == "ticket-unknown");
  }
  const std::string late = lab.new_ticket();
  lab.clock.set(test::kStart + 3600);
  CHECK(outcome(thief.get(late)) == "ticket-expired");
}

TEST_CASE("Enrolment: using the init URL again in the middle of its own session ends it") {
  IssuerLab lab;
  Device device(lab);
  const std::string init = lab.new_ticket();
  const Response next = run_steps(device, init, 1);
  CHECK(outcome(device.get(init)) == "state");
  CHECK(outcome(device.post(device.answer(next))) == "session-over");
}

TEST_CASE("Enrolment: the cookie alone selects the session") {
  IssuerLab lab;
  Device device(lab);
  const std::string body = device.answer(device.get(lab.new_ticket()));
  const std::string right = device.cookie;
  for (const std::string& wrong : {std::string(), std::string("__Host-sks-session="), right + "x", "other" + right,
                                   std::string("__Host-sks-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")}) {
    CAPTURE(wrong);
    device.cookie = wrong;
    CHECK(outcome(device.post(body)) == "session-unknown");
  }
  device.cookie = "a=b; " + right + " ; c=d";
  CHECK(device.post(body).status == 200);
}

TEST_CASE("Enrolment: the cookie may come with the link, for clients that ignore Set-Cookie") {
  IssuerLab lab;
  Device device(lab);
  const std::string init = lab.new_ticket("default", "cookie-of-the-link");
  device.cookie = "__Host-sks-session=cookie-of-the-link";
  const Response first = device.get(init);
  CHECK(header(first, "Set-Cookie").empty());
  CHECK(device.post(device.answer(first)).status == 200);

  Device without(lab);
  const Response other = without.get(lab.new_ticket("default", "never-shown"));
  CHECK_FALSE(header(other, "Set-Cookie").empty());
  CHECK(without.cookie.find("never-shown") == std::string::npos);
}

TEST_CASE("Enrolment: a device that is not registered is refused and leaves nothing behind") {
  IssuerLab lab(DeviceTrustMode::registered);
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "device");
  CHECK(lab.count("SELECT count(*) FROM credentials") == 0);
  const std::string fingerprint = to_hex(crypto::sha256(device.device_certificate()));
  CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'device' AND detail LIKE '%device " + fingerprint +
                  ", device trust registered)'") == 1);
  CHECK_FALSE(device.client().terminated());
}

TEST_CASE("Enrolment: a device is accepted as soon as it has been registered") {
  IssuerLab lab(DeviceTrustMode::registered);
  Device device(lab);
  const Response next = run_steps(device, lab.new_ticket(), 1);
  REQUIRE(DeviceRegistry::add_fingerprint(lab.issuer->paths().registered_devices,
                                          crypto::sha256(device.device_certificate())));
  CHECK(device.post(device.answer(next)).status == 200);
  CHECK(lab.count("SELECT count(*) FROM audit WHERE action = 'ProvisioningInitializationResponse' AND result = 'ok' AND"
                  " detail = 'device " +
                  to_hex(crypto::sha256(device.device_certificate())) + ", device trust registered'") == 1);
}

TEST_CASE("Enrolment: that any device is accepted is on record with the device") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  CHECK(lab.count("SELECT count(*) FROM audit WHERE action = 'ProvisioningInitializationResponse' AND result = 'ok' AND"
                  " detail = 'device " +
                  to_hex(crypto::sha256(device.device_certificate())) + ", device trust open'") == 1);
}

TEST_CASE("Enrolment: a session that waits too long is over") {
  struct Case {
    int steps;
    std::int64_t seconds;
    bool in_time;
  };
  // 15 minutes until the device has answered, then the life time of the profile from there.
  constexpr auto kCases = std::to_array<Case>({{0, 899, true},
                                               {0, 900, false},
                                               {1, 899, true},
                                               {1, 900, false},
                                               {2, 899, true},
                                               {2, 900, false},
                                               {3, 899, true},
                                               {3, 900, false}});
  for (const Case& c : kCases) {
    CAPTURE(c.steps);
    CAPTURE(c.seconds);
    IssuerLab lab;
    Device device(lab);
    const std::string body = device.answer(run_steps(device, lab.new_ticket(), c.steps));
    lab.clock.set(test::kStart + c.seconds);
    CHECK((outcome(device.post(body)) != "session-expired") == c.in_time);
    CHECK(lab.count("SELECT count(*) FROM sessions WHERE phase = 'aborted'") == (c.in_time ? 0 : 1));
  }
}

TEST_CASE("Enrolment: a session goes on with the profile that it began with, whatever becomes of the file") {
  struct Case {
    const char* name;
    void (*happens)(IssuerLab&);
  };
  const auto cases = std::to_array<Case>({
      {"the file changes", [](IssuerLab&) {}},
      {"everything is read again", [](IssuerLab& lab) { lab.reload(); }},
      {"another process goes on", [](IssuerLab& lab) { lab.restart(); }},
      {"the file is gone", [](IssuerLab& lab) { std::filesystem::remove(lab.path + "/profiles/default.toml"); }},
      {"the file is broken, and another process goes on",
       [](IssuerLab& lab) {
         lab.edit_profile("default", "max_length = 6", "max_length = many");
         lab.restart();
       }},
  });
  for (const Case& c : cases) {
    CAPTURE(c.name);
    IssuerLab lab;
    const std::string before = (*lab.issuer->profiles().find("default"))->digest;
    Device device(lab);
    const std::string body = device.answer(device.get(lab.new_ticket()));
    lab.edit_profile("default", "validity_days = 730", "validity_days = 1");
    lab.edit_profile("default", "max_length = 8", "max_length = 6");
    c.happens(lab);
    Response response = device.post(body);
    while (response.status == 200) response = device.post(device.answer(response));
    CHECK(outcome(response) == "complete");
    CHECK(lab.count("SELECT count(*) FROM audit WHERE action <> 'ticket'") == 5);
    CHECK(lab.count("SELECT count(*) FROM audit WHERE policy = 'default " + before + "'") == 5);
    const auto certificate = crypto::Certificate::from_der(device.certificate(0));
    CHECK(certificate->not_after() - lab.clock.now() == 730 * 86400);
  }
}

TEST_CASE("Enrolment: a session that starts after a change has the new profile") {
  IssuerLab lab;
  Device device(lab);
  CHECK(device.get(lab.new_ticket()).status == 200);
  lab.edit_profile("default", "validity_days = 730", "validity_days = 1");
  const std::string after = (*lab.issuer->profiles().find("default"))->digest;
  CHECK(outcome(device.enrol_again(lab.new_ticket())) == "complete");
  CHECK(lab.count("SELECT count(*) FROM audit WHERE policy = 'default " + after + "'") == 5);
  CHECK(lab.count("SELECT count(*) FROM profiles") == 2);
}

TEST_CASE("Enrolment: a profile that was altered in the database issues nothing") {
  struct Case {
    const char* sql;
    const char* word;
  };
  const auto cases = std::to_array<Case>({
      {"UPDATE profiles SET content = replace(content, 'validity_days = 730', 'validity_days = 731')", "profile"},
      {"DELETE FROM profiles", "profile"},
      // The other one is on record and sound, but it is not the one of the session.
      {"UPDATE sessions SET profile_digest = (SELECT digest FROM profiles WHERE digest <> profile_digest)", "crypto"},
  });
  for (const Case& c : cases) {
    CAPTURE(c.sql);
    IssuerLab lab;
    Device first(lab);
    CHECK(first.get(lab.new_ticket()).status == 200);
    lab.execute("DELETE FROM sessions");
    lab.edit_profile("default", "max_length = 8", "max_length = 7");
    Device device(lab);
    const std::string body = device.answer(device.get(lab.new_ticket()));
    lab.edit_profile("default", "max_length = 7", "max_length = 6");
    lab.restart();
    lab.execute(c.sql);
    CHECK(outcome(device.post(body)) == c.word);
  }
}

TEST_CASE("Enrolment: a profile that an edit has broken stays in use as it was, and is refused after a restart") {
  IssuerLab lab;
  Device device(lab);
  CHECK(device.get(lab.new_ticket()).status == 200);
  lab.edit_profile("default", "max_length = 8", "max_length = many");
  CHECK(device.get(lab.new_ticket()).status == 200);
  lab.restart();
  CHECK(outcome(device.get(lab.new_ticket())) == "profile");
}

TEST_CASE("Enrolment: state that was altered or moved in the database does not open") {
  IssuerLab lab;
  Device first(lab);
  Device second(lab);
  const std::string body = first.answer(first.get(lab.new_ticket()));
  second.get(lab.new_ticket());
  lab.execute(
      "UPDATE sessions SET sealed_state = (SELECT sealed_state FROM sessions ORDER BY rowid DESC LIMIT 1)"
      " WHERE rowid = 1");
  lab.restart();  // a process goes on with what it has written itself
  CHECK(outcome(first.post(body)) == "crypto");
}

TEST_CASE("Enrolment: identical requests at the same time get the same answer, from one step") {
  IssuerLab lab;
  Device device(lab);
  const std::string body = device.answer(run_steps(device, lab.new_ticket(), 1));
  const Request request = device.post_request(body);
  std::array<Response, 4> responses;
  {
    std::vector<std::jthread> threads;
    for (Response& response : responses)
      threads.emplace_back([&lab, &request, &response] { response = lab.handler->handle(request); });
  }
  CHECK(responses[0].status == 200);
  for (const Response& response : responses) CHECK(response.body == responses[0].body);
  CHECK(lab.count("SELECT count(*) FROM audit WHERE action = 'ProvisioningInitializationResponse'") == 1);
}

TEST_CASE("Enrolment: different requests at the same time move the session once and then end it") {
  IssuerLab lab;
  Device device(lab);
  const std::string body = device.answer(run_steps(device, lab.new_ticket(), 1));
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&lab, request = device.post_request(body + std::string(static_cast<std::size_t>(i), ' '))] {
        CHECK(lab.handler->handle(request).status != 503);
      });
  }
  CHECK(lab.count("SELECT count(*) FROM audit WHERE action = 'ProvisioningInitializationResponse'") == 1);
  CHECK(lab.count("SELECT count(*) FROM sessions WHERE phase = 'aborted' AND length(sealed_state) = 0") == 1);
}

TEST_CASE("Enrolment: one of many simultaneous uses of a ticket starts a session") {
  IssuerLab lab;
  const std::string init = lab.new_ticket();
  std::array<Response, 8> responses;
  {
    std::vector<std::jthread> threads;
    for (Response& response : responses)
      threads.emplace_back([&lab, &init, &response] { response = Device(lab).get(init); });
  }
  CHECK(std::ranges::count(responses, 200U, &Response::status) == 1);
  CHECK(std::ranges::count(responses, "ticket-used", outcome) == 7);
  CHECK(lab.count("SELECT count(*) FROM sessions") == 1);
  CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'ticket-used'") == 7);
}

TEST_CASE("Enrolment: a client session id that is stored already ends the session") {
  IssuerLab lab;
  Device owner(lab);
  CHECK(outcome(owner.enrol(lab.new_ticket())) == "complete");
  Device device(lab);
  const std::string body = device.answer(run_steps(device, lab.new_ticket(), 1));
  const std::size_t name = body.find("\"clientSessionId\"");
  REQUIRE(name != std::string::npos);
  const std::size_t value = body.find('"', body.find(':', name)) + 1;
  const std::string id = body.substr(value, 32);
  lab.execute("UPDATE sessions SET client_session_id = '" + id + "' WHERE phase = 'done'");
  CHECK(outcome(device.post(body)) == "duplicate");
  CHECK(lab.count("SELECT count(*) FROM sessions WHERE phase = 'aborted' AND client_session_id = ''") == 1);
  CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'duplicate'") == 1);
}

TEST_CASE("Enrolment: a public key that has a certificate gets no second one, whatever became of the first") {
  for (const std::string status : {"issued", "revoked", "abandoned"}) {
    CAPTURE(status);
    IssuerLab lab;
    Device owner(lab);
    CHECK(outcome(owner.enrol(lab.new_ticket())) == "complete");
    Device device(lab);
    const std::string body = device.answer(run_steps(device, lab.new_ticket(), 2));
    // The same step twice, as if the key had come in two sessions: after the first, its session is put back.
    lab.execute("CREATE TABLE kept AS SELECT * FROM sessions WHERE phase = 'key_creation'");
    CHECK(device.post(body).status == 200);
    lab.execute("UPDATE credentials SET status = '" + status +
                "', server_session_id = (SELECT id FROM sessions WHERE phase = 'done') WHERE status = 'pending';"
                "UPDATE sessions SET (phase, version, sealed_state, last_request) ="
                " (SELECT phase, version, sealed_state, last_request FROM kept) WHERE id = (SELECT id FROM kept)");
    CHECK(outcome(device.post(body)) == "duplicate");
    CHECK(lab.count("SELECT count(*) FROM credentials") == 2);
    CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'duplicate' AND action = 'KeyCreationResponse'") == 1);
  }
}

TEST_CASE("Enrolment: refusals that name a known ticket or session have their audit row") {
  IssuerLab lab;
  Device device(lab);
  const std::string init = lab.new_ticket();
  CHECK(outcome(device.enrol(init)) == "complete");
  CHECK(outcome(device.post("{}")) == "session-over");
  CHECK(lab.count(
            "SELECT count(*) FROM audit JOIN sessions ON session = sessions.id WHERE audit.result = 'session-over'") ==
        1);
  CHECK(outcome(Device(lab).get(init)) == "ticket-used");
  CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'ticket-used' AND policy = 'default'") == 1);
  const std::string late = lab.new_ticket();
  lab.clock.set(test::kStart + 3600);
  CHECK(outcome(Device(lab).get(late)) == "ticket-expired");
  CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'ticket-expired'") == 1);
}

TEST_CASE("Enrolment: nobody fills the audit log with one ticket or session") {
  constexpr int kRequests = 25;  // an init URL may be used some more times in one minute
  constexpr int kMostRows = 10;
  IssuerLab lab;
  Device device(lab);
  const std::string init = lab.new_ticket();
  CHECK(outcome(device.enrol(init)) == "complete");
  const std::int64_t before = lab.count("SELECT count(*) FROM audit");
  Device stranger(lab);
  for (int i = 0; i < kRequests; ++i) {
    CHECK(outcome(device.post("{\"n\":" + std::to_string(i) + '}')) == "session-over");
    CHECK(outcome(stranger.get(init)) == "ticket-used");
  }
  CHECK(lab.count("SELECT count(*) FROM audit") == before + 2 * kMostRows);
  // Another ticket and another kind of refusal have rows of their own.
  const std::string other = lab.new_ticket();
  CHECK(outcome(Device(lab).enrol(other)) == "complete");
  CHECK(outcome(stranger.get(other)) == "ticket-used");
  CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'ticket-used'") == kMostRows + 1);
}

TEST_CASE("Enrolment: an anonymous device is accepted only where any device is") {
  IssuerLab open;
  open.edit_profile("default", "privacy_enabled = false", "privacy_enabled = true");
  CHECK(outcome(Device(open).enrol(open.new_ticket())) == "complete");

  IssuerLab strict(DeviceTrustMode::registered);
  strict.edit_profile("default", "privacy_enabled = false", "privacy_enabled = true");
  const auto profile = strict.issuer->profiles().find("default");
  REQUIRE_FALSE(profile);
  CHECK(profile.error().status == Status::option);
  CHECK(profile.error().detail ==
        "profiles/default.toml: privacy_enabled = true needs device_trust = \"open\" in "
        "issuer.toml: an anonymous device proves nothing");
  CHECK(outcome(Device(strict).enrol(strict.new_ticket())) == "profile");
}

TEST_CASE("Enrolment: a PUK is kept sealed and opens for the help desk") {
  IssuerLab lab;
  lab.edit_profile("default", "# [puk_policy]", "[puk_policy]");
  lab.edit_profile("default", "# format = \"numeric\" ", "format = \"numeric\" ");
  lab.edit_profile("default", "# length = 8", "length = 8");
  lab.edit_profile("default", "# retry_limit = 3", "retry_limit = 3");
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  const auto credential = lab.issuer->repository().find_credential(to_hex(crypto::sha256(device.certificate(0))));
  REQUIRE(credential);
  const auto session = lab.issuer->repository().find_session_of(**credential);
  REQUIRE(session);
  const auto puk = open_puk(lab.issuer->seal(), **session);
  REQUIRE(puk);
  CHECK(puk->size() == 8);
  for (const std::uint8_t symbol : puk->view()) CHECK((symbol >= '0' && symbol <= '9'));
}

TEST_CASE("Enrolment: neither tickets nor cookies nor PINs are readable in the database") {
  IssuerLab lab;
  Device device(lab);
  const std::string init = lab.new_ticket();
  CHECK(outcome(device.enrol(init)) == "complete");
  const std::string ticket = init.substr(init.find('=') + 1);
  const std::string cookie = device.cookie.substr(device.cookie.find('=') + 1);
  for (const char* const file : {"/issuer.db", "/issuer.db-wal"}) {
    const std::string content = test::read_file(lab.path + file);
    for (const std::string& secret : {ticket, cookie, std::string("482913")})
      CHECK(content.find(secret) == std::string::npos);
  }
}

TEST_CASE("Enrolment: no ticket, cookie or PUK reaches the audit log, or the database at all") {
  IssuerLab lab;
  lab.edit_profile("default", "# [puk_policy]", "[puk_policy]");
  lab.edit_profile("default", "# format = \"numeric\" ", "format = \"alphanumeric\" ");
  lab.edit_profile("default", "# length = 8", "length = 24");
  lab.edit_profile("default", "# retry_limit = 3", "retry_limit = 3");
  Device device(lab);
  const std::string target = lab.new_ticket();
  REQUIRE(outcome(device.enrol(target)) == "complete");
  device.get(target);                  // used
  device.post("{\"not\": \"ours\"}");  // over
  const auto credential = lab.issuer->repository().find_credential(to_hex(crypto::sha256(device.certificate(0))));
  REQUIRE(credential);
  const auto session = lab.issuer->repository().find_session_of(**credential);
  REQUIRE(session);
  const auto puk = open_puk(lab.issuer->seal(), **session);
  REQUIRE(puk);
  REQUIRE(puk->size() == 24);

  const std::string secrets[] = {target.substr(target.find('=') + 1), device.cookie.substr(device.cookie.find('=') + 1),
                                 to_string(puk->view())};
  const std::string content = test::read_file(lab.path + "/issuer.db") + test::read_file(lab.path + "/issuer.db-wal");
  CHECK(content.find((*session)->id) != std::string::npos);
  for (const std::string& secret : secrets) {
    CHECK(secret.size() >= 24);
    CHECK(content.find(secret) == std::string::npos);
  }
}
