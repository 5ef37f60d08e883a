#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "attestation/verifier.h"
#include "conformance/recording.h"
#include "keygen2/jsf_signature.h"
#include "keygen2/mac_data.h"
#include "keygen2/messages.h"
#include "sks-core/base/encoding.h"
#include "sks-core/crypto/cipher.h"
#include "sks-core/crypto/private_key.h"
#include "tests/support/temp_dir.h"

// 26 sessions recorded between the reference client, its key store and its issuer (tests/vectors/transcripts). The
// issuer's computations are repeated from what the key store was called with, and from the messages.
namespace {

using namespace sks;
using namespace sks::keygen2;
using nlohmann::json;

/// What has been compared, over all sessions.
struct Totals {
  int sessions = 0;
  int session_keys = 0;
  int encryption_keys = 0;
  int session_attestations = 0;
  int macs = 0;
  int macs_of_messages = 0;
  int attestations = 0;
  int attestations_of_messages = 0;
  int decryptions = 0;
  int authorizations = 0;
  int messages_decoded = 0;
};

Bytes base64(std::string text) {
  std::erase(text, '=');
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  const Result<Bytes> decoded = from_base64url(text);
  REQUIRE(decoded);
  return *decoded;
}

Bytes hex(const json& value) {
  if (value.is_null()) return {};
  const Result<Bytes> decoded = from_hex(value.get<std::string>());
  REQUIRE(decoded);
  return *decoded;
}

Bytes base64_or_none(const json& value) { return value.is_null() ? Bytes() : base64(value.get<std::string>()); }
std::string text_or_none(const json& value) { return value.is_null() ? std::string() : value.get<std::string>(); }

std::vector<Bytes> path_of(const json& values) {
  std::vector<Bytes> path;
  for (const json& value : values) path.push_back(base64(value.get<std::string>()));
  return path;
}

/// Repeats the computations of one session.
class Replay {
 public:
  Replay(const conformance::Recording& recording, Totals& totals)
      : recording_(recording), totals_(totals), secrets_(recording.secrets) {}

  void run() {
    check_session_key();
    check_calls();
    check_decryptions();
    check_authorizations();
    CHECK(next_mac_ == secrets_["macOperations"].size());
    CHECK(next_attestation_ == secrets_["attestations"].size());
  }

  const SecureBytes& session_key() const { return session_key_; }
  SessionIds ids() const {
    return {secrets_["serverSessionId"].get<std::string>(), secrets_["clientSessionId"].get<std::string>()};
  }

 private:
  struct Key {
    std::string id;
    Bytes spki;
    Bytes end_entity;
  };

  void check_session_key() {
    const json& ephemeral = secrets_["serverEphemeralKey"];
    attestation::SessionClaims claims;
    claims.client_session_id = secrets_["clientSessionId"];
    claims.server_session_id = secrets_["serverSessionId"];
    claims.issuer_uri = secrets_["issuerUri"];
    claims.device_certificate = base64(secrets_["deviceCertificates"][0]);
    claims.session_key_algorithm = secrets_["sessionKeyAlgorithm"];
    claims.server_ephemeral_key = base64(ephemeral["publicKeySpki"]);
    claims.client_ephemeral_key = base64(secrets_["clientEphemeralKeySpki"]);
    claims.key_management_key = base64_or_none(secrets_["keyManagementKey"]);
    claims.client_time = secrets_["clientTime"];
    claims.session_life_time = secrets_["sessionLifeTime"];
    claims.session_key_limit = secrets_["sessionKeyLimit"];
    claims.server_certificate = base64(secrets_["serverCertificate"]);
    REQUIRE_FALSE(secrets_["privacyEnabled"].get<bool>());

    const auto own = crypto::PrivateKey::from_pkcs8(base64(ephemeral["privateKeyPkcs8"]));
    REQUIRE(own);
    CHECK(own->public_key().spki() == claims.server_ephemeral_key);
    const auto peer = crypto::PublicKey::from_spki(claims.client_ephemeral_key);
    REQUIRE(peer);
    const auto z = own->agree(*peer);
    REQUIRE(z);
    CHECK(to_hex(z->view()) == secrets_["sharedSecretZ"]);
    CHECK(to_hex(attestation::session_key_data(claims)) == secrets_["kdfData"]);
    session_key_ = attestation::derive_session_key(z->view(), claims);
    REQUIRE(to_hex(session_key_.view()) == secrets_["sessionKey"]);
    ++totals_.session_keys;

    if (!secrets_["encryptionKey"].is_null()) {
      CHECK(to_hex(encryption_key(session_key_).view()) == secrets_["encryptionKey"]);
      ++totals_.encryption_keys;
    }

    CHECK(to_hex(attestation::session_attestation_data(claims)) == secrets_["sessionAttestation"]["data"]);
    Bytes attestation = hex(secrets_["sessionAttestation"]["value"]);
    CHECK(attestation::verify_session(claims, session_key_, attestation));
    attestation.back() ^= 1U;
    CHECK_FALSE(attestation::verify_session(claims, session_key_, attestation));
    ++totals_.session_attestations;
  }

