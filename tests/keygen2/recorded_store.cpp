#include "tests/keygen2/recorded_store.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "sks-core/base/encoding.h"
#include "sks-core/wire/methods.h"

namespace sks::test {
namespace {

using conformance::Json;
using conformance::RecordedCall;
using Api = SecureKeyStore;

Bytes hex(const Json& value) {
  if (value.is_null()) return {};
  const Result<Bytes> decoded = from_hex(value.get<std::string>());
  REQUIRE(decoded);
  return *decoded;
}

Bytes base64(const Json& value) {
  if (value.is_null()) return {};
  auto text = value.get<std::string>();
  std::erase(text, '=');
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  const Result<Bytes> decoded = from_base64url(text);
  REQUIRE(decoded);
  return *decoded;
}

std::string text(const Json& value) { return value.is_null() ? std::string() : value.get<std::string>(); }

template <class Handle>
Handle handle(const Json& value) {
  return Handle{value.get<std::uint32_t>()};
}

std::vector<Bytes> path(const Json& values) {
  std::vector<Bytes> result;
  for (const Json& value : values) result.push_back(base64(value));
  return result;
}

/// A call as it travels: request and response.
using Frames = std::pair<Bytes, Bytes>;

Bytes taken(wire::BodyWriter& out) {
  REQUIRE_FALSE(out.failed());
  return to_bytes(out.take().view());
}

template <class Row, class... Arguments>
Bytes request(const Arguments&... arguments) {
  wire::BodyWriter out(256);
  out.u8(std::get<Row>(wire::kMethods).id);
  wire::Signature<Row>::write_arguments(out, arguments...);
  return taken(out);
}

template <auto kFunction, class Value, class... Arguments>
Frames frames(const Value& value, const Arguments&... arguments) {
  using Row = wire::Method<kFunction>;
  wire::BodyWriter out(256);
  out.u8(0);
  wire::Signature<Row>::ResultCodec::write(out, value);
  return {request<Row>(arguments...), taken(out)};
}

template <auto kFunction, class... Arguments>
Frames frames_without_result(const Arguments&... arguments) {
  return {request<wire::Method<kFunction>>(arguments...), Bytes{0}};
}

Frames get_device_info(const Json&, const Json& out) {
  DeviceInfo info;
  info.api_level = out["apiLevel"];
  info.device_type = out["deviceType"];
  info.update_url = text(out["updateUrl"]);
  info.vendor_name = out["vendorName"];
  info.vendor_description = out["vendorDescription"];
  info.certificate_path = path(out["certificatePath"]);
  info.supported_algorithms = out["supportedAlgorithms"].get<std::vector<std::string>>();
  info.crypto_data_size = out["cryptoDataSize"];
  info.extension_data_size = out["extensionDataSize"];
  info.device_pin_support = out["devicePinSupport"];
  info.biometric_support = out["biometricSupport"];
  return frames<&Api::get_device_info>(info);
}

Frames create_provisioning_session(const Json& in, const Json& out) {
  SessionRequest call;
  call.session_key_algorithm = in["sessionKeyAlgorithm"];
  call.privacy_enabled = in["privacyEnabled"];
  call.server_session_id = in["serverSessionId"];
  call.server_ephemeral_key = base64(in["serverEphemeralKey"]);
  call.issuer_uri = in["issuerUri"];
  call.key_management_key = base64(in["keyManagementKey"]);
  call.client_time = in["clientTime"];
  call.session_life_time = in["sessionLifeTime"];
  call.session_key_limit = in["sessionKeyLimit"];
  call.server_certificate = hex(in["serverCertificate"]);
  const CreatedSession made{out["clientSessionId"], base64(out["clientEphemeralKey"]), hex(out["attestation"]),
                            handle<ProvisioningHandle>(out["provisioningHandle"])};
  return frames<&Api::create_provisioning_session>(made, call);
}

Frames close_provisioning_session(const Json& in, const Json& out) {
  return frames<&Api::close_provisioning_session>(hex(out), handle<ProvisioningHandle>(in["provisioningHandle"]),
                                                  hex(in["nonce"]), hex(in["mac"]));
}

Frames enumerate_provisioning_sessions(const Json& in, const Json& out) {
  std::optional<SessionInfo> next;
  if (!out.is_null()) {
    next.emplace();
    next->handle = handle<ProvisioningHandle>(out["provisioningHandle"]);
    next->session_key_algorithm = out["sessionKeyAlgorithm"];
    next->privacy_enabled = out["privacyEnabled"];
    next->key_management_key = base64(out["keyManagementKey"]);
    next->client_time = out["clientTime"];
    next->session_life_time = out["sessionLifeTime"];
    next->server_session_id = out["serverSessionId"];
    next->client_session_id = out["clientSessionId"];
    next->issuer_uri = out["issuerUri"];
  }
  return frames<&Api::enumerate_provisioning_sessions>(
      next, handle<ProvisioningHandle>(in["provisioningHandle"]),
      in["provisioningState"].get<bool>() ? SessionState::open : SessionState::closed);
}

Frames create_puk_policy(const Json& in, const Json& out) {
  const PukPolicyRequest call{in["id"], hex(in["pukValue"]), in["format"], in["retryLimit"], hex(in["mac"])};
  return frames<&Api::create_puk_policy>(handle<PukPolicyHandle>(out),
                                         handle<ProvisioningHandle>(in["provisioningHandle"]), call);
}

Frames create_pin_policy(const Json& in, const Json& out) {
  const PinPolicyRequest call{in["id"],          handle<PukPolicyHandle>(in["pukPolicyHandle"]),
                              in["userDefined"], in["userModifiable"],
                              in["format"],      in["retryLimit"],
                              in["grouping"],    in["patternRestrictions"],
                              in["minLength"],   in["maxLength"],
                              in["inputMethod"], hex(in["mac"])};
  return frames<&Api::create_pin_policy>(handle<PinPolicyHandle>(out),
                                         handle<ProvisioningHandle>(in["provisioningHandle"]), call);
}

Frames create_key_entry(const Json& in, const Json& out) {
  const KeyEntryRequest call{in["id"],
                             in["keyEntryAlgorithm"],
                             hex(in["serverSeed"]),
                             in["devicePinProtection"],
                             handle<PinPolicyHandle>(in["pinPolicyHandle"]),
                             SecureBytes::copy_of(hex(in["pinValue"])),
                             in["enablePinCaching"],
                             in["biometricProtection"],
                             in["exportProtection"],
                             in["deleteProtection"],
                             in["appUsage"],
                             text(in["friendlyName"]),
                             in["keyAlgorithm"],
                             hex(in["keyParameters"]),
                             in["endorsedAlgorithms"].get<std::vector<std::string>>(),
                             hex(in["mac"])};
  const CreatedKey made{handle<KeyHandle>(out["keyHandle"]), base64(out["publicKey"]), hex(out["attestation"])};
  return frames<&Api::create_key_entry>(made, handle<ProvisioningHandle>(in["provisioningHandle"]), call);
}

Frames get_key_handle(const Json& in, const Json& out) {
  return frames<&Api::get_key_handle>(handle<KeyHandle>(out), handle<ProvisioningHandle>(in["provisioningHandle"]),
                                      in["id"].get<std::string>());
}

Frames set_certificate_path(const Json& in, const Json&) {
  return frames_without_result<&Api::set_certificate_path>(handle<KeyHandle>(in["keyHandle"]),
                                                           path(in["certificatePath"]), hex(in["mac"]));
}

Frames import_symmetric_key(const Json& in, const Json&) {
  return frames_without_result<&Api::import_symmetric_key>(handle<KeyHandle>(in["keyHandle"]), hex(in["encryptedKey"]),
                                                           hex(in["mac"]));
}

Frames import_private_key(const Json& in, const Json&) {
  return frames_without_result<&Api::import_private_key>(handle<KeyHandle>(in["keyHandle"]), hex(in["encryptedKey"]),
                                                         hex(in["mac"]));
}

Frames add_extension(const Json& in, const Json&) {
  const ExtensionRequest call{in["type"], in["subType"], text(in["qualifier"]), hex(in["extensionData"]),
                              hex(in["mac"])};
  return frames_without_result<&Api::add_extension>(handle<KeyHandle>(in["keyHandle"]), call);
}

TargetAuthorization target(const Json& in) {
  return {handle<KeyHandle>(in["targetKeyHandle"]), hex(in["authorization"]), hex(in["mac"])};
}

Frames post_unlock_key(const Json& in, const Json&) {
  return frames_without_result<&Api::post_unlock_key>(handle<ProvisioningHandle>(in["provisioningHandle"]), target(in));
}

Frames post_update_key(const Json& in, const Json&) {
  return frames_without_result<&Api::post_update_key>(handle<KeyHandle>(in["keyHandle"]), target(in));
}

Frames enumerate_keys(const Json& in, const Json& out) {
  std::optional<EnumeratedKey> next;
  if (!out.is_null())
    next = EnumeratedKey{handle<KeyHandle>(out["keyHandle"]), handle<ProvisioningHandle>(out["provisioningHandle"])};
  return frames<&Api::enumerate_keys>(next, handle<KeyHandle>(in["keyHandle"]));
}

Frames get_key_attributes(const Json& in, const Json& out) {
  const KeyAttributes attributes{out["symmetricKeyLength"],
                                 path(out["certificatePath"]),
                                 out["appUsage"],
                                 text(out["friendlyName"]),
                                 out["endorsedAlgorithms"].get<std::vector<std::string>>(),
                                 out["extensionTypes"].get<std::vector<std::string>>()};
  return frames<&Api::get_key_attributes>(attributes, handle<KeyHandle>(in["keyHandle"]));
}

/// Of the protection only what a client asks for; the rest stays empty.
Frames get_key_protection_info(const Json& in, const Json& out) {
  KeyProtectionInfo info;
  info.protection_status = out["protectionStatus"];
  info.grouping = out["pinGrouping"].is_null() ? std::uint8_t{0} : out["pinGrouping"].get<std::uint8_t>();
  return frames<&Api::get_key_protection_info>(info, handle<KeyHandle>(in["keyHandle"]));
}

struct Method {
  bool changes;  ///< or asks
  Frames (*frames)(const Json& in, const Json& out);
};

/// All that a client calls; the rest of a recording is what its application did with the keys.
const std::map<std::string, Method> kMethods{
    {"getDeviceInfo", {false, get_device_info}},
    {"createProvisioningSession", {true, create_provisioning_session}},
    {"closeProvisioningSession", {true, close_provisioning_session}},
    {"enumerateProvisioningSessions", {false, enumerate_provisioning_sessions}},
    {"createPukPolicy", {true, create_puk_policy}},
    {"createPinPolicy", {true, create_pin_policy}},
    {"createKeyEntry", {true, create_key_entry}},
    {"getKeyHandle", {true, get_key_handle}},
    {"setCertificatePath", {true, set_certificate_path}},
    {"importSymmetricKey", {true, import_symmetric_key}},
    {"importPrivateKey", {true, import_private_key}},
    {"addExtension", {true, add_extension}},
    {"postUnlockKey", {true, post_unlock_key}},
    {"postUpdateKey", {true, post_update_key}},
    {"enumerateKeys", {false, enumerate_keys}},
    {"getKeyAttributes", {false, get_key_attributes}},
    {"getKeyProtectionInfo", {false, get_key_protection_info}},
};

}  // namespace

RecordedStore::RecordedStore(const conformance::Recording& recording) {
  for (const RecordedCall& call : recording.calls) {
    const auto method = kMethods.find(call.method);
    const bool by_application = call.after_message >= recording.messages.size();
    if (by_application || method == kMethods.end()) continue;
    REQUIRE_FALSE(call.failed());
    auto [request, response] = method->second.frames(call.in, call.out);
    (method->second.changes ? changes_ : questions_)
        .push_back({call.method, call.after_message, std::move(request), std::move(response)});
  }
}

Result<SecureBytes> RecordedStore::transact(ByteView request) {
  const auto name = std::ranges::find(wire::kMethodNames, request.front(), &wire::MethodName::id);
  REQUIRE(name != wire::kMethodNames.end());
  const auto method = kMethods.find(std::string(name->name));
  CAPTURE(std::string(name->name));
  REQUIRE(method != kMethods.end());
  if (method->second.changes) {
    REQUIRE(next_ < changes_.size());
    const Exchange& expected = changes_[next_++];
    CHECK(expected.method == name->name);
    CHECK(expected.after_message == message_);
    CHECK(to_hex(request) == to_hex(expected.request));
    return SecureBytes::copy_of(expected.response);
  }
  const Exchange* answer = nullptr;
  for (const Exchange& exchange : questions_)
    if (exchange.after_message <= message_ && equal(exchange.request, request)) answer = &exchange;
  REQUIRE(answer != nullptr);
  return SecureBytes::copy_of(answer->response);
}

}  // namespace sks::test
