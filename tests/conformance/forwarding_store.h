#pragma once

#include "sks-core/engine/secure_key_store.h"

namespace sks::test {

/// Passes every call on to another key store: a base for stores that do one thing differently.
class ForwardingStore : public SecureKeyStore {
 public:
  explicit ForwardingStore(SecureKeyStore& inner) : inner_(inner) {}

  Result<DeviceInfo> get_device_info() override { return inner_.get_device_info(); }
  Result<CreatedSession> create_provisioning_session(const SessionRequest& request) override {
    return inner_.create_provisioning_session(request);
  }
  Result<Bytes> close_provisioning_session(ProvisioningHandle session, ByteView nonce, ByteView mac) override {
    return inner_.close_provisioning_session(session, nonce, mac);
  }
  Result<std::optional<SessionInfo>> enumerate_provisioning_sessions(ProvisioningHandle previous,
                                                                     SessionState state) override {
    return inner_.enumerate_provisioning_sessions(previous, state);
  }
  Result<void> abort_provisioning_session(ProvisioningHandle session) override {
    return inner_.abort_provisioning_session(session);
  }
  Result<void> update_key_management_key(ProvisioningHandle session, ByteView key_management_key,
                                         ByteView authorization) override {
    return inner_.update_key_management_key(session, key_management_key, authorization);
  }
  Result<PukPolicyHandle> create_puk_policy(ProvisioningHandle session, const PukPolicyRequest& request) override {
    return inner_.create_puk_policy(session, request);
  }
  Result<PinPolicyHandle> create_pin_policy(ProvisioningHandle session, const PinPolicyRequest& request) override {
    return inner_.create_pin_policy(session, request);
  }
  Result<CreatedKey> create_key_entry(ProvisioningHandle session, const KeyEntryRequest& request) override {
    return inner_.create_key_entry(session, request);
  }
  Result<KeyHandle> get_key_handle(ProvisioningHandle session, std::string_view id) override {
    return inner_.get_key_handle(session, id);
  }
  Result<void> set_certificate_path(KeyHandle key, const std::vector<Bytes>& path, ByteView mac) override {
    return inner_.set_certificate_path(key, path, mac);
  }
  Result<void> import_symmetric_key(KeyHandle key, ByteView encrypted_key, ByteView mac) override {
    return inner_.import_symmetric_key(key, encrypted_key, mac);
  }
  Result<void> import_private_key(KeyHandle key, ByteView encrypted_key, ByteView mac) override {
    return inner_.import_private_key(key, encrypted_key, mac);
  }
  Result<void> add_extension(KeyHandle key, const ExtensionRequest& request) override {
    return inner_.add_extension(key, request);
  }
  Result<std::uint8_t> activate(const ActivationRequest& request) override { return inner_.activate(request); }
  Result<std::uint8_t> deactivate(const ActivationRequest& request) override { return inner_.deactivate(request); }
  Result<void> post_delete_key(ProvisioningHandle session, const TargetAuthorization& target) override {
    return inner_.post_delete_key(session, target);
  }
  Result<void> post_unlock_key(ProvisioningHandle session, const TargetAuthorization& target) override {
    return inner_.post_unlock_key(session, target);
  }
  Result<void> post_update_key(KeyHandle key, const TargetAuthorization& target) override {
    return inner_.post_update_key(key, target);
  }
  Result<void> post_clone_key_protection(KeyHandle key, const TargetAuthorization& target) override {
    return inner_.post_clone_key_protection(key, target);
  }
  Result<std::optional<EnumeratedKey>> enumerate_keys(KeyHandle previous) override {
    return inner_.enumerate_keys(previous);
  }
  Result<KeyAttributes> get_key_attributes(KeyHandle key) override { return inner_.get_key_attributes(key); }
  Result<KeyProtectionInfo> get_key_protection_info(KeyHandle key) override {
    return inner_.get_key_protection_info(key);
  }
  Result<ExtensionContent> get_extension(KeyHandle key, std::string_view type) override {
    return inner_.get_extension(key, type);
  }
  Result<void> set_property(KeyHandle key, std::string_view type, std::string_view name,
                            std::string_view value) override {
    return inner_.set_property(key, type, name, value);
  }
  Result<void> delete_key(KeyHandle key, const SecureBytes& authorization) override {
    return inner_.delete_key(key, authorization);
  }
  Result<SecureBytes> export_key(KeyHandle key, const SecureBytes& authorization) override {
    return inner_.export_key(key, authorization);
  }
  Result<void> unlock_key(KeyHandle key, const SecureBytes& puk) override { return inner_.unlock_key(key, puk); }
  Result<void> change_pin(KeyHandle key, const SecureBytes& pin, const SecureBytes& new_pin) override {
    return inner_.change_pin(key, pin, new_pin);
  }
  Result<void> set_pin(KeyHandle key, const SecureBytes& puk, const SecureBytes& new_pin) override {
    return inner_.set_pin(key, puk, new_pin);
  }
  Result<std::string> update_firmware(ByteView chunk) override { return inner_.update_firmware(chunk); }
  Result<Bytes> sign_hashed_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                 const Authorization& authorization, ByteView data) override {
    return inner_.sign_hashed_data(key, algorithm, parameters, authorization, data);
  }
  Result<SecureBytes> asymmetric_key_decrypt(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                             const Authorization& authorization, ByteView data) override {
    return inner_.asymmetric_key_decrypt(key, algorithm, parameters, authorization, data);
  }
  Result<SecureBytes> key_agreement(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                    const Authorization& authorization, ByteView public_key) override {
    return inner_.key_agreement(key, algorithm, parameters, authorization, public_key);
  }
  Result<Bytes> perform_hmac(KeyHandle key, std::string_view algorithm, ByteView parameters,
                             const Authorization& authorization, ByteView data) override {
    return inner_.perform_hmac(key, algorithm, parameters, authorization, data);
  }
  Result<SecureBytes> symmetric_key_encrypt(KeyHandle key, std::string_view algorithm, CipherMode mode,
                                            ByteView parameters, const Authorization& authorization,
                                            ByteView data) override {
    return inner_.symmetric_key_encrypt(key, algorithm, mode, parameters, authorization, data);
  }
  Result<Bytes> sign_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                          const Authorization& authorization, ByteView data) override {
    return inner_.sign_data(key, algorithm, parameters, authorization, data);
  }
  Result<void> verify_pin(KeyHandle key, const SecureBytes& pin) override { return inner_.verify_pin(key, pin); }

 protected:
  SecureKeyStore& inner_;
};

}  // namespace sks::test
