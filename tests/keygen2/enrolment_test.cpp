#include "tests/keygen2/enrolment.h"

#include <doctest/doctest.h>

#include "keygen2/messages.h"
#include "sks-core/crypto/private_key.h"
#include "tests/keygen2/json_edit.h"

// Whole runs: ClientSession over an Engine against IssuerSession.
using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

IssuancePlan base_plan() {
  IssuancePlan plan;
  plan.issuer_uri = kIssuerUri;
  return plan;
}

/// One PIN chosen by the user for a P-256 authentication key and an RSA-2048 signature key.
IssuancePlan pair_plan() {
  IssuancePlan plan = base_plan();
  PinPolicySpec policy;
  policy.grouping = 1;
  policy.keys.push_back(key_spec(kP256, 1));
  policy.keys.back().friendly_name = "\xC3\x85sa's login";
  policy.keys.back().endorsed_algorithms = {kEcdsaSha256};
  policy.keys.push_back(key_spec(kRsa2048, 0));
  plan.pin_policies.push_back(std::move(policy));
  return plan;
}

void finish(Enrolment& run) {
  run.start();
  CHECK(run.pass(8).empty());
  CHECK(run.issuer->phase() == IssuerPhase::done);
  CHECK(run.client->committed());
  CHECK(run.client->terminated());
  CHECK(run.count_sessions(SessionState::open) == 0);
  CHECK(run.count_sessions(SessionState::closed) == 1);
}

/// Whether the key signs with this PIN, and the signature verifies with its certificate.
bool signs(Enrolment& run, KeyHandle key, const char* algorithm, std::string_view pin) {
  const Authorization authorization{secret(pin), false};
  const Result<Bytes> signature = run.store->sign_data(key, algorithm, {}, authorization, as_bytes("data"));
  if (!signature) return false;
  const auto attributes = run.store->get_key_attributes(key);
  REQUIRE(attributes);
  const auto certificate = crypto::Certificate::from_der(attributes->certificate_path.front());
  REQUIRE(certificate);
  return static_cast<bool>(crypto::verify_signature(*certificate->public_key(), as_bytes("data"), *signature));
}

}  // namespace

// [keygen2.md 4.9 keyEntrySpecifier.pinValue]
TEST_CASE("Enrolment: two keys share a PIN that the user chose") {
  Enrolment run(pair_plan());
  run.user.pins = {"2468"};
  finish(run);
  REQUIRE(run.keys().size() == 2);
  CHECK(run.client->key_count() == 2);
  CHECK(signs(run, run.keys()[0], kEcdsaSha256, "2468"));
  CHECK(signs(run, run.keys()[1], kRsaSha256, "2468"));
  CHECK_FALSE(signs(run, run.keys()[0], kEcdsaSha256, "2469"));

  REQUIRE(run.user.consents.size() == 1);
  CHECK(run.user.consents[0].host == "issuer.example.com");
  CHECK(run.user.consents[0].action == "manage");
  CHECK(run.user.consents[0].device_identified);
  REQUIRE(run.user.requests.size() == 1);
  CHECK(run.user.requests[0].label == "PIN");
  CHECK(run.user.requests[0].key_names == std::vector<std::string>{"\xC3\x85sa's login", "Key.2"});
  CHECK(run.authority.certified == std::vector<std::string>{"Key.1", "Key.2"});
  REQUIRE(run.authority.devices.size() == 1);
  CHECK(run.authority.devices[0] == run.identity.certificate_path());
  CHECK(run.issuer->device_path() == run.identity.certificate_path());
  CHECK(run.store->get_key_attributes(run.keys()[0])->friendly_name == "\xC3\x85sa's login");
}

TEST_CASE("Enrolment: the issuer is saved and restored between all messages") {
  Enrolment run(pair_plan());
  run.saves_issuer = true;
  run.user.pins = {"2468"};
  finish(run);
  CHECK(run.keys().size() == 2);
}