  /// Compares the next recorded MAC with `data` and with the MAC that the key store was called with.
  void check_mac(std::string_view name, const Bytes& data, const json& in) {
    REQUIRE(next_mac_ < secrets_["macOperations"].size());
    const json& recorded = secrets_["macOperations"][next_mac_++];
    CAPTURE(name);
    CHECK(recorded["method"] == name);
    CHECK(recorded["macSequenceCounter"] == counter_);
    CHECK(recorded["data"] == to_hex(data));
    const std::string mac = to_hex(attestation::method_mac(session_key_, name, counter_, data));
    CHECK(recorded["mac"] == mac);
    CHECK(in["mac"] == mac);
    ++counter_;
    ++totals_.macs;
  }

  void check_attestation(const Bytes& data, const json& value) {
    REQUIRE(next_attestation_ < secrets_["attestations"].size());
    const json& recorded = secrets_["attestations"][next_attestation_++];
    CHECK(recorded["macSequenceCounter"] == counter_);
    CHECK(recorded["data"] == to_hex(data));
    CHECK(recorded["value"] == value);
    Bytes attestation = hex(value);
    CHECK(attestation::verify_device_attestation(session_key_, counter_, data, attestation));
    attestation.front() ^= 0x80U;
    CHECK_FALSE(attestation::verify_device_attestation(session_key_, counter_, data, attestation));
    ++counter_;
    ++totals_.attestations;
  }

  void check_calls() {
    const std::map<std::string, void (Replay::*)(const json&, const json&)> checks{
        {"createPukPolicy", &Replay::on_create_puk_policy},
        {"createPinPolicy", &Replay::on_create_pin_policy},
        {"createKeyEntry", &Replay::on_create_key_entry},
        {"setCertificatePath", &Replay::on_set_certificate_path},
        {"importSymmetricKey", &Replay::on_import_symmetric_key},
        {"importPrivateKey", &Replay::on_import_private_key},
        {"addExtension", &Replay::on_add_extension},
        {"postUpdateKey", &Replay::on_post_update_key},
        {"postUnlockKey", &Replay::on_post_unlock_key},
        {"closeProvisioningSession", &Replay::on_close},
    };
    for (const conformance::RecordedCall& call : recording_.calls) {
      const auto check = checks.find(call.method);
      if (check == checks.end()) continue;
      REQUIRE_FALSE(call.failed());
      (this->*check->second)(call.in, call.out);
    }
  }

  void on_create_puk_policy(const json& in, const json& out) {
    PukPolicySpecifier puk;
    puk.id = in["id"];
    puk.encrypted_puk = hex(in["pukValue"]);
    puk.format = in["format"];
    puk.retry_limit = in["retryLimit"];
    check_mac(method::kCreatePukPolicy, puk_policy_data(puk), in);
    puks_[out.get<int>()] = puk;
  }

