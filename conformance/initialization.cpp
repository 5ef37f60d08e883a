#include <algorithm>
#include <limits>
#include <set>

#include "conformance/checks.h"
#include "keygen2/time.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/mac.h"
#include "sks-core/crypto/x509.h"

// The first two message pairs, and what session key and attestation are made of.
namespace sks::conformance {
namespace {

constexpr std::string_view kAnonymous = "Anonymous";

/// What every source tells under the same name and in the same form.
void add_common(Values& values, const Node& texts, const Node& numbers) {
  values.text("sessionKeyAlgorithm", texts["sessionKeyAlgorithm"], texts["sessionKeyAlgorithm"].text());
  for (const char* const name : {"sessionLifeTime", "sessionKeyLimit"})
    values.number(name, numbers[name], numbers[name].number());
}

void add_device(Values& values, const Node& privacy, const Node& path, Bytes (Node::*decode)() const) {
  const bool anonymous = privacy.optional_boolean(false);
  values.number("privacyEnabled", privacy, anonymous ? 1 : 0);
  if (anonymous) {
    values.text("deviceID", privacy, kAnonymous);
    return;
  }
  const std::vector<Node> certificates = path.elements();
  if (certificates.empty())
    values.bytes("deviceID", path, {});
  else
    values.bytes("deviceID", certificates.front(), (certificates.front().*decode)());
}

void add_texts(Values& values, const Node& node, std::initializer_list<const char*> names) {
  for (const char* const name : names) values.text(name, node[name], node[name].text());
}

Values claims_of_secrets(const Recording& recording, Findings& findings) {
  const Node from = secrets(recording, findings);
  const Node own = from["serverEphemeralKey"]["publicKeySpki"];
  Values values;
  add_texts(values, from, {"clientSessionId", "serverSessionId", "issuerUri"});
  add_device(values, from["privacyEnabled"], from["deviceCertificates"], &Node::base64);
  add_common(values, from, from);
  values.bytes("serverEphemeralKey", own, own.base64())
      .bytes("clientEphemeralKey", from["clientEphemeralKeySpki"], from["clientEphemeralKeySpki"].base64())
      .bytes("keyManagementKey", from["keyManagementKey"], from["keyManagementKey"].optional_base64())
      .number("clientTime", from["clientTime"], from["clientTime"].number())
      .bytes("serverCertificate", from["serverCertificate"], from["serverCertificate"].base64());
  return values;
}

std::uint32_t client_time(const Node& node) {
  const std::string text = node.text();
  const auto time = keygen2::parse_time(text, keygen2::TimeZone::offset);
  const bool fits = time && *time >= 0 && *time <= std::numeric_limits<std::uint32_t>::max();
  if (!fits) node.fail("is no time of 32 bits: \"" + text + '"');
  return fits ? static_cast<std::uint32_t>(*time) : 0;
}

/// Issuer URI and server certificate belong to the connection: no message holds them.
Values claims_of_messages(const Recording& recording, Findings& findings) {
  const Node connection = secrets(recording, findings);
  const Node request = message(recording, "ProvisioningInitializationRequest", findings);
  const Node response = message(recording, "ProvisioningInitializationResponse", findings);
  Values values;
  add_texts(values, connection, {"issuerUri"});
  add_texts(values, response, {"clientSessionId", "serverSessionId"});
  add_device(values, message(recording, "InvocationRequest", findings)["privacyEnabled"],
             response["deviceId"]["certificatePath"], &Node::base64url);
  add_common(values, request, request);
  values.bytes("serverEphemeralKey", request["serverEphemeralKey"], request["serverEphemeralKey"].public_key())
      .bytes("clientEphemeralKey", response["clientEphemeralKey"], response["clientEphemeralKey"].public_key())
      .bytes("keyManagementKey", request["keyManagementKey"], request["keyManagementKey"].optional_public_key())
      .number("clientTime", response["clientTime"], client_time(response["clientTime"]))
      .bytes("serverCertificate", connection["serverCertificate"], connection["serverCertificate"].base64());
  return values;
}

/// The input of one format as every source tells it, the recorded input first.
std::vector<Told> told_about(const Format& format, const Session& session, const Node& recorded, Findings& findings) {
  const Recording& recording = session.recording;
  std::vector<Told> sources;
  sources.push_back({&format, split(format, recorded.hex(), recorded.place()), {}});
  sources.push_back({&format, encode(format, claims_of_secrets(recording, findings)), {}});
  if (const auto created = find_call(recording, "createProvisioningSession")) {
    sources.push_back({&format, encode(format, claims_of_call(recording, *created, findings)), {}});
    const Node attestation = call_result(recording, *created, findings)["attestation"];
    if (&format == &format::kSessionAttestation)
      sources.back().mac = plain("attestation", attestation.hex(), attestation.place());
  }
  if (session.complete) {
    sources.push_back({&format, encode(format, claims_of_messages(recording, findings)), {}});
    const Node attestation = message(recording, "ProvisioningInitializationResponse", findings)["attestation"];
    if (&format == &format::kSessionAttestation)
      sources.back().mac = plain("attestation", attestation.base64url(), attestation.place());
  }
  return sources;
}

/// Compares two lists of certificates that were told in different encodings.
void expect_same_path(Findings& findings, const Node& expected, const Node& found, Bytes (Node::*decode)() const) {
  Input left;
  Input right;
  const auto append = [](Input& input, const Node& certificate, const Bytes& bytes) {
    input.pieces.push_back({"certificate", input.bytes.size(), bytes.size(), certificate.place()});
    input.bytes.insert(input.bytes.end(), bytes.begin(), bytes.end());
  };
  for (const Node& certificate : expected.elements()) append(left, certificate, certificate.base64());
  for (const Node& certificate : found.elements()) append(right, certificate, (certificate.*decode)());
  expect_equal(findings, "the certificate path of the device", left, right);
}

void check_capabilities(const Session& session, Findings& findings) {
  const Node asked = message(session.recording, "InvocationRequest", findings)["clientCapabilityQuery"];
  const Node answers = message(session.recording, "InvocationResponse", findings)["clientCapabilities"];
  std::multiset<std::string> answered;
  for (const Node& answer : answers.optional_elements()) answered.insert(answer["type"].text());
  for (const Node& query : asked.optional_elements()) {
    findings.count();
    const std::string type = query.text();
    if (answered.count(type) != 1) query.fail("is answered " + std::to_string(answered.count(type)) + " times");
    answered.erase(type);
  }
  for (const std::string& type : answered) answers.fail("answers a query that was not made: " + type);
}

Verifies verify_session_attestation(const Session& session, Findings& findings) {
  const Node known = secrets(session.recording, findings);
  if (known["privacyEnabled"].boolean())
    return [&session](ByteView input, ByteView mac) {
      return equal_constant_time(crypto::hmac_sha256(session.session_key.view(), input), mac);
    };
  const std::vector<Node> path = known["deviceCertificates"].elements();
  const auto refuse = [](ByteView, ByteView) { return false; };
  if (path.empty()) return refuse;
  const auto certificate = crypto::Certificate::from_der(path.front().base64());
  if (!certificate) {
    path.front().fail("is no certificate: " + certificate.error().detail);
    return refuse;
  }
  const auto key = certificate->public_key();
  if (!key) {
    path.front().fail("holds no usable key: " + key.error().detail);
    return refuse;
  }
  return [key = *key](ByteView input, ByteView signature) {
    return static_cast<bool>(crypto::verify_signature(key, input, signature));
  };
}

}  // namespace

Values claims_of_call(const Recording& recording, std::size_t created, Findings& findings) {
  const Node in = call_arguments(recording, created, findings);
  const Node out = call_result(recording, created, findings);
  const auto device = find_call(recording, "getDeviceInfo");
  const Node info = device ? call_result(recording, *device, findings) : out;
  Values values;
  add_texts(values, out, {"clientSessionId"});
  add_texts(values, in, {"serverSessionId", "issuerUri"});
  add_device(values, in["privacyEnabled"], info["certificatePath"], &Node::base64);
  add_common(values, in, in);
  values.bytes("serverEphemeralKey", in["serverEphemeralKey"], in["serverEphemeralKey"].base64())
      .bytes("clientEphemeralKey", out["clientEphemeralKey"], out["clientEphemeralKey"].base64())
      .bytes("keyManagementKey", in["keyManagementKey"], in["keyManagementKey"].optional_base64())
      .number("clientTime", in["clientTime"], in["clientTime"].number())
      .bytes("serverCertificate", in["serverCertificate"], in["serverCertificate"].hex());
  return values;
}

void check_initialization(const Session& session, Findings& findings) {
  const Recording& recording = session.recording;
  const Node known = secrets(recording, findings);
  if (const auto info = find_call(recording, "getDeviceInfo"))
    expect_same_path(findings, known["deviceCertificates"], call_result(recording, *info, findings)["certificatePath"],
                     &Node::base64);
  if (!session.complete) return;
  check_capabilities(session, findings);
  const Node request = message(recording, "ProvisioningInitializationRequest", findings);
  const Node response = message(recording, "ProvisioningInitializationResponse", findings);
  findings.count();
  if (response["serverTime"].text() != request["serverTime"].text())
    response["serverTime"].fail("does not repeat the server's time");
  const bool anonymous = message(recording, "InvocationRequest", findings)["privacyEnabled"].optional_boolean(false);
  if (response["deviceId"].exists() == anonymous)
    response["deviceId"].fail(anonymous ? "identifies a device that is to stay unknown" : "is missing");
  if (!anonymous)
    expect_same_path(findings, known["deviceCertificates"], response["deviceId"]["certificatePath"], &Node::base64url);
}

void check_session_key(const Session& session, Findings& findings) {
  const Node known = secrets(session.recording, findings);
  const SecureBytes z = shared_secret(known);
  const Node recorded_z = known["sharedSecretZ"];
  const Node key = known["sessionKey"];
  expect_equal(findings, "the shared secret Z", plain("Z", to_bytes(z.view()), known["serverEphemeralKey"].place()),
               plain("Z", recorded_z.hex(), recorded_z.place()));
  std::vector<Told> sources = told_about(format::kSessionKey, session, known["kdfData"], findings);
  sources.front().mac = plain("sessionKey", key.hex(), key.place());
  check_sources(findings, "the session key", sources, [&](ByteView input, ByteView derived) {
    return equal_constant_time(crypto::hmac_sha256(z.view(), input), derived);
  });
  // The recording holds the encryption key if something was encrypted.
  const Node encryption_key = known["encryptionKey"];
  if (!encryption_key.exists()) return;
  const crypto::Sha256Digest digest = crypto::hmac_sha256(session.session_key.view(), as_bytes("EncryptionKey"));
  expect_equal(findings, "the encryption key", plain("encryptionKey", to_bytes(digest), key.place()),
               plain("encryptionKey", encryption_key.hex(), encryption_key.place()));
}

void check_session_attestation(const Session& session, Findings& findings) {
  const Node recorded = secrets(session.recording, findings)["sessionAttestation"];
  std::vector<Told> sources = told_about(format::kSessionAttestation, session, recorded["data"], findings);
  sources.front().mac = plain("attestation", recorded["value"].hex(), recorded["value"].place());
  check_sources(findings, "the session attestation", sources, verify_session_attestation(session, findings));
}

}  // namespace sks::conformance
