#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sks-core/base/bytes.h"
#include "sks-core/base/ids.h"
#include "sks-core/base/result.h"

namespace sks {

/// getDeviceInfo. Spec: sks-api.md 4.1.
struct DeviceInfo {
  std::uint16_t api_level = 106;
  std::uint8_t device_type = 0x01;
  std::string update_url;
  std::string vendor_name;
  std::string vendor_description;
  std::vector<Bytes> certificate_path;  ///< DER, device certificate first
  std::vector<std::string> supported_algorithms;
  std::uint32_t crypto_data_size = 0;     ///< bytes
  std::uint32_t extension_data_size = 0;  ///< bytes
  bool device_pin_support = false;
  bool biometric_support = false;
};

/// Input of createProvisioningSession. Spec: sks-api.md 4.2.
struct SessionRequest {
  std::string session_key_algorithm;
  bool privacy_enabled = false;
  std::string server_session_id;
  Bytes server_ephemeral_key;  ///< SPKI
  std::string issuer_uri;
  Bytes key_management_key;             ///< SPKI, or empty
  std::uint32_t client_time = 0;        ///< seconds since 1970
  std::uint16_t session_life_time = 0;  ///< seconds
  std::uint16_t session_key_limit = 0;
  Bytes server_certificate;  ///< opaque
};

struct CreatedSession {
  std::string client_session_id;
  Bytes client_ephemeral_key;  ///< SPKI
  Bytes attestation;
  ProvisioningHandle handle;
};

/// Input of createPukPolicy. Spec: sks-api.md 4.7.
struct PukPolicyRequest {
  std::string id;
  Bytes encrypted_puk;
  std::uint8_t format = 0;
  std::uint16_t retry_limit = 0;
  Bytes mac;
};

/// Input of createPinPolicy. Spec: sks-api.md 4.8.
struct PinPolicyRequest {
  std::string id;
  PukPolicyHandle puk_policy;
  bool user_defined = false;
  bool user_modifiable = false;
  std::uint8_t format = 0;
  std::uint16_t retry_limit = 0;
  std::uint8_t grouping = 0;
  std::uint8_t pattern_restrictions = 0;
  std::uint16_t min_length = 0;
  std::uint16_t max_length = 0;
  std::uint8_t input_method = 0;
  Bytes mac;
};

/// Input of createKeyEntry. Spec: sks-api.md 4.9.
struct KeyEntryRequest {
  std::string id;
  std::string key_entry_algorithm;
  Bytes server_seed;
  bool device_pin_protection = false;
  PinPolicyHandle pin_policy;
  SecureBytes pin_value;  ///< clear (user-defined) or encrypted (issuer-set) PIN, or empty
  bool enable_pin_caching = false;
  std::uint8_t biometric_protection = 0;
  std::uint8_t export_protection = 0;
  std::uint8_t delete_protection = 0;
  std::uint8_t app_usage = 0;
  std::string friendly_name;
  std::string key_algorithm;
  Bytes key_parameters;
  std::vector<std::string> endorsed_algorithms;
  Bytes mac;
};

struct CreatedKey {
  KeyHandle handle;
  Bytes public_key;  ///< SPKI
  Bytes attestation;
};

/// One session of enumerateProvisioningSessions. Spec: sks-api.md 4.4.
struct SessionInfo {
  ProvisioningHandle handle;
  std::string session_key_algorithm;
  bool privacy_enabled = false;
  Bytes key_management_key;
  std::uint32_t client_time = 0;
  std::uint32_t session_life_time = 0;
  std::string server_session_id;
  std::string client_session_id;
  std::string issuer_uri;
};

struct EnumeratedKey {
  KeyHandle handle;
  ProvisioningHandle session;
};

/// getKeyAttributes. Spec: sks-api.md 4.18.
struct KeyAttributes {
  std::uint16_t symmetric_key_length = 0;  ///< bytes, 0 = asymmetric
  std::vector<Bytes> certificate_path;
  std::uint8_t app_usage = 0;
  std::string friendly_name;
  std::vector<std::string> endorsed_algorithms;
  std::vector<std::string> extension_types;
};

/// Bits of KeyProtectionInfo::protection_status.
inline constexpr std::uint8_t kPinProtected = 0x01;
inline constexpr std::uint8_t kPukProtected = 0x02;
inline constexpr std::uint8_t kPinBlocked = 0x04;
inline constexpr std::uint8_t kPukBlocked = 0x08;
inline constexpr std::uint8_t kDevicePin = 0x10;
inline constexpr std::uint8_t kSuspended = 0x20;  ///< sks-extensions.md, rule 4

/// Bits of KeyProtectionInfo::key_backup.
inline constexpr std::uint8_t kImported = 0x01;
inline constexpr std::uint8_t kExported = 0x02;

/// getKeyProtectionInfo. Spec: sks-api.md 4.19.
struct KeyProtectionInfo {
  std::uint8_t protection_status = 0;
  std::uint8_t puk_format = 0;
  std::uint16_t puk_retry_limit = 0;
  std::uint16_t puk_error_count = 0;
  bool user_defined = false;
  bool user_modifiable = false;
  std::uint8_t format = 0;
  std::uint16_t retry_limit = 0;
  std::uint8_t grouping = 0;
  std::uint8_t pattern_restrictions = 0;
  std::uint16_t min_length = 0;
  std::uint16_t max_length = 0;
  std::uint8_t input_method = 0;
  std::uint16_t pin_error_count = 0;
  bool enable_pin_caching = false;
  std::uint8_t biometric_protection = 0;
  std::uint8_t export_protection = 0;
  std::uint8_t delete_protection = 0;
  std::uint8_t key_backup = 0;
};

/// Input of addExtension. Spec: sks-api.md 4.14.
struct ExtensionRequest {
  std::string type;  ///< URI
  std::uint8_t sub_type = 0;
  std::string qualifier;
  Bytes data;  ///< encrypted for subType 0x01
  Bytes mac;
};

/// getExtension. Spec: sks-api.md 4.20.
struct ExtensionContent {
  std::uint8_t sub_type = 0;
  std::string qualifier;
  SecureBytes data;  ///< in the clear
};

/// Input of the post-provisioning methods. Spec: sks-api.md 4.15 and 4.16.
struct TargetAuthorization {
  KeyHandle target;
  Bytes authorization;  ///< signature over the target key reference
  Bytes mac;
};

/// Input of activate and deactivate. Spec: sks-extensions.md.
struct ActivationRequest {
  ProvisioningHandle session;  ///< 0 = call by the user
  KeyHandle target;
  SecureBytes authorization;  ///< PIN, signature over the target key reference, or empty
  Bytes mac;                  ///< empty in a call by the user
};

/// Bits of the activation state.
inline constexpr std::uint8_t kSuspendedByUser = 0x01;
inline constexpr std::uint8_t kSuspendedByIssuer = 0x02;

/// How a user method is authorized. Spec: sks-api.md 5.9.
struct Authorization {
  SecureBytes pin;  ///< empty = absent
  bool biometric = false;
};

/// symmetricKeyEncrypt.mode.
enum class CipherMode : std::uint8_t { decrypt = 0, encrypt = 1 };

enum class SessionState : std::uint8_t { closed = 0, open = 1 };

/// The rest of a call whose changes are not durable yet. It must not outlive the key store.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
  /// Waits until they are. Fails with storage: this is then the outcome of the call, and its session is aborted as
  /// after any failed call. Call it once, from any thread.
  virtual Result<void> finish() = 0;
};

