#include "sks-core/wire/client.h"

#include <mutex>

#include "sks-core/wire/dispatcher.h"
#include "sks-core/wire/error_text.h"
#include "sks-core/wire/methods.h"

namespace sks::wire {

struct RemoteKeyStore::Line {
  Result<SecureBytes> transact(ByteView request) {
    const std::lock_guard lock(mutex);
    return channel->transact(request);
  }

  std::unique_ptr<Channel> channel;
  std::mutex mutex;
};

namespace {

/// Most requests fit without growing.
constexpr std::size_t kFirstRoom = 512;
constexpr auto kLastStatus = static_cast<std::uint8_t>(Status::not_available);

template <auto kFunction>
struct Named;

template <auto kFunction, class... Rows>
constexpr std::size_t find_row(const std::tuple<Rows...>*) {
  constexpr std::array kMatches{std::is_same_v<Named<Rows::kFunction>, Named<kFunction>>...};
  static_assert(std::ranges::count(kMatches, true) == 1, "each method has one row");
  return static_cast<std::size_t>(std::ranges::find(kMatches, true) - kMatches.begin());
}

/// The type of the row of kMethods for a member function.
template <auto kFunction>
using RowOf = std::tuple_element_t<find_row<kFunction>(static_cast<decltype(&kMethods)>(nullptr)), decltype(kMethods)>;

Error malformed(std::string_view method) {
  return {Status::external, "The answer to " + std::string(method) + " is malformed"};
}

Error read_error(std::string_view method, std::uint8_t status, ByteReader& in) {
  const std::string text = in.text();
  if (!in.finish() || status > kLastStatus || text.size() > kMaxErrorText) return malformed(method);
  return {Status{status}, error_text(text)};
}

template <auto kFunction, class Line, class... As>
auto call(Line& line, const As&... arguments) -> Result<typename Signature<RowOf<kFunction>>::Value> {
  constexpr auto kMethod = std::get<std::remove_const_t<RowOf<kFunction>>>(kMethods);
  using Signed = Signature<RowOf<kFunction>>;
  BodyWriter out(kFirstRoom);
  out.u8(kMethod.id);
  Signed::write_arguments(out, arguments...);
  if (out.failed())
    return Error{Status::option, "The arguments of " + std::string(kMethod.name) + " do not fit into a request"};
  const SecureBytes request = out.take();
  SKS_LET(const SecureBytes response, line.transact(request.view()));
  ByteReader in(response.view());
  if (const std::uint8_t status = in.u8(); status != 0) return read_error(kMethod.name, status, in);
  if constexpr (std::is_void_v<typename Signed::Value>) {
    if (!in.finish()) return malformed(kMethod.name);
    return {};
  } else {
    auto value = Signed::ResultCodec::read(in);
    if (!in.finish()) return malformed(kMethod.name);
    return value;
  }
}

}  // namespace

Result<SecureBytes> LocalChannel::transact(ByteView request) {
  SecureBytes response = dispatch(store_, request);
  if (response.empty()) return Error{Status::external, "No memory for an answer"};
  return response;
}

RemoteKeyStore::RemoteKeyStore(std::unique_ptr<Channel> channel) : line_(new Line{std::move(channel), {}}) {}
RemoteKeyStore::~RemoteKeyStore() = default;

Result<DeviceInfo> RemoteKeyStore::get_device_info() { return call<&Api::get_device_info>(*line_); }

Result<CreatedSession> RemoteKeyStore::create_provisioning_session(const SessionRequest& request) {
  return call<&Api::create_provisioning_session>(*line_, request);
}

Result<Bytes> RemoteKeyStore::close_provisioning_session(ProvisioningHandle session, ByteView nonce, ByteView mac) {
  return call<&Api::close_provisioning_session>(*line_, session, nonce, mac);
}

Result<std::optional<SessionInfo>> RemoteKeyStore::enumerate_provisioning_sessions(ProvisioningHandle previous,
                                                                                   SessionState state) {
  return call<&Api::enumerate_provisioning_sessions>(*line_, previous, state);
}

Result<void> RemoteKeyStore::abort_provisioning_session(ProvisioningHandle session) {
  return call<&Api::abort_provisioning_session>(*line_, session);
}

Result<void> RemoteKeyStore::update_key_management_key(ProvisioningHandle session, ByteView key_management_key,
                                                       ByteView authorization) {
  return call<&Api::update_key_management_key>(*line_, session, key_management_key, authorization);
}

Result<PukPolicyHandle> RemoteKeyStore::create_puk_policy(ProvisioningHandle session, const PukPolicyRequest& request) {
  return call<&Api::create_puk_policy>(*line_, session, request);
}

Result<PinPolicyHandle> RemoteKeyStore::create_pin_policy(ProvisioningHandle session, const PinPolicyRequest& request) {
  return call<&Api::create_pin_policy>(*line_, session, request);
}

Result<CreatedKey> RemoteKeyStore::create_key_entry(ProvisioningHandle session, const KeyEntryRequest& request) {
  return call<&Api::create_key_entry>(*line_, session, request);
}

Result<KeyHandle> RemoteKeyStore::get_key_handle(ProvisioningHandle session, std::string_view id) {
  return call<&Api::get_key_handle>(*line_, session, id);
}

Result<void> RemoteKeyStore::set_certificate_path(KeyHandle key, const std::vector<Bytes>& path, ByteView mac) {
  return call<&Api::set_certificate_path>(*line_, key, path, mac);
}

Result<void> RemoteKeyStore::import_symmetric_key(KeyHandle key, ByteView encrypted_key, ByteView mac) {
  return call<&Api::import_symmetric_key>(*line_, key, encrypted_key, mac);
}

Result<void> RemoteKeyStore::import_private_key(KeyHandle key, ByteView encrypted_key, ByteView mac) {
  return call<&Api::import_private_key>(*line_, key, encrypted_key, mac);
}

Result<void> RemoteKeyStore::add_extension(KeyHandle key, const ExtensionRequest& request) {
  return call<&Api::add_extension>(*line_, key, request);
}

Result<std::uint8_t> RemoteKeyStore::activate(const ActivationRequest& request) {
  return call<&Api::activate>(*line_, request);
}

Result<std::uint8_t> RemoteKeyStore::deactivate(const ActivationRequest& request) {
  return call<&Api::deactivate>(*line_, request);
}

Result<void> RemoteKeyStore::post_delete_key(ProvisioningHandle session, const TargetAuthorization& target) {
  return call<&Api::post_delete_key>(*line_, session, target);
}

Result<void> RemoteKeyStore::post_unlock_key(ProvisioningHandle session, const TargetAuthorization& target) {
  return call<&Api::post_unlock_key>(*line_, session, target);
}

Result<void> RemoteKeyStore::post_update_key(KeyHandle key, const TargetAuthorization& target) {
  return call<&Api::post_update_key>(*line_, key, target);
}

Result<void> RemoteKeyStore::post_clone_key_protection(KeyHandle key, const TargetAuthorization& target) {
  return call<&Api::post_clone_key_protection>(*line_, key, target);
}

Result<std::optional<EnumeratedKey>> RemoteKeyStore::enumerate_keys(KeyHandle previous) {
  return call<&Api::enumerate_keys>(*line_, previous);
}

Result<KeyAttributes> RemoteKeyStore::get_key_attributes(KeyHandle key) {
  return call<&Api::get_key_attributes>(*line_, key);
}

Result<KeyProtectionInfo> RemoteKeyStore::get_key_protection_info(KeyHandle key) {
  return call<&Api::get_key_protection_info>(*line_, key);
}

Result<ExtensionContent> RemoteKeyStore::get_extension(KeyHandle key, std::string_view type) {
  return call<&Api::get_extension>(*line_, key, type);
}

Result<void> RemoteKeyStore::set_property(KeyHandle key, std::string_view type, std::string_view name,
                                          std::string_view value) {
  return call<&Api::set_property>(*line_, key, type, name, value);
}

Result<void> RemoteKeyStore::delete_key(KeyHandle key, const SecureBytes& authorization) {
  return call<&Api::delete_key>(*line_, key, authorization);
}

Result<SecureBytes> RemoteKeyStore::export_key(KeyHandle key, const SecureBytes& authorization) {
  return call<&Api::export_key>(*line_, key, authorization);
}

Result<void> RemoteKeyStore::unlock_key(KeyHandle key, const SecureBytes& puk) {
  return call<&Api::unlock_key>(*line_, key, puk);
}

Result<void> RemoteKeyStore::change_pin(KeyHandle key, const SecureBytes& pin, const SecureBytes& new_pin) {
  return call<&Api::change_pin>(*line_, key, pin, new_pin);
}

Result<void> RemoteKeyStore::set_pin(KeyHandle key, const SecureBytes& puk, const SecureBytes& new_pin) {
  return call<&Api::set_pin>(*line_, key, puk, new_pin);
}

Result<std::string> RemoteKeyStore::update_firmware(ByteView chunk) {
  return call<&Api::update_firmware>(*line_, chunk);
}

Result<Bytes> RemoteKeyStore::sign_hashed_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                               const Authorization& authorization, ByteView data) {
  return call<&Api::sign_hashed_data>(*line_, key, algorithm, parameters, authorization, data);
}

