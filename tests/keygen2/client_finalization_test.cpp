#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "keygen2/enumerations.h"
#include "sks-core/base/encoding.h"
#include "tests/keygen2/client_lab.h"
#include "tests/keygen2/json_edit.h"

// ProvisioningFinalizationRequest: credentials and post operations. Spec: keygen2.md 1.5 C-5, 4.11, 4.12, 8.6, 8.9,
// sks-extensions.md.
using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

/// A device with six managed keys: of each of three sessions one under a PIN and one without.
struct Managed {
  Managed() {
    mine = lab.decisions.new_management_key();
    for (int i = 0; i < 3; ++i) lab.run(lab.plan(mine));
    before = lab.contents();
    plan = lab.discovery_plan(mine, mine);
  }

  /// Which of the six keys is done what to: kinds by position, in the order of execution.
  void decide(std::vector<std::size_t> unlock, std::vector<std::size_t> remove, std::vector<std::size_t> activate = {},
              std::vector<std::size_t> deactivate = {}) {
    lab.decisions.decide = [=, this](const std::vector<FoundKey>& found) {
      const auto targets = [&](const std::vector<std::size_t>& positions) {
        std::vector<TargetKey> result;
        for (const std::size_t position : positions) result.push_back(target_of(found.at(position), mine));
        return result;
      };
      Management management;
      management.operations = {targets(unlock), targets(remove), targets(activate), targets(deactivate)};
      if (manages_only) management.keys = KeyPlan{};
      return management;
    };
  }

  TargetKey target(std::size_t position) { return target_of(lab.decisions.found.at(position), mine); }

  /// Up to the ProvisioningFinalizationRequest.
  std::string request() {
    lab.start(plan);
    while (lab.last.find("\"ProvisioningFinalizationRequest\"") == std::string::npos) lab.pass(1);
    lab.channel->calls.clear();
    return lab.last;
  }

  ClientLab lab;
  Bytes mine;
  std::string before;
  IssuancePlan plan;
  bool manages_only = false;
};

/// A run that uses every member that a request can have.
struct Everything : Managed {
  Everything() {
    plan.capability_queries = {std::string(kKeySuspension)};
    plan.keys.push_back(key_spec());
    decide({0}, {1}, {3}, {4});
    lab.decisions.adapt = [this](CredentialSpec& credential) {
      // The first key is cloned and imported into, the second one an update that arrives suspended.
      if (++certified % 2 == 1) {
        credential.symmetric_key = SecureBytes::copy_of(Bytes(20, 7));
        credential.extensions.push_back({3, "urn:logotype", "image/png", SecureBytes::copy_of(Bytes{1, 2}), {}});
        credential.extensions.push_back({2, "urn:bag", "", {}, {{"Counter", "0", true}, {"Digits", "8", false}}});
        credential.extensions.push_back({1, "urn:encrypted", "", secret("hidden"), {}});
        credential.extensions.push_back({0, "urn:plain", "", secret("open"), {}});
        credential.clone = target(2);
      } else {
        credential.update = target(5);
        credential.deactivated = true;
      }
    };
  }
  int certified = 0;
};

struct Manipulation {
  const char* name;
  const char* pointer;
  std::string value;  ///< empty: the property is left out
  const char* expected;
};

const std::string kWrongMac = "\"" + std::string(43, 'A') + "\"";
const std::string kWrongSignature = "\"" + std::string(86, 'A') + "\"";

// What the key store is asked before it is told anything.
const std::vector<Manipulation> kRefusals{
    {"[keygen2.md C-5.1] another server session", "/serverSessionId", R"("other")", "SESSION"},
    {"[keygen2.md C-5.1] another client session", "/clientSessionId", R"("other")", "SESSION"},
    {"a credential is missing", "/issuedCredentials/1", "", "VALUE"},
    {"a credential for no key", "/issuedCredentials/1/id", R"("Key.3")", "VALUE"},
    {"[keygen2.md C-5.2] a certificate that is none", "/issuedCredentials/1/certificatePath/0", R"("AAAA")", "CRYPTO"},
    {"[keygen2.md C-5.2] a path without links", "/issuedCredentials/1/certificatePath/2", R"("AA")", "CRYPTO"},
    {"[keygen2.md C-5.3] update of a key of no session", "/issuedCredentials/1/updateKey/clientSessionId", R"("other")",
     "POLICY"},
    {"[keygen2.md C-5.3] clone of no key", "/issuedCredentials/0/cloneKeyProtection/fingerPrint", kWrongMac, "POLICY"},
    {"[keygen2.md C-5.3] unlock of no key", "/unlockKeys/0/fingerPrint", kWrongMac, "POLICY"},
    {"[keygen2.md C-5.3] deletion of a key of no session", "/deleteKeys/0/serverSessionId", R"("other")", "POLICY"},
    {"[keygen2.md C-5.3] activation of no key", "/activateKeys/0/fingerPrint", kWrongMac, "POLICY"},
    {"[keygen2.md C-5.3] deactivation of no key", "/deactivateKeys/0/fingerPrint", kWrongMac, "POLICY"},
};

