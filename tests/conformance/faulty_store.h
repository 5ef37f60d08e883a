#pragma once

#include <string_view>
#include <variant>

#include "tests/conformance/forwarding_store.h"

namespace sks::test {

/// Changes what one method returned.
template <class T>
using Twist = void (*)(Result<T>& result);

struct Fault {
  std::string_view method;
  std::variant<Twist<void>, Twist<Bytes>, Twist<SecureBytes>, Twist<DeviceInfo>, Twist<CreatedSession>,
               Twist<PukPolicyHandle>, Twist<PinPolicyHandle>, Twist<CreatedKey>, Twist<KeyHandle>,
               Twist<KeyAttributes>, Twist<KeyProtectionInfo>, Twist<ExtensionContent>,
               Twist<std::optional<SessionInfo>>, Twist<std::optional<EnumeratedKey>>>
      twist;
};

/// A key store that does everything right but one thing.
class FaultyStore final : public ForwardingStore {
 public:
  FaultyStore(SecureKeyStore& inner, const Fault& fault) : ForwardingStore(inner), fault_(fault) {}

  Result<DeviceInfo> get_device_info() override { return twisted("getDeviceInfo", inner_.get_device_info()); }
  Result<CreatedSession> create_provisioning_session(const SessionRequest& request) override {
    return twisted("createProvisioningSession", inner_.create_provisioning_session(request));
  }
  Result<Bytes> close_provisioning_session(ProvisioningHandle session, ByteView nonce, ByteView mac) override {
    return twisted("closeProvisioningSession", inner_.close_provisioning_session(session, nonce, mac));
  }
  Result<std::optional<SessionInfo>> enumerate_provisioning_sessions(ProvisioningHandle previous,
                                                                     SessionState state) override {
    return twisted("enumerateProvisioningSessions", inner_.enumerate_provisioning_sessions(previous, state));
  }
  Result<PukPolicyHandle> create_puk_policy(ProvisioningHandle session, const PukPolicyRequest& request) override {
    return twisted("createPukPolicy", inner_.create_puk_policy(session, request));
  }
  Result<PinPolicyHandle> create_pin_policy(ProvisioningHandle session, const PinPolicyRequest& request) override {
    return twisted("createPinPolicy", inner_.create_pin_policy(session, request));
  }
  Result<CreatedKey> create_key_entry(ProvisioningHandle session, const KeyEntryRequest& request) override {
    return twisted("createKeyEntry", inner_.create_key_entry(session, request));
  }
  Result<KeyHandle> get_key_handle(ProvisioningHandle session, std::string_view id) override {
    return twisted("getKeyHandle", inner_.get_key_handle(session, id));
  }
  Result<void> set_certificate_path(KeyHandle key, const std::vector<Bytes>& path, ByteView mac) override {
    return twisted("setCertificatePath", inner_.set_certificate_path(key, path, mac));
  }
  Result<void> import_symmetric_key(KeyHandle key, ByteView encrypted_key, ByteView mac) override {
    return twisted("importSymmetricKey", inner_.import_symmetric_key(key, encrypted_key, mac));
  }
  Result<void> import_private_key(KeyHandle key, ByteView encrypted_key, ByteView mac) override {
    return twisted("importPrivateKey", inner_.import_private_key(key, encrypted_key, mac));
  }
  Result<void> add_extension(KeyHandle key, const ExtensionRequest& request) override {
    return twisted("addExtension", inner_.add_extension(key, request));
  }
  Result<void> post_unlock_key(ProvisioningHandle session, const TargetAuthorization& target) override {
    return twisted("postUnlockKey", inner_.post_unlock_key(session, target));
  }
  Result<void> post_update_key(KeyHandle key, const TargetAuthorization& target) override {
    return twisted("postUpdateKey", inner_.post_update_key(key, target));
  }
  Result<std::optional<EnumeratedKey>> enumerate_keys(KeyHandle previous) override {
    return twisted("enumerateKeys", inner_.enumerate_keys(previous));
  }
  Result<KeyAttributes> get_key_attributes(KeyHandle key) override {
    return twisted("getKeyAttributes", inner_.get_key_attributes(key));
  }
  Result<KeyProtectionInfo> get_key_protection_info(KeyHandle key) override {
    return twisted("getKeyProtectionInfo", inner_.get_key_protection_info(key));
  }
  Result<ExtensionContent> get_extension(KeyHandle key, std::string_view type) override {
    return twisted("getExtension", inner_.get_extension(key, type));
  }
  Result<void> set_property(KeyHandle key, std::string_view type, std::string_view name,
                            std::string_view value) override {
    if (fault_.method == "setProperty") return {};  // and nothing happens
    return inner_.set_property(key, type, name, value);
  }
  Result<void> delete_key(KeyHandle key, const SecureBytes& authorization) override {
    if (fault_.method == "deleteKey") return {};
    return inner_.delete_key(key, authorization);
  }
  Result<SecureBytes> export_key(KeyHandle key, const SecureBytes& authorization) override {
    return twisted("exportKey", inner_.export_key(key, authorization));
  }
  Result<void> verify_pin(KeyHandle key, const SecureBytes& pin) override {
    return twisted("verifyPin", inner_.verify_pin(key, pin));
  }
  Result<Bytes> sign_hashed_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                 const Authorization& authorization, ByteView data) override {
    return twisted("signHashedData", inner_.sign_hashed_data(key, algorithm, parameters, authorization, data));
  }
  Result<SecureBytes> asymmetric_key_decrypt(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                             const Authorization& authorization, ByteView data) override {
    return twisted("asymmetricKeyDecrypt",
                   inner_.asymmetric_key_decrypt(key, algorithm, parameters, authorization, data));
  }
  Result<SecureBytes> key_agreement(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                    const Authorization& authorization, ByteView public_key) override {
    return twisted("keyAgreement", inner_.key_agreement(key, algorithm, parameters, authorization, public_key));
  }
  Result<Bytes> perform_hmac(KeyHandle key, std::string_view algorithm, ByteView parameters,
                             const Authorization& authorization, ByteView data) override {
    return twisted("performHmac", inner_.perform_hmac(key, algorithm, parameters, authorization, data));
  }
  Result<SecureBytes> symmetric_key_encrypt(KeyHandle key, std::string_view algorithm, CipherMode mode,
                                            ByteView parameters, const Authorization& authorization,
                                            ByteView data) override {
    return twisted("symmetricKeyEncrypt",
                   inner_.symmetric_key_encrypt(key, algorithm, mode, parameters, authorization, data));
  }
  Result<Bytes> sign_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                          const Authorization& authorization, ByteView data) override {
    return twisted("signData", inner_.sign_data(key, algorithm, parameters, authorization, data));
  }

 private:
  template <class T>
  Result<T> twisted(std::string_view method, Result<T> result) const {
    const auto* const twist = std::get_if<Twist<T>>(&fault_.twist);
    if (method == fault_.method && twist != nullptr && *twist != nullptr) (*twist)(result);
    return result;
  }

  const Fault& fault_;
};

}  // namespace sks::test
