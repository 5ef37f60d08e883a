#include <algorithm>
#include <array>
#include <limits>

#include "conformance/kit/conditions.h"
#include "conformance/kit/issuer_messages.h"
#include "conformance/kit/jwk.h"
#include "conformance/mac_input.h"
#include "conformance/schema.h"
#include "keygen2/time.h"
#include "sks-core/base/clock.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/mac.h"

// What the issuer of the kit demands of the responses. Spec: keygen2.md 1.5 and 4.
namespace sks::conformance {
namespace {

constexpr std::string_view kAnonymous = "Anonymous";

void expect_text(const Node& node, const std::string& expected) {
  node.findings().count();
  const std::string found = node.text();
  if (found != expected) node.fail("is \"" + found + "\" and not \"" + expected + '"');
}

/// A path that is well-formed by keygen2.md 5.4; empty if it is none.
std::vector<Bytes> read_path(const Node& node) {
  std::vector<Bytes> path;
  for (const Node& certificate : node.elements()) path.push_back(certificate.base64url());
  node.findings().count();
  if (const auto parsed = crypto::parse_path(path)) return path;
  node.fail("is no certificate path");
  return {};
}

struct QueryKind {
  std::string_view prefix;
  std::string_view member;  ///< of an answer that says more than false
};
/// Spec: keygen2.md 4.2. The answer to anything else is "supported".
constexpr auto kQueryKinds = std::to_array<QueryKind>({
    {"https://webpki.github.io/keygen2/clientattr#", "values"},
    {"https://webpki.github.io/keygen2/logotype#", "imageAttributes"},
});

/// 0 for a time that is no time: that is a finding.
std::uint32_t client_time(const Node& node) {
  const auto time = keygen2::parse_time(node.text(), keygen2::TimeZone::offset);
  const bool fits = time && *time >= 0 && *time <= std::numeric_limits<std::uint32_t>::max();
  if (!fits) node.fail("is no time with a numeric offset");
  return fits ? static_cast<std::uint32_t>(*time) : 0;
}

/// What a key of this algorithm looks like. Spec: keygen2.md 5.3.
bool fits_algorithm(const crypto::PublicKey& key, const Algorithm& algorithm) {
  if (key.kind() != algorithm.kind) return false;
  if (key.kind() == KeyKind::ec) return key.curve() == algorithm.curve;
  constexpr std::size_t kBits = 8;
  return key.kind() != KeyKind::rsa || key.rsa_modulus_bytes() * kBits == algorithm.size;
}

Bytes without_leading_zeros(Bytes number) {
  number.erase(number.begin(), std::ranges::find_if(number, [](std::uint8_t byte) { return byte != 0; }));
  return number;
}

}  // namespace

void IssuerRole::check(const Step& step, const std::string& text, Findings& findings) {
  step_ = &step;
  const std::string name = step.expect.message;
  const Result<Json> document = parse_document(text);
  if (!document) return findings.add({name, "", ""}, document.error().detail);
  const Node response(*document, {name, "", ""}, findings);
  findings.count();
  if (response["@qualifier"].text() != name) return response["@qualifier"].fail("is not " + name);
  if (const auto violation = find_schema_violation(*document))
    return findings.add({name, violation->path, ""}, violation->sentence);
  expect_text(response["serverSessionId"], server_session_id_);
  const Message* const row = find_message(step.send);
  if (row->has_client_session_id) expect_text(response["clientSessionId"], client_session_id_);
  (this->*row->check)(response);
  for (const auto& [pointer, expected] : step.answer) {
    const Result<Json> resolved = placeholders_.resolve(expected);
    if (resolved)
      check_condition(response, pointer, *resolved);
    else
      response.fail(resolved.error().detail);
  }
}

std::optional<std::string> IssuerRole::find_lack(const Step& step, const std::string& text) {
  const Result<Json> document = parse_document(text);
  if (!document) return document.error().detail;
  Findings lacking;
  const Node response(*document, {step.expect.message, "", ""}, lacking);
  for (const auto& [pointer, expected] : step.needs) check_condition(response, pointer, expected);
  if (lacking.empty()) return std::nullopt;
  const Finding& first = lacking.list().front();
  return to_string(first.place) + ' ' + first.sentence;
}

void IssuerRole::check_capability(const Node& answer) {
  const std::string type = answer["type"].text();
  const auto* const kind =
      std::ranges::find_if(kQueryKinds, [&](const QueryKind& row) { return type.starts_with(row.prefix); });
  const std::string member(kind == kQueryKinds.end() ? "supported" : kind->member);
  answer.findings().count();
  const bool refused = answer["supported"].exists() && !answer["supported"].boolean();
  if (!refused && !answer[member].exists())
    answer.fail("answers neither with " + member + " nor that it is not supported");
}

void IssuerRole::check_invocation(const Node& response) {
  const Json asked = sent_["InvocationRequest"].value("clientCapabilityQuery", Json::array());
  const Node answers = response["clientCapabilities"];
  std::multiset<std::string> open;
  for (const Json& query : asked) open.insert(query.get<std::string>());
  for (const Node& answer : answers.optional_elements()) {
    check_capability(answer);
    const auto found = open.find(answer["type"].text());
    if (found == open.end())
      answer["type"].fail("answers no query, or one that was answered");
    else
      open.erase(found);
  }
  for (const std::string& query : open) answers.fail("does not answer " + query);
}

void IssuerRole::check_device(const Node& response, std::vector<Bytes>& path) {
  const Node device = response["deviceId"];
  response.findings().count();
  if (device.exists() == privacy_)
    return device.fail(privacy_ ? "identifies a device that is to stay unknown" : "is missing");
  if (!privacy_) path = read_path(device["certificatePath"]);
}

void IssuerRole::check_initialization(const Node& response) {
  const Json& request = sent_["ProvisioningInitializationRequest"];
  client_session_id_ = response["clientSessionId"].text();
  if (!memory_.client_session_ids.insert(client_session_id_).second)
    response["clientSessionId"].fail("is that of an earlier session");
  expect_text(response["serverTime"], request.value("serverTime", ""));
  if (!keygen2::is_plausible(client_time(response["clientTime"]), system_clock().now()))
    response["clientTime"].fail("differs from the time of the issuer by more than a day");
  std::vector<Bytes> path;
  check_device(response, path);
  device_id_ = path.empty() ? to_bytes(as_bytes(kAnonymous)) : path.front();
  derive_session_key(response);
  check_session_attestation(response, path);
  counter_ = 0;
}

/// Spec: keygen2.md 7.3.
void IssuerRole::derive_session_key(const Node& response) {
  const Node peer = response["clientEphemeralKey"];
  const auto public_key = crypto::PublicKey::from_spki(peer.public_key());
  if (!public_key || !ephemeral_) return peer.fail("is no key to agree with");
  const auto z = ephemeral_->agree(*public_key);
  if (!z) return peer.fail("is not on the curve of serverEphemeralKey");
  const Node uri(issuer_uri_, {"connection", "/url", ""}, response.findings());
  Values values;
  for (const char* const name : {"clientSessionId", "serverSessionId"})
    values.text(name, response[name], response[name].text());
  values.text("issuerUri", uri, uri.text()).bytes("deviceID", response["deviceId"], device_id_);
  session_key_ = SecureBytes::copy_of(crypto::hmac_sha256(z->view(), encode(format::kSessionKey, values).bytes));
}

/// Spec: keygen2.md 7.4.
void IssuerRole::check_session_attestation(const Node& response, const std::vector<Bytes>& device_path) {
  const Node request(sent_["ProvisioningInitializationRequest"], {"ProvisioningInitializationRequest", "", ""},
                     response.findings());
  const Node uri(issuer_uri_, {"connection", "/url", ""}, response.findings());
  Values values;
  for (const char* const name : {"clientSessionId", "serverSessionId"})
    values.text(name, response[name], response[name].text());
  values.text("issuerUri", uri, uri.text())
      .bytes("deviceID", response["deviceId"], device_id_)
      .text("sessionKeyAlgorithm", request["sessionKeyAlgorithm"], request["sessionKeyAlgorithm"].text())
      .number("privacyEnabled", response, privacy_ ? 1 : 0)
      .bytes("serverEphemeralKey", request["serverEphemeralKey"], request["serverEphemeralKey"].public_key())
      .bytes("clientEphemeralKey", response["clientEphemeralKey"], response["clientEphemeralKey"].public_key())
      .bytes("keyManagementKey", request["keyManagementKey"], request["keyManagementKey"].optional_public_key())
      .number("clientTime", response["clientTime"], client_time(response["clientTime"]))
      .bytes("serverCertificate", uri, certificate_);
  for (const char* const name : {"sessionLifeTime", "sessionKeyLimit"})
    values.number(name, request[name], request[name].number());
  const Input input = encode(format::kSessionAttestation, values);
  const Node attestation = response["attestation"];
  response.findings().count();
  if (attests(input.bytes, attestation.base64url(), device_path)) return;
  Difference covered{"", 0, attestation.place(), {}};
  for (const Input::Piece& piece : input.pieces)
    covered.rows.push_back(
        {piece.field, piece.offset, to_hex(ByteView(input.bytes).subspan(piece.offset, piece.length)), "", true});
  response.findings().add(
      attestation.place(),
      std::string("is not ") + (privacy_ ? "the MAC" : "the device's signature") + " over these values of the session",
      std::move(covered));
}

bool IssuerRole::attests(ByteView data, ByteView value, const std::vector<Bytes>& device_path) const {
  if (privacy_) return equal_constant_time(crypto::hmac_sha256(session_key_.view(), data), value);
  if (device_path.empty()) return false;
  const auto device = crypto::Certificate::from_der(device_path.front());
  const auto key = device ? device->public_key() : Result<crypto::PublicKey>(device.error());
  return key && crypto::verify_signature(*key, data, value);
}

void IssuerRole::check_discovery(const Node& response) {
  const Json request = sent_["CredentialDiscoveryRequest"];
  std::set<std::string> open;
  for (const Json& lookup : request.value("lookupSpecifiers", Json::array())) open.insert(lookup.value("id", ""));
  for (const Node& result : response["lookupResults"].elements()) {
    if (open.erase(result["id"].text()) != 1) result["id"].fail("answers no lookup, or one that was answered");
    check_lookup_result(result);
  }
  for (const std::string& id : open) response["lookupResults"].fail("does not answer \"" + id + '"');
}

void IssuerRole::check_lookup_result(const Node& result) {
  std::vector<std::string> names;
  for (const Node& credential : result["matchingCredentials"].elements()) check_found(credential, names);
  const auto expected = step_->finds.find(result["id"].text());
  result.findings().count();
  if (expected == step_->finds.end()) return;
  std::vector<std::string> wanted = expected->second;
  std::ranges::sort(wanted);
  std::ranges::sort(names);
  const auto listed = [](const std::vector<std::string>& list) {
    std::string text;
    for (const std::string& name : list) text += (text.empty() ? "" : ", ") + name;
    return text.empty() ? std::string("nothing") : text;
  };
  if (names != wanted) result["matchingCredentials"].fail("holds " + listed(names) + " and not " + listed(wanted));
}

void IssuerRole::check_found(const Node& credential, std::vector<std::string>& names) {
  const std::vector<Bytes> path = read_path(credential["certificatePath"]);
  const auto known = std::ranges::find(memory_.credentials, path, &Credential::path);
  if (known == memory_.credentials.end())
    return credential["certificatePath"].fail("belongs to no credential that this issuer has issued and not deleted");
  expect_text(credential["serverSessionId"], known->server_session_id);
  expect_text(credential["clientSessionId"], known->client_session_id);
  names.push_back(known->name);
}

void IssuerRole::check_creation(const Node& response) {
  const std::vector<Node> generated = response["generatedKeys"].elements();
  response.findings().count();
  if (generated.size() != keys_.size())
    return response["generatedKeys"].fail("holds " + std::to_string(generated.size()) + " keys and not " +
                                          std::to_string(keys_.size()));
  for (std::size_t i = 0; i < keys_.size(); ++i) check_generated_key(generated[i], keys_[i]);
}

void IssuerRole::check_generated_key(const Node& generated, Key& key) {
  expect_text(generated["id"], key.id);
  const Node public_key = generated["publicKey"];
  const Bytes spki = public_key.public_key();
  const auto parsed = crypto::PublicKey::from_spki(spki);
  if (!parsed) return;
  if (public_key.json() != to_jwk(*parsed))
    public_key.fail("is not in the form that is to be emitted (keygen2.md 5.1)");
  const Algorithm* const algorithm = find_algorithm(key.algorithm);
  if (algorithm != nullptr && !fits_algorithm(*parsed, *algorithm)) public_key.fail("is no key for " + key.algorithm);
  const Bytes usual{1, 0, 1};
  const Bytes exponent = key.parameters.empty() ? usual : without_leading_zeros(key.parameters);
  if (parsed->kind() == KeyKind::rsa && parsed->rsa_exponent() != exponent)
    public_key["e"].fail("is not the exponent that was asked for");
  const bool used = std::ranges::any_of(keys_, [&](const Key& other) { return other.public_key == public_key.json(); });
  if (used) public_key.fail("is that of another key");
  key.public_key = public_key.json();
  Values values;
  values.bytes("publicKey", public_key, spki).bytes("mac", generated, key.mac);
  const Bytes expected =
      mac(format::kKeyAttestation.method, key.counter, encode(format::kKeyAttestation, values).bytes);
  const Node attestation = generated["attestation"];
  expect_equal(generated.findings(), "the attestation of " + key.id,
               plain("attestation", expected, {"session key and " + key.id, "", ""}),
               plain("attestation", attestation.base64url(), attestation.place()));
}

void IssuerRole::check_finalization(const Node& response) {
  const Node request(sent_["ProvisioningFinalizationRequest"], {"ProvisioningFinalizationRequest", "", ""},
                     response.findings());
  const Node nonce = request["sessionCloseData"]["nonce"];
  Values values;
  values.bytes("nonce", nonce, nonce.base64url());
  const Bytes expected =
      mac(format::kCloseAttestation.method, close_counter_, encode(format::kCloseAttestation, values).bytes);
  const Node attestation = response["attestation"];
  expect_equal(response.findings(), "the attestation of the close", plain("attestation", expected, nonce.place()),
               plain("attestation", attestation.base64url(), attestation.place()));
  remember();
}

namespace {

std::vector<Bytes> path_of(const Json& credential) {
  std::vector<Bytes> path;
  for (const Json& certificate : credential.value("certificatePath", Json::array()))
    if (auto der = from_base64url(certificate.get<std::string>())) path.push_back(*std::move(der));
  return path;
}

}  // namespace

/// Mirrors what the key store has done. Spec: keygen2.md 7.11.
void IssuerRole::remember() {
  const Json& message = sent_["ProvisioningFinalizationRequest"];
  Findings unreadable;
  const Node initialization(sent_["ProvisioningInitializationRequest"], {}, unreadable);
  const Bytes management_key = initialization["keyManagementKey"].optional_public_key();
  std::set<std::string> absorbed;
  std::vector<std::string> gone;
  const auto touch = [&](const Json& target, bool removes) {
    absorbed.insert(target.value("clientSessionId", ""));
    if (removes) gone.push_back(target.value("fingerPrint", ""));
  };
  const std::vector<std::pair<const char*, bool>> operations{
      {"unlockKeys", false}, {"deleteKeys", true}, {"activateKeys", false}, {"deactivateKeys", false}};
  for (const auto& [name, removes] : operations)
    for (const Json& target : message.value(name, Json::array())) touch(target, removes);
  std::vector<Credential> fresh;
  for (const Json& credential : message.value("issuedCredentials", Json::array())) {
    if (credential.contains("updateKey")) touch(credential["updateKey"], true);
    if (credential.contains("cloneKeyProtection")) touch(credential["cloneKeyProtection"], false);
    fresh.push_back({credential.value("id", ""), path_of(credential), server_session_id_, client_session_id_,
                     management_key, privacy_});
  }
  std::erase_if(memory_.credentials, [&](const Credential& credential) {
    return std::ranges::find(gone, to_base64url(crypto::sha256(credential.path.front()))) != gone.end();
  });
  for (Credential& credential : memory_.credentials) {
    if (!absorbed.contains(credential.client_session_id)) continue;
    credential.server_session_id = server_session_id_;
    credential.client_session_id = client_session_id_;
    credential.management_key = management_key;
  }
  std::ranges::move(fresh, std::back_inserter(memory_.credentials));
}

}  // namespace sks::conformance