  void on_create_pin_policy(const json& in, const json& out) {
    PinPolicySpecifier pin;
    pin.id = in["id"];
    pin.user_modifiable = in["userModifiable"];
    pin.format = in["format"];
    pin.retry_limit = in["retryLimit"];
    pin.grouping = in["grouping"];
    pin.pattern_restrictions = in["patternRestrictions"];
    pin.min_length = in["minLength"];
    pin.max_length = in["maxLength"];
    pin.input_method = in["inputMethod"];
    if (!in["userDefined"].get<bool>()) {
      pin.keys.emplace_back();
      pin.keys.back().encrypted_pin.emplace();
    }
    const int puk = in["pukPolicyHandle"];
    check_mac(method::kCreatePinPolicy, pin_policy_data(pin, puk == 0 ? nullptr : &puks_.at(puk)), in);
    pins_[out.get<int>()] = pin;
  }

  void on_create_key_entry(const json& in, const json& out) {
    const int pin_handle = in["pinPolicyHandle"];
    const PinPolicySpecifier* const pin = pin_handle == 0 ? nullptr : &pins_.at(pin_handle);
    KeyEntrySpecifier key;
    key.id = in["id"];
    key.server_seed = hex(in["serverSeed"]);
    key.device_pin_protection = in["devicePinProtection"];
    if (pin != nullptr && !pin->user_defined()) key.encrypted_pin = hex(in["pinValue"]);
    key.enable_pin_caching = in["enablePinCaching"];
    key.biometric_protection = in["biometricProtection"];
    key.export_protection = in["exportProtection"];
    key.delete_protection = in["deleteProtection"];
    key.app_usage = in["appUsage"];
    key.friendly_name = text_or_none(in["friendlyName"]);
    key.key_algorithm = in["keyAlgorithm"];
    key.key_parameters = hex(in["keyParameters"]);
    for (const json& algorithm : in["endorsedAlgorithms"]) key.endorsed_algorithms.push_back(algorithm);
    check_mac(method::kCreateKeyEntry, key_entry_data(key, pin, in["keyEntryAlgorithm"].get<std::string>()), in);
    const Bytes spki = base64(out["publicKey"]);
    check_attestation(attestation::key_attestation_data(spki, hex(in["mac"])), out["attestation"]);
    keys_[out["keyHandle"].get<int>()] = Key{key.id, spki, {}};
  }

  void on_set_certificate_path(const json& in, const json&) {
    Key& key = keys_.at(in["keyHandle"].get<int>());
    const std::vector<Bytes> path = path_of(in["certificatePath"]);
    check_mac(method::kSetCertificatePath, certificate_path_data(key.spki, key.id, path), in);
    key.end_entity = path.front();
  }

  void on_import_symmetric_key(const json& in, const json&) { check_import(method::kImportSymmetricKey, in); }
  void on_import_private_key(const json& in, const json&) { check_import(method::kImportPrivateKey, in); }
  void check_import(std::string_view name, const json& in) {
    check_mac(name, imported_key_data(keys_.at(in["keyHandle"].get<int>()).end_entity, hex(in["encryptedKey"])), in);
  }

  void on_add_extension(const json& in, const json&) {
    check_mac(method::kAddExtension,
              extension_data(keys_.at(in["keyHandle"].get<int>()).end_entity, in["type"].get<std::string>(),
                             in["subType"], text_or_none(in["qualifier"]), hex(in["extensionData"])),
              in);
  }

  void on_post_update_key(const json& in, const json&) {
    const Bytes& end_entity = keys_.at(in["keyHandle"].get<int>()).end_entity;
    check_mac(method::kPostUpdateKey, replacing_operation_data(end_entity, hex(in["authorization"])), in);
  }

  void on_post_unlock_key(const json& in, const json&) {
    check_mac(method::kPostUnlockKey, plain_operation_data(hex(in["authorization"])), in);
  }

  void on_close(const json& in, const json& out) {
    const Bytes nonce = hex(in["nonce"]);
    check_mac(method::kCloseProvisioningSession, close_data(ids(), secrets_["issuerUri"].get<std::string>(), nonce),
              in);
    check_attestation(attestation::close_attestation_data(nonce), out);
  }