TEST_CASE("Enrolment: privacy enabled mode identifies no device") {
  Enrolment run(pair_plan());
  run.plan.privacy_enabled = true;
  run.saves_issuer = true;
  run.user.pins = {"2468"};
  finish(run);
  CHECK(run.authority.devices.empty());
  CHECK(run.issuer->device_path().empty());
  CHECK_FALSE(run.user.consents.at(0).device_identified);
  CHECK(run.messages.at(3).find("deviceId") == std::string::npos);
  CHECK(signs(run, run.keys().at(0), kEcdsaSha256, "2468"));
}

TEST_CASE("Enrolment: PUK, preset PINs, user-defined PINs and keys without PIN in one session") {
  IssuancePlan plan = base_plan();
  PukPolicySpec puk;
  puk.puk = secret("12345678");
  PinPolicySpec preset;
  preset.grouping = 3;
  preset.format = 1;
  preset.input_method = 2;
  preset.user_modifiable = false;
  preset.pattern_restrictions = 0x03;
  preset.keys.push_back(key_spec(kP256, 0));
  preset.keys.back().preset_pin = secret("AB12");
  preset.keys.back().delete_protection = 2;
  preset.keys.back().enable_pin_caching = true;
  preset.keys.push_back(key_spec(kP256, 1));
  preset.keys.back().preset_pin = secret("CD34");
  preset.keys.back().export_protection = 1;
  puk.pin_policies.push_back(std::move(preset));
  plan.puk_policies.push_back(std::move(puk));
  PinPolicySpec chosen;
  chosen.grouping = 2;
  chosen.keys.push_back(key_spec(kP256, 0));
  chosen.keys.push_back(key_spec(kP256, 1));
  chosen.keys.push_back(key_spec(kP256, 2));
  plan.pin_policies.push_back(std::move(chosen));
  plan.keys.push_back(key_spec(kP256, 3));
  plan.keys.back().endorsed_algorithms = {kEcdsaSha384, kEcdsaSha256};  // sorted on use

  Enrolment run(std::move(plan));
  run.saves_issuer = true;
  run.user.pins = {"1111", "2222"};
  finish(run);
  const std::vector<KeyHandle> keys = run.keys();
  REQUIRE(keys.size() == 6);
  CHECK(signs(run, keys[0], kEcdsaSha256, "AB12"));
  CHECK(signs(run, keys[1], kEcdsaSha256, "CD34"));
  CHECK(signs(run, keys[2], kEcdsaSha256, "1111"));
  CHECK(signs(run, keys[3], kEcdsaSha256, "2222"));
  CHECK(signs(run, keys[4], kEcdsaSha256, "2222"));
  CHECK(signs(run, keys[5], kEcdsaSha256, ""));
  REQUIRE(run.user.requests.size() == 2);
  CHECK(run.user.requests[0].label == "signature PIN");
  CHECK(run.user.requests[1].label == "PIN");
  const auto info = run.store->get_key_protection_info(keys[0]);
  REQUIRE(info);
  CHECK(info->protection_status == (kPinProtected | kPukProtected));
  CHECK(info->delete_protection == 2);
  CHECK(info->enable_pin_caching);
  CHECK_FALSE(info->user_modifiable);
}

TEST_CASE("Enrolment: the session keeps the key management key and any of several server certificates") {
  const auto management = crypto::PrivateKey::generate(*find_algorithm(kP256));
  REQUIRE(management);
  IssuancePlan plan = plan_with_key();
  plan.key_management_key = management->public_key().spki();
  Enrolment run(std::move(plan));
  run.server_certificates = {Bytes{9}, Bytes{1, 2, 3}, Bytes{8}};
  finish(run);
  const auto session = run.store->enumerate_provisioning_sessions({}, SessionState::closed);
  REQUIRE(session);
  CHECK((*session)->key_management_key == management->public_key().spki());
  CHECK((*session)->issuer_uri == kIssuerUri);
  CHECK((*session)->server_session_id == run.issuer->server_session_id());
  CHECK((*session)->client_session_id == run.issuer->client_session_id());
}

