#pragma once

#include <optional>
#include <set>
#include <variant>

#include "attestation/claims.h"
#include "sks-core/base/clock.h"
#include "sks-core/crypto/x509.h"

/// The issuer half of attestation. Never links the engine.
namespace sks::attestation {

/// Which devices an issuer accepts. Spec: keygen2.md 9.2.
struct OpenTrust {};  ///< any device: a deliberate choice, it proves nothing about where keys live
struct DeviceCaTrust {
  std::vector<crypto::Certificate> authorities;
};
struct RegisteredTrust {
  std::set<crypto::Sha256Digest> fingerprints;  ///< SHA-256 of device certificates
};
using DeviceTrust = std::variant<OpenTrust, DeviceCaTrust, RegisteredTrust>;

/// Whether a device certificate path is acceptable. Fails with crypto (path malformed or not linked), or with
/// not_allowed and a sentence that says why the policy refuses it (unknown device, no path to a device CA, an expired
/// or not yet valid certificate, an intermediate that is not a CA).
Result<void> check_device(const crypto::CertificatePath& path, const DeviceTrust& trust, const Clock& clock);

/// The session key both sides hold. `z` is the ECDH result. Spec: sks-api.md 3.1.
SecureBytes derive_session_key(ByteView z, const SessionClaims& claims);

/// Verifies a session attestation: a signature of the device key, or in privacy enabled mode a MAC under the session
/// key. Fails with crypto or option.
Result<void> verify_session(const SessionClaims& claims, const SecureBytes& session_key, ByteView attestation);
/// The two halves of it: with a device key that the caller has from the device certificate, and in privacy enabled
/// mode.
Result<void> verify_session_signature(const SessionClaims& claims, const crypto::PublicKey& device_key,
                                      ByteView attestation);
Result<void> verify_session_mac(const SessionClaims& claims, const SecureBytes& session_key, ByteView attestation);

/// MAC = HMAC(sessionKey || method || counter, data). Spec: sks-api.md 3.4.
crypto::Sha256Digest method_mac(const SecureBytes& session_key, std::string_view method, std::uint16_t counter,
                                ByteView data);

/// Attestation of a generated key or of a close: compares in constant time. Fails with crypto.
Result<void> verify_device_attestation(const SecureBytes& session_key, std::uint16_t counter, ByteView data,
                                       ByteView attestation);
Bytes key_attestation_data(ByteView public_key_spki, ByteView create_key_entry_mac);
Bytes close_attestation_data(ByteView nonce);

}  // namespace sks::attestation