  void check_decryptions() {
    const SecureBytes key = encryption_key(session_key_);
    for (const json& encryption : secrets_["encryptions"]) {
      const Bytes wrapped = hex(encryption["ivAndCiphertext"]);
      REQUIRE(wrapped.size() > crypto::kAesBlock);
      const ByteView iv = ByteView(wrapped).first(crypto::kAesBlock);
      const auto plaintext = crypto::aes_256_cbc_decrypt(key.view(), iv, ByteView(wrapped).subspan(crypto::kAesBlock));
      REQUIRE(plaintext);
      CHECK(to_hex(plaintext->view()) == encryption["plaintext"]);
      ++totals_.decryptions;
    }
  }

  void check_authorizations() {
    std::set<std::string> signed_data;
    for (const json& authorization : secrets_["keyManagementAuthorizations"]) {
      const auto key = crypto::PublicKey::from_spki(base64(authorization["keyManagementKeySpki"]));
      REQUIRE(key);
      CHECK(crypto::verify_signature(*key, hex(authorization["data"]), hex(authorization["signature"])));
      signed_data.insert(authorization["data"].get<std::string>());
      ++totals_.authorizations;
    }
    for (const json& target : secrets_["targetKeyReferences"]) {
      const Bytes data = target_key_data(session_key_, base64(target["deviceId"]), base64(target["targetCertificate"]));
      CHECK(to_hex(data) == to_hex(as_bytes("TargetKeyReference")) + target["hmac"].get<std::string>());
      CHECK(signed_data.contains(to_hex(data)));
    }
  }

  const conformance::Recording& recording_;
  Totals& totals_;
  const json& secrets_;
  SecureBytes session_key_;
  std::uint16_t counter_ = 0;
  std::size_t next_mac_ = 0;
  std::size_t next_attestation_ = 0;
  std::map<int, PukPolicySpecifier> puks_;
  std::map<int, PinPolicySpecifier> pins_;
  std::map<int, Key> keys_;
};

/// Checks what the messages of one session say about its MACs.
struct MessageCheck {
  const SecureBytes& session_key;
  Totals& totals;
  std::uint16_t counter = 0;
  std::vector<KeyEntrySpecifier> keys;
  std::vector<std::uint16_t> attestation_counters;
  std::string key_entry_algorithm;