/// The SKS API, one virtual per method, in the order of the method ids. Engine implements it, and RemoteKeyStore
/// implements it over the byte stream.
///
/// Each method performs the checks of its table in sks-api.md strictly in order and fails with the status of the first
/// one that does not hold; errors inside an open session abort it where chapter 1.6 says so. Thread-safe.
class SecureKeyStore {
 public:
  virtual ~SecureKeyStore() = default;

  virtual Result<DeviceInfo> get_device_info() = 0;

  /// Fails with option, crypto or storage. Spec: sks-api.md 4.2.
  virtual Result<CreatedSession> create_provisioning_session(const SessionRequest& request) = 0;

  /// Commits everything the session made and performs its post-provisioning operations, or aborts it. Returns the close
  /// attestation (32 bytes). Fails with no_session (nothing is aborted), mac, option, crypto, no_key (the target of an
  /// operation is gone) or storage. Spec: sks-api.md 4.3, 7.5.
  virtual Result<Bytes> close_provisioning_session(ProvisioningHandle session, ByteView nonce, ByteView mac) = 0;

  /// The next session in `state` after `previous` (0 = start); none at the end. Spec: sks-api.md 4.4.
  virtual Result<std::optional<SessionInfo>> enumerate_provisioning_sessions(ProvisioningHandle previous,
                                                                             SessionState state) = 0;

  /// Fails with no_session. Spec: sks-api.md 4.5.
  virtual Result<void> abort_provisioning_session(ProvisioningHandle session) = 0;

