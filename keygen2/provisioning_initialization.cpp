#include <limits>

#include "keygen2/jwk.h"
#include "keygen2/message_common.h"
#include "keygen2/time.h"
#include "sks-core/crypto/algorithms.h"

/// ProvisioningInitializationRequest and ProvisioningInitializationResponse. Spec: keygen2.md 4.4, 4.5.
namespace sks::keygen2 {
namespace {

constexpr Range kSessionKeyLimit{1, 32767};
constexpr Range kSessionLifeTime{1, 65535};

std::uint32_t read_client_time(JsonReader& in) {
  const std::string text = in.text("clientTime");
  const std::optional<std::int64_t> time = parse_time(text, TimeZone::offset);
  if (time && *time >= 0 && *time <= std::numeric_limits<std::uint32_t>::max())
    return static_cast<std::uint32_t>(*time);
  in.fail(ErrorClass::value, "clientTime is not a time with offset");
  return 0;
}

void write_updatable_key(JsonWriter& out, const UpdatableKeyManagementKey& key) {
  write_public_key(out, "publicKey", *key.public_key);
  out.bytes("authorization", key.authorization);
  if (!key.older.empty()) out.objects("updatableKeyManagementKeys", key.older, write_updatable_key);
}

/// `count` is of all nodes of the tree.
std::vector<UpdatableKeyManagementKey> read_updatable_keys(JsonReader& in, std::size_t depth, std::size_t& count) {
  std::vector<UpdatableKeyManagementKey> keys;
  for (JsonReader& element : in.optional_objects("updatableKeyManagementKeys")) {
    UpdatableKeyManagementKey key;
    if (++count > kMaxUpdatableKeys || depth > kMaxUpdatableKeyDepth) {
      in.fail(ErrorClass::policy, "too many key management keys to be updated");
      element.skip_members();
      continue;
    }
    key.public_key = read_public_key(element, "publicKey", KeyPlace::management);
    key.authorization = element.bytes("authorization", kSignatureSize);
    key.older = read_updatable_keys(element, depth + 1, count);
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace

std::string ProvisioningInitializationRequest::encode() const {
  JsonWriter out = begin_message(kType, server_session_id);
  out.text("serverTime", server_time)
      .text("sessionKeyAlgorithm", session_key_algorithm)
      .number("sessionKeyLimit", session_key_limit)
      .number("sessionLifeTime", session_life_time);
  write_public_key(out, "serverEphemeralKey", *server_ephemeral_key);
  if (key_management_key) write_public_key(out, "keyManagementKey", *key_management_key);
  if (!updatable_keys.empty()) out.objects("updatableKeyManagementKeys", updatable_keys, write_updatable_key);
  return out.finish();
}

void ProvisioningInitializationRequest::read(JsonReader& in) {
  server_session_id = in.id("serverSessionId");
  server_time = in.text("serverTime");
  if (!parse_time(server_time, TimeZone::utc)) in.fail(ErrorClass::value, "serverTime is not a UTC time");
  session_key_algorithm = in.uri("sessionKeyAlgorithm");
  if (session_key_algorithm != kSessionAlgorithm) in.fail(ErrorClass::value, "unknown sessionKeyAlgorithm");
  session_key_limit = read_u16(in, "sessionKeyLimit", kSessionKeyLimit);
  session_life_time = read_u16(in, "sessionLifeTime", kSessionLifeTime);
  server_ephemeral_key = read_public_key(in, "serverEphemeralKey", KeyPlace::ephemeral);
  if (in.has("updatableKeyManagementKeys") && !in.has("keyManagementKey"))
    in.fail(ErrorClass::json, "updatableKeyManagementKeys without keyManagementKey");
  if (in.has("keyManagementKey")) key_management_key = read_public_key(in, "keyManagementKey", KeyPlace::management);
  std::size_t count = 0;
  updatable_keys = read_updatable_keys(in, 1, count);
  check_message_signature(in);
}

std::string ProvisioningInitializationResponse::encode() const {
  JsonWriter out = begin_message(kType, ids);
  out.text("serverTime", server_time).text("clientTime", format_offset_time(client_time, client_utc_offset));
  write_public_key(out, "clientEphemeralKey", *client_ephemeral_key);
  if (device_path) out.object("deviceId", [&](JsonWriter& device) { write_certificate_path(device, *device_path); });
  out.bytes("attestation", attestation);
  return out.finish();
}

void ProvisioningInitializationResponse::read(JsonReader& in) {
  ids = read_ids(in);
  server_time = in.text("serverTime");
  client_time = read_client_time(in);
  client_ephemeral_key = read_public_key(in, "clientEphemeralKey", KeyPlace::ephemeral);
  if (in.has("deviceId")) {
    JsonReader device = in.object("deviceId");
    device_path = read_certificate_path(device);
  }
  attestation = in.bytes("attestation", kAttestationSize);
}

}  // namespace sks::keygen2
