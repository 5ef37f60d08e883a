#include <doctest/doctest.h>

#include "keygen2/origin.h"
#include "tests/keygen2/client_lab.h"
#include "tests/keygen2/json_edit.h"

// Deferred issuance, suspension and resumption. Spec: keygen2.md 8.8, 8.9.
using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

/// A device whose run is suspended, with its keys created.
struct Suspended {
  explicit Suspended(IssuancePlan (*vary)(IssuancePlan) = nullptr) {
    mine = lab.decisions.new_management_key();
    lab.run(lab.plan(mine));
    before = lab.contents();
    IssuancePlan plan = vary == nullptr ? lab.plan(mine) : vary(lab.plan(mine));
    plan.deferred_issuance = true;
    lab.start(plan);
    CHECK(lab.pass(6).empty());
    const auto ending = lab.client->terminated();
    REQUIRE(ending);
    CHECK(*ending == Ending::suspended);
    suspended = lab.contents();
  }

  /// A new client, and what the issuer resumes with.
  std::string resume() {
    lab.new_client();
    lab.user.consents.clear();
    lab.channel->calls.clear();
    auto request = lab.issuer->resume(lab.decisions, {lab.clock, system_random(), {lab.context.server_certificate}});
    if (!request) FAIL(request.error().detail);
    lab.last = *request;
    lab.to_client_next = true;
    return lab.last;
  }

  ClientLab lab;
  Bytes mine;
  std::string before;     ///< the run
  std::string suspended;  ///< contents afterwards
};

}  // namespace

TEST_CASE("ClientSession: a suspended run leaves its session open, whatever becomes of the client") {
  Suspended run;
  CHECK(run.lab.sessions(SessionState::open).size() == 1);
  CHECK_FALSE(run.lab.client->committed());
  CHECK(run.lab.client->key_count() == 2);
  CHECK(run.lab.client->summary().created == 0);
  run.lab.client->abort();
  CHECK_FALSE(run.lab.client->terminated());
  run.lab.client.reset();
  CHECK(run.lab.contents() == run.suspended);
}

TEST_CASE("ClientSession: where a termination is due, a message aborts, and so does a client that goes") {
  ClientLab lab;
  IssuancePlan plan = lab.plan({});
  plan.deferred_issuance = true;
  lab.start(plan);
  const std::string request = lab.pass(4);
  lab.pass(1);
  CHECK(lab.sessions(SessionState::open).size() == 1);
  SUBCASE("a message") { CHECK(failure_class(lab.to_client(request)) == "STATE"); }
  SUBCASE("the client goes") { lab.client.reset(); }
  CHECK(lab.contents().empty());
}

TEST_CASE("ClientSession: a suspended run is resumed by another client") {
  Suspended run;
  const std::string request = run.resume();
  run.lab.finish();
  CHECK(run.lab.keys().size() == 4);
  CHECK(run.lab.sessions(SessionState::open).empty());
  CHECK(run.lab.client->committed());
  CHECK(run.lab.client->key_count() == 2);
  CHECK(run.lab.client->summary().created == 2);
  CHECK(run.lab.signs(run.lab.keys()[2], "2468"));
  REQUIRE(run.lab.user.consents.size() == 1);
  CHECK(run.lab.user.consents[0].host == "issuer.example.com");
  CHECK(run.lab.user.consents[0].action == "manage");
  CHECK(run.lab.user.consents[0].device_identified);
  CHECK(run.lab.user.consents[0].consequences == std::vector<std::string>{"2 credentials arrive."});
  CHECK(failure_class(run.lab.to_client(request)) == "STATE");
}

TEST_CASE("ClientSession: the user is told all consequences of resuming") {
  Suspended run([](IssuancePlan plan) {
    plan.pin_policies.clear();
    plan.privacy_enabled = true;
    return plan;
  });
  auto message = IncomingMessage::parse(run.resume(), kMaxMessageToClient);
  REQUIRE(message);
  auto decoded = message->decode<ProvisioningFinalizationRequest>();
  REQUIRE(decoded);
  ProvisioningFinalizationRequest& request = *decoded;
  const TargetKeyReference target{Bytes(32, 1), {"S", "C"}, Bytes(64, 1), Bytes(32, 1)};
  request.credentials[0].update_key = target;
  request.credentials[0].deactivated_mac = Bytes(32, 1);
  request.unlock_keys = {target};
  request.delete_keys = {target, target};
  request.activate_keys = {target};
  request.deactivate_keys = {target};
  run.lab.user.agrees = false;
  CHECK(failure_class(run.lab.to_client(request.encode())) == "USER");
  CHECK_FALSE(run.lab.user.consents.at(0).device_identified);
  CHECK(run.lab.user.consents.at(0).consequences ==
        std::vector<std::string>{"One credential arrives.", "One of them takes the place of an existing key.",
                                 "One key is unlocked.", "2 keys are deleted.", "One key is activated.",
                                 "2 keys are deactivated."});
}

TEST_CASE("ClientSession: who does not agree to resume ends the session") {
  Suspended run;
  run.resume();
  run.lab.user.agrees = false;
  CHECK(failure_class(run.lab.to_client(run.lab.last)) == "USER");
  CHECK(run.lab.channel->calls == std::vector<std::string>{"enumerateProvisioningSessions",
                                                           "enumerateProvisioningSessions",
                                                           "abortProvisioningSession"});
  CHECK(run.lab.contents() == run.before);
}

TEST_CASE("ClientSession: a dialog that throws ends the session to be resumed as well") {
  Suspended run;
  run.resume();
  run.lab.user.throws = true;
  CHECK_THROWS_AS(static_cast<void>(run.lab.to_client(run.lab.last)), std::bad_alloc);
  CHECK(run.lab.contents() == run.before);
}

