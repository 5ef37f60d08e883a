#include "tests/sks-core/wire/spy_store.h"

#include "sks-core/base/encoding.h"

namespace sks::test {
namespace {

SecureBytes secure(std::initializer_list<std::uint8_t> bytes) { return SecureBytes::copy_of(Bytes(bytes)); }

Line user_call(std::string_view name, KeyHandle key, std::string_view algorithm, ByteView parameters,
               const Authorization& authorization, ByteView data) {
  Line line(name);
  line("key", key)("algorithm", algorithm)("parameters", parameters);
  line("biometric", authorization.biometric)("pin", authorization.pin)("data", data);
  return line;
}

Line target_call(std::string_view name, std::uint32_t handle, const TargetAuthorization& target) {
  Line line(name);
  line("handle", handle)("target", target.target)("authorization", target.authorization)("mac", target.mac);
  return line;
}

Line activation_call(std::string_view name, const ActivationRequest& request) {
  Line line(name);
  line("session", request.session)("target", request.target);
  line("authorization", request.authorization)("mac", request.mac);
  return line;
}

}  // namespace

Line& Line::operator()(std::string_view name, ByteView value) { return add(name, to_hex(value)); }

Line& Line::operator()(std::string_view name, const std::vector<Bytes>& list) {
  std::string all;
  for (const Bytes& element : list) all += (all.empty() ? "" : ",") + to_hex(element);
  return add(name, "[" + all + "]");
}

Line& Line::operator()(std::string_view name, const std::vector<std::string>& list) {
  std::string all;
  for (const std::string& element : list) all += (all.empty() ? "" : ",") + element;
  return add(name, "[" + all + "]");
}

Line& Line::add(std::string_view name, std::string_view value) {
  if (!text_.empty()) text_ += ' ';
  text_.append(name).append("=").append(value);
  return *this;
}

Result<void> SpyStore::note(const Line& line) {
  call = line.text();
  ++calls;
  if (before_result) before_result();
  if (error) return *error;
  return {};
}

Result<DeviceInfo> SpyStore::get_device_info() {
  SKS_TRY(note(Line("getDeviceInfo")));
  DeviceInfo info;
  info.device_type = 2;
  info.update_url = "u";
  info.vendor_name = "ve";
  info.vendor_description = "vd\xC3\xA9";
  info.certificate_path = {{0xC1}, {0xC2, 0xC3}};
  info.supported_algorithms = {"a1", "a2", "a3"};
  info.crypto_data_size = 16384;
  info.extension_data_size = 250000;
  info.biometric_support = true;
  return info;
}

Result<CreatedSession> SpyStore::create_provisioning_session(const SessionRequest& request) {
  Line line("createProvisioningSession");
  line("algorithm", request.session_key_algorithm)("privacy", request.privacy_enabled);
  line("serverSessionId", request.server_session_id)("serverEphemeralKey", request.server_ephemeral_key);
  line("issuerUri", request.issuer_uri)("kmk", request.key_management_key)("clientTime", request.client_time);
  line("lifeTime", request.session_life_time)("keyLimit", request.session_key_limit);
  line("certificate", request.server_certificate);
  SKS_TRY(note(line));
  return CreatedSession{"client", {0xE1, 0xE2}, {0xA1}, {7}};
}

Result<Bytes> SpyStore::close_provisioning_session(ProvisioningHandle session, ByteView nonce, ByteView mac) {
  SKS_TRY(note(Line("closeProvisioningSession")("session", session)("nonce", nonce)("mac", mac)));
  return Bytes{0xA1, 0xA2, 0xA3};
}

Result<std::optional<SessionInfo>> SpyStore::enumerate_provisioning_sessions(ProvisioningHandle previous,
                                                                             SessionState state) {
  SKS_TRY(note(Line("enumerateProvisioningSessions")("previous", previous)("open", state == SessionState::open)));
  if (at_end) return std::optional<SessionInfo>();
  return std::optional(SessionInfo{{9}, "alg", true, {0x4B}, 0x01020304, 0x0000FFFF, "server", "client", "uri"});
}

Result<void> SpyStore::abort_provisioning_session(ProvisioningHandle session) {
  return note(Line("abortProvisioningSession")("session", session));
}

Result<void> SpyStore::update_key_management_key(ProvisioningHandle session, ByteView key_management_key,
                                                 ByteView authorization) {
  return note(
      Line("updateKeyManagementKey")("session", session)("kmk", key_management_key)("authorization", authorization));
}

Result<PukPolicyHandle> SpyStore::create_puk_policy(ProvisioningHandle session, const PukPolicyRequest& request) {
  Line line("createPukPolicy");
  line("session", session)("id", request.id)("encryptedPuk", request.encrypted_puk)("format", request.format);
  line("retryLimit", request.retry_limit)("mac", request.mac);
  SKS_TRY(note(line));
  return PukPolicyHandle{11};
}

Result<PinPolicyHandle> SpyStore::create_pin_policy(ProvisioningHandle session, const PinPolicyRequest& request) {
  Line line("createPinPolicy");
  line("session", session)("id", request.id)("puk", request.puk_policy)("userDefined", request.user_defined);
  line("userModifiable", request.user_modifiable)("format", request.format)("retryLimit", request.retry_limit);
  line("grouping", request.grouping)("patterns", request.pattern_restrictions)("min", request.min_length);
  line("max", request.max_length)("inputMethod", request.input_method)("mac", request.mac);
  SKS_TRY(note(line));
  return PinPolicyHandle{12};
}

Result<CreatedKey> SpyStore::create_key_entry(ProvisioningHandle session, const KeyEntryRequest& request) {
  Line line("createKeyEntry");
  line("session", session)("id", request.id)("keyEntryAlgorithm", request.key_entry_algorithm);
  line("seed", request.server_seed)("devicePin", request.device_pin_protection)("pinPolicy", request.pin_policy);
  line("pin", request.pin_value)("caching", request.enable_pin_caching)("biometric", request.biometric_protection);
  line("export", request.export_protection)("delete", request.delete_protection)("usage", request.app_usage);
  line("name", request.friendly_name)("keyAlgorithm", request.key_algorithm)("parameters", request.key_parameters);
  line("endorsed", request.endorsed_algorithms)("mac", request.mac);
  SKS_TRY(note(line));
  return CreatedKey{{13}, {0x51, 0x52}, {0xA1}};
}

Result<KeyHandle> SpyStore::get_key_handle(ProvisioningHandle session, std::string_view id) {
  SKS_TRY(note(Line("getKeyHandle")("session", session)("id", id)));
  return KeyHandle{14};
}

Result<void> SpyStore::set_certificate_path(KeyHandle key, const std::vector<Bytes>& path, ByteView mac) {
  return note(Line("setCertificatePath")("key", key)("path", path)("mac", mac));
}

Result<void> SpyStore::import_symmetric_key(KeyHandle key, ByteView encrypted_key, ByteView mac) {
  return note(Line("importSymmetricKey")("key", key)("encryptedKey", encrypted_key)("mac", mac));
}

Result<void> SpyStore::import_private_key(KeyHandle key, ByteView encrypted_key, ByteView mac) {
  return note(Line("importPrivateKey")("key", key)("encryptedKey", encrypted_key)("mac", mac));
}

Result<void> SpyStore::add_extension(KeyHandle key, const ExtensionRequest& request) {
  Line line("addExtension");
  line("key", key)("type", request.type)("subType", request.sub_type)("qualifier", request.qualifier);
  line("data", request.data)("mac", request.mac);
  return note(line);
}

Result<std::uint8_t> SpyStore::activate(const ActivationRequest& request) {
  SKS_TRY(note(activation_call("activate", request)));
  return std::uint8_t{1};
}

Result<std::uint8_t> SpyStore::deactivate(const ActivationRequest& request) {
  SKS_TRY(note(activation_call("deactivate", request)));
  return std::uint8_t{3};
}

Result<void> SpyStore::post_delete_key(ProvisioningHandle session, const TargetAuthorization& target) {
  return note(target_call("postDeleteKey", session.value, target));
}
Result<void> SpyStore::post_unlock_key(ProvisioningHandle session, const TargetAuthorization& target) {
  return note(target_call("postUnlockKey", session.value, target));
}
Result<void> SpyStore::post_update_key(KeyHandle key, const TargetAuthorization& target) {
  return note(target_call("postUpdateKey", key.value, target));
}
Result<void> SpyStore::post_clone_key_protection(KeyHandle key, const TargetAuthorization& target) {
  return note(target_call("postCloneKeyProtection", key.value, target));
}

Result<std::optional<EnumeratedKey>> SpyStore::enumerate_keys(KeyHandle previous) {
  SKS_TRY(note(Line("enumerateKeys")("previous", previous)));
  if (at_end) return std::optional<EnumeratedKey>();
  return std::optional(EnumeratedKey{{15}, {16}});
}

Result<KeyAttributes> SpyStore::get_key_attributes(KeyHandle key) {
  SKS_TRY(note(Line("getKeyAttributes")("key", key)));
  return KeyAttributes{20, {{0xC1}, {0xC2, 0xC3}}, 3, "name", {"e1", "e2"}, {"t1"}};
}

Result<KeyProtectionInfo> SpyStore::get_key_protection_info(KeyHandle key) {
  SKS_TRY(note(Line("getKeyProtectionInfo")("key", key)));
  return KeyProtectionInfo{0x27,   1,      0x0203, 0x0405, true, false, 6,    0x0708, 9,   10,
                           0x0B0C, 0x0D0E, 15,     0x1011, true, 0x12,  0x13, 0x14,   0x15};
}

Result<ExtensionContent> SpyStore::get_extension(KeyHandle key, std::string_view type) {
  SKS_TRY(note(Line("getExtension")("key", key)("type", type)));
  return ExtensionContent{3, "image/png", secure({0xD1, 0xD2})};
}

Result<void> SpyStore::set_property(KeyHandle key, std::string_view type, std::string_view name,
                                    std::string_view value) {
  return note(Line("setProperty")("key", key)("type", type)("name", name)("value", value));
}

Result<void> SpyStore::delete_key(KeyHandle key, const SecureBytes& authorization) {
  return note(Line("deleteKey")("key", key)("authorization", authorization));
}

Result<SecureBytes> SpyStore::export_key(KeyHandle key, const SecureBytes& authorization) {
  SKS_TRY(note(Line("exportKey")("key", key)("authorization", authorization)));
  return SecureBytes(exported_size);
}

Result<void> SpyStore::unlock_key(KeyHandle key, const SecureBytes& puk) {
  return note(Line("unlockKey")("key", key)("puk", puk));
}

Result<void> SpyStore::change_pin(KeyHandle key, const SecureBytes& pin, const SecureBytes& new_pin) {
  return note(Line("changePin")("key", key)("pin", pin)("newPin", new_pin));
}

Result<void> SpyStore::set_pin(KeyHandle key, const SecureBytes& puk, const SecureBytes& new_pin) {
  return note(Line("setPin")("key", key)("puk", puk)("newPin", new_pin));
}

Result<std::string> SpyStore::update_firmware(ByteView chunk) {
  SKS_TRY(note(Line("updateFirmware")("chunk", chunk)));
  return std::string("next");
}

Result<Bytes> SpyStore::sign_hashed_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                         const Authorization& authorization, ByteView data) {
  SKS_TRY(note(user_call("signHashedData", key, algorithm, parameters, authorization, data)));
  return Bytes{0x51, 0x52};
}

