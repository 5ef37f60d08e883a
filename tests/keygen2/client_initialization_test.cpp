#include <doctest/doctest.h>

#include <algorithm>

#include "keygen2/mac_data.h"
#include "tests/keygen2/client_lab.h"
#include "tests/keygen2/json_edit.h"

// ProvisioningInitializationRequest: the session, and key management keys that roll over. Spec: keygen2.md 1.5
// C-2, 8.2, 8.3.
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

const std::string kEd25519Key = R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";

const std::vector<Manipulation> kManipulations{
    {"[keygen2.md C-2.1] another session", "/serverSessionId", R"("other")", "SESSION"},
    {"[keygen2.md C-2.2] a day and a second late", "/serverTime", R"("2027-01-14T07:59:59Z")", "TIME"},
    {"[keygen2.md C-2.2] a day and a second early", "/serverTime", R"("2027-01-16T08:00:01Z")", "TIME"},
    {"[keygen2.md C-2.3] unknown algorithm", "/sessionKeyAlgorithm",
     R"("https://webpki.github.io/sks/algorithm#session.2")", "VALUE"},
    {"[keygen2.md C-2.4] no EC key", "/serverEphemeralKey", kEd25519Key, "CRYPTO"},
    {"[keygen2.md C-2.4] not on the curve", "/serverEphemeralKey/y", R"("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")",
     "CRYPTO"},
    {"[keygen2.md C-2.5] neither RSA nor EC", "/keyManagementKey", kEd25519Key, "VALUE"},
};

RollOver roll_over(const ClientLab& lab, const Bytes& older, const Bytes& newer) {
  return {older, lab.decisions.management_key(older).sign(roll_over_data(newer)).value(), {}};
}

std::vector<Bytes> management_keys(ClientLab& lab) {
  std::vector<Bytes> keys;
  for (const SessionInfo& session : lab.sessions(SessionState::closed)) keys.push_back(session.key_management_key);
  return keys;
}

}  // namespace

TEST_CASE("ClientSession: an initialization that breaks a rule opens no session") {
  for (const Manipulation& manipulation : kManipulations) {
    CAPTURE(std::string(manipulation.name));
    ClientLab lab;
    lab.start(lab.plan(lab.decisions.new_management_key()));
    const std::string request = edit::with(lab.pass(2), manipulation.pointer, manipulation.value);
    CHECK(failure_class(lab.to_client(request)) == manipulation.expected);
    CHECK(lab.sessions(SessionState::open).empty());
    CHECK(lab.contents().empty());
  }
}

TEST_CASE("ClientSession: key management keys of all generations roll over, the oldest first") {
  ClientLab lab;
  const Bytes oldest = lab.decisions.new_management_key();
  const Bytes older = lab.decisions.new_management_key(kRsa2048);
  const Bytes other = lab.decisions.new_management_key();
  const Bytes newest = lab.decisions.new_management_key();
  const Bytes stranger = lab.decisions.new_management_key();
  for (const Bytes& key : {oldest, older, other, stranger, Bytes(), newest}) lab.run(lab.plan(key));
  const std::string before = lab.contents();

  IssuancePlan plan = lab.plan(newest);
  plan.roll_overs = {roll_over(lab, older, newest), roll_over(lab, other, newest)};
  plan.roll_overs[0].older = {roll_over(lab, oldest, older)};
  lab.start(plan);
  SUBCASE("those of the issuer, and no others") {
    lab.pass(3);
    CHECK(management_keys(lab) == std::vector<Bytes>{newest, newest, newest, stranger, Bytes(), newest});
    const std::vector<std::string>& calls = lab.channel->calls;
    // The oldest is replaced twice, each of the others once; all before there is a session.
    CHECK(std::ranges::count(calls, "updateKeyManagementKey") == 4);
    CHECK(calls.back() == "createProvisioningSession");
    lab.finish();
  }
  SUBCASE("none of them without consent") {
    lab.user.agrees = false;
    CHECK(failure_class(lab.to_client(lab.last)) == "USER");
    CHECK(lab.contents() == before);
  }
}

TEST_CASE("ClientSession: sessions are not even looked for when no key rolls over") {
  ClientLab lab;
  lab.run(lab.plan(lab.decisions.new_management_key()));
  lab.channel->calls.clear();
  lab.start(lab.plan(lab.decisions.new_management_key()));
  lab.pass(3);
  CHECK(lab.channel->calls == std::vector<std::string>{"getDeviceInfo", "createProvisioningSession"});
}

TEST_CASE("ClientSession: a key that no session has rolls over to nothing, without an error") {
  ClientLab lab;
  const Bytes older = lab.decisions.new_management_key();
  const Bytes newer = lab.decisions.new_management_key();
  IssuancePlan plan = lab.plan(newer);
  plan.roll_overs = {roll_over(lab, older, newer)};
  lab.run(plan);
  CHECK(management_keys(lab) == std::vector<Bytes>{newer});
}

TEST_CASE("ClientSession: [keygen2.md C-2.6] a roll-over that is not authorized ends the run, after those that were") {
  ClientLab lab;
  const Bytes good = lab.decisions.new_management_key();
  const Bytes bad = lab.decisions.new_management_key();
  const Bytes newer = lab.decisions.new_management_key();
  lab.run(lab.plan(good));
  lab.run(lab.plan(bad));
  IssuancePlan plan = lab.plan(newer);
  plan.roll_overs = {roll_over(lab, good, newer), roll_over(lab, bad, newer)};
  lab.start(plan);
  lab.pass(2);
  // Signed, but not by the key that is to be replaced.
  const std::string request =
      edit::with(lab.last, "/updatableKeyManagementKeys/1/authorization",
                 "\"" + edit::get(lab.last, "/updatableKeyManagementKeys/0/authorization") + "\"");
  const auto result = lab.to_client(request);
  REQUIRE_FALSE(result);
  CHECK(result.error().error_class == ErrorClass::sks);
  CHECK(result.error().status == Status::option);
  CHECK(management_keys(lab) == std::vector<Bytes>{newer, bad});
  CHECK(lab.sessions(SessionState::open).empty());
  CHECK(std::ranges::count(lab.channel->calls, "createProvisioningSession") == 2);
}
