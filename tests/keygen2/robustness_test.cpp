#include <doctest/doctest.h>

#include <array>
#include <set>

#include "keygen2/messages.h"
#include "sks-core/crypto/private_key.h"
#include "tests/keygen2/enrolment.h"
#include "tests/keygen2/json_edit.h"
#include "tests/keygen2/schema.h"

// Every message of a run, damaged in every place: decoders never crash and never accept what the rules forbid.
using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;
namespace edit = sks::test::json_edit;

namespace {

/// A run with as many different properties as the enrolment path has.
std::vector<std::string> make_messages() {
  IssuancePlan plan;
  plan.issuer_uri = kIssuerUri;
  const auto management = crypto::PrivateKey::generate(*find_algorithm(kP256));
  REQUIRE(management);
  plan.key_management_key = management->public_key().spki();
  PukPolicySpec puk;
  puk.puk = secret("12345678");
  PinPolicySpec preset;
  preset.grouping = 1;
  preset.format = 1;
  preset.input_method = 2;
  preset.user_modifiable = false;
  preset.pattern_restrictions = 0x17;
  preset.keys.push_back(key_spec(kP256, 0));
  KeySpec& key = preset.keys.back();
  key.preset_pin = secret("A7C3");
  key.enable_pin_caching = true;
  key.delete_protection = 1;
  key.export_protection = 2;
  key.friendly_name = "name";
  key.endorsed_algorithms = {kEcdsaSha256};
  puk.pin_policies.push_back(std::move(preset));
  plan.puk_policies.push_back(std::move(puk));
  PinPolicySpec chosen;
  chosen.keys.push_back(key_spec(kP256, 1));
  plan.pin_policies.push_back(std::move(chosen));
  plan.keys.push_back(key_spec("https://webpki.github.io/sks/algorithm#rsa2048.exp", 3));
  plan.keys.back().key_parameters = {0x01, 0x00, 0x01};
  Enrolment run(std::move(plan));
  run.user.pins = {"2468"};
  run.start();
  run.pass(7);
  return run.messages;
}

const std::vector<std::string>& messages_of_a_run() {
  static const std::vector<std::string> messages = make_messages();
  return messages;
}

template <class T>
Outcome<std::string> decode_as(IncomingMessage& message) {
  SKS_LET(const T decoded, message.decode<T>());
  return decoded.encode();
}

/// The message decoded and written again.
Outcome<std::string> decode(const std::string& text) {
  SKS_LET(IncomingMessage message, IncomingMessage::parse(text, kMaxMessageToIssuer));
  switch (message.type()) {
    case MessageType::invocation_request:
      return decode_as<InvocationRequest>(message);
    case MessageType::invocation_response:
      return decode_as<InvocationResponse>(message);
    case MessageType::provisioning_initialization_request:
      return decode_as<ProvisioningInitializationRequest>(message);
    case MessageType::provisioning_initialization_response:
      return decode_as<ProvisioningInitializationResponse>(message);
    case MessageType::credential_discovery_request:
      return decode_as<CredentialDiscoveryRequest>(message);
    case MessageType::credential_discovery_response:
      return decode_as<CredentialDiscoveryResponse>(message);
    case MessageType::key_creation_request:
      return decode_as<KeyCreationRequest>(message);
    case MessageType::key_creation_response:
      return decode_as<KeyCreationResponse>(message);
    case MessageType::provisioning_finalization_request:
      return decode_as<ProvisioningFinalizationRequest>(message);
    case MessageType::provisioning_finalization_response:
      return decode_as<ProvisioningFinalizationResponse>(message);
  }
  return Failure{ErrorClass::json, "unknown"};
}

std::string_view outcome(const std::string& text) {
  const Outcome<std::string> result = decode(text);
  return result ? std::string_view() : to_string(result.error().error_class);
}

std::string name_of(const std::string& pointer) { return pointer.substr(pointer.rfind('/') + 1); }

/// Properties that may be absent, out of the tables of keygen2.md chapter 4.
const std::set<std::string> kOptional{
    "privacyEnabled",     "clientCapabilityQuery", "clientCapabilities",  "keyManagementKey",
    "deviceId",           "deferredIssuance",      "pukPolicySpecifiers", "userModifiable",
    "grouping",           "inputMethod",           "enablePinCaching",    "patternRestrictions",
    "endorsedAlgorithms", "biometricProtection",   "deleteProtection",    "exportProtection",
    "friendlyName",       "issuedCredentials",     "encryptedPin",        "trustAnchor"};
/// Optional at the top, mandatory further down.
const std::set<std::string> kOptionalAtTop{"/pinPolicySpecifiers", "/keyEntrySpecifiers"};

}  // namespace