// What the key store finds.
const std::vector<Manipulation> kStoreRefusals{
    {"[keygen2.md C-5.4] setCertificatePath", "/issuedCredentials/0/mac", kWrongMac, "SKS"},
    {"[keygen2.md C-5.4] importSymmetricKey", "/issuedCredentials/0/importSymmetricKey/mac", kWrongMac, "SKS"},
    {"[keygen2.md C-5.4] addExtension", "/issuedCredentials/0/extensions/0/mac", kWrongMac, "SKS"},
    {"[keygen2.md C-5.4] the bag of another MAC", "/issuedCredentials/0/propertyBags/0/properties/0/writable", "false",
     "SKS"},
    {"[keygen2.md C-5.4] postCloneKeyProtection", "/issuedCredentials/0/cloneKeyProtection/authorization",
     kWrongSignature, "SKS"},
    {"[keygen2.md C-5.4] postUpdateKey", "/issuedCredentials/1/updateKey/mac", kWrongMac, "SKS"},
    {"[keygen2.md C-5.4] deactivate a new key", "/issuedCredentials/1/deactivated/mac", kWrongMac, "SKS"},
    {"[keygen2.md C-5.4] postUnlockKey", "/unlockKeys/0/authorization", kWrongSignature, "SKS"},
    {"[keygen2.md C-5.4] postDeleteKey", "/deleteKeys/0/mac", kWrongMac, "SKS"},
    {"[keygen2.md C-5.4] activate", "/activateKeys/0/mac", kWrongMac, "SKS"},
    {"[keygen2.md C-5.4] deactivate", "/deactivateKeys/0/authorization", kWrongSignature, "SKS"},
    {"[keygen2.md C-5.4] closeProvisioningSession", "/sessionCloseData/nonce", R"("AA")", "SKS"},
};

const std::vector<std::string> kOrder{
    "getKeyHandle",
    "setCertificatePath",
    "importSymmetricKey",
    "addExtension",
    "addExtension",
    "addExtension",
    "addExtension",
    "postCloneKeyProtection",
    "getKeyHandle",
    "setCertificatePath",
    "postUpdateKey",
    "deactivate",
    "postUnlockKey",
    "postDeleteKey",
    "activate",
    "deactivate",
    "closeProvisioningSession",
};

bool asks(std::string_view method) {
  return method == "enumerateProvisioningSessions" || method == "enumerateKeys" || method == "getKeyAttributes";
}

std::string edited(const std::string& request, const Manipulation& manipulation) {
  return manipulation.value.empty() ? edit::without(request, manipulation.pointer)
                                    : edit::with(request, manipulation.pointer, manipulation.value);
}

}  // namespace

