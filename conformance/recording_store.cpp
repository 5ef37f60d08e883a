#include "conformance/recording_store.h"

#include "conformance/call_values.h"

namespace sks::conformance {
namespace {

using Api = SecureKeyStore;

// Pointers to virtual functions cannot be compared at compile time, but types that are made of them can.
template <auto kFunction, class Row>
inline constexpr bool kIsRowOf = false;
template <auto kFunction, std::size_t kCount>
inline constexpr bool kIsRowOf<kFunction, CallRow<kFunction, kCount>> = true;

template <auto kFunction, std::size_t kIndex = 0>
constexpr const auto& row_of() {
  const auto& row = std::get<kIndex>(rows::kCalls);
  if constexpr (kIsRowOf<kFunction, std::remove_cvref_t<decltype(row)>>)
    return row;
  else
    return row_of<kFunction, kIndex + 1>();
}

}  // namespace

template <auto kFunction, class... As>
auto RecordingKeyStore::record(const As&... arguments) {
  constexpr const auto& kRow = row_of<kFunction>();
  static_assert(kRow.arguments.size() == sizeof...(As));
  auto result = (inner_.*kFunction)(arguments...);
  Json in = Json::object();
  std::size_t index = 0;
  (add_value(in, kRow.arguments[index++], arguments), ...);
  calls_.push_back({kRow.name, after_message_, std::move(in), result_to_json(result, kRow.result)});
  return result;
}

Result<DeviceInfo> RecordingKeyStore::get_device_info() { return record<&Api::get_device_info>(); }
Result<CreatedSession> RecordingKeyStore::create_provisioning_session(const SessionRequest& request) {
  return record<&Api::create_provisioning_session>(request);
}
Result<Bytes> RecordingKeyStore::close_provisioning_session(ProvisioningHandle session, ByteView nonce, ByteView mac) {
  return record<&Api::close_provisioning_session>(session, nonce, mac);
}
Result<std::optional<SessionInfo>> RecordingKeyStore::enumerate_provisioning_sessions(ProvisioningHandle previous,
                                                                                      SessionState state) {
  return record<&Api::enumerate_provisioning_sessions>(previous, state);
}
Result<void> RecordingKeyStore::abort_provisioning_session(ProvisioningHandle session) {
  return record<&Api::abort_provisioning_session>(session);
}
Result<void> RecordingKeyStore::update_key_management_key(ProvisioningHandle session, ByteView key_management_key,
                                                          ByteView authorization) {
  return record<&Api::update_key_management_key>(session, key_management_key, authorization);
}
Result<PukPolicyHandle> RecordingKeyStore::create_puk_policy(ProvisioningHandle session,
                                                             const PukPolicyRequest& request) {
  return record<&Api::create_puk_policy>(session, request);
}
Result<PinPolicyHandle> RecordingKeyStore::create_pin_policy(ProvisioningHandle session,
                                                             const PinPolicyRequest& request) {
  return record<&Api::create_pin_policy>(session, request);
}
Result<CreatedKey> RecordingKeyStore::create_key_entry(ProvisioningHandle session, const KeyEntryRequest& request) {
  return record<&Api::create_key_entry>(session, request);
}
Result<KeyHandle> RecordingKeyStore::get_key_handle(ProvisioningHandle session, std::string_view id) {
  return record<&Api::get_key_handle>(session, id);
}
Result<void> RecordingKeyStore::set_certificate_path(KeyHandle key, const std::vector<Bytes>& path, ByteView mac) {
  return record<&Api::set_certificate_path>(key, path, mac);
}
Result<void> RecordingKeyStore::import_symmetric_key(KeyHandle key, ByteView encrypted_key, ByteView mac) {
  return record<&Api::import_symmetric_key>(key, encrypted_key, mac);
}
Result<void> RecordingKeyStore::import_private_key(KeyHandle key, ByteView encrypted_key, ByteView mac) {
  return record<&Api::import_private_key>(key, encrypted_key, mac);
}
Result<void> RecordingKeyStore::add_extension(KeyHandle key, const ExtensionRequest& request) {
  return record<&Api::add_extension>(key, request);
}
Result<std::uint8_t> RecordingKeyStore::activate(const ActivationRequest& request) {
  return record<&Api::activate>(request);
}
Result<std::uint8_t> RecordingKeyStore::deactivate(const ActivationRequest& request) {
  return record<&Api::deactivate>(request);
}
Result<void> RecordingKeyStore::post_delete_key(ProvisioningHandle session, const TargetAuthorization& target) {
  return record<&Api::post_delete_key>(session, target);
}
Result<void> RecordingKeyStore::post_unlock_key(ProvisioningHandle session, const TargetAuthorization& target) {
  return record<&Api::post_unlock_key>(session, target);
}
Result<void> RecordingKeyStore::post_update_key(KeyHandle key, const TargetAuthorization& target) {
  return record<&Api::post_update_key>(key, target);
}
Result<void> RecordingKeyStore::post_clone_key_protection(KeyHandle key, const TargetAuthorization& target) {
  return record<&Api::post_clone_key_protection>(key, target);
}
Result<std::optional<EnumeratedKey>> RecordingKeyStore::enumerate_keys(KeyHandle previous) {
  return record<&Api::enumerate_keys>(previous);
}
Result<KeyAttributes> RecordingKeyStore::get_key_attributes(KeyHandle key) {
  return record<&Api::get_key_attributes>(key);
}
Result<KeyProtectionInfo> RecordingKeyStore::get_key_protection_info(KeyHandle key) {
  return record<&Api::get_key_protection_info>(key);
}
Result<ExtensionContent> RecordingKeyStore::get_extension(KeyHandle key, std::string_view type) {
  return record<&Api::get_extension>(key, type);
}
Result<void> RecordingKeyStore::set_property(KeyHandle key, std::string_view type, std::string_view name,
                                             std::string_view value) {
  return record<&Api::set_property>(key, type, name, value);
}
Result<void> RecordingKeyStore::delete_key(KeyHandle key, const SecureBytes& authorization) {
  return record<&Api::delete_key>(key, authorization);
}
Result<SecureBytes> RecordingKeyStore::export_key(KeyHandle key, const SecureBytes& authorization) {
  return record<&Api::export_key>(key, authorization);
}
Result<void> RecordingKeyStore::unlock_key(KeyHandle key, const SecureBytes& puk) {
  return record<&Api::unlock_key>(key, puk);
}
Result<void> RecordingKeyStore::change_pin(KeyHandle key, const SecureBytes& pin, const SecureBytes& new_pin) {
  return record<&Api::change_pin>(key, pin, new_pin);
}
Result<void> RecordingKeyStore::set_pin(KeyHandle key, const SecureBytes& puk, const SecureBytes& new_pin) {
  return record<&Api::set_pin>(key, puk, new_pin);
}
Result<std::string> RecordingKeyStore::update_firmware(ByteView chunk) { return record<&Api::update_firmware>(chunk); }
Result<Bytes> RecordingKeyStore::sign_hashed_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                                  const Authorization& authorization, ByteView data) {
  return record<&Api::sign_hashed_data>(key, algorithm, parameters, authorization, data);
}
Result<SecureBytes> RecordingKeyStore::asymmetric_key_decrypt(KeyHandle key, std::string_view algorithm,
                                                              ByteView parameters, const Authorization& authorization,
                                                              ByteView data) {
  return record<&Api::asymmetric_key_decrypt>(key, algorithm, parameters, authorization, data);
}
Result<SecureBytes> RecordingKeyStore::key_agreement(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                                     const Authorization& authorization, ByteView public_key) {
  return record<&Api::key_agreement>(key, algorithm, parameters, authorization, public_key);
}
Result<Bytes> RecordingKeyStore::perform_hmac(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                              const Authorization& authorization, ByteView data) {
  return record<&Api::perform_hmac>(key, algorithm, parameters, authorization, data);
}
Result<SecureBytes> RecordingKeyStore::symmetric_key_encrypt(KeyHandle key, std::string_view algorithm, CipherMode mode,
                                                             ByteView parameters, const Authorization& authorization,
                                                             ByteView data) {
  return record<&Api::symmetric_key_encrypt>(key, algorithm, mode, parameters, authorization, data);
}
Result<Bytes> RecordingKeyStore::sign_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                           const Authorization& authorization, ByteView data) {
  return record<&Api::sign_data>(key, algorithm, parameters, authorization, data);
}
Result<void> RecordingKeyStore::verify_pin(KeyHandle key, const SecureBytes& pin) {
  return record<&Api::verify_pin>(key, pin);
}

}  // namespace sks::conformance
