#pragma once

#include <vector>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks {

/// The device certificate path and the attestation key behind it: a port, implemented by attestation and by integrators
/// with a secure element. An engine calls sign() from one thread at a time. Spec: sks-api.md chapter 1.1.
class DeviceIdentity {
 public:
  virtual ~DeviceIdentity() = default;
  /// DER, device certificate first, at least one.
  virtual const std::vector<Bytes>& certificate_path() const = 0;
  /// Session attestation of sks-api.md chapter 3.2: RSA PKCS#1 v1.5 or raw ECDSA, with SHA-256. Fails with crypto.
  virtual Result<Bytes> sign(ByteView data) const = 0;
};

}  // namespace sks
