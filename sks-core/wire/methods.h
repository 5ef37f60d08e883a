#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <tuple>

#include "sks-core/engine/secure_key_store.h"
#include "sks-core/wire/codec.h"

/// The methods of the SKS API as they travel, described once for both ends. Spec: sks-api.md chapter 4 and
/// sks-extensions.md.
namespace sks::wire {

template <>
inline constexpr auto kFields<DeviceInfo> = std::tuple{&DeviceInfo::api_level,
                                                       &DeviceInfo::device_type,
                                                       &DeviceInfo::update_url,
                                                       &DeviceInfo::vendor_name,
                                                       &DeviceInfo::vendor_description,
                                                       &DeviceInfo::certificate_path,
                                                       &DeviceInfo::supported_algorithms,
                                                       &DeviceInfo::crypto_data_size,
                                                       &DeviceInfo::extension_data_size,
                                                       &DeviceInfo::device_pin_support,
                                                       &DeviceInfo::biometric_support};

template <>
inline constexpr auto kFields<SessionRequest> = std::tuple{
    &SessionRequest::session_key_algorithm, &SessionRequest::privacy_enabled,   &SessionRequest::server_session_id,
    &SessionRequest::server_ephemeral_key,  &SessionRequest::issuer_uri,        &SessionRequest::key_management_key,
    &SessionRequest::client_time,           &SessionRequest::session_life_time, &SessionRequest::session_key_limit,
    &SessionRequest::server_certificate};

template <>
inline constexpr auto kFields<CreatedSession> =
    std::tuple{&CreatedSession::client_session_id, &CreatedSession::client_ephemeral_key, &CreatedSession::attestation,
               &CreatedSession::handle};

template <>
inline constexpr auto kFields<PukPolicyRequest> =
    std::tuple{&PukPolicyRequest::id, &PukPolicyRequest::encrypted_puk, &PukPolicyRequest::format,
               &PukPolicyRequest::retry_limit, &PukPolicyRequest::mac};

template <>
inline constexpr auto kFields<PinPolicyRequest> =
    std::tuple{&PinPolicyRequest::id,           &PinPolicyRequest::puk_policy,
               &PinPolicyRequest::user_defined, &PinPolicyRequest::user_modifiable,
               &PinPolicyRequest::format,       &PinPolicyRequest::retry_limit,
               &PinPolicyRequest::grouping,     &PinPolicyRequest::pattern_restrictions,
               &PinPolicyRequest::min_length,   &PinPolicyRequest::max_length,
               &PinPolicyRequest::input_method, &PinPolicyRequest::mac};

template <>
inline constexpr auto kFields<KeyEntryRequest> = std::tuple{&KeyEntryRequest::id,
                                                            &KeyEntryRequest::key_entry_algorithm,
                                                            &KeyEntryRequest::server_seed,
                                                            &KeyEntryRequest::device_pin_protection,
                                                            &KeyEntryRequest::pin_policy,
                                                            &KeyEntryRequest::pin_value,
                                                            &KeyEntryRequest::enable_pin_caching,
                                                            &KeyEntryRequest::biometric_protection,
                                                            &KeyEntryRequest::export_protection,
                                                            &KeyEntryRequest::delete_protection,
                                                            &KeyEntryRequest::app_usage,
                                                            &KeyEntryRequest::friendly_name,
                                                            &KeyEntryRequest::key_algorithm,
                                                            &KeyEntryRequest::key_parameters,
                                                            &KeyEntryRequest::endorsed_algorithms,
                                                            &KeyEntryRequest::mac};

template <>
inline constexpr auto kFields<CreatedKey> =
    std::tuple{&CreatedKey::handle, &CreatedKey::public_key, &CreatedKey::attestation};

template <>
inline constexpr auto kFields<SessionInfo> = std::tuple{&SessionInfo::handle,
                                                        &SessionInfo::session_key_algorithm,
                                                        &SessionInfo::privacy_enabled,
                                                        &SessionInfo::key_management_key,
                                                        &SessionInfo::client_time,
                                                        &SessionInfo::session_life_time,
                                                        &SessionInfo::server_session_id,
                                                        &SessionInfo::client_session_id,
                                                        &SessionInfo::issuer_uri};

template <>
inline constexpr auto kFields<EnumeratedKey> = std::tuple{&EnumeratedKey::handle, &EnumeratedKey::session};

template <>
inline constexpr auto kFields<KeyAttributes> = std::tuple{
    &KeyAttributes::symmetric_key_length, &KeyAttributes::certificate_path,    &KeyAttributes::app_usage,
    &KeyAttributes::friendly_name,        &KeyAttributes::endorsed_algorithms, &KeyAttributes::extension_types};

template <>
inline constexpr auto kFields<KeyProtectionInfo> = std::tuple{&KeyProtectionInfo::protection_status,
                                                              &KeyProtectionInfo::puk_format,
                                                              &KeyProtectionInfo::puk_retry_limit,
                                                              &KeyProtectionInfo::puk_error_count,
                                                              &KeyProtectionInfo::user_defined,
                                                              &KeyProtectionInfo::user_modifiable,
                                                              &KeyProtectionInfo::format,
                                                              &KeyProtectionInfo::retry_limit,
                                                              &KeyProtectionInfo::grouping,
                                                              &KeyProtectionInfo::pattern_restrictions,
                                                              &KeyProtectionInfo::min_length,
                                                              &KeyProtectionInfo::max_length,
                                                              &KeyProtectionInfo::input_method,
                                                              &KeyProtectionInfo::pin_error_count,
                                                              &KeyProtectionInfo::enable_pin_caching,
                                                              &KeyProtectionInfo::biometric_protection,
                                                              &KeyProtectionInfo::export_protection,
                                                              &KeyProtectionInfo::delete_protection,
                                                              &KeyProtectionInfo::key_backup};

template <>
inline constexpr auto kFields<ExtensionRequest> =
    std::tuple{&ExtensionRequest::type, &ExtensionRequest::sub_type, &ExtensionRequest::qualifier,
               BlobField<ExtensionRequest, Bytes>{&ExtensionRequest::data}, &ExtensionRequest::mac};

template <>
inline constexpr auto kFields<ExtensionContent> =
    std::tuple{&ExtensionContent::sub_type, &ExtensionContent::qualifier,
               BlobField<ExtensionContent, SecureBytes>{&ExtensionContent::data}};

template <>
inline constexpr auto kFields<TargetAuthorization> =
    std::tuple{&TargetAuthorization::target, &TargetAuthorization::authorization, &TargetAuthorization::mac};

template <>
inline constexpr auto kFields<ActivationRequest> =
    std::tuple{&ActivationRequest::session, &ActivationRequest::target, &ActivationRequest::authorization,
               &ActivationRequest::mac};

template <>
inline constexpr auto kFields<Authorization> = std::tuple{&Authorization::biometric, &Authorization::pin};

/// Which byte strings of a method are blobs, where they are no members of a struct.
enum class Blob : std::uint8_t { none, last_argument, last_argument_and_result };

/// One method: arguments and result travel in the order of the member function's signature.
template <auto kMemberFunction, Blob kBlobs = Blob::none>
struct Method {
  static constexpr auto kFunction = kMemberFunction;
  static constexpr Blob kBlob = kBlobs;
  std::uint8_t id;
  std::string_view name;
};

using Api = SecureKeyStore;

inline constexpr std::tuple kMethods{
    Method<&Api::get_device_info>{1, "getDeviceInfo"},
    Method<&Api::create_provisioning_session>{2, "createProvisioningSession"},
    Method<&Api::close_provisioning_session>{3, "closeProvisioningSession"},
    Method<&Api::enumerate_provisioning_sessions>{4, "enumerateProvisioningSessions"},
    Method<&Api::abort_provisioning_session>{5, "abortProvisioningSession"},
    Method<&Api::update_key_management_key>{7, "updateKeyManagementKey"},
    Method<&Api::create_puk_policy>{8, "createPukPolicy"},
    Method<&Api::create_pin_policy>{9, "createPinPolicy"},
    Method<&Api::create_key_entry>{10, "createKeyEntry"},
    Method<&Api::get_key_handle>{11, "getKeyHandle"},
    Method<&Api::set_certificate_path>{12, "setCertificatePath"},
    Method<&Api::import_symmetric_key>{13, "importSymmetricKey"},
    Method<&Api::import_private_key>{14, "importPrivateKey"},
    Method<&Api::add_extension>{15, "addExtension"},
    Method<&Api::activate>{24, "activate"},
    Method<&Api::deactivate>{25, "deactivate"},
    Method<&Api::post_delete_key>{50, "postDeleteKey"},
    Method<&Api::post_unlock_key>{51, "postUnlockKey"},
    Method<&Api::post_update_key>{52, "postUpdateKey"},
    Method<&Api::post_clone_key_protection>{53, "postCloneKeyProtection"},
    Method<&Api::enumerate_keys>{70, "enumerateKeys"},
    Method<&Api::get_key_attributes>{71, "getKeyAttributes"},
    Method<&Api::get_key_protection_info>{72, "getKeyProtectionInfo"},
    Method<&Api::get_extension>{73, "getExtension"},
    Method<&Api::set_property>{74, "setProperty"},
    Method<&Api::delete_key>{80, "deleteKey"},
    Method<&Api::export_key>{81, "exportKey"},
    Method<&Api::unlock_key>{82, "unlockKey"},
    Method<&Api::change_pin>{83, "changePin"},
    Method<&Api::set_pin>{84, "setPin"},
    Method<&Api::update_firmware, Blob::last_argument>{90, "updateFirmware"},
    Method<&Api::sign_hashed_data>{100, "signHashedData"},
    Method<&Api::asymmetric_key_decrypt>{101, "asymmetricKeyDecrypt"},
    Method<&Api::key_agreement>{102, "keyAgreement"},
    Method<&Api::perform_hmac, Blob::last_argument>{103, "performHmac"},
    Method<&Api::symmetric_key_encrypt, Blob::last_argument_and_result>{104, "symmetricKeyEncrypt"},
    Method<&Api::sign_data, Blob::last_argument>{105, "signData"},
    Method<&Api::verify_pin>{106, "verifyPin"},
};

template <class T, bool kIsBlob>
using CodecOf = std::conditional_t<kIsBlob, BlobCodec<T>, Codec<T>>;

/// What follows from the signature of a method: the types it reads its arguments into, and how each value is coded.
template <class Row, class Function = std::remove_const_t<decltype(Row::kFunction)>>
struct Signature;

template <class Row, class R, class... As>
struct Signature<Row, Result<R> (Api::*)(As...)> {
  using Value = R;
  /// Text is copied when it is judged; other bytes are used where they are.
  template <class A>
  using Stored = std::conditional_t<std::is_same_v<A, std::string_view>, std::string, std::remove_cvref_t<A>>;
  using Arguments = std::tuple<Stored<As>...>;
  using ResultCodec = CodecOf<R, Row::kBlob == Blob::last_argument_and_result>;

