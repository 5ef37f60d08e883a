#include "conformance/record_secrets.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "conformance/call_values.h"
#include "conformance/session.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/mac.h"
#include "sks-core/crypto/x509.h"

namespace sks::conformance {
namespace {

constexpr std::uint32_t kEncryptedExtension = 1;
constexpr std::string_view kEncryptionKey = "EncryptionKey";
constexpr std::string_view kAnonymous = "Anonymous";

const char* signature_algorithm_name(const crypto::PublicKey& key) {
  return key.kind() == KeyKind::rsa ? "SHA256withRSA" : "SHA256withECDSA";
}

/// Builds the file from the calls, one member after the other.
class Secrets {
 public:
  Secrets(const Recording& recording, const SessionSecrets& known, std::size_t created, Findings& findings)
      : recording_(recording), known_(known), findings_(findings), created_(created) {
    for (const char* const list :
         {"pins", "puks", "symmetricKeys", "privateKeys", "encryptedExtensions", "macOperations", "attestations",
          "encryptions", "targetKeyReferences", "keyManagementKeys", "keyManagementAuthorizations"})
      out_[list] = Json::array();
    out_["encryptionKey"] = nullptr;
  }

  Json build() {
    add_session();
    add_keys();
    add_operations();
    for (std::size_t i = 0; i < recording_.calls.size(); ++i) add_clear_values(i);
    for (std::size_t i = 0; i < recording_.calls.size(); ++i) add_target(i);
    add_management();
    return std::move(out_);
  }

 private:
  Node in(std::size_t call) const { return call_arguments(recording_, call, findings_); }
  Node out(std::size_t call) const { return call_result(recording_, call, findings_); }
  Json device_path() const {
    const auto info = find_call(recording_, "getDeviceInfo");
    return info ? recording_.calls[*info].out.value("certificatePath", Json::array()) : Json::array();
  }

  void add_session() {
    const RecordedCall& call = recording_.calls[created_];
    for (const char* const member : {"issuerUri", "serverSessionId", "sessionKeyAlgorithm", "privacyEnabled",
                                     "clientTime", "sessionLifeTime", "sessionKeyLimit", "keyManagementKey"})
      out_[member] = call.in.value(member, Json());
    out_["clientSessionId"] = call.out.value("clientSessionId", Json());
    out_["clientEphemeralKeySpki"] = call.out.value("clientEphemeralKey", Json());
    out_["serverCertificate"] = to_base64(in(created_)["serverCertificate"].hex());
    out_["deviceCertificates"] = device_path();
  }

  void add_keys() {
    const crypto::PrivateKey& own = *known_.server_ephemeral_key;
    auto pkcs8 = own.to_pkcs8();
    if (!pkcs8) return in(created_)["serverEphemeralKey"].fail(pkcs8.error().detail);
    out_["serverEphemeralKey"] = {{"algorithm", std::string(curve_info(own.public_key().curve()).group_name)},
                                  {"privateKeyPkcs8", to_base64(pkcs8->view())},
                                  {"publicKeySpki", to_base64(own.public_key().spki())}};
    const Place place{std::string(kSecretsFile), "", ""};
    const SecureBytes z = shared_secret(Node(out_, place, findings_));
    const Values claims = claims_of_call(recording_, created_, findings_);
    const Bytes derivation = encode(format::kSessionKey, claims).bytes;
    session_key_ = SecureBytes::copy_of(crypto::hmac_sha256(z.view(), derivation));
    out_["sharedSecretZ"] = to_hex(z.view());
    out_["kdfData"] = to_hex(derivation);
    out_["sessionKey"] = to_hex(session_key_.view());
    out_["sessionAttestation"] = {{"algorithm", attestation_algorithm()},
                                  {"data", to_hex(encode(format::kSessionAttestation, claims).bytes)},
                                  {"value", recording_.calls[created_].out.value("attestation", Json())}};
  }