TEST_CASE("Enrolment: the client answers queries for what its key store announces, and for nothing else") {
  const std::string ed25519 = "https://webpki.github.io/sks/algorithm#ed25519";
  Enrolment run(plan_with_key());
  const std::string request = edit::with(run.start(), "/clientCapabilityQuery",
                                         R"([")" + ed25519 + R"(","https://webpki.github.io/sks/algorithm#aes.ecb",
        "https://webpki.github.io/keygen2/feature#device-pin-support",
        "https://webpki.github.io/keygen2/clientattr#os-vendor","urn:x"])");
  const auto reply = run.to_client(request);
  REQUIRE(reply);
  auto message = IncomingMessage::parse(*reply, kMaxMessageToIssuer);
  REQUIRE(message);
  const auto response = message->decode<InvocationResponse>();
  REQUIRE(response);
  REQUIRE(response->capabilities.size() == 5);
  for (const ClientCapability& capability : response->capabilities) {
    CAPTURE(capability.type);
    const bool image = capability.type == "https://webpki.github.io/keygen2/logotype#card";
    CHECK(capability.form == (image ? CapabilityForm::image_attributes : CapabilityForm::supported));
    CHECK(capability.supported == (capability.type == ed25519));
  }
}

TEST_CASE("Enrolment: an issuer asks for unusual algorithms first, and goes on when they are there") {
  IssuancePlan plan = plan_with_key();
  SUBCASE("supported") {
    plan.keys[0].key_algorithm = "https://webpki.github.io/sks/algorithm#ed25519";
    Enrolment run(std::move(plan));
    finish(run);
  }
  SUBCASE("keys that only agree") {
    plan.keys[0].key_algorithm = "https://webpki.github.io/sks/algorithm#x25519";
    Enrolment run(std::move(plan));
    finish(run);
  }
  SUBCASE("with an RSA exponent") {
    plan.keys[0].key_algorithm = "https://webpki.github.io/sks/algorithm#rsa2048.exp";
    plan.keys[0].key_parameters = {0x03};
    Enrolment run(std::move(plan));
    finish(run);
  }
  SUBCASE("not supported") {
    const std::string x448 = "https://webpki.github.io/sks/algorithm#x448";
    plan.keys[0].key_algorithm = x448;
    Enrolment run(std::move(plan));
    run.start();
    const std::string reply = run.pass(1);
    REQUIRE(edit::get(reply, "/clientCapabilities/0/type") == x448);
    const auto result = run.to_issuer(edit::with(reply, "/clientCapabilities/0/supported", "false"));
    REQUIRE_FALSE(result);
    CHECK(result.error().error_class == ErrorClass::policy);
  }
}

TEST_CASE("Enrolment: the session key limit is the cost of the plan plus a small margin") {
  Enrolment run(pair_plan());
  run.start();
  const std::string request = run.pass(2);
  // createPinPolicy 1, createKeyEntry 2 x 2, setCertificatePath 2 x 1, close 2 (keygen2.md 7.9), margin 8.
  CHECK(request.find("\"sessionKeyLimit\": 17,") != std::string::npos);
}

TEST_CASE("Enrolment: more keys than usual need the user's consent") {
  for (const bool accepts : {true, false}) {
    CAPTURE(accepts);
    IssuancePlan plan = base_plan();
    for (int i = 0; i < 21; ++i) plan.keys.push_back(key_spec());
    Enrolment run(std::move(plan));
    run.user.accepts_many = accepts;
    run.start();
    const auto reply = run.to_client(run.pass(4));
    CHECK(run.user.many == 21);
    CHECK(static_cast<bool>(reply) == accepts);
    if (!reply) CHECK(reply.error().error_class == ErrorClass::policy);
    CHECK(run.count_sessions(SessionState::open) == (accepts ? 1 : 0));
  }
}
