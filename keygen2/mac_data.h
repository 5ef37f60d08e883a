#pragma once

#include <string_view>
#include <vector>

#include "keygen2/messages.h"
#include "sks-core/base/bytes.h"
#include "sks-core/base/random.h"

/// What is MACed, signed and encrypted end to end between issuer and SKS: pure functions, so that all who compute it
/// compute the same. Spec: keygen2.md 7.5 to 7.10.
///
/// Sizes are those of decoded or checked values: no array exceeds 65,535 bytes.
namespace sks::keygen2 {

/// Method names as they enter MACs. PIN and PUK are in capitals there, unlike in the names of the methods.
namespace method {
inline constexpr std::string_view kCreatePukPolicy = "createPUKPolicy";
inline constexpr std::string_view kCreatePinPolicy = "createPINPolicy";
inline constexpr std::string_view kCreateKeyEntry = "createKeyEntry";
inline constexpr std::string_view kDeviceAttestation = "DeviceAttestation";
inline constexpr std::string_view kSetCertificatePath = "setCertificatePath";
inline constexpr std::string_view kImportSymmetricKey = "importSymmetricKey";
inline constexpr std::string_view kImportPrivateKey = "importPrivateKey";
inline constexpr std::string_view kAddExtension = "addExtension";
inline constexpr std::string_view kPostCloneKeyProtection = "postCloneKeyProtection";
inline constexpr std::string_view kPostUpdateKey = "postUpdateKey";
inline constexpr std::string_view kPostUnlockKey = "postUnlockKey";
inline constexpr std::string_view kPostDeleteKey = "postDeleteKey";
inline constexpr std::string_view kActivate = "activate";
inline constexpr std::string_view kDeactivate = "deactivate";
inline constexpr std::string_view kCloseProvisioningSession = "closeProvisioningSession";
}  // namespace method

Bytes puk_policy_data(const PukPolicySpecifier& puk);
Bytes pin_policy_data(const PinPolicySpecifier& pin, const PukPolicySpecifier* puk);
Bytes key_entry_data(const KeyEntrySpecifier& key, const PinPolicySpecifier* pin, std::string_view key_entry_algorithm);
Bytes certificate_path_data(ByteView public_key_spki, std::string_view id, const std::vector<Bytes>& path);
Bytes imported_key_data(ByteView end_entity, ByteView encrypted_key);
Bytes extension_data(ByteView end_entity, std::string_view type, std::uint8_t sub_type, std::string_view qualifier,
                     ByteView data);
/// postUpdateKey, postCloneKeyProtection, and with an empty authorization deactivate of a key of the same session.
Bytes replacing_operation_data(ByteView end_entity, ByteView authorization);
/// postUnlockKey, postDeleteKey, activate and deactivate.
Bytes plain_operation_data(ByteView authorization);
Bytes close_data(const SessionIds& ids, std::string_view issuer_uri, ByteView nonce);

/// extensionData as the key store gets it. Spec: 8.7.
Bytes extension_content(const Extension& extension);

/// What a key management key signs to authorize an operation on a target key. Spec: 7.7.
Bytes target_key_data(const SecureBytes& session_key, ByteView device_id, ByteView target_certificate);
/// What the older key management key signs to authorize its replacement. Spec: 7.10.
Bytes roll_over_data(ByteView new_key_spki);

/// The key of 7.5, and IV || cipher text under it with a fresh IV.
SecureBytes encryption_key(const SecureBytes& session_key);
Bytes encrypt(const SecureBytes& encryption_key, ByteView plaintext, const Random& random);

}  // namespace sks::keygen2