  std::string attestation_algorithm() const {
    if (in(created_)["privacyEnabled"].boolean()) return "HmacSHA256";
    const Json path = device_path();
    if (path.empty()) return "";
    const Node certificate(path.front(), {std::string(kCallsFile), "", "getDeviceInfo"}, findings_);
    const auto parsed = crypto::Certificate::from_der(certificate.base64());
    const auto key = parsed ? parsed->public_key() : Result<crypto::PublicKey>(parsed.error());
    if (key) return signature_algorithm_name(*key);
    certificate.fail("is unusable: " + key.error().detail);
    return "";
  }

  void add_operations() {
    const std::vector<Told> told = told_by_calls(recording_, findings_);
    for (std::size_t counter = 0; counter < told.size(); ++counter) {
      const Told& value = told[counter];
      Json operation{{"macSequenceCounter", counter}, {"data", to_hex(value.input.bytes)}};
      const bool attests = value.format->attests();
      operation[attests ? "value" : "mac"] = to_hex(value.mac.bytes);
      if (!attests) operation["method"] = value.format->method;
      out_[attests ? "attestations" : "macOperations"].push_back(std::move(operation));
    }
  }

  /// Lists an encryption, and gives what was encrypted.
  Bytes decrypt(const char* purpose, const Node& value) {
    const Bytes wrapped = value.hex();
    const crypto::Sha256Digest key = crypto::hmac_sha256(session_key_.view(), as_bytes(kEncryptionKey));
    const auto clear = wrapped.size() < crypto::kAesBlock
                           ? Result<SecureBytes>(Error{Status::crypto, "it is too short"})
                           : crypto::aes_256_cbc_decrypt(key, ByteView(wrapped).first(crypto::kAesBlock),
                                                         ByteView(wrapped).subspan(crypto::kAesBlock));
    if (!clear) {
      value.fail("does not decrypt: " + clear.error().detail);
      return {};
    }
    out_["encryptionKey"] = to_hex(key);
    out_["encryptions"].push_back(
        {{"purpose", purpose}, {"plaintext", to_hex(clear->view())}, {"ivAndCiphertext", to_hex(wrapped)}});
    return to_bytes(clear->view());
  }

  static Json clear_text(Json entry, const Bytes& value) {
    entry["value"] = to_hex(value);
    entry["text"] = is_utf8(sks::to_string(value)) ? Json(sks::to_string(value)) : Json();
    return entry;
  }

  void add_clear_values(std::size_t call) {
    using Adder = void (Secrets::*)(std::size_t call);
    struct Row {
      std::string_view method;
      Adder add;
    };
    static constexpr auto kRows = std::to_array<Row>({
        {"createPukPolicy", &Secrets::add_puk},
        {"createPinPolicy", &Secrets::note_pin_policy},
        {"createKeyEntry", &Secrets::add_pin},
        {"importSymmetricKey", &Secrets::add_symmetric_key},
        {"importPrivateKey", &Secrets::add_private_key},
        {"addExtension", &Secrets::add_extension},
    });
    const auto* const row = std::ranges::find(kRows, recording_.calls[call].method, &Row::method);
    if (row != kRows.end() && !recording_.calls[call].failed()) (this->*row->add)(call);
  }

