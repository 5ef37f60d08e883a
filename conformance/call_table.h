#pragma once

#include <array>
#include <tuple>

#include "sks-core/engine/secure_key_store.h"

/// The methods of the key store as recordings hold them: the names of their arguments and results, and how each is
/// written. Described once, for those who make recorded calls and for those who record calls.
/// tests/vectors/transcripts/README.md describes the file.
namespace sks::conformance {

/// How a value is written in JSON. An optional value that is empty is null.
enum class Form : std::uint8_t {
  plain,  ///< numbers, handles, truth values, texts and lists of texts
  optional_text,
  hex,
  optional_hex,
  base64,  ///< also lists
  optional_base64,
  pattern_names,  ///< the bits of patternRestrictions as a list of names
};

template <class Owner, class T>
struct Member {
  const char* name;
  T Owner::*pointer;
  Form form = Form::plain;
};
template <class Owner, class T>
Member(const char*, T Owner::*) -> Member<Owner, T>;
template <class Owner, class T>
Member(const char*, T Owner::*, Form) -> Member<Owner, T>;

/// The members of a struct, or nothing for other types.
template <class T>
inline constexpr auto kMembers = nullptr;

template <class T>
concept Object = !std::is_same_v<std::remove_const_t<decltype(kMembers<T>)>, std::nullptr_t>;

template <>
inline constexpr auto kMembers<DeviceInfo> = std::tuple{
    Member{"apiLevel", &DeviceInfo::api_level},
    Member{"deviceType", &DeviceInfo::device_type},
    Member{"updateUrl", &DeviceInfo::update_url, Form::optional_text},
    Member{"vendorName", &DeviceInfo::vendor_name},
    Member{"vendorDescription", &DeviceInfo::vendor_description},
    Member{"certificatePath", &DeviceInfo::certificate_path, Form::base64},
    Member{"supportedAlgorithms", &DeviceInfo::supported_algorithms},
    Member{"cryptoDataSize", &DeviceInfo::crypto_data_size},
    Member{"extensionDataSize", &DeviceInfo::extension_data_size},
    Member{"devicePinSupport", &DeviceInfo::device_pin_support},
    Member{"biometricSupport", &DeviceInfo::biometric_support},
};

template <>
inline constexpr auto kMembers<SessionRequest> = std::tuple{
    Member{"sessionKeyAlgorithm", &SessionRequest::session_key_algorithm},
    Member{"privacyEnabled", &SessionRequest::privacy_enabled},
    Member{"serverSessionId", &SessionRequest::server_session_id},
    Member{"serverEphemeralKey", &SessionRequest::server_ephemeral_key, Form::base64},
    Member{"issuerUri", &SessionRequest::issuer_uri},
    Member{"keyManagementKey", &SessionRequest::key_management_key, Form::optional_base64},
    Member{"clientTime", &SessionRequest::client_time},
    Member{"sessionLifeTime", &SessionRequest::session_life_time},
    Member{"sessionKeyLimit", &SessionRequest::session_key_limit},
    Member{"serverCertificate", &SessionRequest::server_certificate, Form::hex},
};

template <>
inline constexpr auto kMembers<CreatedSession> = std::tuple{
    Member{"provisioningHandle", &CreatedSession::handle},
    Member{"clientSessionId", &CreatedSession::client_session_id},
    Member{"attestation", &CreatedSession::attestation, Form::hex},
    Member{"clientEphemeralKey", &CreatedSession::client_ephemeral_key, Form::base64},
};

template <>
inline constexpr auto kMembers<SessionInfo> = std::tuple{
    Member{"provisioningHandle", &SessionInfo::handle},
    Member{"sessionKeyAlgorithm", &SessionInfo::session_key_algorithm},
    Member{"privacyEnabled", &SessionInfo::privacy_enabled},
    Member{"keyManagementKey", &SessionInfo::key_management_key, Form::optional_base64},
    Member{"clientTime", &SessionInfo::client_time},
    Member{"sessionLifeTime", &SessionInfo::session_life_time},
    Member{"clientSessionId", &SessionInfo::client_session_id},
    Member{"serverSessionId", &SessionInfo::server_session_id},
    Member{"issuerUri", &SessionInfo::issuer_uri},
};

template <>
inline constexpr auto kMembers<PukPolicyRequest> = std::tuple{
    Member{"id", &PukPolicyRequest::id},
    Member{"pukValue", &PukPolicyRequest::encrypted_puk, Form::hex},
    Member{"format", &PukPolicyRequest::format},
    Member{"retryLimit", &PukPolicyRequest::retry_limit},
    Member{"mac", &PukPolicyRequest::mac, Form::hex},
};

template <>
inline constexpr auto kMembers<PinPolicyRequest> = std::tuple{
    Member{"id", &PinPolicyRequest::id},
    Member{"pukPolicyHandle", &PinPolicyRequest::puk_policy},
    Member{"userDefined", &PinPolicyRequest::user_defined},
    Member{"userModifiable", &PinPolicyRequest::user_modifiable},
    Member{"format", &PinPolicyRequest::format},
    Member{"retryLimit", &PinPolicyRequest::retry_limit},
    Member{"grouping", &PinPolicyRequest::grouping},
    Member{"patternRestrictions", &PinPolicyRequest::pattern_restrictions},
    Member{"minLength", &PinPolicyRequest::min_length},
    Member{"maxLength", &PinPolicyRequest::max_length},
    Member{"inputMethod", &PinPolicyRequest::input_method},
    Member{"mac", &PinPolicyRequest::mac, Form::hex},
};

template <>
inline constexpr auto kMembers<KeyEntryRequest> = std::tuple{
    Member{"id", &KeyEntryRequest::id},
    Member{"keyEntryAlgorithm", &KeyEntryRequest::key_entry_algorithm},
    Member{"serverSeed", &KeyEntryRequest::server_seed, Form::optional_hex},
    Member{"devicePinProtection", &KeyEntryRequest::device_pin_protection},
    Member{"pinPolicyHandle", &KeyEntryRequest::pin_policy},
    Member{"pinValue", &KeyEntryRequest::pin_value, Form::optional_hex},
    Member{"enablePinCaching", &KeyEntryRequest::enable_pin_caching},
    Member{"biometricProtection", &KeyEntryRequest::biometric_protection},
    Member{"exportProtection", &KeyEntryRequest::export_protection},
    Member{"deleteProtection", &KeyEntryRequest::delete_protection},
    Member{"appUsage", &KeyEntryRequest::app_usage},
    Member{"friendlyName", &KeyEntryRequest::friendly_name, Form::optional_text},
    Member{"keyAlgorithm", &KeyEntryRequest::key_algorithm},
    Member{"keyParameters", &KeyEntryRequest::key_parameters, Form::optional_hex},
    Member{"endorsedAlgorithms", &KeyEntryRequest::endorsed_algorithms},
    Member{"mac", &KeyEntryRequest::mac, Form::hex},
};

template <>
inline constexpr auto kMembers<CreatedKey> = std::tuple{
    Member{"keyHandle", &CreatedKey::handle},
    Member{"publicKey", &CreatedKey::public_key, Form::base64},
    Member{"attestation", &CreatedKey::attestation, Form::hex},
};

template <>
inline constexpr auto kMembers<EnumeratedKey> = std::tuple{
    Member{"keyHandle", &EnumeratedKey::handle},
    Member{"provisioningHandle", &EnumeratedKey::session},
};

template <>
inline constexpr auto kMembers<KeyAttributes> = std::tuple{
    Member{"symmetricKeyLength", &KeyAttributes::symmetric_key_length},
    Member{"certificatePath", &KeyAttributes::certificate_path, Form::base64},
    Member{"appUsage", &KeyAttributes::app_usage},
    Member{"friendlyName", &KeyAttributes::friendly_name, Form::optional_text},
    Member{"endorsedAlgorithms", &KeyAttributes::endorsed_algorithms},
    Member{"extensionTypes", &KeyAttributes::extension_types},
};

template <>
inline constexpr auto kMembers<KeyProtectionInfo> = std::tuple{
    Member{"protectionStatus", &KeyProtectionInfo::protection_status},
    Member{"pukFormat", &KeyProtectionInfo::puk_format},
    Member{"pukRetryLimit", &KeyProtectionInfo::puk_retry_limit},
    Member{"pukErrorCount", &KeyProtectionInfo::puk_error_count},
    Member{"pinUserDefined", &KeyProtectionInfo::user_defined},
    Member{"pinUserModifiable", &KeyProtectionInfo::user_modifiable},
    Member{"pinFormat", &KeyProtectionInfo::format},
    Member{"pinRetryLimit", &KeyProtectionInfo::retry_limit},
    Member{"pinGrouping", &KeyProtectionInfo::grouping},
    Member{"pinPatternRestrictions", &KeyProtectionInfo::pattern_restrictions, Form::pattern_names},
    Member{"pinMinLength", &KeyProtectionInfo::min_length},
    Member{"pinMaxLength", &KeyProtectionInfo::max_length},
    Member{"pinInputMethod", &KeyProtectionInfo::input_method},
    Member{"pinErrorCount", &KeyProtectionInfo::pin_error_count},
    Member{"enablePinCaching", &KeyProtectionInfo::enable_pin_caching},
    Member{"biometricProtection", &KeyProtectionInfo::biometric_protection},
    Member{"exportProtection", &KeyProtectionInfo::export_protection},
    Member{"deleteProtection", &KeyProtectionInfo::delete_protection},
    Member{"keyBackup", &KeyProtectionInfo::key_backup},
};

template <>
inline constexpr auto kMembers<ExtensionRequest> = std::tuple{
    Member{"type", &ExtensionRequest::type},           Member{"subType", &ExtensionRequest::sub_type},
    Member{"qualifier", &ExtensionRequest::qualifier}, Member{"extensionData", &ExtensionRequest::data, Form::hex},
    Member{"mac", &ExtensionRequest::mac, Form::hex},
};

template <>
inline constexpr auto kMembers<ExtensionContent> = std::tuple{
    Member{"subType", &ExtensionContent::sub_type},
    Member{"qualifier", &ExtensionContent::qualifier},
    Member{"extensionData", &ExtensionContent::data, Form::hex},
};

template <>
inline constexpr auto kMembers<TargetAuthorization> = std::tuple{
    Member{"targetKeyHandle", &TargetAuthorization::target},
    Member{"authorization", &TargetAuthorization::authorization, Form::hex},
    Member{"mac", &TargetAuthorization::mac, Form::hex},
};

template <>
inline constexpr auto kMembers<ActivationRequest> = std::tuple{
    Member{"provisioningHandle", &ActivationRequest::session},
    Member{"targetKeyHandle", &ActivationRequest::target},
    Member{"authorization", &ActivationRequest::authorization, Form::optional_hex},
    Member{"mac", &ActivationRequest::mac, Form::optional_hex},
};

template <>
inline constexpr auto kMembers<Authorization> = std::tuple{
    Member{"biometricAuth", &Authorization::biometric},
    Member{"authorization", &Authorization::pin, Form::optional_hex},
};

/// An argument, or the result. The members of a struct stand by themselves, and it has no name.
struct Argument {
  const char* name = "";
  Form form = Form::plain;
};

/// One method: arguments in the order of the member function's signature.
template <auto kMemberFunction, std::size_t kCount>
struct CallRow {
  static constexpr auto kFunction = kMemberFunction;
  const char* name;
  std::array<Argument, kCount> arguments;
  Form result = Form::plain;
};

namespace rows {

using Api = SecureKeyStore;
inline constexpr Argument kMembersOfStruct{};
inline constexpr Argument kSession{"provisioningHandle"};
inline constexpr Argument kKey{"keyHandle"};
inline constexpr Argument kMac{"mac", Form::hex};
inline constexpr Argument kType{"type"};
inline constexpr Argument kAlgorithm{"algorithm"};
inline constexpr Argument kParameters{"parameters", Form::optional_hex};
inline constexpr Argument kData{"data", Form::hex};
inline constexpr Argument kPinOrPuk{"authorization", Form::optional_hex};

inline constexpr std::tuple kCalls{
    CallRow<&Api::get_device_info, 0>{"getDeviceInfo", {}},
    CallRow<&Api::create_provisioning_session, 1>{"createProvisioningSession", {kMembersOfStruct}},
    CallRow<&Api::close_provisioning_session, 3>{
        "closeProvisioningSession", {kSession, Argument{"nonce", Form::hex}, kMac}, Form::hex},
    CallRow<&Api::enumerate_provisioning_sessions, 2>{"enumerateProvisioningSessions",
                                                      {kSession, Argument{"provisioningState"}}},
    CallRow<&Api::abort_provisioning_session, 1>{"abortProvisioningSession", {kSession}},
    CallRow<&Api::update_key_management_key, 3>{
        "updateKeyManagementKey",
        {kSession, Argument{"keyManagementKey", Form::base64}, Argument{"authorization", Form::hex}}},
    CallRow<&Api::create_puk_policy, 2>{"createPukPolicy", {kSession, kMembersOfStruct}},
    CallRow<&Api::create_pin_policy, 2>{"createPinPolicy", {kSession, kMembersOfStruct}},
    CallRow<&Api::create_key_entry, 2>{"createKeyEntry", {kSession, kMembersOfStruct}},
    CallRow<&Api::get_key_handle, 2>{"getKeyHandle", {kSession, Argument{"id"}}},
    CallRow<&Api::set_certificate_path, 3>{"setCertificatePath",
                                           {kKey, Argument{"certificatePath", Form::base64}, kMac}},
    CallRow<&Api::import_symmetric_key, 3>{"importSymmetricKey", {kKey, Argument{"encryptedKey", Form::hex}, kMac}},
    CallRow<&Api::import_private_key, 3>{"importPrivateKey", {kKey, Argument{"encryptedKey", Form::hex}, kMac}},
    CallRow<&Api::add_extension, 2>{"addExtension", {kKey, kMembersOfStruct}},
    CallRow<&Api::activate, 1>{"activate", {kMembersOfStruct}},
    CallRow<&Api::deactivate, 1>{"deactivate", {kMembersOfStruct}},
    CallRow<&Api::post_delete_key, 2>{"postDeleteKey", {kSession, kMembersOfStruct}},
    CallRow<&Api::post_unlock_key, 2>{"postUnlockKey", {kSession, kMembersOfStruct}},
    CallRow<&Api::post_update_key, 2>{"postUpdateKey", {kKey, kMembersOfStruct}},
    CallRow<&Api::post_clone_key_protection, 2>{"postCloneKeyProtection", {kKey, kMembersOfStruct}},
    CallRow<&Api::enumerate_keys, 1>{"enumerateKeys", {kKey}},
    CallRow<&Api::get_key_attributes, 1>{"getKeyAttributes", {kKey}},
    CallRow<&Api::get_key_protection_info, 1>{"getKeyProtectionInfo", {kKey}},
    CallRow<&Api::get_extension, 2>{"getExtension", {kKey, kType}},
    CallRow<&Api::set_property, 4>{"setProperty", {kKey, kType, Argument{"name"}, Argument{"value"}}},
    CallRow<&Api::delete_key, 2>{"deleteKey", {kKey, kPinOrPuk}},
    CallRow<&Api::export_key, 2>{"exportKey", {kKey, kPinOrPuk}, Form::hex},
    CallRow<&Api::unlock_key, 2>{"unlockKey", {kKey, kPinOrPuk}},
    CallRow<&Api::change_pin, 3>{"changePin", {kKey, kPinOrPuk, Argument{"newPin", Form::hex}}},
    CallRow<&Api::set_pin, 3>{"setPin", {kKey, kPinOrPuk, Argument{"newPin", Form::hex}}},
    CallRow<&Api::update_firmware, 1>{"updateFirmware", {Argument{"chunk", Form::hex}}},
    CallRow<&Api::sign_hashed_data, 5>{
        "signHashedData", {kKey, kAlgorithm, kParameters, kMembersOfStruct, kData}, Form::hex},
    CallRow<&Api::asymmetric_key_decrypt, 5>{
        "asymmetricKeyDecrypt", {kKey, kAlgorithm, kParameters, kMembersOfStruct, kData}, Form::hex},
    CallRow<&Api::key_agreement, 5>{
        "keyAgreement",
        {kKey, kAlgorithm, kParameters, kMembersOfStruct, Argument{"publicKey", Form::base64}},
        Form::hex},
    CallRow<&Api::perform_hmac, 5>{"performHmac", {kKey, kAlgorithm, kParameters, kMembersOfStruct, kData}, Form::hex},
    CallRow<&Api::symmetric_key_encrypt, 6>{
        "symmetricKeyEncrypt", {kKey, kAlgorithm, Argument{"mode"}, kParameters, kMembersOfStruct, kData}, Form::hex},
    CallRow<&Api::sign_data, 5>{"signData", {kKey, kAlgorithm, kParameters, kMembersOfStruct, kData}, Form::hex},
    CallRow<&Api::verify_pin, 2>{"verifyPin", {kKey, kPinOrPuk}},
};

}  // namespace rows
}  // namespace sks::conformance
