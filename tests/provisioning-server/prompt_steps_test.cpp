#include <doctest/doctest.h>

#include "provisioning-server/issuer_routes.h"
#include "provisioning-server/recent_sessions.h"
#include "tests/provisioning-server/issuer_fixture.h"

/// Steps that need to wait for nothing in their thread, and that what a process remembers decides nothing by itself.
using namespace sks;
using namespace sks::issuer;
using test::Device;
using test::IssuerLab;
using test::outcome;

namespace {

constexpr std::int64_t kNow = 1'800'000'000;

Session session(const std::string& cookie, std::uint64_t version = 1) {
  Session made;
  made.id = "id of " + cookie;
  made.cookie_digest = cookie;
  made.version = version;
  made.expires = kNow + 100;
  return made;
}

/// One process after the other answers, over one database.
struct TwoProcesses {
  TwoProcesses() {
    auto opened = Issuer::open(lab.path, lab.clock);
    REQUIRE(opened);
    second = std::move(opened).value();
    other = std::make_unique<HttpHandler>(second->config().url, issuer_routes(*second));
  }
  /// `first` says which of them gets the request.
  Response post(Device& device, const std::string& body, bool first) {
    if (!first) std::swap(lab.handler, other);
    Response response = device.post(body);
    if (!first) std::swap(lab.handler, other);
    return response;
  }

  IssuerLab lab;
  std::unique_ptr<Issuer> second;
  std::unique_ptr<HttpHandler> other;
};

}  // namespace

TEST_CASE("RecentSessions: gives the latest copy once, and forgets the oldest ones and those that are over") {
  RecentSessions recent(2, 2);
  CHECK_FALSE(recent.take("a"));
  recent.keep({session("a", 1)}, kNow);
  recent.keep({session("a", 2)}, kNow);
  const auto copy = recent.take("a");
  REQUIRE(copy);
  CHECK(copy->row.version == 2);
  CHECK_FALSE(recent.take("a"));

  for (const char* const cookie : {"a", "b", "c"}) recent.keep({session(cookie)}, kNow);
  CHECK_FALSE(recent.take("a"));
  CHECK(recent.take("b"));
  CHECK(recent.take("c"));

  Session over = session("d");
  over.phase = SessionPhase::done;
  recent.keep({over}, kNow);
  CHECK_FALSE(recent.take("d"));

  recent.keep({session("e")}, kNow);
  Session later = session("f");
  later.expires = kNow + 200;
  recent.keep({later}, kNow + 100);
  CHECK_FALSE(recent.take("e"));
  CHECK(recent.take("f"));
}

TEST_CASE("Enrolment: the steps of a process that has the session in memory wait for nothing") {
  IssuerLab lab;
  Device device(lab);
  CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
  CHECK(lab.prompt == 4);
  CHECK(lab.count("SELECT count(*) FROM audit WHERE result = 'ok'") == 6);
  CHECK(lab.count("SELECT count(*) FROM credentials WHERE status = 'issued'") == 1);
}

TEST_CASE("Enrolment: a step that was taken elsewhere meanwhile is not taken again, and the session goes on") {
  TwoProcesses processes;
  IssuerLab& lab = processes.lab;
  Device device(lab);
  Response response = device.get(lab.new_ticket());
  // The first one remembers the session as of its start, and as of its second step, when its turn comes again.
  for (const bool first : {false, true, false, true}) response = processes.post(device, device.answer(response), first);
  CHECK(outcome(response) == "complete");
  CHECK(lab.prompt == 0);
  CHECK(lab.count("SELECT count(*) FROM sessions WHERE phase = 'done' AND version = 5") == 1);
  CHECK(lab.count("SELECT count(*) FROM audit WHERE result <> 'ok'") == 0);
}

TEST_CASE("Enrolment: a repetition is answered from the database, also where the process remembers another step") {
  TwoProcesses processes;
  Device device(processes.lab);
  const std::string first = device.answer(device.get(processes.lab.new_ticket()));
  const Response once = processes.post(device, first, false);
  const Response again = processes.post(device, first, true);
  CHECK(again.status == 200);
  CHECK(again.body == once.body);
  CHECK(processes.lab.count("SELECT count(*) FROM sessions WHERE version = 2") == 1);
}

TEST_CASE("Enrolment: a session that ended elsewhere is over, whatever the process remembers") {
  IssuerLab lab;
  Device device(lab);
  const std::string body = device.answer(device.get(lab.new_ticket()));
  lab.execute("UPDATE sessions SET phase = 'aborted', version = version + 1, ended = 1, result = 'session-expired'");
  CHECK(outcome(device.post(body)) == "session-over");
  CHECK(lab.prompt == 0);
}

TEST_CASE("Enrolment: what may have to wait is not done promptly") {
  IssuerLab lab;
  SUBCASE("keys of earlier sessions are looked for") {
    Device device(lab);
    lab.edit_profile("default", "\n[[pin_policy]]", "\n[[lookup]]\naction = \"ignore\"\n\n[[pin_policy]]");
    CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
    CHECK(lab.prompt == 0);
  }
  SUBCASE("credentials are counted") {
    Device device(lab);
    lab.edit_profile("default", "\n[[pin_policy]]", "\n[limits]\ncredentials_per_device = 1\n\n[[pin_policy]]");
    CHECK(outcome(device.enrol(lab.new_ticket())) == "complete");
    CHECK(lab.prompt == 0);
    CHECK(outcome(device.enrol_again(lab.new_ticket())) == "limit-device");
  }
  SUBCASE("a long message") {
    Device device(lab);
    const std::string body = device.answer(device.get(lab.new_ticket()));
    CHECK(device.post(body + std::string(64 * 1024, ' ')).status == 200);
    CHECK(lab.prompt == 0);
  }
  SUBCASE("the profile has changed meanwhile") {
    Device device(lab);
    const std::string body = device.answer(device.get(lab.new_ticket()));
    lab.edit_profile("default", "validity_days = 730", "validity_days = 731");
    CHECK(device.post(body).status == 200);
    CHECK(lab.prompt == 0);
  }
  SUBCASE("a message that is refused") {
    Device device(lab);
    static_cast<void>(device.get(lab.new_ticket()));
    CHECK(outcome(device.post("{}")) != "complete");
    CHECK(lab.prompt == 0);
    CHECK(lab.count("SELECT count(*) FROM sessions WHERE phase = 'aborted'") == 1);
  }
}