  /// Replaces the key management key of a closed session. `authorization` is a signature by the current one.
  /// Fails with no_session, not_allowed, option, crypto or storage; never aborts. Spec: sks-api.md 4.6, appendix E9.
  virtual Result<void> update_key_management_key(ProvisioningHandle session, ByteView key_management_key,
                                                 ByteView authorization) = 0;

  /// Fails with no_session (nothing is aborted), option, crypto, internal, mac or storage. Spec: sks-api.md 4.7.
  virtual Result<PukPolicyHandle> create_puk_policy(ProvisioningHandle session, const PukPolicyRequest& request) = 0;

  /// Fails with no_session (nothing is aborted), option, mac or storage. Spec: sks-api.md 4.8.
  virtual Result<PinPolicyHandle> create_pin_policy(ProvisioningHandle session, const PinPolicyRequest& request) = 0;

  /// Fails with no_session (nothing is aborted), algorithm, option, internal, crypto, mac or storage. Spec:
  /// sks-api.md 4.9.
  virtual Result<CreatedKey> create_key_entry(ProvisioningHandle session, const KeyEntryRequest& request) = 0;

  /// Fails with no_session or option; never aborts. Spec: sks-api.md 4.10.
  virtual Result<KeyHandle> get_key_handle(ProvisioningHandle session, std::string_view id) = 0;

  /// Fails with no_key (nothing is aborted), option, mac, internal, crypto or storage. Spec: sks-api.md 4.11.
  virtual Result<void> set_certificate_path(KeyHandle key, const std::vector<Bytes>& path, ByteView mac) = 0;

  /// Makes the key symmetric. `encrypted_key` as in chapter 3.3.
  /// Fails with no_key (nothing is aborted), option, mac, internal, crypto or storage. Spec: sks-api.md 4.12.
  virtual Result<void> import_symmetric_key(KeyHandle key, ByteView encrypted_key, ByteView mac) = 0;

  /// Replaces the private key by a PKCS#8 one, encrypted as in chapter 3.3.
  /// Fails with no_key (nothing is aborted), option, mac, internal, crypto or storage. Spec: sks-api.md 4.13.
  virtual Result<void> import_private_key(KeyHandle key, ByteView encrypted_key, ByteView mac) = 0;

  /// Fails with no_key (nothing is aborted), option, mac, internal, crypto or storage. Spec: sks-api.md 4.14.
  virtual Result<void> add_extension(KeyHandle key, const ExtensionRequest& request) = 0;

  /// Bring a suspended key back, and suspend it. Return the activation state that holds now, or after the commit.
  /// A call by the user fails with no_key, not_allowed, option, authorization or storage. A call by the issuer fails
  /// with no_session (nothing is aborted), no_key, option, mac, crypto or storage. Spec: sks-extensions.md.
  virtual Result<std::uint8_t> activate(const ActivationRequest& request) = 0;
  virtual Result<std::uint8_t> deactivate(const ActivationRequest& request) = 0;

  /// Record what close is to do with a key of another, closed session. Fail with no_session (nothing is aborted),
  /// no_key, option, mac, crypto or storage. Spec: sks-api.md 4.15.
  virtual Result<void> post_delete_key(ProvisioningHandle session, const TargetAuthorization& target) = 0;
  virtual Result<void> post_unlock_key(ProvisioningHandle session, const TargetAuthorization& target) = 0;

  /// The same for a `key` of the open session that takes the place of the target, or joins its PIN group. Fail with
  /// no_key (nothing is aborted when `key` is meant), option, mac, crypto or storage. Spec: sks-api.md 4.16.
  virtual Result<void> post_update_key(KeyHandle key, const TargetAuthorization& target) = 0;
  virtual Result<void> post_clone_key_protection(KeyHandle key, const TargetAuthorization& target) = 0;

  /// The next key of a closed session after `previous` (0 = start); none at the end. Spec: sks-api.md 4.17.
  virtual Result<std::optional<EnumeratedKey>> enumerate_keys(KeyHandle previous) = 0;

  /// Fails with no_key. Spec: sks-api.md 4.18.
  virtual Result<KeyAttributes> get_key_attributes(KeyHandle key) = 0;

  /// Fails with no_key. Spec: sks-api.md 4.19.
  virtual Result<KeyProtectionInfo> get_key_protection_info(KeyHandle key) = 0;

  /// Fails with no_key or option. Spec: sks-api.md 4.20.
  virtual Result<ExtensionContent> get_extension(KeyHandle key, std::string_view type) = 0;

