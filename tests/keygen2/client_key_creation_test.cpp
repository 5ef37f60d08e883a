#include <doctest/doctest.h>

#include "tests/keygen2/client_lab.h"
#include "tests/keygen2/json_edit.h"

// KeyCreationRequest. Spec: keygen2.md 1.5 C-4, 8.4, 8.5, 8.9. The property rules of 4.9 are in
// client_session_test.cpp.
using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

struct Manipulation {
  const char* name;
  const char* pointer;
  std::string value;
  const char* expected;
};

const std::vector<Manipulation> kManipulations{
    {"[keygen2.md C-4.1] another server session", "/serverSessionId", R"("other")", "SESSION"},
    {"[keygen2.md C-4.1] another client session", "/clientSessionId", R"("other")", "SESSION"},
    {"[keygen2.md C-4.4] an object id that occurs twice", "/keyEntrySpecifiers/0/id", R"("PIN.1")", "VALUE"},
    {"[keygen2.md C-4.4] the MAC of another key", "/keyEntrySpecifiers/0/mac", "\"" + std::string(43, 'A') + "\"",
     "SKS"},
};

/// A device with keys, in a run up to its KeyCreationRequest.
struct Creation {
  Creation() {
    lab.run(lab.plan(lab.decisions.new_management_key()));
    before = lab.contents();
    lab.user.progress.clear();
    lab.start(lab.plan(lab.decisions.new_management_key()));
    request = lab.pass(4);
    lab.channel->calls.clear();
  }

  ClientLab lab;
  std::string before;
  std::string request;
};

}  // namespace

TEST_CASE("ClientSession: a key creation that breaks a rule leaves the key store as it was") {
  for (const Manipulation& manipulation : kManipulations) {
    CAPTURE(std::string(manipulation.name));
    Creation run;
    CHECK(failure_class(run.lab.to_client(edit::with(run.request, manipulation.pointer, manipulation.value))) ==
          manipulation.expected);
    CHECK(run.lab.contents() == run.before);
    CHECK(run.lab.client->key_count() == 0);
  }
}

TEST_CASE("ClientSession: [keygen2.md C-4.2] who asked to unlock keys may not create any") {
  ClientLab lab;
  lab.start(lab.plan({}));
  // The issuer itself would refuse its plan: so the client alone is told.
  lab.last = edit::with(lab.last, "/action", R"("unlock")");
  const std::string request = lab.pass(4);
  CHECK(lab.user.consents.at(0).action == "unlock");
  CHECK(failure_class(lab.to_client(request)) == "POLICY");
  CHECK(lab.user.progress.empty());
  CHECK(lab.contents().empty());
}

TEST_CASE("ClientSession: [keygen2.md C-4.3] a request without any key is refused") {
  Creation run;
  const std::string request = edit::without(edit::without(run.request, "/keyEntrySpecifiers"), "/pinPolicySpecifiers");
  CHECK(failure_class(run.lab.to_client(request)) == "VALUE");
  CHECK(run.lab.contents() == run.before);
}

TEST_CASE("ClientSession: [keygen2.md C-4.5] more than 20 keys need the user's consent") {
  for (const std::size_t count : {20U, 21U}) {
    CAPTURE(count);
    ClientLab lab;
    IssuancePlan plan = lab.plan({});
    plan.pin_policies.clear();
    plan.keys.clear();
    for (std::size_t i = 0; i < count; ++i) plan.keys.push_back(key_spec());
    lab.start(plan);
    const auto result = lab.to_client(lab.pass(4));
    CHECK(failure_class(result) == (count == 20 ? "none" : "POLICY"));
    CHECK(lab.user.progress.size() == (count == 20 ? 20 : 0));
    if (!result) CHECK(lab.contents().empty());
  }
}

TEST_CASE("ClientSession: each key is told of before it is created, by its name") {
  ClientLab lab;
  IssuancePlan plan = lab.plan({});
  plan.keys.back().friendly_name = "Login";
  plan.keys.back().key_algorithm = kRsa2048;
  lab.run(plan);
  REQUIRE(lab.user.progress.size() == 2);
  CHECK(lab.user.progress[0].number == 1);
  CHECK(lab.user.progress[0].total == 2);
  CHECK(lab.user.progress[0].key_name == "Key.1");
  CHECK(lab.user.progress[0].algorithm == kP256);
  CHECK(lab.user.progress[1].number == 2);
  CHECK(lab.user.progress[1].key_name == "Login");
  CHECK(lab.user.progress[1].algorithm == kRsa2048);
}

TEST_CASE("ClientSession: without a PIN nothing is created") {
  Creation run;
  run.lab.user.pin.reset();
  CHECK(failure_class(run.lab.to_client(run.request)) == "USER");
  CHECK(run.lab.channel->calls == std::vector<std::string>{"abortProvisioningSession"});
  CHECK(run.lab.contents() == run.before);
}

TEST_CASE("ClientSession: whichever call fails or throws, the key store is as it was") {
  for (const char* const method : {"createPinPolicy", "createKeyEntry"}) {
    CAPTURE(method);
    for (const bool throws : {false, true}) {
      CAPTURE(throws);
      Creation run;
      (throws ? run.lab.channel->throws_at : run.lab.channel->fails_at) = method;
      if (throws) {
        CHECK_THROWS_AS(static_cast<void>(run.lab.to_client(run.request)), std::bad_alloc);
      } else {
        const auto result = run.lab.to_client(run.request);
        REQUIRE_FALSE(result);
        CHECK(result.error().error_class == ErrorClass::sks);
        CHECK(result.error().status == Status::external);
      }
      CHECK(run.lab.contents() == run.before);
      CHECK(failure_class(run.lab.to_client(run.request)) == "STATE");
    }
  }
}
