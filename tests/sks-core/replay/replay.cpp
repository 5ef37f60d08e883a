#include "tests/sks-core/replay/replay.h"

#include <doctest/doctest.h>

#include <map>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/engine/session_crypto.h"
#include "tests/sks-core/replay/public_half.h"

namespace sks::test {
namespace {

class Replay {
 public:
  Replay(const Recording& recording, const ScriptedStore& device, ReplayTotals& totals)
      : recording_(recording), device_(device), store_(device.store), totals_(totals) {}

  void call(const RecordedCall& call) {
    const auto handler = handlers().find(call.method);
    REQUIRE(handler != handlers().end());
    (this->*handler->second)(call.in, call.out);
    ++totals_.calls;
    if (call.in.contains("mac")) ++totals_.macs;
  }

 private:
  using Handler = void (Replay::*)(const Json& in, const Json& out);
  static const std::map<std::string, Handler>& handlers();

  /// Whether the call was to succeed.
  template <class T>
  bool same_status(const Result<T>& result, const Json& out) {
    const bool failed = out.is_object() && out.contains("error");
    if (failed) {
      ++totals_.errors;
      REQUIRE_FALSE(result);
      CHECK(static_cast<int>(result.error().status) == out["error"].get<int>());
      return false;
    }
    REQUIRE_MESSAGE(static_cast<bool>(result), result.error().detail);
    return true;
  }

  template <class T>
  void same(const T& ours, const T& recorded) {
    CHECK(ours == recorded);
    ++totals_.values;
  }
  void same(const SecureBytes& ours, const Bytes& recorded) { same(to_bytes(ours.view()), recorded); }

  void on_get_device_info(const Json& in, const Json& out);
  void on_create_provisioning_session(const Json& in, const Json& out);
  void check_session_attestation(const SessionRequest& request, const CreatedSession& created, const Json& in);
  void on_close(const Json& in, const Json& out);
  void on_enumerate_sessions(const Json& in, const Json& out);
  void on_create_puk_policy(const Json& in, const Json& out);
  void on_create_pin_policy(const Json& in, const Json& out);
  void on_create_key_entry(const Json& in, const Json& out);
  void on_get_key_handle(const Json& in, const Json& out);
  void on_set_certificate_path(const Json& in, const Json& out);
  void on_import_symmetric_key(const Json& in, const Json& out);
  void on_import_private_key(const Json& in, const Json& out);
  void on_add_extension(const Json& in, const Json& out);
  void on_post_unlock_key(const Json& in, const Json& out);
  void on_post_update_key(const Json& in, const Json& out);
  void on_enumerate_keys(const Json& in, const Json& out);
  void on_get_key_attributes(const Json& in, const Json& out);
  void on_get_key_protection_info(const Json& in, const Json& out);
  void on_get_extension(const Json& in, const Json& out);
  void on_set_property(const Json& in, const Json& out);
  void on_sign_data(const Json& in, const Json& out);
  void on_key_agreement(const Json& in, const Json& out);
  void on_perform_hmac(const Json& in, const Json& out);
  void on_symmetric_key_encrypt(const Json& in, const Json& out);

