#include "conformance/checks.h"
#include "sks-core/crypto/x509.h"

namespace sks::conformance {
namespace {

/// Validity dates are not looked at: a recording outlives them.
std::vector<crypto::Certificate> check_path(const Node& path) {
  path.findings().count();
  std::vector<Bytes> encoded;
  for (const Node& certificate : path.elements()) encoded.push_back(certificate.base64url());
  auto parsed = crypto::parse_path(encoded);
  if (parsed) return std::move(parsed).value();
  path.fail("is no certificate path: " + parsed.error().detail);
  return {};
}

}  // namespace

void check_certificates(const Session& session, Findings& findings) {
  const Recording& recording = session.recording;
  const Node device = message(recording, "ProvisioningInitializationResponse", findings)["deviceId"];
  if (device.exists()) check_path(device["certificatePath"]);
  const Node discovered = message(recording, "CredentialDiscoveryResponse", findings)["lookupResults"];
  for (const Node& result : discovered.optional_elements())
    for (const Node& credential : result["matchingCredentials"].elements()) check_path(credential["certificatePath"]);
  const Node request = message(recording, "ProvisioningFinalizationRequest", findings);
  for (const Node& credential : request["issuedCredentials"].optional_elements()) {
    const std::vector<crypto::Certificate> path = check_path(credential["certificatePath"]);
    if (path.empty() || !credential["trustAnchor"].optional_boolean(false)) continue;
    if (!path.back().is_ca() || !path.back().is_issued_by(path.back()))
      credential["trustAnchor"].fail("is true, but the last certificate is no self-signed one of a CA");
  }
}

}  // namespace sks::conformance
