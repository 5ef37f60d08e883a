#pragma once

#include <memory>

#include "sks-core/base/clock.h"
#include "sks-core/base/random.h"
#include "sks-core/engine/device_identity.h"
#include "sks-core/engine/key_notes.h"
#include "sks-core/engine/key_source.h"
#include "sks-core/engine/secure_key_store.h"
#include "sks-core/engine/storage.h"

namespace sks {

/// Compares a device PIN entered by the user. An SKS announces devicePinSupport only when one is configured.
class DevicePinVerifier {
 public:
  virtual ~DevicePinVerifier() = default;
  virtual bool verify(ByteView pin) = 0;
};

/// What an integrator decides. The defaults are those of a software key store.
struct EngineConfig {
  std::string vendor_name = "OpenSKS";
  std::string vendor_description = "OpenSKS software key store";
  std::uint8_t device_type = 0x01;  ///< embedded, software
  std::uint32_t crypto_data_size = 16384;
  std::uint32_t extension_data_size = 250000;
  bool biometric_support = false;
  DevicePinVerifier* device_pin = nullptr;  ///< null: no device PIN
  /// Whether a PIN attempt may stay paid for in the storage after a right PIN: signing with a PIN then needs no commit,
  /// and a process that ends without destroying its engine costs one attempt. For services, not for short-lived users.
  bool prepay_pin_attempts = false;
};

/// The world an engine lives in. Everything here must outlive it.
struct EnginePorts {
  Storage& storage;
  const DeviceIdentity& identity;
  const KeySource& keys = system_key_source();
  const Random& random = system_random();
  const Clock& clock = system_clock();
};

/// Identifies the keys that share one PIN value and error count. Spec: sks-api.md 5.6.
using PinGroupHandle = Id<struct PinGroupTag>;

/// The SKS: session keys, MACs, PIN policies and commits over the four ports. Knows no file and no transport.
class Engine final : public SecureKeyStore, public KeyNotes {
 public:
  /// Loads what the storage holds. Fails with storage (unreadable) or internal (records that contradict one another,
  /// a device without certificate).
  static Result<std::unique_ptr<Engine>> open(EnginePorts ports, EngineConfig config = {});
  ~Engine() override;

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
  std::unique_ptr<PendingCall> begin_call(const std::function<void()>& call) override;

  /// The PIN group of a key of a closed session; none for a key without PIN policy. Not part of the SKS API: PKCS#11
  /// tokens follow PIN groups. Fails with no_key.
  Result<std::optional<PinGroupHandle>> pin_group(KeyHandle key);

  /// How many keys a session has created, be it open or closed; 0 for one that does not exist. Not part of the SKS API,
  /// which does not show the keys of open sessions: for the person who decides on a session that waits.
  std::size_t key_count(ProvisioningHandle session);

  Result<std::optional<std::vector<MarkedKey>>> marked_keys() override;
  Result<std::optional<KeyMark>> key_mark(KeyHandle key) override;
  Result<void> visit_notes(const std::function<void(std::uint32_t number, ByteView note)>& visit) override;
  Result<void> write_notes(const std::map<std::uint32_t, SecureBytes>& notes) override;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sks