Result<SecureBytes> SpyStore::asymmetric_key_decrypt(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                                     const Authorization& authorization, ByteView data) {
  SKS_TRY(note(user_call("asymmetricKeyDecrypt", key, algorithm, parameters, authorization, data)));
  return secure({0x71});
}

Result<SecureBytes> SpyStore::key_agreement(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                            const Authorization& authorization, ByteView public_key) {
  SKS_TRY(note(user_call("keyAgreement", key, algorithm, parameters, authorization, public_key)));
  return secure({0x72, 0x73});
}

Result<Bytes> SpyStore::perform_hmac(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                     const Authorization& authorization, ByteView data) {
  SKS_TRY(note(user_call("performHmac", key, algorithm, parameters, authorization, data)));
  return Bytes{0x61};
}

Result<SecureBytes> SpyStore::symmetric_key_encrypt(KeyHandle key, std::string_view algorithm, CipherMode mode,
                                                    ByteView parameters, const Authorization& authorization,
                                                    ByteView data) {
  Line line = user_call("symmetricKeyEncrypt", key, algorithm, parameters, authorization, data);
  SKS_TRY(note(line("encrypt", mode == CipherMode::encrypt)));
  return secure({0x74, 0x75});
}

Result<Bytes> SpyStore::sign_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                  const Authorization& authorization, ByteView data) {
  SKS_TRY(note(user_call("signData", key, algorithm, parameters, authorization, data)));
  return Bytes{0x53};
}

Result<void> SpyStore::verify_pin(KeyHandle key, const SecureBytes& pin) {
  return note(Line("verifyPin")("key", key)("pin", pin));
}

}  // namespace sks::test
