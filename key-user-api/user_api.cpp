#include "key-user-api/user_api.h"

#include <algorithm>
#include <map>

#include "sks-core/base/encoding.h"

namespace sks {
namespace {

constexpr std::uint8_t kBackupImported = 0x01;
constexpr std::size_t kDeviceIdBytes = 4;

Result<std::map<ProvisioningHandle, std::string>> issuers_by_session(SecureKeyStore& store) {
  std::map<ProvisioningHandle, std::string> issuers;
  ProvisioningHandle previous;
  for (;;) {
    SKS_LET(const std::optional<SessionInfo> next,
            store.enumerate_provisioning_sessions(previous, SessionState::closed));
    if (!next) return issuers;
    previous = next->handle;
    issuers.emplace(next->handle, next->issuer_uri);
  }
}

Authorization with_pin(const SecureBytes& pin) { return {SecureBytes::copy_of(pin.view()), false}; }

}  // namespace

bool UserKey::permits(std::string_view algorithm) const {
  if (find_algorithm(algorithm) == nullptr) return false;
  return endorsed_algorithms.empty() || std::ranges::find(endorsed_algorithms, algorithm) != endorsed_algorithms.end();
}

UserApi::UserApi(SecureKeyStore& store, PinGroupOf pin_group_of)
    : store_(store), pin_group_of_(std::move(pin_group_of)) {}

Result<std::vector<UserKey>> UserApi::keys() {
  SKS_LET(const auto issuers, issuers_by_session(store_));
  std::vector<UserKey> keys;
  KeyHandle previous;
  for (;;) {
    SKS_LET(const std::optional<EnumeratedKey> next, store_.enumerate_keys(previous));
    if (!next) return keys;
    previous = next->handle;
    SKS_LET(KeyAttributes attributes, store_.get_key_attributes(next->handle));
    if (attributes.symmetric_key_length != 0) continue;
    SKS_LET(std::vector<crypto::Certificate> path, crypto::parse_path(attributes.certificate_path));
    Result<crypto::PublicKey> public_key = path.front().public_key();
    if (!public_key && public_key.error().status == Status::option) continue;
    if (!public_key) return std::move(public_key).error();
    SKS_LET(const KeyProtectionInfo protection, store_.get_key_protection_info(next->handle));
    SKS_LET(const std::optional<PinGroupHandle> group, pin_group_of_(next->handle));
    const auto issuer = issuers.find(next->session);
    keys.push_back(UserKey{next->handle, group, std::move(attributes.friendly_name),
                           issuer == issuers.end() ? std::string() : issuer->second, std::move(path),
                           std::move(public_key).value(), std::move(attributes.endorsed_algorithms),
                           (protection.key_backup & kBackupImported) != 0});
  }
}

Result<std::string> UserApi::device_id() {
  SKS_LET(const DeviceInfo info, store_.get_device_info());
  if (info.certificate_path.empty()) return Error{Status::internal, "the store has no device certificate"};
  return to_hex(ByteView(crypto::sha256(info.certificate_path.front())).first(kDeviceIdBytes));
}

Result<std::size_t> UserApi::data_limit() {
  SKS_LET(const DeviceInfo info, store_.get_device_info());
  return std::size_t{info.crypto_data_size};
}

Result<PinState> UserApi::pin_state(KeyHandle key) {
  SKS_LET(const KeyProtectionInfo info, store_.get_key_protection_info(key));
  return PinState{info.format,      info.min_length,      info.max_length,
                  info.retry_limit, info.pin_error_count, (info.protection_status & kPinBlocked) != 0};
}

Result<void> UserApi::verify_pin(KeyHandle key, const SecureBytes& pin) { return store_.verify_pin(key, pin); }

Result<Bytes> UserApi::sign_hash(KeyHandle key, std::string_view algorithm, ByteView hash, const SecureBytes& pin) {
  return store_.sign_hashed_data(key, algorithm, {}, with_pin(pin), hash);
}

Result<Bytes> UserApi::sign_message(KeyHandle key, std::string_view algorithm, ByteView message,
                                    const SecureBytes& pin) {
  return store_.sign_data(key, algorithm, {}, with_pin(pin), message);
}

}  // namespace sks
