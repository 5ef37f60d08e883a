#include "conformance/kit/client_role.h"

#include <algorithm>
#include <array>

#include "conformance/kit/authority.h"
#include "conformance/kit/jwk.h"
#include "conformance/mac_input.h"
#include "conformance/schema.h"
#include "keygen2/time.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/hash.h"

// The messages up to the creation of keys. Spec: keygen2.md 1.5 C-1 to C-3, 8.
namespace sks::conformance {

/// What a client does with a message, and when it may come. Spec: keygen2.md 1.2 and 1.4.
struct ClientRole::Handler {
  std::string_view request;
  std::string_view response;
  std::vector<Phase> from;
  Phase to;
  bool has_client_session_id;
  bool (ClientRole::*run)(const Node& request, Json& response);
};

const std::vector<ClientRole::Handler>& ClientRole::handlers() {
  using Role = ClientRole;
  static const std::vector<Handler> kHandlers{
      {"InvocationRequest", "InvocationResponse", {Phase::start}, Phase::invoked, false, &Role::answer_invocation},
      {"ProvisioningInitializationRequest",
       "ProvisioningInitializationResponse",
       {Phase::invoked},
       Phase::initialized,
       false,
       &Role::answer_initialization},
      {"CredentialDiscoveryRequest",
       "CredentialDiscoveryResponse",
       {Phase::initialized},
       Phase::discovered,
       true,
       &Role::answer_discovery},
      {"KeyCreationRequest",
       "KeyCreationResponse",
       {Phase::initialized, Phase::discovered},
       Phase::created,
       true,
       &Role::answer_creation},
      {"ProvisioningFinalizationRequest",
       "ProvisioningFinalizationResponse",
       {Phase::discovered, Phase::created},
       Phase::finished,
       true,
       &Role::answer_finalization},
  };
  return kHandlers;
}

ClientRole::ClientRole(Device& device, std::string issuer_uri, Bytes certificate, Json otherwise)
    : device_(device),
      issuer_uri_(std::move(issuer_uri)),
      certificate_(std::move(certificate)),
      otherwise_(std::move(otherwise)) {
  add_plain_placeholders(placeholders_, [] { return system_clock().now(); });
  // A key that belongs to nobody.
  placeholders_.add("new_key", [](const Json& argument) -> Result<Json> {
    SKS_LET(const std::string algorithm, text_of(argument));
    SKS_LET(const crypto::PrivateKey key, new_key(algorithm));
    return to_jwk(key.public_key());
  });
  // Well-formed, but issued by nobody whom the issuer knows.
  placeholders_.add("path_of_a_stranger", [](const Json&) -> Result<Json> {
    const std::int64_t now = system_clock().now();
    const Authority stranger = Authority::create("Conformance stranger", now);
    SKS_LET(const crypto::PrivateKey key, new_key("ec.nist.p256"));
    SKS_LET(const crypto::Certificate leaf,
            stranger.issue({"CN=Somebody", now - kDay, now + kDay, {}}, key.public_key()));
    return Json{to_base64url(leaf.der()), to_base64url(stranger.certificate().der())};
  });
}

std::optional<Json> ClientRole::answer(const std::string& text, Findings& findings) {
  const Result<Json> document = parse_document(text);
  if (!document) {
    findings.add({"message", "", ""}, document.error().detail);
    return std::nullopt;
  }
  const Node untitled(*document, {"message", "", ""}, findings);
  const std::string qualifier = untitled["@qualifier"].text();
  const auto handler = std::ranges::find(handlers(), qualifier, &Handler::request);
  findings.count();
  if (handler == handlers().end() || std::ranges::find(handler->from, phase_) == handler->from.end()) {
    untitled.fail("is not expected now: " + qualifier);
    return std::nullopt;
  }
  const Node request(*document, {qualifier, "", ""}, findings);
  if (const auto violation = find_schema_violation(*document)) {
    findings.add({qualifier, violation->path, ""}, violation->sentence);
    return std::nullopt;
  }
  if (handler->request == handlers().front().request) server_session_id_ = request["serverSessionId"].text();
  if (request["serverSessionId"].text() != server_session_id_)
    request["serverSessionId"].fail("is that of another session");
  if (handler->has_client_session_id && request["clientSessionId"].text() != client_session_id_)
    request["clientSessionId"].fail("is that of another session");
  Json response{{"@context", document->at("@context")},
                {"@qualifier", handler->response},
                {"serverSessionId", server_session_id_}};
  asked_[qualifier] = *document;
  if (!(this->*handler->run)(request, response) || !findings.empty()) return std::nullopt;
  if (!client_session_id_.empty()) response["clientSessionId"] = client_session_id_;
  phase_ = handler->to;
  return response;
}

bool ClientRole::accept(const Node& at, const std::string& call, const Result<void>& result) {
  at.findings().count();
  if (!result) at.fail("makes " + call + " fail: " + result.error().detail);
  return static_cast<bool>(result);
}

namespace {

/// Spec: keygen2.md 4.2.
constexpr std::string_view kValues = "https://webpki.github.io/keygen2/clientattr#";
constexpr std::string_view kImages = "https://webpki.github.io/keygen2/logotype#";

}  // namespace

Json ClientRole::answer_capability(const std::string& query, const DeviceInfo& device) const {
  if (query.starts_with(kImages))
    return {{"type", query}, {"imageAttributes", {{"mimeType", "image/png"}, {"width", 200U}, {"height", 120U}}}};
  if (query.starts_with(kValues) && query.ends_with("#os-vendor") && !privacy_)
    return {{"type", query}, {"values", {"Conformance"}}};
  const bool supported = std::ranges::find(device.supported_algorithms, query) != device.supported_algorithms.end();
  return {{"type", query}, {"supported", supported}};
}

bool ClientRole::answer_invocation(const Node& request, Json& response) {
  const auto device = store().get_device_info();
  SKS_CHECK(static_cast<bool>(device));
  privacy_ = request["privacyEnabled"].optional_boolean(false);
  action_ = request["action"].text();
  for (const Node& query : request["clientCapabilityQuery"].optional_elements()) {
    if (privacy_ && query.text() == std::string(kValues) + "imei-number")
      query.fail("asks for the identity of a device that is to stay unknown");
    response["clientCapabilities"].push_back(answer_capability(query.text(), *device));
  }
  return true;
}

bool ClientRole::roll_over(const Node& newer, const Node& older_ones) {
  for (const Node& older : older_ones.optional_elements()) {
    if (!roll_over(older["publicKey"], older["updatableKeyManagementKeys"])) return false;
    ProvisioningHandle at;
    for (auto session = store().enumerate_provisioning_sessions(at, SessionState::closed); session && *session;
         session = store().enumerate_provisioning_sessions(at, SessionState::closed)) {
      at = (*session)->handle;
      if ((*session)->key_management_key != older["publicKey"].public_key()) continue;
      const auto updated =
          store().update_key_management_key(at, newer.public_key(), older["authorization"].base64url());
      if (!accept(older, "updateKeyManagementKey", updated)) return false;
    }
  }
  return true;
}

Result<CreatedSession> ClientRole::create_session(const Node& request, std::uint32_t time) {
  SessionRequest call;
  call.session_key_algorithm = request["sessionKeyAlgorithm"].text();
  call.privacy_enabled = otherwise_.value("privacy", privacy_);
  call.server_session_id = server_session_id_;
  call.server_ephemeral_key = request["serverEphemeralKey"].public_key();
  call.issuer_uri = otherwise_.value("issuer_uri", issuer_uri_);
  call.key_management_key = request["keyManagementKey"].optional_public_key();
  call.client_time = time;
  call.session_life_time = static_cast<std::uint16_t>(request["sessionLifeTime"].number());
  call.session_key_limit = static_cast<std::uint16_t>(request["sessionKeyLimit"].number());
  call.server_certificate = certificate_;
  if (otherwise_.contains("certificate")) call.server_certificate.back() ^= 1U;
  return store().create_provisioning_session(call);
}

bool ClientRole::answer_initialization(const Node& request, Json& response) {
  const std::int64_t now = system_clock().now();
  const auto their_time = keygen2::parse_time(request["serverTime"].text(), keygen2::TimeZone::utc);
  if (!their_time || !keygen2::is_plausible(*their_time, now))
    request["serverTime"].fail("differs from the time of the client by more than a day");
  if (!roll_over(request["keyManagementKey"], request["updatableKeyManagementKeys"])) return false;
  const Result<std::int64_t> shift = parse_offset(otherwise_.value("clock", "+0s"));
  const std::int64_t time = now + (shift ? *shift : 0);
  const auto made = create_session(request, static_cast<std::uint32_t>(time));
  if (!made) return accept(request, "createProvisioningSession", made.error());
  session_ = made->handle;
  ephemeral_key_ = SecureBytes::copy_of(device_.keys().latest().view());
  client_session_id_ = made->client_session_id;
  const auto key = crypto::PublicKey::from_spki(made->client_ephemeral_key);
  SKS_CHECK(static_cast<bool>(key));
  response["serverTime"] = request["serverTime"].json();
  response["clientTime"] = keygen2::format_offset_time(time, 0);
  response["clientEphemeralKey"] = to_jwk(*key);
  response["attestation"] = to_base64url(made->attestation);
  if (otherwise_.value("privacy", privacy_)) return true;
  const auto device = store().get_device_info();
  SKS_CHECK(static_cast<bool>(device));
  for (const Bytes& certificate : device->certificate_path)
    response["deviceId"]["certificatePath"].push_back(to_base64url(certificate));
  return true;
}

namespace {

/// What a lookup finds. The store of a kit holds what this issuer has issued. A filter selects by the finger print of
/// the certificate or nothing: which keys other filters select is not judged here.
Json matching(const Node& filter, Json credentials) {
  if (!filter.exists()) return credentials;
  Json found = Json::array();
  const Bytes wanted = filter["fingerPrint"].optional_base64url();
  if (filter.json().size() != 1) return found;
  for (Json& credential : credentials) {
    const auto certificate = from_base64url(credential.at("certificatePath").at(0).get<std::string>());
    if (certificate && equal(crypto::sha256(*certificate), wanted)) found.push_back(std::move(credential));
  }
  return found;
}

}  // namespace

bool ClientRole::answer_discovery(const Node& request, Json& response) {
  Findings& findings = request.findings();
  const Json ids{{"clientSessionId", client_session_id_}, {"serverSessionId", server_session_id_}};
  const Node known(ids, {"session", "", ""}, findings);
  Values values;
  for (const char* const name : {"clientSessionId", "serverSessionId"})
    values.text(name, known[name], known[name].text());
  const Bytes nonce = to_bytes(crypto::sha256(encode(format::kLookupNonce, values).bytes));
  std::vector<std::string> seen;
  for (const Node& lookup : request["lookupSpecifiers"].elements()) {
    const std::string id = lookup["id"].text();
    if (std::ranges::find(seen, id) != seen.end()) lookup["id"].fail("occurs twice");
    seen.push_back(id);
    expect_equal(findings, "the nonce", plain("nonce", nonce, known.place()),
                 plain("nonce", lookup["nonce"].base64url(), lookup["nonce"].place()));
    const Bytes spki = lookup["signature"]["publicKey"].public_key();
    Json signed_object = lookup.json();
    signed_object["signature"].erase("value");
    const std::string text = signed_object.dump(-1, ' ', false, Json::error_handler_t::replace);
    const auto key = crypto::PublicKey::from_spki(spki);
    findings.count();
    if (!key || !crypto::verify_signature(*key, as_bytes(text), lookup["signature"]["value"].base64url()))
      lookup["signature"].fail("does not verify");
    response["lookupResults"].push_back(
        {{"id", id}, {"matchingCredentials", matching(lookup["searchFilter"], find_credentials(spki))}});
  }
  return true;
}

Json ClientRole::issued() {
  Findings none;
  const Node request(asked_["ProvisioningInitializationRequest"], {}, none);
  return find_credentials(request["keyManagementKey"].optional_public_key());
}

Json ClientRole::find_credentials(const Bytes& management_key) {
  Json found = Json::array();
  std::map<ProvisioningHandle, SessionInfo> sessions;
  ProvisioningHandle at;
  for (auto session = store().enumerate_provisioning_sessions(at, SessionState::closed); session && *session;
       session = store().enumerate_provisioning_sessions(at, SessionState::closed)) {
    at = (*session)->handle;
    if ((*session)->key_management_key == management_key && (*session)->privacy_enabled == privacy_)
      sessions.emplace(at, **session);
  }
  KeyHandle key;
  for (auto next = store().enumerate_keys(key); next && *next; next = store().enumerate_keys(key)) {
    key = (*next)->handle;
    const auto owner = sessions.find((*next)->session);
    const auto attributes = store().get_key_attributes(key);
    if (owner == sessions.end() || !attributes) continue;
    Json path = Json::array();
    for (const Bytes& certificate : attributes->certificate_path) path.push_back(to_base64url(certificate));
    found.push_back({{"serverSessionId", owner->second.server_session_id},
                     {"clientSessionId", owner->second.client_session_id},
                     {"certificatePath", std::move(path)}});
  }
  return found;
}

}  // namespace sks::conformance