  static Arguments read_arguments(ByteReader& in) { return read_arguments(in, std::index_sequence_for<As...>()); }
  static void write_arguments(BodyWriter& out, const std::remove_cvref_t<As>&... arguments) {
    write_arguments(out, std::index_sequence_for<As...>(), arguments...);
  }

 private:
  template <std::size_t kIndex>
  using ArgumentCodec =
      CodecOf<std::tuple_element_t<kIndex, Arguments>, Row::kBlob != Blob::none && kIndex + 1 == sizeof...(As)>;

  template <std::size_t... kIndex>
  static Arguments read_arguments([[maybe_unused]] ByteReader& in, std::index_sequence<kIndex...>) {
    return Arguments{ArgumentCodec<kIndex>::read(in)...};  // braces: from left to right
  }
  template <std::size_t... kIndex>
  static void write_arguments([[maybe_unused]] BodyWriter& out, std::index_sequence<kIndex...>,
                              const std::remove_cvref_t<As>&... arguments) {
    (ArgumentCodec<kIndex>::write(out, arguments), ...);
  }
};

struct MethodName {
  std::uint8_t id;
  std::string_view name;
};

/// The ids and names alone, for those who list or search them.
inline constexpr auto kMethodNames = std::apply(
    [](auto... methods) {
      return std::array{MethodName{methods.id, methods.name}...};
    },
    kMethods);
static_assert(std::ranges::adjacent_find(kMethodNames, std::ranges::greater_equal{}, &MethodName::id) ==
                  kMethodNames.end(),
              "kMethods is searched by id");

}  // namespace sks::wire