TEST_CASE("ClientSession: a finalization executes top to bottom, with all targets found before the first call") {
  Everything run;
  const std::vector<KeyHandle> old = run.lab.keys();
  for (int i = 0; i < 3; ++i) CHECK_FALSE(run.lab.store->verify_pin(old[0], secret("9999")));
  run.request();
  run.lab.finish();
  const std::vector<std::string>& calls = run.lab.channel->calls;
  const auto first = std::ranges::find_if_not(calls, asks);
  CHECK(std::vector<std::string>(first, calls.end()) == kOrder);
  // Three sessions and six keys, each once, and the end of both.
  CHECK(std::ranges::count(calls, "enumerateProvisioningSessions") == 4);
  CHECK(std::ranges::count(calls, "enumerateKeys") == 7);
  CHECK(std::ranges::count(calls, "getKeyAttributes") == 6);

  const RunSummary& summary = run.lab.client->summary();
  CHECK(summary.created == 2);
  CHECK(summary.updated == 1);
  CHECK(summary.cloned == 1);
  CHECK(summary.unlocked == 1);
  CHECK(summary.deleted == 1);
  CHECK(summary.activated == 1);
  CHECK(summary.deactivated == 2);
  CHECK(run.lab.client->key_count() == 2);

  // One deleted, one replaced, one new.
  const std::vector<KeyHandle> keys = run.lab.keys();
  REQUIRE(keys.size() == 6);
  CHECK(run.lab.signs(old[0], "2468"));
  CHECK(std::ranges::find(keys, old[1]) == keys.end());
  const auto suspended = [&](KeyHandle key) {
    return (run.lab.store->get_key_protection_info(key)->protection_status & kSuspended) != 0;
  };
  CHECK(suspended(old[4]));
  CHECK(suspended(old[5]));
  CHECK_FALSE(suspended(old[3]));
  const KeyHandle cloned = keys.back();
  CHECK(run.lab.store->get_key_protection_info(cloned)->protection_status == kPinProtected);
  CHECK(run.lab.store->get_key_attributes(cloned)->symmetric_key_length == 20);
  CHECK(run.lab.store->get_key_attributes(old[5])->symmetric_key_length == 0);

  const auto extension = [&](const char* type) {
    auto content = run.lab.store->get_extension(cloned, type);
    REQUIRE(content);
    return to_string(content->data.view());
  };
  CHECK(extension("urn:plain") == "open");
  CHECK(extension("urn:encrypted") == "hidden");
  CHECK(extension("urn:logotype") == std::string("\x01\x02"));
  // str(name) || bool(writable) || str(value), twice. Spec: 8.7.
  CHECK(to_hex(as_bytes(extension("urn:bag"))) == "0007436f756e74657201000130000644696769747300000138");
  CHECK(run.lab.store->get_extension(cloned, "urn:logotype")->qualifier == "image/png");
}

TEST_CASE("ClientSession: a finalization that breaks a rule makes no call but those that ask") {
  for (const Manipulation& manipulation : kRefusals) {
    CAPTURE(std::string(manipulation.name));
    Everything run;
    const std::string request = run.request();
    CHECK(failure_class(run.lab.to_client(edited(request, manipulation))) == manipulation.expected);
    std::vector<std::string> told = run.lab.channel->calls;
    std::erase_if(told, asks);
    CHECK(told == std::vector<std::string>{"abortProvisioningSession"});
    CHECK(run.lab.contents() == run.before);
    CHECK_FALSE(run.lab.client->committed());
    CHECK(run.lab.client->summary().created == 0);
    CHECK(failure_class(run.lab.to_client(request)) == "STATE");
  }
}

TEST_CASE("ClientSession: what the key store refuses fails with its status, and nothing of the session remains") {
  for (const Manipulation& manipulation : kStoreRefusals) {
    CAPTURE(std::string(manipulation.name));
    Everything run;
    const auto result = run.lab.to_client(edited(run.request(), manipulation));
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::sks);
    CHECK((result.error().status == Status::mac || result.error().status == Status::option ||
           result.error().status == Status::crypto));
    CHECK(run.lab.contents() == run.before);
    CHECK(run.lab.client->summary().created == 0);
  }
}

TEST_CASE("ClientSession: whichever call of a finalization fails or throws, the key store is as it was") {
  std::set<std::string> methods(kOrder.begin(), kOrder.end());
  methods.insert({"enumerateProvisioningSessions", "enumerateKeys", "getKeyAttributes"});
  for (const std::string& method : methods) {
    CAPTURE(method);
    for (const bool throws : {false, true}) {
      CAPTURE(throws);
      Everything run;
      const std::string request = run.request();
      (throws ? run.lab.channel->throws_at : run.lab.channel->fails_at) = method;
      if (throws) {
        CHECK_THROWS_AS(static_cast<void>(run.lab.to_client(request)), std::bad_alloc);
      } else {
        CHECK(failure_class(run.lab.to_client(request)) == "SKS");
      }
      CHECK(run.lab.contents() == run.before);
      CHECK_FALSE(run.lab.client->committed());
    }
  }
}

TEST_CASE("ClientSession: [keygen2.md C-5.1] a session that somebody else has aborted ends the run") {
  Managed run;
  const std::string request = run.request();
  REQUIRE(run.lab.sessions(SessionState::open).size() == 1);
  CHECK(run.lab.store->abort_provisioning_session(run.lab.sessions(SessionState::open)[0].handle));
  const auto result = run.lab.to_client(request);
  REQUIRE_FALSE(result);
  CHECK(result.error().error_class == ErrorClass::sks);
  CHECK(result.error().status == Status::no_session);
  CHECK(run.lab.contents() == run.before);
}

