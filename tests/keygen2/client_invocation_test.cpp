#include <doctest/doctest.h>

#include "keygen2/enumerations.h"
#include "tests/keygen2/client_lab.h"
#include "tests/keygen2/json_edit.h"

// InvocationRequest: consent and the answers to capability queries. Spec: keygen2.md 1.5 C-1, 4.2, 4.3, 8.1.
using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

const std::string kAttribute = "https://webpki.github.io/keygen2/clientattr#";
const std::string kLogotypeUri = "https://webpki.github.io/keygen2/logotype#";

IssuancePlan plan_with_queries(std::vector<std::string> queries) {
  IssuancePlan plan = plan_with_key();
  plan.capability_queries = std::move(queries);
  return plan;
}

std::vector<ClientCapability> answers(ClientLab& lab, const IssuancePlan& plan) {
  lab.start(plan);
  auto message = IncomingMessage::parse(lab.pass(1), kMaxMessageToIssuer);
  REQUIRE(message);
  const auto response = message->decode<InvocationResponse>();
  REQUIRE(response);
  // In the order of the queries, one for each.
  std::vector<std::string> types;
  for (const ClientCapability& capability : response->capabilities) types.push_back(capability.type);
  CHECK(types == plan.capability_queries);
  return response->capabilities;
}

}  // namespace

TEST_CASE("ClientSession: [keygen2.md C-1.1] an unknown action is refused before anybody is asked") {
  ClientLab lab;
  lab.start(plan_with_key());
  CHECK(failure_class(lab.to_client(edit::with(lab.last, "/action", R"("Manage")"))) == "VALUE");
  CHECK(lab.user.consents.empty());
}

TEST_CASE("ClientSession: [keygen2.md C-1.2] one of the key containers that are listed is here") {
  struct Case {
    const char* containers;
    const char* expected;
  };
  // The device is embedded, and software.
  for (const Case& c : {Case{R"(["uicc","embedded"])", "none"}, Case{R"(["software"])", "none"},
                        Case{R"(["uicc","sdcard"])", "POLICY"}, Case{R"(["external"])", "POLICY"}}) {
    CAPTURE(c.containers);
    ClientLab lab;
    lab.start(plan_with_key());
    CHECK(failure_class(lab.to_client(edit::with(lab.last, "/targetKeyContainers", c.containers))) == c.expected);
    CHECK(lab.user.consents.empty() == (std::string(c.expected) == "POLICY"));
  }
}

TEST_CASE("ClientSession: [keygen2.md C-1.3] privacy enabled mode tells no device identity, and asks nobody for it") {
  for (const bool privacy : {false, true}) {
    CAPTURE(privacy);
    ClientLab lab;
    lab.context.attributes = {{kAttribute + "imei-number", {"490154203237518"}}};
    lab.start(plan_with_queries({kAttribute + "imei-number"}));
    // The issuer itself would refuse such a plan.
    const auto reply = lab.to_client(edit::with(lab.last, "/privacyEnabled", privacy ? "true" : "false"));
    REQUIRE(reply);
    CHECK(edit::names(*reply, "/clientCapabilities/0") ==
          std::vector<std::string>{privacy ? "supported" : "type", privacy ? "type" : "values"});
    CHECK(lab.user.disclosures.size() == (privacy ? 0 : 1));
    CHECK((reply->find("490154203237518") == std::string::npos) == privacy);
  }
}

TEST_CASE("ClientSession: [keygen2.md C-1.4] without consent the key store is not called, nor an attribute told") {
  ClientLab lab;
  lab.user.agrees = false;
  lab.context.attributes = {{kAttribute + "os-version", {"12"}}};
  lab.start(plan_with_queries({kAttribute + "os-version", std::string(kKeySuspension)}));
  CHECK(failure_class(lab.to_client(lab.last)) == "USER");
  REQUIRE(lab.user.consents.size() == 1);
  CHECK(lab.user.consents[0].host == "issuer.example.com");
  CHECK(lab.user.consents[0].action == "manage");
  CHECK(lab.user.consents[0].device_identified);
  CHECK(lab.user.consents[0].consequences.empty());
  CHECK(lab.user.disclosures.empty());
  CHECK(lab.channel->calls == std::vector<std::string>{"getDeviceInfo"});
}