  void add_puk(std::size_t call) {
    const Bytes puk = decrypt("puk", in(call)["pukValue"]);
    out_["puks"].push_back(clear_text({{"id", in(call)["id"].text()}}, puk));
  }
  void note_pin_policy(std::size_t call) {
    if (!in(call)["userDefined"].boolean()) preset_.insert(out(call).number());
  }
  void add_pin(std::size_t call) {
    const std::string id = in(call)["id"].text();
    key_ids_[out(call)["keyHandle"].number()] = id;
    const Node pin = in(call)["pinValue"];
    if (!pin.exists()) return;
    const bool preset = preset_.contains(in(call)["pinPolicyHandle"].number());
    const Bytes value = preset ? decrypt("pin", pin) : pin.hex();
    out_["pins"].push_back(clear_text({{"keyId", id}, {"setBy", preset ? "issuer" : "user"}}, value));
  }
  void add_symmetric_key(std::size_t call) {
    const Bytes key = decrypt("symmetricKey", in(call)["encryptedKey"]);
    out_["symmetricKeys"].push_back({{"keyId", key_ids_[in(call)["keyHandle"].number()]}, {"key", to_hex(key)}});
  }
  void add_private_key(std::size_t call) {
    const Bytes key = decrypt("privateKey", in(call)["encryptedKey"]);
    out_["privateKeys"].push_back({{"keyId", key_ids_[in(call)["keyHandle"].number()]}, {"pkcs8", to_base64(key)}});
  }
  void add_extension(std::size_t call) {
    if (in(call)["subType"].number() != kEncryptedExtension) return;
    const Bytes plaintext = decrypt("encryptedExtension", in(call)["extensionData"]);
    out_["encryptedExtensions"].push_back({{"keyId", key_ids_[in(call)["keyHandle"].number()]},
                                           {"type", in(call)["type"].text()},
                                           {"plaintext", to_hex(plaintext)}});
  }

  /// The client looks at the certificate of a target before it calls. Spec: keygen2.md 7.7, 8.6.
  void add_target(std::size_t call) {
    if (!recording_.calls[call].in.contains("targetKeyHandle")) return;
    const std::uint32_t target = in(call)["targetKeyHandle"].number();
    Bytes certificate;
    for (std::size_t i = 0; i < call; ++i) {
      if (recording_.calls[i].method != "getKeyAttributes" || recording_.calls[i].failed()) continue;
      if (in(i)["keyHandle"].number() != target) continue;
      const std::vector<Node> path = out(i)["certificatePath"].elements();
      if (!path.empty()) certificate = path.front().base64();
    }
    const Json path = device_path();
    const bool anonymous = in(created_)["privacyEnabled"].boolean() || path.empty();
    const Bytes device = anonymous ? to_bytes(as_bytes(kAnonymous))
                                   : Node(path.front(), {std::string(kCallsFile), "", ""}, findings_).base64();
    out_["targetKeyReferences"].push_back(
        {{"targetCertificate", to_base64(certificate)},
         {"deviceId", to_base64(device)},
         {"hmac", to_hex(crypto::hmac_sha256({session_key_.view(), device}, certificate))}});
  }

  void add_management() {
    for (const crypto::PrivateKey* const key : known_.key_management_keys) {
      const auto pkcs8 = key->to_pkcs8();
      if (pkcs8)
        out_["keyManagementKeys"].push_back(
            {{"publicKeySpki", to_base64(key->public_key().spki())}, {"privateKeyPkcs8", to_base64(pkcs8->view())}});
    }
    for (const RecordedSignature& made : known_.signatures)
      out_["keyManagementAuthorizations"].push_back({{"keyManagementKeySpki", to_base64(made.key->public_key().spki())},
                                                     {"algorithm", signature_algorithm_name(made.key->public_key())},
                                                     {"data", to_hex(made.data)},
                                                     {"signature", to_hex(made.signature)}});
  }

  const Recording& recording_;
  const SessionSecrets& known_;
  Findings& findings_;
  std::size_t created_;
  Json out_ = Json::object();
  SecureBytes session_key_;
  std::set<std::uint32_t> preset_;  ///< PIN policies whose PINs the issuer sets
  std::map<std::uint32_t, std::string> key_ids_;
};

}  // namespace

Result<Json> make_secrets(const Recording& recording, std::string_view test, std::size_t session,
                          const SessionSecrets& known) {
  const auto created = find_call(recording, "createProvisioningSession");
  if (!created || recording.calls[*created].failed()) return Error{Status::option, "no session was created"};
  Findings findings;
  Json secrets = Secrets(recording, known, *created, findings).build();
  if (!findings.empty()) {
    const Finding& first = findings.list().front();
    return Error{Status::option, to_string(first.place) + ' ' + first.sentence};
  }
  secrets["test"] = test;
  secrets["session"] = session;
  secrets["messages"] = recording.messages.size();
  return secrets;
}

}  // namespace sks::conformance
