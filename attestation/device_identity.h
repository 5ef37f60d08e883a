#pragma once

#include <memory>
#include <string>

#include "sks-core/base/clock.h"
#include "sks-core/crypto/x509.h"
#include "sks-core/engine/device_identity.h"

namespace sks::attestation {

enum class AttestationKeyType : std::uint8_t { p256, rsa2048 };

/// A device identity whose attestation key is held in memory: the device half of attestation.
class SoftwareIdentity final : public DeviceIdentity {
 public:
  /// Makes an attestation key and a self-signed device certificate "CN=<name>" valid for 25 years from `clock`.
  static Result<SoftwareIdentity> create(std::string_view name, AttestationKeyType type, const Clock& clock);

  /// Takes an existing path (device certificate first) and its PKCS#8 key.
  /// Fails with crypto (path or key malformed) or option (the key is not that of the device certificate).
  static Result<SoftwareIdentity> from_parts(std::vector<Bytes> certificate_path, ByteView pkcs8);

  const std::vector<Bytes>& certificate_path() const override { return path_; }
  Result<Bytes> sign(ByteView data) const override;

  /// The attestation key, for sealed keeping.
  Result<SecureBytes> private_key_pkcs8() const;

 private:
  SoftwareIdentity(std::vector<Bytes> path, crypto::PrivateKey key);

  std::vector<Bytes> path_;
  crypto::PrivateKey key_;
};

}  // namespace sks::attestation