TEST_CASE("Decoders: a valid message decodes to what it was written from") {
  for (const std::string& message : messages_of_a_run()) {
    const Outcome<std::string> again = decode(message);
    if (!again) FAIL(again.error().detail);
    // Times keep their instant, not their zone.
    CHECK((message.find("clientTime") != std::string::npos || *again == message));
  }
}

TEST_CASE("Messages: what client and issuer write obeys the schema") {
  for (const std::string& message : messages_of_a_run()) {
    CHECK(find_schema_violation(message) == "");
    CHECK(find_schema_violation(edit::with(message, "/unknown", "1")) != "");
    CHECK(find_schema_violation(edit::without(message, "/serverSessionId")) != "");
  }
}

TEST_CASE("Decoders: a missing property is refused unless it is optional") {
  for (const std::string& message : messages_of_a_run()) {
    for (const std::string& pointer : edit::properties(message)) {
      CAPTURE(pointer);
      const std::string_view result = outcome(edit::without(message, pointer));
      const bool optional = kOptional.contains(name_of(pointer)) || kOptionalAtTop.contains(pointer);
      // keyParameters may be absent as well, but not next to an algorithm that takes them: VALUE.
      if (!optional) CHECK(result == (name_of(pointer) == "keyParameters" ? "VALUE" : "JSON"));
    }
  }
}

TEST_CASE("Decoders: a duplicate property, an unknown property, null and wrong types are refused with JSON") {
  const std::array<std::string, 5> values{"true", "7", "\"x\"", "[]", "{}"};
  for (const std::string& message : messages_of_a_run()) {
    for (const std::string& pointer : edit::properties(message)) {
      CAPTURE(pointer);
      CHECK(outcome(edit::with_duplicate(message, pointer)) == "JSON");
      CHECK(outcome(edit::with(message, pointer, "null")) == "JSON");
      CHECK(outcome(edit::with(message, pointer, "1.5")) == "JSON");
      CHECK(outcome(edit::with(message, pointer, "[[]]")) == "JSON");
      int accepted = 0;
      for (const std::string& value : values) accepted += outcome(edit::with(message, pointer, value)).empty() ? 1 : 0;
      CHECK(accepted <= 1);
    }
    for (const std::string& pointer : edit::objects(message)) {
      CAPTURE(pointer);
      CHECK(outcome(edit::with(message, pointer + "/unknown", "1")) == "JSON");
      CHECK(outcome(edit::with(message, pointer + "/unknown", "{}")) == "JSON");
    }
  }
}

TEST_CASE("Decoders: truncated messages are refused with JSON") {
  for (const std::string& message : messages_of_a_run())
    for (std::size_t size = 0; size + 1 < message.size(); size += 1 + size / 200)
      CHECK(outcome(message.substr(0, size)) == "JSON");
}

TEST_CASE("Decoders: flipped bits are refused, or give a message that is valid itself") {
  for (const std::string& message : messages_of_a_run()) {
    for (std::size_t at = 0; at < message.size(); at += 7) {
      std::string damaged = message;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ (1U << (at % 8)));
      const Outcome<std::string> once = decode(damaged);
      if (!once) continue;
      const Outcome<std::string> twice = decode(*once);
      REQUIRE(twice);
      CHECK(*twice == *once);
    }
  }
}
