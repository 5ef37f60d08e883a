#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "attestation/verifier.h"
#include "provisioning-server/policy.h"

namespace sks::issuer {

/// The devices an issuer accepts, read from its folder and read again whenever the file behind them changes.
class DeviceRegistry {
 public:
  /// Fails with option (a malformed line or certificate, with its place) or not_available (the file is gone).
  static Result<std::unique_ptr<DeviceRegistry>> open(DeviceTrustMode mode, std::string file);

  /// Fails as open() did when the file has been broken since.
  Result<std::shared_ptr<const attestation::DeviceTrust>> current();

  /// Adds a fingerprint to the file. Returns whether it was new.
  static Result<bool> add_fingerprint(const std::string& file, const crypto::Sha256Digest& fingerprint);
  /// Takes a fingerprint out of the file; other lines stay as they are. Returns whether it was there.
  static Result<bool> remove_fingerprint(const std::string& file, const crypto::Sha256Digest& fingerprint);

 private:
  DeviceRegistry(DeviceTrustMode mode, std::string file) : mode_(mode), file_(std::move(file)) {}

  DeviceTrustMode mode_;
  std::string file_;
  std::mutex mutex_;
  std::string stamp_;
  std::shared_ptr<const attestation::DeviceTrust> trust_;
};

/// 64 hexadecimal digits; colons between bytes are allowed. Fails with option.
Result<crypto::Sha256Digest> parse_fingerprint(std::string_view text);

/// Every certificate of a PEM file, at least one, each of a CA. Fails with option.
Result<std::vector<crypto::Certificate>> parse_device_authorities(const std::string& pem, const std::string& file);

}  // namespace sks::issuer