  void check_mac(std::string_view name, const Bytes& data, const Bytes& mac) {
    CHECK(to_hex(attestation::method_mac(session_key, name, counter++, data)) == to_hex(mac));
    ++totals.macs_of_messages;
  }
  Outcome<void> puk(const PukPolicySpecifier& puk) {
    check_mac(method::kCreatePukPolicy, puk_policy_data(puk), puk.mac);
    return {};
  }
  Outcome<void> pin(const PinPolicySpecifier& pin, const PukPolicySpecifier* puk) {
    check_mac(method::kCreatePinPolicy, pin_policy_data(pin, puk), pin.mac);
    return {};
  }
  Outcome<void> key(const KeyEntrySpecifier& key, const PinPolicySpecifier* pin) {
    check_mac(method::kCreateKeyEntry, key_entry_data(key, pin, key_entry_algorithm), key.mac);
    keys.push_back(key);
    attestation_counters.push_back(counter++);
    return {};
  }
  void on(const KeyCreationRequest& request) {
    key_entry_algorithm = request.key_entry_algorithm;
    CHECK(walk(request, *this));
  }
  void on(const KeyCreationResponse& response) {
    REQUIRE(response.keys.size() == keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const Bytes data = attestation::key_attestation_data(response.keys[i].public_key->spki(), keys[i].mac);
      CHECK(attestation::verify_device_attestation(session_key, attestation_counters[i], data,
                                                   response.keys[i].attestation));
      ++totals.attestations_of_messages;
    }
  }
  void on(const CredentialDiscoveryRequest& request) {
    for (const LookupSpecifier& lookup : request.lookups) {
      CHECK(verify_jsf(lookup.signature));
      CHECK(signed_text(lookup) == lookup.signature.signed_text);
    }
  }
  template <class T>
  void on(const T&) {}
};

template <class T>
void decode_recorded(IncomingMessage& message, const std::string& text, MessageCheck& check) {
  const Outcome<T> decoded = message.decode<T>();
  if (!decoded) FAIL(decoded.error().detail);
  check.on(*decoded);
  ++check.totals.messages_decoded;
  CHECK(json::parse(decoded->encode()) == json::parse(text));
}

void decode_message(const std::filesystem::path& path, MessageCheck& check) {
  const std::string name = path.parent_path().filename().string() + "/" + path.filename().string().substr(0, 2);
  CAPTURE(name);
  const std::string text = test::read_file(path.string());
  Outcome<IncomingMessage> message = IncomingMessage::parse(text, kMaxMessageToClient);
  REQUIRE(message);
  CHECK(path.filename().string().substr(3) == std::string(to_string(message->type())) + ".json");
  const std::map<MessageType, void (*)(IncomingMessage&, const std::string&, MessageCheck&)> decoders{
      {MessageType::invocation_request, decode_recorded<InvocationRequest>},
      {MessageType::invocation_response, decode_recorded<InvocationResponse>},
      {MessageType::provisioning_initialization_request, decode_recorded<ProvisioningInitializationRequest>},
      {MessageType::provisioning_initialization_response, decode_recorded<ProvisioningInitializationResponse>},
      {MessageType::credential_discovery_request, decode_recorded<CredentialDiscoveryRequest>},
      {MessageType::credential_discovery_response, decode_recorded<CredentialDiscoveryResponse>},
      {MessageType::key_creation_request, decode_recorded<KeyCreationRequest>},
      {MessageType::key_creation_response, decode_recorded<KeyCreationResponse>},
      {MessageType::provisioning_finalization_request, decode_recorded<ProvisioningFinalizationRequest>},
      {MessageType::provisioning_finalization_response, decode_recorded<ProvisioningFinalizationResponse>},
  };
  decoders.at(message->type())(*message, text, check);
}

}  // namespace

TEST_CASE("Recorded sessions: the issuer's computations give what the reference gave") {
  const std::filesystem::path root = test::source_file("tests/vectors/transcripts");
  Totals totals;
  std::set<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(root))
    if (entry.is_directory()) folders.insert(entry.path());
  for (const std::filesystem::path& folder : folders) {
    CAPTURE(folder.filename().string());
    const int before = totals.macs + totals.attestations;
    const auto recording = conformance::read_recording(folder);
    if (!recording) FAIL(recording.error().detail);
    Replay replay(*recording, totals);
    replay.run();
    CHECK(totals.macs + totals.attestations > before);
    CHECK(recording->messages.size() >= 8);
    MessageCheck check{replay.session_key(), totals, 0, {}, {}, {}};
    for (const conformance::RecordedMessage& message : recording->messages)
      decode_message(folder / message.file, check);
    ++totals.sessions;
  }
  MESSAGE("sessions " << totals.sessions << ", session keys " << totals.session_keys << ", encryption keys "
                      << totals.encryption_keys << ", session attestations " << totals.session_attestations << ", MACs "
                      << totals.macs << " (and " << totals.macs_of_messages << " from messages), attestations "
                      << totals.attestations << " (and " << totals.attestations_of_messages
                      << " from messages), decryptions " << totals.decryptions << ", authorizations "
                      << totals.authorizations << ", messages decoded " << totals.messages_decoded);
  CHECK(totals.sessions == 26);
  CHECK(totals.session_keys == 26);
  CHECK(totals.session_attestations == 26);
  CHECK(totals.macs == 107);
  CHECK(totals.attestations == 53);
  CHECK(totals.encryption_keys == 6);
  CHECK(totals.decryptions == 6);
  CHECK(totals.authorizations == 10);
}