Result<SecureBytes> RemoteKeyStore::asymmetric_key_decrypt(KeyHandle key, std::string_view algorithm,
                                                           ByteView parameters, const Authorization& authorization,
                                                           ByteView data) {
  return call<&Api::asymmetric_key_decrypt>(*line_, key, algorithm, parameters, authorization, data);
}

Result<SecureBytes> RemoteKeyStore::key_agreement(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                                  const Authorization& authorization, ByteView public_key) {
  return call<&Api::key_agreement>(*line_, key, algorithm, parameters, authorization, public_key);
}

Result<Bytes> RemoteKeyStore::perform_hmac(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                           const Authorization& authorization, ByteView data) {
  return call<&Api::perform_hmac>(*line_, key, algorithm, parameters, authorization, data);
}

Result<SecureBytes> RemoteKeyStore::symmetric_key_encrypt(KeyHandle key, std::string_view algorithm, CipherMode mode,
                                                          ByteView parameters, const Authorization& authorization,
                                                          ByteView data) {
  return call<&Api::symmetric_key_encrypt>(*line_, key, algorithm, mode, parameters, authorization, data);
}

Result<Bytes> RemoteKeyStore::sign_data(KeyHandle key, std::string_view algorithm, ByteView parameters,
                                        const Authorization& authorization, ByteView data) {
  return call<&Api::sign_data>(*line_, key, algorithm, parameters, authorization, data);
}

Result<void> RemoteKeyStore::verify_pin(KeyHandle key, const SecureBytes& pin) {
  return call<&Api::verify_pin>(*line_, key, pin);
}

}  // namespace sks::wire
