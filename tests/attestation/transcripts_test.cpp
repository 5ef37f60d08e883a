#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "attestation/verifier.h"
#include "sks-core/base/encoding.h"
#include "tests/support/temp_dir.h"

/// What the reference client, key store and issuer computed in the recorded sessions, computed anew.
namespace sks::attestation {
namespace {

using Json = nlohmann::json;

/// The recordings use standard base64 with padding.
Bytes base64(std::string text) {
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  std::erase(text, '=');
  const Result<Bytes> bytes = from_base64url(text);
  REQUIRE(bytes);
  return *bytes;
}

Bytes hex(const Json& value) {
  const Result<Bytes> bytes = from_hex(value.get<std::string>());
  REQUIRE(bytes);
  return *bytes;
}

Bytes optional_base64(const Json& value) { return value.is_null() ? Bytes() : base64(value.get<std::string>()); }

SessionClaims claims_of(const Json& run) {
  SessionClaims claims;
  claims.client_session_id = run["clientSessionId"];
  claims.server_session_id = run["serverSessionId"];
  claims.issuer_uri = run["issuerUri"];
  if (!run["privacyEnabled"].get<bool>()) claims.device_certificate = base64(run["deviceCertificates"][0]);
  claims.session_key_algorithm = run["sessionKeyAlgorithm"];
  claims.server_ephemeral_key = base64(run["serverEphemeralKey"]["publicKeySpki"]);
  claims.client_ephemeral_key = base64(run["clientEphemeralKeySpki"]);
  claims.key_management_key = optional_base64(run["keyManagementKey"]);
  claims.client_time = run["clientTime"];
  claims.session_life_time = run["sessionLifeTime"];
  claims.session_key_limit = run["sessionKeyLimit"];
  claims.server_certificate = base64(run["serverCertificate"]);
  return claims;
}

void check_run(const Json& run) {
  const SessionClaims claims = claims_of(run);
  CHECK(to_hex(session_key_data(claims)) == run["kdfData"].get<std::string>());
  const SecureBytes key = derive_session_key(hex(run["sharedSecretZ"]), claims);
  CHECK(to_hex(key.view()) == run["sessionKey"].get<std::string>());
  CHECK(to_hex(session_attestation_data(claims)) == run["sessionAttestation"]["data"].get<std::string>());

  Bytes attestation = hex(run["sessionAttestation"]["value"]);
  CHECK(verify_session(claims, key, attestation));
  attestation.back() ^= 1;
  CHECK_FALSE(verify_session(claims, key, attestation));

  for (const Json& operation : run["macOperations"]) {
    CHECK(to_hex(method_mac(key, operation["method"].get<std::string>(), operation["macSequenceCounter"],
                            hex(operation["data"]))) == operation["mac"].get<std::string>());
  }
  REQUIRE_FALSE(run["attestations"].empty());
  for (const Json& entry : run["attestations"]) {
    CHECK(verify_device_attestation(key, entry["macSequenceCounter"], hex(entry["data"]), hex(entry["value"])));
  }
}

TEST_CASE("session keys, attestations and MACs of every recorded session are computed anew") {
  std::size_t runs = 0;
  const std::string folder = test::source_file("tests/vectors/transcripts");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (!entry.is_directory()) continue;
    CAPTURE(entry.path().string());
    const Json run = Json::parse(test::read_file(entry.path() / "secrets.json"), nullptr, false);
    REQUIRE_FALSE(run.is_discarded());
    check_run(run);
    ++runs;
  }
  CHECK(runs == 26);
}

}  // namespace
}  // namespace sks::attestation
