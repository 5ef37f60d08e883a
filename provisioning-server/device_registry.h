#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "provisioning-server/policy.h"
#include "provisioning-server/policy/device_policy.h"

namespace sks::issuer {

/// Something about device trust that an operator should know.
struct DeviceTrustFinding {
  enum class Severity : std::uint8_t { ok, warning, problem };
  Severity severity;
  std::string event;  ///< of the log
  std::string sentence;
};

/// The devices an issuer accepts, read from its folder and read again whenever one of the files behind them changes.
class DeviceRegistry {
 public:
  /// `file` is that of the registered devices; with mode ca, the PEM file of the authorities when `authorities` is
  /// empty. The files that `authorities` name start at its folder. A revocation list that cannot be read counts as
  /// none: see findings().
  ///
  /// Fails with option (a malformed line or certificate, with its place) or not_available (the file is gone).
  static Result<std::unique_ptr<DeviceRegistry>> open(DeviceTrustMode mode, std::string file,
                                                      std::vector<DeviceAuthorityRules> authorities = {});

  DeviceTrustMode mode() const { return mode_; }
  /// Fails as open() did when the file has been broken since.
  Result<std::shared_ptr<const DevicePolicy>> current();
  /// Whether current() has nothing to read, and nobody is reading.
  bool is_at_hand();

  /// What stands open, and what keeps devices out that should come in.
  std::vector<DeviceTrustFinding> findings(const Clock& clock);
  /// Writes what has changed in findings() since the last time to the log, and sets the metrics.
  void note_findings(const Clock& clock);

  /// Whether the file has a fingerprint, whatever the mode.
  static Result<bool> has_fingerprint(const std::string& file, const crypto::Sha256Digest& fingerprint);
  /// Adds a fingerprint to the file. Returns whether it was new.
  static Result<bool> add_fingerprint(const std::string& file, const crypto::Sha256Digest& fingerprint);
  /// Takes a fingerprint out of the file; other lines stay as they are. Returns whether it was there.
  static Result<bool> remove_fingerprint(const std::string& file, const crypto::Sha256Digest& fingerprint);

 private:
  DeviceRegistry(DeviceTrustMode mode, std::string file, std::vector<DeviceAuthorityRules> authorities);
  std::string place_of(const std::string& file) const;
  std::string stamp() const;
  Result<DevicePolicy> load() const;
  Result<DevicePolicy::Authority> load_authority(const DeviceAuthorityRules& rules) const;

  DeviceTrustMode mode_;
  std::string file_;
  std::vector<DeviceAuthorityRules> authorities_;
  std::mutex mutex_;
  std::string stamp_;
  std::shared_ptr<const DevicePolicy> policy_;
  std::vector<std::string> noted_;  ///< sentences that are in the log
};

/// 64 hexadecimal digits; colons between bytes are allowed. Fails with option.
Result<crypto::Sha256Digest> parse_fingerprint(std::string_view text);

/// Every certificate of a PEM file, at least one, each of a CA. Fails with option.
Result<std::vector<crypto::Certificate>> parse_device_authorities(const std::string& pem, const std::string& file);

}  // namespace sks::issuer
