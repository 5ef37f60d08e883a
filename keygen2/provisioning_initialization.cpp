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
constexpr std::array<std::string_view, 2> kUnsupported{"updatableKeyManagementKeys", "signature"};

std::uint32_t read_client_time(JsonReader& in) {
  const std::string text = in.text("clientTime");
  const std::optional<std::int64_t> time = parse_time(text, TimeZone::offset);
  if (time && *time >= 0 && *time <= std::numeric_limits<std::uint32_t>::max())
    return static_cast<std::uint32_t>(*time);
  in.fail(ErrorClass::value, "clientTime is not a time with offset");
  return 0;
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
  in.refuse_unsupported(kUnsupported);
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
