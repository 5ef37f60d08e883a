#include <doctest/doctest.h>

#include <algorithm>

#include "attestation/verifier.h"
#include "conformance/verify.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/mac.h"
#include "tests/support/temp_dir.h"

// No session in privacy enabled mode is on record. One is made over into such a session with the functions of
// attestation/, which the kit does not share.
namespace sks::conformance {
namespace {

void replace_all(Json& json, const std::string& old_text, const std::string& new_text) {
  std::string text = json.dump();
  for (std::size_t at = text.find(old_text); at != std::string::npos; at = text.find(old_text, at + new_text.size()))
    text.replace(at, old_text.size(), new_text);
  json = Json::parse(text);
}

/// In hexadecimal in calls and secrets, in base64url in messages.
void replace_bytes(Recording& recording, ByteView old_bytes, ByteView new_bytes) {
  replace_all(recording.secrets, to_hex(old_bytes), to_hex(new_bytes));
  for (RecordedMessage& message : recording.messages)
    replace_all(message.content, to_base64url(old_bytes), to_base64url(new_bytes));
  for (RecordedCall& call : recording.calls) {
    replace_all(call.in, to_hex(old_bytes), to_hex(new_bytes));
    replace_all(call.out, to_hex(old_bytes), to_hex(new_bytes));
  }
}

Bytes hex(const Json& value) { return *from_hex(value.get<std::string>()); }

Bytes base64(const Json& value) {
  auto text = value.get<std::string>();
  std::erase(text, '=');
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return *from_base64url(text);
}

attestation::SessionClaims claims_of(const Json& secrets) {
  attestation::SessionClaims claims;
  claims.client_session_id = secrets["clientSessionId"];
  claims.server_session_id = secrets["serverSessionId"];
  claims.issuer_uri = secrets["issuerUri"];
  claims.session_key_algorithm = secrets["sessionKeyAlgorithm"];
  claims.server_ephemeral_key = base64(secrets["serverEphemeralKey"]["publicKeySpki"]);
  claims.client_ephemeral_key = base64(secrets["clientEphemeralKeySpki"]);
  claims.client_time = secrets["clientTime"];
  claims.session_life_time = secrets["sessionLifeTime"];
  claims.session_key_limit = secrets["sessionKeyLimit"];
  claims.server_certificate = base64(secrets["serverCertificate"]);
  return claims;
}

/// Replaces the MACs and attestations of a session by those under another session key, in the order of their counters:
/// attestations of keys cover MACs.
void renew_operations(Recording& recording, const SecureBytes& session_key) {
  std::vector<std::pair<std::string, std::size_t>> order;
  for (const char* const list : {"macOperations", "attestations"})
    for (std::size_t i = 0; i < recording.secrets[list].size(); ++i) order.emplace_back(list, i);
  std::ranges::sort(order, {}, [&](const auto& entry) {
    return recording.secrets[entry.first][entry.second]["macSequenceCounter"].template get<int>();
  });
  for (const auto& [list, index] : order) {
    const Json operation = recording.secrets[list][index];
    const bool mac = list == "macOperations";
    const std::string method = mac ? operation["method"].get<std::string>() : "DeviceAttestation";
    replace_bytes(
        recording, hex(operation[mac ? "mac" : "value"]),
        attestation::method_mac(session_key, method, operation["macSequenceCounter"], hex(operation["data"])));
  }
}

Recording make_anonymous(Recording recording) {
  const attestation::SessionClaims claims = claims_of(recording.secrets);
  const SecureBytes session_key = attestation::derive_session_key(hex(recording.secrets["sharedSecretZ"]), claims);
  const Bytes data = attestation::session_attestation_data(claims);
  replace_bytes(recording, hex(recording.secrets["sessionAttestation"]["value"]),
                crypto::hmac_sha256(session_key.view(), data));
  renew_operations(recording, session_key);
  recording.secrets["privacyEnabled"] = true;
  recording.secrets["kdfData"] = to_hex(attestation::session_key_data(claims));
  recording.secrets["sessionKey"] = to_hex(session_key.view());
  recording.secrets["sessionAttestation"]["data"] = to_hex(data);
  recording.messages.at(0).content["privacyEnabled"] = true;
  recording.messages.at(3).content.erase("deviceId");
  for (RecordedCall& call : recording.calls)
    if (call.method == "createProvisioningSession") call.in["privacyEnabled"] = true;
  return recording;
}

/// Places and sentences of everything that was found.
std::vector<std::string> findings(const Recording& recording) {
  std::vector<std::string> lines;
  for (const CheckResult& row : check_recording(recording))
    for (const Finding& finding : row.findings.list())
      lines.push_back(to_string(finding.place) + ' ' + finding.sentence);
  return lines;
}

TEST_CASE("Verify: a session in privacy enabled mode is attested by a MAC and names no device") {
  const auto recorded = read_recording(test::source_file("tests/vectors/transcripts/ServerSeed"));
  REQUIRE(recorded);
  const Recording anonymous = make_anonymous(*recorded);
  for (const std::string& line : findings(anonymous)) FAIL_CHECK(line);

  Recording forged = anonymous;
  forged.messages.at(3).content["attestation"] = to_base64url(Bytes(32, 7));
  REQUIRE(findings(forged).size() == 1);
  CHECK(
      findings(forged).front() ==
      "04-ProvisioningInitializationResponse.json /attestation the session attestation differs from what it should be "
      "in attestation at byte 0");

  Recording identified = anonymous;
  identified.messages.at(3).content["deviceId"] = recorded->messages.at(3).content["deviceId"];
  REQUIRE(findings(identified).size() == 1);
  CHECK(findings(identified).front() ==
        "04-ProvisioningInitializationResponse.json /deviceId identifies a device that is to stay unknown");
}

}  // namespace
}  // namespace sks::conformance