  /// Sets a writable property of a property bag. Fails with no_key, option, not_allowed or storage. Spec: sks-api.md
  /// 4.21, appendix E7.
  virtual Result<void> set_property(KeyHandle key, std::string_view type, std::string_view name,
                                    std::string_view value) = 0;

  /// `authorization` is what deleteProtection asks for. Fails with no_key, option, authorization, not_allowed or
  /// storage. Spec: sks-api.md 4.22.
  virtual Result<void> delete_key(KeyHandle key, const SecureBytes& authorization) = 0;

  /// The raw symmetric key, or the private key as PKCS#8. `authorization` is what exportProtection asks for. Fails
  /// with no_key, not_allowed (suspended, or not exportable), option, authorization or storage. Spec: sks-api.md 4.22.
  virtual Result<SecureBytes> export_key(KeyHandle key, const SecureBytes& authorization) = 0;

  /// Clears the PIN error count. Fails with no_key, option (no PUK), authorization or storage. Spec: sks-api.md 4.23.
  virtual Result<void> unlock_key(KeyHandle key, const SecureBytes& puk) = 0;

  /// Fails with no_key, authorization, option, not_allowed or storage. Spec: sks-api.md 4.24.
  virtual Result<void> change_pin(KeyHandle key, const SecureBytes& pin, const SecureBytes& new_pin) = 0;

  /// Fails with no_key, option, authorization, not_allowed or storage. Spec: sks-api.md 4.25.
  virtual Result<void> set_pin(KeyHandle key, const SecureBytes& puk, const SecureBytes& new_pin) = 0;

  /// Returns nextURL. Fails with not_allowed when no update is offered. Spec: sks-api.md 4.26.
  virtual Result<std::string> update_firmware(ByteView chunk) = 0;

  /// `data` is a hash; `parameters` is empty, or the salt length of RSASSA-PSS (2 bytes). Fails with no_key,
  /// not_allowed (suspended), authorization, option, algorithm, crypto or storage. Spec: sks-api.md 4.27, 4.28;
  /// sks-extensions.md.
  virtual Result<Bytes> sign_hashed_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                         const Authorization& authorization, ByteView data) = 0;

  /// The plaintext; `parameters` is empty, or hashes and label of xmlenc11#rsa-oaep. Fails with no_key, not_allowed,
  /// authorization, option, algorithm, crypto or storage. Spec: sks-api.md 4.27, 4.29; sks-extensions.md.
  virtual Result<SecureBytes> asymmetric_key_decrypt(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                                     const Authorization& authorization, ByteView data) = 0;

  /// The shared secret Z with `public_key` (SPKI). Fails as asymmetric_key_decrypt. Spec: sks-api.md 4.27, 4.30, 6.7.
  virtual Result<SecureBytes> key_agreement(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                            const Authorization& authorization, ByteView public_key) = 0;

  /// Fails as asymmetric_key_decrypt. Spec: sks-api.md 4.27, 4.31.
  virtual Result<Bytes> perform_hmac(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                     const Authorization& authorization, ByteView data) = 0;

  /// `parameters` is the IV for #aes.cbc, what sks-extensions.md (AES) says for its algorithms, otherwise empty. Fails
  /// as asymmetric_key_decrypt, or with internal. Spec: sks-api.md 4.27, 4.32.
  virtual Result<SecureBytes> symmetric_key_encrypt(KeyHandle key, std::string_view algorithm, CipherMode mode,
                                                    ByteView parameters, const Authorization& authorization,
                                                    ByteView data) = 0;

  /// `data` is the message. Fails as sign_hashed_data. Spec: sks-api.md 4.27, 4.28.
  virtual Result<Bytes> sign_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                  const Authorization& authorization, ByteView data) = 0;

  /// Checks the PIN as sign_data would, with the same effect on the error counter, and does nothing else.
  /// Fails with no_key, not_allowed (no local PIN policy, or suspended) or authorization. A wrong PIN is durable before
  /// this returns. Spec: sks-extensions.md verifyPin.
  virtual Result<void> verify_pin(KeyHandle key, const SecureBytes& pin) = 0;

  /// For those who make one call after the other and answer them elsewhere. Runs `call`, which calls one method of this
  /// store, and does not wait for a disk where that can be done afterwards. What the method returned must not be told
  /// before PendingCall::finish() has succeeded. Null when there is nothing to wait for.
  virtual std::unique_ptr<PendingCall> begin_call(const std::function<void()>& call) {
    call();
    return nullptr;
  }
};

}  // namespace sks