  const Recording& recording_;
  const ScriptedStore& device_;
  SecureKeyStore& store_;
  ReplayTotals& totals_;
};

const std::map<std::string, Replay::Handler>& Replay::handlers() {
  static const std::map<std::string, Handler> all{
      {"getDeviceInfo", &Replay::on_get_device_info},
      {"createProvisioningSession", &Replay::on_create_provisioning_session},
      {"closeProvisioningSession", &Replay::on_close},
      {"enumerateProvisioningSessions", &Replay::on_enumerate_sessions},
      {"createPukPolicy", &Replay::on_create_puk_policy},
      {"createPinPolicy", &Replay::on_create_pin_policy},
      {"createKeyEntry", &Replay::on_create_key_entry},
      {"getKeyHandle", &Replay::on_get_key_handle},
      {"setCertificatePath", &Replay::on_set_certificate_path},
      {"importSymmetricKey", &Replay::on_import_symmetric_key},
      {"importPrivateKey", &Replay::on_import_private_key},
      {"addExtension", &Replay::on_add_extension},
      {"postUnlockKey", &Replay::on_post_unlock_key},
      {"postUpdateKey", &Replay::on_post_update_key},
      {"enumerateKeys", &Replay::on_enumerate_keys},
      {"getKeyAttributes", &Replay::on_get_key_attributes},
      {"getKeyProtectionInfo", &Replay::on_get_key_protection_info},
      {"getExtension", &Replay::on_get_extension},
      {"setProperty", &Replay::on_set_property},
      {"signData", &Replay::on_sign_data},
      {"keyAgreement", &Replay::on_key_agreement},
      {"performHmac", &Replay::on_perform_hmac},
      {"symmetricKeyEncrypt", &Replay::on_symmetric_key_encrypt},
  };
  return all;
}

KeyHandle key_of(const Json& in) { return handle<KeyHandle>(in["keyHandle"]); }
ProvisioningHandle session_of(const Json& in) { return handle<ProvisioningHandle>(in["provisioningHandle"]); }

Authorization authorization_of(const Json& in) {
  return {SecureBytes::copy_of(hex(in["authorization"])), in["biometricAuth"].get<bool>()};
}

void Replay::on_get_device_info(const Json&, const Json& out) {
  const Result<DeviceInfo> info = store_.get_device_info();
  if (!same_status(info, out)) return;
  same(info->api_level, number<std::uint16_t>(out["apiLevel"]));
  same(info->device_type, number<std::uint8_t>(out["deviceType"]));
  same(info->update_url, text(out["updateUrl"]));
  same(info->certificate_path, certificates(out["certificatePath"]));
  same(info->crypto_data_size, number<std::uint32_t>(out["cryptoDataSize"]));
  same(info->extension_data_size, number<std::uint32_t>(out["extensionDataSize"]));
  same(info->device_pin_support, number<bool>(out["devicePinSupport"]));
  same(info->biometric_support, number<bool>(out["biometricSupport"]));
  // This store offers more: the algorithms that the specification adds or leaves open.
  for (const Json& algorithm : out["supportedAlgorithms"]) {
    CAPTURE(algorithm);
    CHECK(std::ranges::count(info->supported_algorithms, algorithm.get<std::string>()) == 1);
    ++totals_.values;
  }
}

void Replay::on_create_provisioning_session(const Json& in, const Json& out) {
  const Json& ephemeral = recording_.secrets["serverEphemeralKey"];
  crypto::PrivateKey server_key = crypto::PrivateKey::from_pkcs8(base64(ephemeral["privateKeyPkcs8"])).value();
  SessionRequest request;
  request.session_key_algorithm = in["sessionKeyAlgorithm"];
  request.privacy_enabled = in["privacyEnabled"];
  request.server_session_id = in["serverSessionId"];
  request.server_ephemeral_key = base64(out["clientEphemeralKey"]);
  request.issuer_uri = in["issuerUri"];
  request.key_management_key = base64(in["keyManagementKey"]);
  request.client_time = in["clientTime"];
  request.session_life_time = in["sessionLifeTime"];
  request.session_key_limit = in["sessionKeyLimit"];
  request.server_certificate = hex(in["serverCertificate"]);
  device_.random.queue(from_base64url(text(out["clientSessionId"])).value());
  device_.keys.queue(std::move(server_key));
  const Result<CreatedSession> created = store_.create_provisioning_session(request);
  if (!same_status(created, out)) return;
  same(created->handle, session_of(out));
  same(created->client_session_id, text(out["clientSessionId"]));
  same(created->client_ephemeral_key, base64(in["serverEphemeralKey"]));
  check_session_attestation(request, *created, in);
}

// The attestation of the swapped ephemeral keys verifies, and over the keys in their places the formula gives the data
// that the device of the recording signed.
void Replay::check_session_attestation(const SessionRequest& request, const CreatedSession& created, const Json& in) {
  const engine::SessionNames names{created.client_session_id, request.server_session_id, request.issuer_uri,
                                   device_.identity.certificate_path().front()};
  const Bytes ours = engine::session_attestation_data(request, names, created.client_ephemeral_key);
  CHECK(crypto::verify_signature(device_.identity.public_key(), ours, created.attestation));
  SessionRequest recorded = request;
  recorded.server_ephemeral_key = base64(in["serverEphemeralKey"]);
  same(engine::session_attestation_data(recorded, names, request.server_ephemeral_key),
       hex(recording_.secrets["sessionAttestation"]["data"]));
  const crypto::PrivateKey server_key =
      crypto::PrivateKey::from_pkcs8(base64(recording_.secrets["serverEphemeralKey"]["privateKeyPkcs8"])).value();
  const crypto::PublicKey client_key = crypto::PublicKey::from_spki(request.server_ephemeral_key).value();
  const SecureBytes shared = server_key.agree(client_key).value();
  same(engine::derive_session_key(shared.view(), names), hex(recording_.secrets["sessionKey"]));
}

void Replay::on_close(const Json& in, const Json& out) {
  const Result<Bytes> closed = store_.close_provisioning_session(session_of(in), hex(in["nonce"]), hex(in["mac"]));
  if (same_status(closed, out)) same(*closed, hex(out));
}

void Replay::on_enumerate_sessions(const Json& in, const Json& out) {
  const SessionState state = in["provisioningState"].get<bool>() ? SessionState::open : SessionState::closed;
  const Result<std::optional<SessionInfo>> next = store_.enumerate_provisioning_sessions(session_of(in), state);
  if (!same_status(next, out)) return;
  same(next->has_value(), !out.is_null());
  if (out.is_null()) return;
  const SessionInfo& info = **next;
  same(info.handle, session_of(out));
  same(info.session_key_algorithm, text(out["sessionKeyAlgorithm"]));
  same(info.privacy_enabled, number<bool>(out["privacyEnabled"]));
  same(info.key_management_key, base64(out["keyManagementKey"]));
  same(info.client_time, number<std::uint32_t>(out["clientTime"]));
  same(info.session_life_time, number<std::uint32_t>(out["sessionLifeTime"]));
  same(info.server_session_id, text(out["serverSessionId"]));
  same(info.client_session_id, text(out["clientSessionId"]));
  same(info.issuer_uri, text(out["issuerUri"]));
}

void Replay::on_create_puk_policy(const Json& in, const Json& out) {
  const PukPolicyRequest request{in["id"], hex(in["pukValue"]), in["format"], in["retryLimit"], hex(in["mac"])};
  const Result<PukPolicyHandle> created = store_.create_puk_policy(session_of(in), request);
  if (same_status(created, out)) same(*created, handle<PukPolicyHandle>(out));
}

void Replay::on_create_pin_policy(const Json& in, const Json& out) {
  PinPolicyRequest request;
  request.id = in["id"];
  request.puk_policy = handle<PukPolicyHandle>(in["pukPolicyHandle"]);
  request.user_defined = in["userDefined"];
  request.user_modifiable = in["userModifiable"];
  request.format = in["format"];
  request.retry_limit = in["retryLimit"];
  request.grouping = in["grouping"];
  request.pattern_restrictions = in["patternRestrictions"];
  request.min_length = in["minLength"];
  request.max_length = in["maxLength"];
  request.input_method = in["inputMethod"];
  request.mac = hex(in["mac"]);
  const Result<PinPolicyHandle> created = store_.create_pin_policy(session_of(in), request);
  if (same_status(created, out)) same(*created, handle<PinPolicyHandle>(out));
}

void Replay::on_create_key_entry(const Json& in, const Json& out) {
  KeyEntryRequest request;
  request.id = in["id"];
  request.key_entry_algorithm = in["keyEntryAlgorithm"];
  request.server_seed = hex(in["serverSeed"]);
  request.device_pin_protection = in["devicePinProtection"];
  request.pin_policy = handle<PinPolicyHandle>(in["pinPolicyHandle"]);
  request.pin_value = SecureBytes::copy_of(hex(in["pinValue"]));
  request.enable_pin_caching = in["enablePinCaching"];
  request.biometric_protection = in["biometricProtection"];
  request.export_protection = in["exportProtection"];
  request.delete_protection = in["deleteProtection"];
  request.app_usage = in["appUsage"];
  request.friendly_name = text(in["friendlyName"]);
  request.key_algorithm = in["keyAlgorithm"];
  request.key_parameters = hex(in["keyParameters"]);
  request.endorsed_algorithms = in["endorsedAlgorithms"];
  request.mac = hex(in["mac"]);
  device_.keys.queue(key_with_public_half(base64(out["publicKey"])));
  const Result<CreatedKey> created = store_.create_key_entry(session_of(in), request);
  if (!same_status(created, out)) return;
  same(created->handle, key_of(out));
  same(created->public_key, base64(out["publicKey"]));
  same(created->attestation, hex(out["attestation"]));
}

void Replay::on_get_key_handle(const Json& in, const Json& out) {
  const Result<KeyHandle> found = store_.get_key_handle(session_of(in), text(in["id"]));
  if (same_status(found, out)) same(*found, handle<KeyHandle>(out));
}

void Replay::on_set_certificate_path(const Json& in, const Json& out) {
  same_status(store_.set_certificate_path(key_of(in), certificates(in["certificatePath"]), hex(in["mac"])), out);
}

void Replay::on_import_symmetric_key(const Json& in, const Json& out) {
  same_status(store_.import_symmetric_key(key_of(in), hex(in["encryptedKey"]), hex(in["mac"])), out);
}

void Replay::on_import_private_key(const Json& in, const Json& out) {
  same_status(store_.import_private_key(key_of(in), hex(in["encryptedKey"]), hex(in["mac"])), out);
}

void Replay::on_add_extension(const Json& in, const Json& out) {
  const ExtensionRequest request{in["type"], in["subType"], text(in["qualifier"]), hex(in["extensionData"]),
                                 hex(in["mac"])};
  same_status(store_.add_extension(key_of(in), request), out);
}

TargetAuthorization target_of(const Json& in) {
  return {handle<KeyHandle>(in["targetKeyHandle"]), hex(in["authorization"]), hex(in["mac"])};
}

void Replay::on_post_unlock_key(const Json& in, const Json& out) {
  same_status(store_.post_unlock_key(session_of(in), target_of(in)), out);
}

void Replay::on_post_update_key(const Json& in, const Json& out) {
  same_status(store_.post_update_key(key_of(in), target_of(in)), out);
}

void Replay::on_enumerate_keys(const Json& in, const Json& out) {
  const Result<std::optional<EnumeratedKey>> next = store_.enumerate_keys(key_of(in));
  if (!same_status(next, out)) return;
  same(next->has_value(), !out.is_null());
  if (out.is_null()) return;
  same((*next)->handle, key_of(out));
  same((*next)->session, session_of(out));
}

void Replay::on_get_key_attributes(const Json& in, const Json& out) {
  const Result<KeyAttributes> ours = store_.get_key_attributes(key_of(in));
  if (!same_status(ours, out)) return;
  const KeyAttributes recorded = key_attributes(out);
  same(ours->symmetric_key_length, recorded.symmetric_key_length);
  same(ours->certificate_path, recorded.certificate_path);
  same(ours->app_usage, recorded.app_usage);
  same(ours->friendly_name, recorded.friendly_name);
  same(ours->endorsed_algorithms, recorded.endorsed_algorithms);
  same(ours->extension_types, recorded.extension_types);
}

void Replay::on_get_key_protection_info(const Json& in, const Json& out) {
  const Result<KeyProtectionInfo> ours = store_.get_key_protection_info(key_of(in));
  if (!same_status(ours, out)) return;
  const KeyProtectionInfo recorded = key_protection_info(out);
  same(ours->protection_status, recorded.protection_status);
  same(ours->puk_format, recorded.puk_format);
  same(ours->puk_retry_limit, recorded.puk_retry_limit);
  same(ours->puk_error_count, recorded.puk_error_count);
  same(ours->user_defined, recorded.user_defined);
  same(ours->user_modifiable, recorded.user_modifiable);
  same(ours->format, recorded.format);
  same(ours->retry_limit, recorded.retry_limit);
  same(ours->grouping, recorded.grouping);
  same(ours->pattern_restrictions, recorded.pattern_restrictions);
  same(ours->min_length, recorded.min_length);
  same(ours->max_length, recorded.max_length);
  same(ours->input_method, recorded.input_method);
  same(ours->pin_error_count, recorded.pin_error_count);
  same(ours->enable_pin_caching, recorded.enable_pin_caching);
  same(ours->biometric_protection, recorded.biometric_protection);
  same(ours->export_protection, recorded.export_protection);
  same(ours->delete_protection, recorded.delete_protection);
  same(ours->key_backup, recorded.key_backup);
}

void Replay::on_get_extension(const Json& in, const Json& out) {
  const Result<ExtensionContent> content = store_.get_extension(key_of(in), text(in["type"]));
  if (!same_status(content, out)) return;
  same(content->sub_type, number<std::uint8_t>(out["subType"]));
  same(content->qualifier, text(out["qualifier"]));
  same(content->data, hex(out["extensionData"]));
}

void Replay::on_set_property(const Json& in, const Json& out) {
  same_status(store_.set_property(key_of(in), text(in["type"]), text(in["name"]), text(in["value"])), out);
}

// What a recorded key signed is not determined for us, but it verifies with the certificate that this store returns.
// An imported RSA key is on record and signs the same again.
void Replay::on_sign_data(const Json& in, const Json& out) {
  const KeyHandle key = key_of(in);
  const Bytes data = hex(in["data"]);
  const std::string algorithm = in["algorithm"];
  const Result<Bytes> signature = store_.sign_data(key, algorithm, hex(in["parameters"]), authorization_of(in), data);
  if (!same_status(signature, out)) return;
  CHECK(signature->size() == hex(out).size());
  REQUIRE(algorithm.ends_with("-sha256"));
  const Bytes certificate = store_.get_key_attributes(key).value().certificate_path.front();
  const crypto::PublicKey signer = crypto::Certificate::from_der(certificate).value().public_key().value();
  CHECK(crypto::verify_signature(signer, data, hex(out)));
  ++totals_.signatures;
  const bool is_imported = (store_.get_key_protection_info(key).value().key_backup & kImported) != 0;
  if (is_imported && algorithm.ends_with("#rsa-sha256")) same(*signature, hex(out));
}

// The private key of the recording is gone: the secret itself is not determined.
void Replay::on_key_agreement(const Json& in, const Json& out) {
  const Result<SecureBytes> secret = store_.key_agreement(key_of(in), text(in["algorithm"]), hex(in["parameters"]),
                                                          authorization_of(in), base64(in["publicKey"]));
  if (same_status(secret, out)) CHECK(secret->size() == hex(out).size());
}

void Replay::on_perform_hmac(const Json& in, const Json& out) {
  const Result<Bytes> mac = store_.perform_hmac(key_of(in), text(in["algorithm"]), hex(in["parameters"]),
                                                authorization_of(in), hex(in["data"]));
  if (same_status(mac, out)) same(*mac, hex(out));
}

// Encryption starts with a random IV: given the recorded one, the whole result is determined.
void Replay::on_symmetric_key_encrypt(const Json& in, const Json& out) {
  const bool encrypts = in["mode"];
  if (encrypts) device_.random.queue(to_bytes(ByteView(hex(out)).first(16)));
  const Result<SecureBytes> result = store_.symmetric_key_encrypt(
      key_of(in), text(in["algorithm"]), encrypts ? CipherMode::encrypt : CipherMode::decrypt, hex(in["parameters"]),
      authorization_of(in), hex(in["data"]));
  if (same_status(result, out)) same(*result, hex(out));
}

}  // namespace

RecordedIdentity::RecordedIdentity(std::vector<Bytes> path)
    : key_(
          crypto::PrivateKey::generate(*find_algorithm("https://webpki.github.io/sks/algorithm#ec.nist.p256")).value()),
      path_(std::move(path)) {}

void replay(const Recording& recording, const ScriptedStore& device, ReplayTotals& totals) {
  Replay session(recording, device, totals);
  for (std::size_t i = 0; i < recording.calls.size(); ++i) {
    CAPTURE(recording.name);
    CAPTURE(i);
    CAPTURE(recording.calls[i].method);
    session.call(recording.calls[i]);
  }
  ++totals.sessions;
}

}  // namespace sks::test
