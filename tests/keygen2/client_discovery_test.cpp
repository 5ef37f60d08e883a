#include <doctest/doctest.h>

#include <algorithm>

#include "tests/keygen2/client_lab.h"
#include "tests/keygen2/json_edit.h"

// CredentialDiscoveryRequest. Spec: keygen2.md 1.5 C-3, 4.6, 6.1.
using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

std::vector<LookupResult> results_of(const std::string& response) {
  auto message = IncomingMessage::parse(response, kMaxMessageToIssuer);
  REQUIRE(message);
  auto decoded = message->decode<CredentialDiscoveryResponse>();
  REQUIRE(decoded);
  return decoded->results;
}

/// A device with keys under two key management keys, and one more run that looks for those under the first.
struct Discovery {
  Discovery() {
    mine = lab.decisions.new_management_key();
    theirs = lab.decisions.new_management_key(kRsa2048);
    lab.run(lab.plan(mine));
    lab.run(lab.plan(theirs));
    lab.run(lab.plan(mine));
    lab.run(lab.plan({}));
    plan = lab.discovery_plan(lab.decisions.new_management_key(), mine);
  }
  /// Up to the CredentialDiscoveryRequest.
  std::string request() {
    before = lab.contents();
    lab.start(plan);
    const std::string message = lab.pass(4);
    lab.channel->calls.clear();
    return message;
  }

  ClientLab lab;
  Bytes mine;
  Bytes theirs;
  IssuancePlan plan;
  std::string before;  ///< contents of the key store
};

struct Manipulation {
  const char* name;
  const char* pointer;
  std::string value;  ///< empty: the property is left out
  const char* expected;
};

const std::vector<Manipulation> kManipulations{
    {"[keygen2.md C-3.1] another server session", "/serverSessionId", R"("other")", "SESSION"},
    {"[keygen2.md C-3.1] another client session", "/clientSessionId", R"("other")", "SESSION"},
    {"[keygen2.md C-3.2] two lookups of one id", "/lookupSpecifiers/1/id", R"("Lookup.1")", "VALUE"},
    {"[keygen2.md C-3.2] the nonce of another session", "/lookupSpecifiers/1/nonce", "\"" + std::string(43, 'A') + "\"",
     "VALUE"},
    {"[keygen2.md C-3.2] a signature over something else", "/lookupSpecifiers/1/id", R"("Lookup.3")", "CRYPTO"},
    {"[keygen2.md C-3.2] a member that was not signed", "/lookupSpecifiers/1/searchFilter",
     R"({"appUsage":"signature"})", "CRYPTO"},
    {"[keygen2.md C-3.2] an algorithm with another digest", "/lookupSpecifiers/1/signature/algorithm", R"("ES512")",
     "VALUE"},
    {"[keygen2.md C-3.2] a regular expression that does not compile", "/lookupSpecifiers/1/searchFilter",
     R"({"subjectRegEx":"("})", "VALUE"},
    {"[keygen2.md C-3.3] no public key", "/lookupSpecifiers/1/signature/publicKey", "", "CRYPTO"},
};

}  // namespace

TEST_CASE("ClientSession: a discovery that breaks a rule in its last lookup does none") {
  for (const Manipulation& manipulation : kManipulations) {
    CAPTURE(std::string(manipulation.name));
    Discovery discovery;
    discovery.plan.lookups.push_back({discovery.mine, std::nullopt});
    const std::string genuine = discovery.request();
    const std::string request = manipulation.value.empty()
                                    ? edit::without(genuine, manipulation.pointer)
                                    : edit::with(genuine, manipulation.pointer, manipulation.value);
    CHECK(failure_class(discovery.lab.to_client(request)) == manipulation.expected);
    CHECK(discovery.lab.channel->calls == std::vector<std::string>{"abortProvisioningSession"});
    CHECK(discovery.lab.contents() == discovery.before);
    CHECK(failure_class(discovery.lab.to_client(genuine)) == "STATE");
  }
}

