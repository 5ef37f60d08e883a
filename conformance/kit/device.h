#pragma once

#include <memory>

#include "attestation/device_identity.h"
#include "sks-core/engine/engine.h"
#include "sks-core/engine/memory_storage.h"

/// The device of the client that the kit plays: our key store in memory.
namespace sks::conformance {

struct DeviceFiles {
  std::string authority;    ///< PEM with certificate and key of a device CA; it is made if it is not there
  std::string certificate;  ///< PEM with the path of the device, device certificate first; empty: the CA issues one
  std::string key;          ///< PEM with its PKCS #8 key
};

/// The certificate of the device CA in PEM. Fails with option (no file is named, or it is no such file) or
/// not_available.
Result<std::string> device_authority(const std::string& file);

/// Fails as device_authority(), or with crypto.
Result<attestation::SoftwareIdentity> device_identity(const DeviceFiles& files);

/// Makes keys as the default source does, or RSA keys with another exponent than was asked for.
class KeyMaker final : public KeySource {
 public:
  Result<crypto::PrivateKey> generate(const Algorithm& algorithm, ByteView parameters, ByteView seed) const override;
  void use_exponent(std::uint8_t exponent) { exponent_ = exponent; }

 private:
  std::uint8_t exponent_ = 0;  ///< 0: the right one
};

/// A new key store.
class Device {
 public:
  /// The identity must outlive it. Fails as Engine::open().
  static Result<std::unique_ptr<Device>> create(const attestation::SoftwareIdentity& identity);

  SecureKeyStore& store() { return *engine_; }
  KeyMaker& keys() { return keys_; }

 private:
  MemoryStorage storage_;
  KeyMaker keys_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace sks::conformance