TEST_CASE("ClientSession: [keygen2.md C-5.2] a trust anchor is a CA certificate") {
  for (const bool is_ca : {true, false}) {
    CAPTURE(is_ca);
    ClientLab lab;
    lab.start(lab.plan({}));
    std::string request = edit::with(lab.pass(6), "/issuedCredentials/0/trustAnchor", "true");
    if (!is_ca) request = edit::without(request, "/issuedCredentials/0/certificatePath/1");
    CHECK(failure_class(lab.to_client(request)) == (is_ca ? "none" : "VALUE"));
    CHECK(lab.keys().size() == (is_ca ? 2 : 0));
    CHECK(lab.user.alerts.size() == (is_ca ? 1 : 0));
  }
}

TEST_CASE("ClientSession: keys are managed without new ones, after discovery") {
  Managed run;
  run.manages_only = true;
  run.decide({2}, {0, 1});
  run.lab.run(run.plan);
  CHECK(run.lab.keys().size() == 4);
  CHECK(run.lab.client->key_count() == 0);
  CHECK(run.lab.client->summary().created == 0);
  CHECK(run.lab.client->summary().deleted == 2);
  CHECK(run.lab.client->summary().unlocked == 1);
}

TEST_CASE("ClientSession: keys are managed without new ones, without discovery") {
  Managed run;
  run.manages_only = true;
  run.decide({}, {0});
  run.lab.run(run.plan);  // finds what is to be deleted in the next run
  const TargetKey target = run.target(1);
  run.lab.decisions.decide = [&](const std::vector<FoundKey>&) {
    Management management;
    management.keys = KeyPlan{};
    // The deletion made the session of the managing run its owner.
    TargetKey moved = target;
    moved.owner = {run.lab.sessions(SessionState::closed).back().server_session_id,
                   run.lab.sessions(SessionState::closed).back().client_session_id};
    management.operations.remove = {moved};
    return management;
  };
  run.lab.start(run.plan);
  std::string answer = run.lab.pass(4);  // the client does not see this request
  answer = edit::with(answer, "/@qualifier", R"("CredentialDiscoveryResponse")");
  answer = edit::with(edit::without(answer, "/lookupSpecifiers"), "/lookupResults",
                      R"([{"id":"Lookup.1","matchingCredentials":[]}])");
  run.lab.last = answer;
  run.lab.to_client_next = false;
  run.lab.pass(1);
  run.lab.finish();
  CHECK(run.lab.keys().size() == 4);
}

TEST_CASE("ClientSession: a private key is imported, and signs; the user is told unless it is for encryption") {
  constexpr std::uint8_t encryption = 2;
  for (const std::uint8_t app_usage : {std::uint8_t{0}, encryption}) {
    CAPTURE(app_usage);
    ClientLab lab;
    const crypto::PrivateKey imported = crypto::PrivateKey::generate(*find_algorithm(kP256)).value();
    const crypto::Certificate certificate =
        crypto::issue_certificate({crypto::CertificateKind::ca, {{"CN", "Imported"}}, kNow - 1, kNow + 1, {}, {}, {}},
                                  imported.public_key(), nullptr, imported)
            .value();
    lab.decisions.adapt = [&](CredentialSpec& credential) {
      credential.certificate_path = std::vector<Bytes>{certificate.der()};
      credential.private_key = imported.to_pkcs8().value();
    };
    IssuancePlan plan = lab.plan({});
    plan.pin_policies.clear();
    plan.keys.at(0).app_usage = app_usage;
    lab.run(plan);
    REQUIRE(lab.keys().size() == 1);
    CHECK(lab.signs(lab.keys()[0], ""));
    CHECK(std::ranges::count(lab.channel->calls, "importPrivateKey") == 1);
    CHECK(lab.user.alerts.size() == (app_usage == encryption ? 0 : 1));
  }
}

TEST_CASE("ClientSession: key suspension that was not announced is an unknown property") {
  Everything source;
  const std::string request = source.request();
  auto message = IncomingMessage::parse(request, kMaxMessageToClient);
  REQUIRE(message);
  const auto all = message->decode<ProvisioningFinalizationRequest>();
  REQUIRE(all);
  for (int member = 0; member < 3; ++member) {
    CAPTURE(member);
    Managed run;
    auto own = IncomingMessage::parse(run.request(), kMaxMessageToClient);
    REQUIRE(own);
    auto changed = own->decode<ProvisioningFinalizationRequest>();
    REQUIRE(changed);
    if (member == 0) changed->activate_keys = all->activate_keys;
    if (member == 1) changed->deactivate_keys = all->deactivate_keys;
    if (member == 2) changed->credentials[0].deactivated_mac = all->credentials[1].deactivated_mac;
    CHECK(failure_class(run.lab.to_client(changed->encode())) == "JSON");
    CHECK(run.lab.contents() == run.before);
  }
}
