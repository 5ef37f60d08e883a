#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "attestation/device_identity.h"
#include "key-user-api/local_store.h"
#include "sealed-storage/secret_source.h"
#include "sks-core/engine/engine.h"

namespace sks::daemon {

/// Whether the device is the one that conformance suites expect: with the device PIN 1234 and with biometrics, which
/// every claim of the caller satisfies.
enum class Mode : std::uint8_t { ordinary, conformance };

/// A key store with everything that it is made of.
class ServedStore {
 public:
  /// A key store folder. Fails as SqliteStore::open and Engine::open, with the folder's name.
  /// `patience`: how long to wait for another process that uses the store.
  static Result<std::unique_ptr<ServedStore>> open(const std::string& folder, Mode mode, SecretSource& secrets,
                                                   std::chrono::milliseconds patience = kLockPatience);

  /// A new store and a new device identity, in the memory of this process.
  static Result<std::unique_ptr<ServedStore>> in_memory(attestation::AttestationKeyType key, Mode mode);

  SecureKeyStore& store() { return *engine_; }
  Engine& engine() { return *engine_; }
  /// Whether its commits are counted in the TPM of the machine.
  bool uses_tpm() const { return uses_tpm_; }

 private:
  ServedStore(std::unique_ptr<Storage> storage, attestation::SoftwareIdentity identity)
      : storage_(std::move(storage)), identity_(std::move(identity)) {}

  static Result<std::unique_ptr<ServedStore>> assemble(std::unique_ptr<Storage> storage,
                                                       attestation::SoftwareIdentity identity, Mode mode);

  class ConformancePin final : public DevicePinVerifier {
   public:
    bool verify(ByteView pin) override { return equal_constant_time(pin, as_bytes("1234")); }
  };

  ConformancePin conformance_pin_;
  std::unique_ptr<Storage> storage_;
  attestation::SoftwareIdentity identity_;
  bool uses_tpm_ = false;
  std::unique_ptr<Engine> engine_;  ///< goes first: it refers to the others
};

}  // namespace sks::daemon
