#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sealed-storage/passphrase_file.h"

/// The file that a backup of a key store is. Pure functions: where keys come from and go to is the caller's business.
/// Spec: spec/backup.md.
namespace sks::sealed {

/// The rules of a PIN, never its value. Numbers as in sks-api.md 4.8.
struct BackupPinPolicy {
  std::uint8_t format = 0;
  std::uint16_t retry_limit = 0;
  std::uint8_t grouping = 0;
  std::uint8_t pattern_restrictions = 0;
  std::uint16_t min_length = 0;
  std::uint16_t max_length = 0;
  std::uint8_t input_method = 0;
  bool user_defined = false;
  bool user_modifiable = false;

  bool operator==(const BackupPinPolicy&) const = default;
};

struct BackupExtension {
  std::string type;
  std::uint8_t sub_type = 0;
  std::string qualifier;
  SecureBytes data;  ///< in the clear
};

/// A key that the file holds. Numbers as in sks-api.md 4.9.
struct BackupKey {
  bool symmetric = false;
  SecureBytes key;                      ///< PKCS#8, or the bytes of a symmetric key
  std::vector<Bytes> certificate_path;  ///< DER, end entity first, at least one
  std::string friendly_name;
  std::string issuer_uri;
  std::uint8_t app_usage = 0;
  std::vector<std::string> endorsed_algorithms;
  std::size_t pin = 0;  ///< 0: none; n: pins[n - 1], and keys with the same n share one PIN
  std::uint8_t export_protection = 0;
  std::uint8_t delete_protection = 0;
  bool enable_pin_caching = false;
  std::uint8_t biometric_protection = 0;
  std::uint8_t key_backup = 0;
  std::vector<BackupExtension> extensions;
};

/// Why a key is not in the file.
enum class LeftBehind : std::uint8_t { non_exportable, suspended, blocked, skipped, device_pin };

struct BackupLeftKey {
  LeftBehind reason = LeftBehind::non_exportable;
  std::string friendly_name;
  std::string issuer_uri;
  std::vector<Bytes> certificate_path;
};

struct Backup {
  std::string label;       ///< of the device it is from
  std::uint64_t time = 0;  ///< seconds since 1970
  std::vector<BackupPinPolicy> pins;
  std::vector<BackupKey> keys;
  std::vector<BackupLeftKey> left_behind;
};

/// The most that a backup has of each, spec/backup.md chapter 3. Together they bound what a file takes in memory.
struct BackupLimits {
  static constexpr std::uint64_t kTime = 253402300799;  ///< 9999-12-31T23:59:59Z
  static constexpr std::size_t kFriendlyName = 400;     ///< bytes, 100 characters
  static constexpr std::size_t kKeys = 4680;            ///< more cannot be restored in one session
  static constexpr std::size_t kPins = kKeys;
  static constexpr std::size_t kLeftBehind = 10000;
  static constexpr std::size_t kCertificates = 64;  ///< of one path
  static constexpr std::size_t kAlgorithms = 255;   ///< of one key, as are the extensions
  static constexpr std::size_t kExtensions = 255;
};

/// Whether a file may hold this: what spec/backup.md chapter 3 says of lengths, counts and PIN rules. Fails with
/// crypto, and a sentence that names the part of the backup.
Result<void> check_backup(const Backup& backup);

/// Whether encode_backup() takes it. Fails with option when it is more than a file can hold, or check_backup() refuses
/// it.
Result<void> check_encodable(const Backup& backup);

/// The whole file under a new passphrase; `path` is for questions. Fails as check_encodable or seal_passphrase_file.
Result<SecureBytes> encode_backup(const Backup& backup, const std::string& path, SecretSource& secrets,
                                  const Random& random, crypto::ScryptCosts costs = kDefaultCosts);

/// Whether a file with this beginning may be a backup: see check_passphrase_file.
Result<void> check_backup_start(ByteView start, const std::string& path);

/// The reverse of encode_backup(). Fails as open_passphrase_file, or with crypto when what it holds is no backup.
Result<Backup> decode_backup(ByteView file, const std::string& path, SecretSource& secrets);

/// The content alone, without its envelope.
SecureBytes encode_backup_content(const Backup& backup);
/// Fails with crypto when the bytes are not exactly what encode_backup_content() gives for some backup.
Result<Backup> decode_backup_content(ByteView content);

}  // namespace sks::sealed
