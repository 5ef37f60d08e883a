#include <string_view>

#include "sealed-storage/backup_file.h"

namespace sks::sealed {
namespace {

/// Bounds of a length, in bytes, or of a count. Those of the SKS API where it has them.
struct Bounds {
  std::string_view what;
  std::size_t lowest;
  std::size_t highest;
};

constexpr Bounds kLabel{"the name of the device", 0, 65535};
constexpr Bounds kFriendlyName{"the name of a key", 0, 400};  // 100 characters
constexpr Bounds kIssuerUri{"the address of an issuer", 0, 1000};
constexpr Bounds kPrivateKey{"a private key", 1, 16384};
constexpr Bounds kSymmetricKey{"a symmetric key", 1, 128};
constexpr Bounds kCertificate{"a certificate", 1, 16384};
constexpr Bounds kAlgorithm{"the name of an algorithm", 1, 1000};
constexpr Bounds kExtensionType{"the type of an extension", 1, 1000};
constexpr Bounds kQualifier{"the qualifier of an extension", 0, 128};
constexpr Bounds kExtensionData{"the data of an extension", 0, 250000};

constexpr Bounds kPins{"the number of PINs", 0, BackupLimits::kPins};
constexpr Bounds kKeys{"the number of keys", 0, BackupLimits::kKeys};
constexpr Bounds kLeftKeys{"the number of keys that stayed behind", 0, BackupLimits::kLeftBehind};
constexpr Bounds kPath{"the number of certificates of a key", 1, BackupLimits::kCertificates};
constexpr Bounds kAlgorithms{"the number of algorithms of a key", 0, BackupLimits::kAlgorithms};
constexpr Bounds kExtensions{"the number of extensions of a key", 0, BackupLimits::kExtensions};

Result<void> within(const Bounds& bounds, std::size_t value) {
  if (value >= bounds.lowest && value <= bounds.highest) return {};
  return Error{Status::crypto, std::string(bounds.what) + " in the backup is " + std::to_string(value) +
                                   (value < bounds.lowest ? ", less than " : ", more than ") +
                                   std::to_string(value < bounds.lowest ? bounds.lowest : bounds.highest)};
}

Result<void> check_path(const std::vector<Bytes>& path) {
  SKS_TRY(within(kPath, path.size()));
  for (const Bytes& certificate : path) SKS_TRY(within(kCertificate, certificate.size()));
  return {};
}

Result<void> check_extension(const BackupExtension& extension) {
  SKS_TRY(within(kExtensionType, extension.type.size()));
  SKS_TRY(within(kQualifier, extension.qualifier.size()));
  return within(kExtensionData, extension.data.size());
}

Result<void> check_key(const BackupKey& key) {
  SKS_TRY(within(key.symmetric ? kSymmetricKey : kPrivateKey, key.key.size()));
  SKS_TRY(check_path(key.certificate_path));
  SKS_TRY(within(kFriendlyName, key.friendly_name.size()));
  SKS_TRY(within(kIssuerUri, key.issuer_uri.size()));
  SKS_TRY(within(kAlgorithms, key.endorsed_algorithms.size()));
  for (const std::string& algorithm : key.endorsed_algorithms) SKS_TRY(within(kAlgorithm, algorithm.size()));
  SKS_TRY(within(kExtensions, key.extensions.size()));
  for (const BackupExtension& extension : key.extensions) SKS_TRY(check_extension(extension));
  return {};
}

Result<void> check_left(const BackupLeftKey& key) {
  SKS_TRY(within(kFriendlyName, key.friendly_name.size()));
  SKS_TRY(within(kIssuerUri, key.issuer_uri.size()));
  return check_path(key.certificate_path);
}

}  // namespace

Result<void> check_backup(const Backup& backup) {
  SKS_TRY(within(kLabel, backup.label.size()));
  SKS_TRY(within(kPins, backup.pins.size()));
  SKS_TRY(within(kKeys, backup.keys.size()));
  for (const BackupKey& key : backup.keys) SKS_TRY(check_key(key));
  SKS_TRY(within(kLeftKeys, backup.left_behind.size()));
  for (const BackupLeftKey& key : backup.left_behind) SKS_TRY(check_left(key));
  return {};
}

}  // namespace sks::sealed
