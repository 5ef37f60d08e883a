#pragma once

#include "conformance/recording.h"
#include "sks-core/engine/secure_key_store.h"

namespace sks::conformance {

/// Passes every call on to another key store, and keeps a list of them as recordings hold it. The list holds PINs and
/// keys in the clear, as the caller gave them: for test data only. Not for several threads at once.
class RecordingKeyStore final : public SecureKeyStore {
 public:
  explicit RecordingKeyStore(SecureKeyStore& inner) : inner_(inner) {}

  /// The number of the message that the next calls follow.
  void after_message(std::size_t number) { after_message_ = number; }
  const std::vector<RecordedCall>& calls() const { return calls_; }

  Result<DeviceInfo> get_device_info() override;
  Result<CreatedSession> create_provisioning_session(const SessionRequest& request) override;
  Result<Bytes> close_provisioning_session(ProvisioningHandle session, ByteView nonce, ByteView mac) override;
  Result<std::optional<SessionInfo>> enumerate_provisioning_sessions(ProvisioningHandle previous,
                                                                     SessionState state) override;
  Result<void> abort_provisioning_session(ProvisioningHandle session) override;
  Result<void> update_key_management_key(ProvisioningHandle session, ByteView key_management_key,
                                         ByteView authorization) override;
  Result<PukPolicyHandle> create_puk_policy(ProvisioningHandle session, const PukPolicyRequest& request) override;
  Result<PinPolicyHandle> create_pin_policy(ProvisioningHandle session, const PinPolicyRequest& request) override;
  Result<CreatedKey> create_key_entry(ProvisioningHandle session, const KeyEntryRequest& request) override;
  Result<KeyHandle> get_key_handle(ProvisioningHandle session, std::string_view id) override;
  Result<void> set_certificate_path(KeyHandle key, const std::vector<Bytes>& path, ByteView mac) override;
  Result<void> import_symmetric_key(KeyHandle key, ByteView encrypted_key, ByteView mac) override;
  Result<void> import_private_key(KeyHandle key, ByteView encrypted_key, ByteView mac) override;
  Result<void> add_extension(KeyHandle key, const ExtensionRequest& request) override;
  Result<std::uint8_t> activate(const ActivationRequest& request) override;
  Result<std::uint8_t> deactivate(const ActivationRequest& request) override;
  Result<void> post_delete_key(ProvisioningHandle session, const TargetAuthorization& target) override;
  Result<void> post_unlock_key(ProvisioningHandle session, const TargetAuthorization& target) override;
  Result<void> post_update_key(KeyHandle key, const TargetAuthorization& target) override;
  Result<void> post_clone_key_protection(KeyHandle key, const TargetAuthorization& target) override;
  Result<std::optional<EnumeratedKey>> enumerate_keys(KeyHandle previous) override;
  Result<KeyAttributes> get_key_attributes(KeyHandle key) override;
  Result<KeyProtectionInfo> get_key_protection_info(KeyHandle key) override;
  Result<ExtensionContent> get_extension(KeyHandle key, std::string_view type) override;
  Result<void> set_property(KeyHandle key, std::string_view type, std::string_view name,
                            std::string_view value) override;
  Result<void> delete_key(KeyHandle key, const SecureBytes& authorization) override;
  Result<SecureBytes> export_key(KeyHandle key, const SecureBytes& authorization) override;
  Result<void> unlock_key(KeyHandle key, const SecureBytes& puk) override;
  Result<void> change_pin(KeyHandle key, const SecureBytes& pin, const SecureBytes& new_pin) override;
  Result<void> set_pin(KeyHandle key, const SecureBytes& puk, const SecureBytes& new_pin) override;
  Result<std::string> update_firmware(ByteView chunk) override;
  Result<Bytes> sign_hashed_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                 const Authorization& authorization, ByteView data) override;
  Result<SecureBytes> asymmetric_key_decrypt(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                             const Authorization& authorization, ByteView data) override;
  Result<SecureBytes> key_agreement(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                    const Authorization& authorization, ByteView public_key) override;
  Result<Bytes> perform_hmac(KeyHandle key, std::string_view algorithm, ByteView parameters,
                             const Authorization& authorization, ByteView data) override;
  Result<SecureBytes> symmetric_key_encrypt(KeyHandle key, std::string_view algorithm, CipherMode mode,
                                            ByteView parameters, const Authorization& authorization,
                                            ByteView data) override;
  Result<Bytes> sign_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                          const Authorization& authorization, ByteView data) override;
  Result<void> verify_pin(KeyHandle key, const SecureBytes& pin) override;

 private:
  template <auto kFunction, class... As>
  auto record(const As&... arguments);

  SecureKeyStore& inner_;
  std::size_t after_message_ = 0;
  std::vector<RecordedCall> calls_;
};

}  // namespace sks::conformance