TEST_CASE("ClientSession: attributes are told when the user agrees, and only those that the client has") {
  for (const bool discloses : {true, false}) {
    CAPTURE(discloses);
    ClientLab lab;
    lab.user.discloses = discloses;
    lab.context.attributes = {{kAttribute + "os-vendor", {"Debian"}},
                              {kAttribute + "ip-address", {"192.0.2.1", "2001:db8::1"}},
                              {kAttribute + "mac-address", {}},
                              {"urn:not-asked", {"x"}},
                              {"urn:no-attribute", {"y"}}};
    const auto capabilities =
        answers(lab, plan_with_queries({kAttribute + "ip-address", "urn:no-attribute", kAttribute + "os-version",
                                        kAttribute + "mac-address", kAttribute + "os-vendor"}));
    CHECK(lab.user.disclosures ==
          std::vector<std::vector<std::string>>{{kAttribute + "ip-address", kAttribute + "os-vendor"}});
    REQUIRE(capabilities.size() == 5);
    for (const std::size_t told : {0U, 4U}) {
      CHECK((capabilities[told].form == CapabilityForm::values) == discloses);
      CHECK_FALSE(capabilities[told].supported);
    }
    if (discloses) CHECK(capabilities[0].values == std::vector<std::string>{"192.0.2.1", "2001:db8::1"});
    for (const std::size_t untold : {1U, 2U, 3U}) {
      CHECK(capabilities[untold].form == CapabilityForm::supported);
      CHECK_FALSE(capabilities[untold].supported);
    }
  }
}

TEST_CASE("ClientSession: nobody is asked to disclose what nobody knows") {
  ClientLab lab;
  CHECK_FALSE(answers(lab, plan_with_queries({kAttribute + "os-vendor"})).at(0).supported);
  CHECK(lab.user.disclosures.empty());
}

TEST_CASE("ClientSession: logotypes are answered from the preferences") {
  const std::vector<std::string> queries{kLogotypeUri + "list", kLogotypeUri + "card", kLogotypeUri + "icon",
                                         kLogotypeUri + "application"};
  SUBCASE("of the context, and with false for others") {
    ClientLab lab;
    lab.context.image_preferences = {{kLogotypeUri + "icon", {"image/svg+xml", 17, 18}}};
    const auto capabilities = answers(lab, plan_with_queries(queries));
    for (std::size_t i = 0; i < queries.size(); ++i)
      CHECK((capabilities[i].form == CapabilityForm::image_attributes) == (i == 2));
    CHECK(capabilities[2].image.mime_type == "image/svg+xml");
    CHECK(capabilities[2].image.width == 17);
    CHECK(capabilities[2].image.height == 18);
    CHECK_FALSE(capabilities[0].supported);
  }
  SUBCASE("by default for all four") {
    ClientLab lab;
    for (const ClientCapability& capability : answers(lab, plan_with_queries(queries))) {
      CHECK(capability.form == CapabilityForm::image_attributes);
      CHECK(capability.image.mime_type == "image/png");
      CHECK(capability.image.width > 0);
      CHECK(capability.image.height > 0);
    }
  }
  SUBCASE("but no other kind of logotype is known") {
    ClientLab lab;
    CHECK_FALSE(answers(lab, plan_with_queries({kLogotypeUri + "poster"})).at(0).supported);
  }
}

TEST_CASE("ClientSession: features are those of the key store") {
  const std::vector<std::string> queries{std::string(kDevicePinFeature), std::string(kBiometricFeature),
                                         "https://webpki.github.io/sks/algorithm#ed25519", "urn:x"};
  ClientLab lab;
  const auto capabilities = answers(lab, plan_with_queries(queries));
  for (std::size_t i = 0; i < queries.size(); ++i) {
    CHECK(capabilities[i].form == CapabilityForm::supported);
    CHECK(capabilities[i].supported == (i == 2));
  }
}

TEST_CASE("ClientSession: key suspension is announced only by a key store that knows the methods") {
  for (const bool known : {true, false}) {
    CAPTURE(known);
    ClientLab lab;
    lab.channel->has_extensions = known;
    const std::string before = lab.contents();
    CHECK(answers(lab, plan_with_queries({std::string(kKeySuspension)})).at(0).supported == known);
    CHECK(lab.contents() == before);
  }
}
