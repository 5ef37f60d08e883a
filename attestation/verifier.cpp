#include "attestation/verifier.h"

#include "attestation/device_path.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/mac.h"

namespace sks::attestation {
namespace {

/// Spec: sks-api.md 3.5.
constexpr std::string_view kDeviceAttestation = "DeviceAttestation";

/// keygen2.md Appendix B.
constexpr std::size_t kMaxPathLength = 10;
constexpr std::size_t kMaxCertificateSize = 16384;

Result<void> check_sizes(const std::vector<Bytes>& path) {
  if (path.size() > kMaxPathLength) return Error{Status::crypto, "the device certificate path is too long"};
  for (const Bytes& certificate : path) {
    if (certificate.size() > kMaxCertificateSize) return Error{Status::crypto, "a device certificate is too long"};
  }
  return {};
}

struct PolicyCheck {
  const std::vector<crypto::Certificate>& path;
  const Clock& clock;

  Result<void> operator()(const OpenTrust&) const { return {}; }

  Result<void> operator()(const DeviceCaTrust& trust) const {
    DevicePathRules rules;
    rules.authorities = trust.authorities;
    const PathVerdict verdict = DevicePathVerifier(std::move(rules)).verify(path, clock);
    if (verdict.fault == PathFault::none) return {};
    return Error{Status::not_allowed, verdict.sentence};
  }

  /// Registering is a decision about this very certificate: it ends by striking it from the list, not by a date.
  Result<void> operator()(const RegisteredTrust& trust) const {
    if (trust.fingerprints.contains(path.front().fingerprint())) return {};
    return Error{Status::not_allowed, "the device is not registered with this issuer"};
  }
};

}  // namespace

Result<void> check_device(const crypto::CertificatePath& path, const DeviceTrust& trust, const Clock& clock) {
  SKS_TRY(check_sizes(path.der()));
  const Result<std::vector<crypto::Certificate>>& certificates = path.certificates();
  if (!certificates) return certificates.error();
  return std::visit(PolicyCheck{*certificates, clock}, trust);
}

SecureBytes derive_session_key(ByteView z, const SessionClaims& claims) {
  crypto::Sha256Digest key = crypto::hmac_sha256(z, session_key_data(claims));
  SecureBytes session_key = SecureBytes::copy_of(key);
  cleanse(key);
  return session_key;
}

Result<void> verify_session(const SessionClaims& claims, const SecureBytes& session_key, ByteView attestation) {
  if (claims.privacy_enabled()) return verify_session_mac(claims, session_key, attestation);
  SKS_LET(const crypto::Certificate device, crypto::Certificate::from_der(claims.device_certificate));
  SKS_LET(const crypto::PublicKey key, device.public_key());
  return verify_session_signature(claims, key, attestation);
}

Result<void> verify_session_signature(const SessionClaims& claims, const crypto::PublicKey& device_key,
                                      ByteView attestation) {
  return crypto::verify_signature(device_key, session_attestation_data(claims), attestation);
}

Result<void> verify_session_mac(const SessionClaims& claims, const SecureBytes& session_key, ByteView attestation) {
  if (equal_constant_time(crypto::hmac_sha256(session_key.view(), session_attestation_data(claims)), attestation))
    return {};
  return Error{Status::crypto, "the session attestation does not fit the session"};
}

crypto::Sha256Digest method_mac(const SecureBytes& session_key, std::string_view method, std::uint16_t counter,
                                ByteView data) {
  ByteWriter counter_bytes;
  counter_bytes.u16(counter);
  return crypto::hmac_sha256({session_key.view(), as_bytes(method), counter_bytes.view()}, data);
}

Result<void> verify_device_attestation(const SecureBytes& session_key, std::uint16_t counter, ByteView data,
                                       ByteView attestation) {
  if (equal_constant_time(method_mac(session_key, kDeviceAttestation, counter, data), attestation)) return {};
  return Error{Status::crypto, "the device attestation does not fit"};
}

Bytes key_attestation_data(ByteView public_key_spki, ByteView create_key_entry_mac) {
  ByteWriter out;
  out.array(public_key_spki).array(create_key_entry_mac);
  return out.take();
}

Bytes close_attestation_data(ByteView nonce) {
  ByteWriter out;
  out.array(nonce);
  return out.take();
}

}  // namespace sks::attestation
