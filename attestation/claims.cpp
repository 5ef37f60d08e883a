#include "attestation/claims.h"

#include "sks-core/base/byte_writer.h"

namespace sks::attestation {
namespace {

constexpr std::string_view kAnonymous = "Anonymous";

void write_session_key_data(ByteWriter& out, const SessionClaims& claims) {
  out.text(claims.client_session_id);
  out.text(claims.server_session_id);
  out.text(claims.issuer_uri);
  out.array(device_id(claims));
}

}  // namespace

Bytes device_id(const SessionClaims& claims) {
  return claims.privacy_enabled() ? to_bytes(as_bytes(kAnonymous)) : claims.device_certificate;
}

Bytes session_key_data(const SessionClaims& claims) {
  ByteWriter out;
  write_session_key_data(out, claims);
  return out.take();
}

Bytes session_attestation_data(const SessionClaims& claims) {
  ByteWriter out;
  write_session_key_data(out, claims);
  out.text(claims.session_key_algorithm);
  out.boolean(claims.privacy_enabled());
  out.array(claims.server_ephemeral_key);
  out.array(claims.client_ephemeral_key);
  out.array(claims.key_management_key);
  out.u32(claims.client_time);
  out.u16(claims.session_life_time);
  out.u16(claims.session_key_limit);
  out.array(claims.server_certificate);
  return out.take();
}

}  // namespace sks::attestation