TEST_CASE("ClientSession: each lookup finds the keys under its own key management key, in the order of the store") {
  Discovery discovery;
  const Bytes unknown = discovery.lab.decisions.new_management_key();
  discovery.plan.lookups = {{discovery.theirs, std::nullopt}, {unknown, std::nullopt}, {discovery.mine, std::nullopt}};
  discovery.request();
  const std::vector<LookupResult> results = results_of(discovery.lab.pass(1));
  REQUIRE(results.size() == 3);
  CHECK(results[0].id == "Lookup.1");
  CHECK(results[1].id == "Lookup.2");
  CHECK(results[2].id == "Lookup.3");
  CHECK(results[1].matches.empty());

  const std::vector<SessionInfo> sessions = discovery.lab.sessions(SessionState::closed);
  const std::vector<KeyHandle> keys = discovery.lab.keys();
  REQUIRE(sessions.size() == 4);
  REQUIRE(keys.size() == 8);  // two of each session
  const auto check = [&](const MatchingCredential& match, std::size_t session, std::size_t key) {
    CHECK(match.owner == SessionIds{sessions[session].server_session_id, sessions[session].client_session_id});
    CHECK(match.certificate_path == discovery.lab.store->get_key_attributes(keys[key])->certificate_path);
    CHECK_FALSE(match.locked);
  };
  REQUIRE(results[0].matches.size() == 2);
  check(results[0].matches[0], 1, 2);
  check(results[0].matches[1], 1, 3);
  REQUIRE(results[2].matches.size() == 4);
  check(results[2].matches[0], 0, 0);
  check(results[2].matches[1], 0, 1);
  check(results[2].matches[2], 2, 4);
  check(results[2].matches[3], 2, 5);

  // However many lookups: each session and key is enumerated once, and each key that may match is read once.
  const std::vector<std::string>& calls = discovery.lab.channel->calls;
  CHECK(std::ranges::count(calls, "enumerateProvisioningSessions") == 5);
  CHECK(std::ranges::count(calls, "enumerateKeys") == 9);
  CHECK(std::ranges::count(calls, "getKeyAttributes") == 6);
  CHECK(std::ranges::count(calls, "getKeyProtectionInfo") == 6);
}

TEST_CASE("ClientSession: more matches than a message to the issuer holds are refused") {
  Discovery discovery;
  IssuancePlan many = discovery.lab.plan(discovery.mine);
  while (many.keys.size() < 15) many.keys.push_back(key_spec());
  discovery.lab.decisions.adapt = [](CredentialSpec& credential) {
    std::vector<Bytes> path = credential.certificate_path.der();
    path.resize(10, path.back());
    credential.certificate_path = path;
  };
  discovery.lab.run(many);
  for (const bool too_many : {false, true}) {
    CAPTURE(too_many);
    while (too_many && discovery.plan.lookups.size() < 20)
      discovery.plan.lookups.push_back({discovery.mine, std::nullopt});
    const auto response = discovery.lab.to_client(discovery.request());
    CHECK(failure_class(response) == (too_many ? "POLICY" : "none"));
    discovery.lab.client->abort();
    CHECK(discovery.lab.contents() == discovery.before);
  }
}

TEST_CASE("ClientSession: a key with a blocked PIN is found as locked") {
  Discovery discovery;
  const KeyHandle key = discovery.lab.keys().at(0);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(discovery.lab.store->verify_pin(key, secret("9999")));
  discovery.request();
  const std::vector<LookupResult> results = results_of(discovery.lab.pass(1));
  REQUIRE(results[0].matches.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(results[0].matches[i].locked == (i == 0));
}

TEST_CASE("ClientSession: filters see certificates, PIN grouping and usage of a key") {
  Discovery discovery;
  SearchFilter shared;
  shared.grouping = 1;
  SearchFilter none;
  none.grouping = 0;
  SearchFilter authentication;
  authentication.app_usage = 1;
  SearchFilter encryption;
  encryption.app_usage = 2;
  SearchFilter second;
  second.subject_reg_ex = "CN=Key\\.2";
  for (const SearchFilter& filter : {shared, none, authentication, encryption, second})
    discovery.plan.lookups.push_back({discovery.mine, filter});
  discovery.request();
  const std::vector<LookupResult> results = results_of(discovery.lab.pass(1));
  REQUIRE(results.size() == 6);
  CHECK(results[0].matches.size() == 4);
  // Keys without PIN policy have no grouping, not the grouping none.
  REQUIRE(results[1].matches.size() == 2);
  CHECK(results[1].matches[0].certificate_path == results[0].matches[0].certificate_path);
  CHECK(results[1].matches[1].certificate_path == results[0].matches[2].certificate_path);
  CHECK(results[2].matches.empty());
  CHECK(results[3].matches.size() == 4);
  CHECK(results[4].matches.empty());
  REQUIRE(results[5].matches.size() == 2);
  CHECK(results[5].matches[0].certificate_path == results[0].matches[1].certificate_path);
}

TEST_CASE("ClientSession: keys of the other privacy mode are not found") {
  Discovery discovery;
  IssuancePlan anonymous = discovery.lab.plan(discovery.mine);
  anonymous.privacy_enabled = true;
  discovery.lab.run(anonymous);
  for (const bool privacy : {false, true}) {
    CAPTURE(privacy);
    discovery.plan.privacy_enabled = privacy;
    discovery.request();
    const std::vector<LookupResult> results = results_of(discovery.lab.pass(1));
    CHECK(results[0].matches.size() == (privacy ? 2 : 4));
    discovery.lab.client->abort();
  }
}

TEST_CASE("ClientSession: keys of open sessions are not found, those of the running one neither") {
  Discovery discovery;
  discovery.plan.lookups = {{discovery.plan.key_management_key, std::nullopt}};
  discovery.request();
  CHECK(results_of(discovery.lab.pass(1))[0].matches.empty());
}
