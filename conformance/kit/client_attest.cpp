#include <algorithm>

#include "conformance/kit/client_role.h"
#include "conformance/kit/jwk.h"
#include "conformance/message_walk.h"
#include "keygen2/time.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/mac.h"

// Attestations for what a key store would not attest: keys that are none, or that are not those that were made. The kit
// has made the ephemeral key of the session, so it knows the session key. Spec: keygen2.md 7.3, 7.4 and 7.6.
namespace sks::conformance {
namespace {

constexpr std::string_view kAnonymous = "Anonymous";

Error missing(const char* what) { return {Status::option, std::string("nothing can be attested without ") + what}; }

}  // namespace

Result<void> ClientRole::attest(Json& response) const {
  const std::string qualifier = response.value("@qualifier", "");
  if (qualifier == "ProvisioningInitializationResponse") return attest_session(response);
  if (qualifier == "KeyCreationResponse") return attest_keys(response);
  return {};
}

Result<SecureBytes> ClientRole::session_key() const {
  Findings unreadable;
  const auto asked = asked_.find("ProvisioningInitializationRequest");
  if (asked == asked_.end() || ephemeral_key_.empty()) return missing("a session");
  const Node request(asked->second, {}, unreadable);
  SKS_LET(const crypto::PrivateKey own, crypto::PrivateKey::from_pkcs8(ephemeral_key_.view()));
  SKS_LET(const crypto::PublicKey peer, crypto::PublicKey::from_spki(request["serverEphemeralKey"].public_key()));
  SKS_LET(const SecureBytes z, own.agree(peer));
  const Bytes device = privacy_ ? to_bytes(as_bytes(kAnonymous)) : device_.identity().certificate_path().front();
  Values values;
  values.text("clientSessionId", request, client_session_id_)
      .text("serverSessionId", request, server_session_id_)
      .text("issuerUri", request, issuer_uri_)
      .bytes("deviceID", request, device);
  return SecureBytes::copy_of(crypto::hmac_sha256(z.view(), encode(format::kSessionKey, values).bytes));
}

Result<void> ClientRole::attest_session(Json& response) const {
  Findings unreadable;
  const Node request(asked_.at("ProvisioningInitializationRequest"), {}, unreadable);
  const Node answer(response, {}, unreadable);
  const auto time = keygen2::parse_time(answer["clientTime"].text(), keygen2::TimeZone::offset);
  if (!time) return missing("a time");
  SKS_LET(const Bytes ephemeral, spki_of_any_point(response.value("clientEphemeralKey", Json())));
  const Bytes device = privacy_ ? to_bytes(as_bytes(kAnonymous)) : device_.identity().certificate_path().front();
  Values values;
  values.text("clientSessionId", answer, answer["clientSessionId"].text())
      .text("serverSessionId", answer, answer["serverSessionId"].text())
      .text("issuerUri", answer, issuer_uri_)
      .bytes("deviceID", answer, device)
      .text("sessionKeyAlgorithm", request, request["sessionKeyAlgorithm"].text())
      .number("privacyEnabled", answer, privacy_ ? 1 : 0)
      .bytes("serverEphemeralKey", request, request["serverEphemeralKey"].public_key())
      .bytes("clientEphemeralKey", answer, ephemeral)
      .bytes("keyManagementKey", request, request["keyManagementKey"].optional_public_key())
      .number("clientTime", answer, static_cast<std::uint32_t>(*time))
      .bytes("serverCertificate", answer, certificate_);
  for (const char* const name : {"sessionLifeTime", "sessionKeyLimit"})
    values.number(name, request, request[name].number());
  const Bytes input = encode(format::kSessionAttestation, values).bytes;
  Bytes attestation;
  if (privacy_) {
    SKS_LET(const SecureBytes key, session_key());
    attestation = to_bytes(crypto::hmac_sha256(key.view(), input));
  } else {
    SKS_LET(attestation, device_.identity().sign(input));
  }
  response["attestation"] = to_base64url(attestation);
  return {};
}

/// The counter of each key's attestation, and the MAC that the attestation covers.
class ClientRole::KeyCounter final : public ElementVisitor {
 public:
  struct Key {
    std::string id;
    Bytes mac;
    std::uint16_t counter;
  };

  void on_protected(const Format& /*format*/, const Values& /*values*/, const Node& /*mac*/) override { ++counter_; }
  void on_key(const Node& specifier) override {
    keys.push_back({specifier["id"].text(), specifier["mac"].base64url(), counter_++});
  }
  std::optional<Node> find_public_key(const Node& /*id*/) override { return std::nullopt; }

  std::vector<Key> keys;

 private:
  std::uint16_t counter_ = 0;
};

Result<void> ClientRole::attest_keys(Json& response) const {
  Findings unreadable;
  KeyCounter counter;
  walk_key_creation(Node(asked_.at("KeyCreationRequest"), {}, unreadable), counter);
  SKS_LET(const SecureBytes key, session_key());
  const std::string method(format::kKeyAttestation.method);
  for (Json& generated : response["generatedKeys"]) {
    const auto asked = std::ranges::find(counter.keys, generated.value("id", ""), &KeyCounter::Key::id);
    if (asked == counter.keys.end()) continue;
    SKS_LET(const Bytes spki, spki_of_any_point(generated.value("publicKey", Json())));
    const Node at(generated, {}, unreadable);
    Values values;
    values.bytes("publicKey", at, spki).bytes("mac", at, asked->mac);
    const Bytes suffix = ByteWriter().raw(as_bytes(method)).u16(asked->counter).take();
    const Bytes data = encode(format::kKeyAttestation, values).bytes;
    generated["attestation"] = to_base64url(crypto::hmac_sha256({key.view(), suffix}, data));
  }
  return {};
}

}  // namespace sks::conformance