TEST_CASE("ClientSession: [keygen2.md C-5.1] only the session with both ids is resumed, and no other is touched") {
  for (const char* const id : {"/serverSessionId", "/clientSessionId"}) {
    CAPTURE(id);
    Suspended run;
    const std::string request = run.resume();
    CHECK(failure_class(run.lab.to_client(edit::with(request, id, R"("other")"))) == "SESSION");
    CHECK(run.lab.user.consents.empty());
    CHECK(run.lab.contents() == run.suspended);
  }
}

TEST_CASE("ClientSession: [keygen2.md C-5.1] a closed session is not resumed") {
  Suspended run;
  const SessionInfo closed = run.lab.sessions(SessionState::closed).at(0);
  std::string request = edit::with(run.resume(), "/serverSessionId", "\"" + closed.server_session_id + "\"");
  request = edit::with(request, "/clientSessionId", "\"" + closed.client_session_id + "\"");
  CHECK(failure_class(run.lab.to_client(request)) == "SESSION");
  CHECK(run.lab.contents() == run.suspended);
}

TEST_CASE("ClientSession: a session is resumed by the host of its issuer, and the key store keeps the old URI") {
  struct Case {
    const char* uri;
    bool resumes;
  };
  for (const Case& c :
       {Case{"https://issuer.example.com/resume?x=1", true}, Case{"https://ISSUER.example.com:443", true},
        Case{"https://issuer.example.com:8443/kg2", false}, Case{"http://issuer.example.com/kg2", false},
        Case{"https://issuer.example.com.evil.example/kg2", false}, Case{"https://evil.example/kg2", false}}) {
    CAPTURE(c.uri);
    Suspended run;
    run.lab.context.issuer_uri = c.uri;
    run.resume();
    CHECK(failure_class(run.lab.to_client(run.lab.last)) == (c.resumes ? "none" : "SESSION"));
    CHECK(run.lab.client->committed() == c.resumes);
    if (!c.resumes) CHECK(run.lab.contents() == run.suspended);
    if (!c.resumes) CHECK(run.lab.user.consents.empty());
  }
}

TEST_CASE("ClientSession: the key store knows which keys wait for credentials") {
  Suspended run;
  const std::string request = run.resume();
  SUBCASE("no other") {
    const auto result = run.lab.to_client(edit::with(request, "/issuedCredentials/1/id", R"("Key.3")"));
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::sks);
    CHECK(result.error().status == Status::option);
  }
  SUBCASE("all of them") {
    const auto result = run.lab.to_client(edit::without(request, "/issuedCredentials/1"));
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::sks);
  }
  SUBCASE("with their paths") {
    CHECK(failure_class(run.lab.to_client(edit::with(request, "/issuedCredentials/1/certificatePath/2", R"("AA")"))) ==
          "CRYPTO");
  }
  CHECK(run.lab.contents() == run.before);
}

TEST_CASE("ClientSession: a resumed run may suspend keys, as was announced before") {
  Suspended run([](IssuancePlan plan) {
    plan.capability_queries = {"urn:sks:ext:key-suspension"};
    plan.pin_policies.clear();
    return plan;
  });
  run.lab.decisions.adapt = [](CredentialSpec& credential) { credential.deactivated = true; };
  run.resume();
  run.lab.finish();
  CHECK(run.lab.client->summary().deactivated == 1);
  const auto info = run.lab.store->get_key_protection_info(run.lab.keys().back());
  REQUIRE(info);
  CHECK((info->protection_status & kSuspended) != 0);
}

TEST_CASE("ClientSession: a session that waited longer than its life time is not resumed") {
  for (const std::int64_t wait : {10000, 10001}) {
    CAPTURE(wait);
    Suspended run;
    const std::string request = run.resume();
    run.lab.clock.set(kNow + wait);
    CHECK(failure_class(run.lab.to_client(request)) == (wait == 10000 ? "none" : "SESSION"));
    if (wait != 10000) CHECK(run.lab.contents() == run.before);
  }
}

TEST_CASE("is_same_origin: scheme, host and port, as URLs mean them") {
  struct Case {
    const char* a;
    const char* b;
    bool expected;
  };
  for (const Case& c : std::vector<Case>{
           {"https://a.example/x", "https://a.example/y?z", true},
           {"https://a.example", "https://a.example:443/", true},
           {"http://a.example:80", "HTTP://A.Example/", true},
           {"https://a.example:", "https://a.example", true},
           {"https://[::1]:8443/x", "https://[::1]:8443/y", true},
           {"https://[::1]", "https://[::1]:443", true},
           {"https://[::1]:1", "https://[::1]:2", false},
           {"https://a.example", "http://a.example", false},
           {"https://a.example:80", "http://a.example:80", false},
           {"https://a.example", "https://b.example", false},
           {"https://a.example", "https://a.example.b.example", false},
           {"https://a.example:1", "https://a.example:10", false},
           // What is no such URL equals nothing, itself included.
           {"https://a.example@b.example", "https://a.example@b.example", false},
           {"https://b.example", "https://a.example@b.example", false},
           {"https://a.example\\@b.example", "https://a.example", false},
           {"https://a.example:65536", "https://a.example:65536", false},
           {"https://a.example:x", "https://a.example:x", false},
           {"https:///x", "https:///x", false},
           {"ftp://a.example", "ftp://a.example", false},
           {"a.example", "a.example", false},
           {"", "", false},
       }) {
    CAPTURE(c.a);
    CAPTURE(c.b);
    CHECK(is_same_origin(c.a, c.b) == c.expected);
    CHECK(is_same_origin(c.b, c.a) == c.expected);
  }
}
