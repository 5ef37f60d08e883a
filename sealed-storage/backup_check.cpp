#include <array>
#include <string_view>

#include "sealed-storage/backup_file.h"
#include "sks-core/base/pin_value.h"

namespace sks::sealed {
namespace {

/// The part of a backup that a sentence is about. Numbers count from 1 in the order of the file; 0: all of it.
struct Entry {
  std::string_view kind;
  std::size_t number = 0;
  std::string_view name = {};
  std::string_view owner = "the backup";
};

/// Names longer than those of keys are, are not repeated.
std::string describe(const Entry& entry) {
  if (entry.number == 0) return "in the backup";
  std::string text =
      "in " + std::string(entry.kind) + " " + std::to_string(entry.number) + " of " + std::string(entry.owner);
  if (!entry.name.empty() && entry.name.size() <= BackupLimits::kFriendlyName)
    text += " (" + std::string(entry.name) + ")";
  return text;
}

Error refused(const Entry& entry, const std::string& why) { return {Status::crypto, describe(entry) + ", " + why}; }

/// Bounds of a number. Those of the SKS API where it has them.
struct Bounds {
  std::string_view what;
  std::string_view unit;
  std::uint64_t lowest;
  std::uint64_t highest;
};

constexpr std::string_view kBytes = " bytes";
constexpr std::string_view kNoUnit;

constexpr std::uint64_t kLastOfFour = 3;
constexpr std::uint64_t kLastInputMethod = 2;
constexpr std::uint64_t kMostTries = 10000;

constexpr Bounds kLabel{"the name of the device", kBytes, 0, 65535};
constexpr Bounds kTime{"the time", kNoUnit, 0, BackupLimits::kTime};
constexpr Bounds kFriendlyName{"the name", kBytes, 0, BackupLimits::kFriendlyName};
constexpr Bounds kIssuerUri{"the address of the issuer", kBytes, 0, 1000};
constexpr Bounds kPrivateKey{"the private key", kBytes, 1, 16384};
constexpr Bounds kSymmetricKey{"the symmetric key", kBytes, 1, 128};
constexpr Bounds kCertificate{"a certificate", kBytes, 1, 16384};
constexpr Bounds kAlgorithm{"the name of an algorithm", kBytes, 1, 1000};
constexpr Bounds kExtensionType{"the type of an extension", kBytes, 1, 1000};
constexpr Bounds kQualifier{"the qualifier of an extension", kBytes, 0, 128};
constexpr Bounds kExtensionData{"the data of an extension", kBytes, 0, 250000};

constexpr Bounds kPins{"the number of PINs", kNoUnit, 0, BackupLimits::kPins};
constexpr Bounds kKeys{"the number of keys", kNoUnit, 0, BackupLimits::kKeys};
constexpr Bounds kLeftKeys{"the number of keys that stayed behind", kNoUnit, 0, BackupLimits::kLeftBehind};
constexpr Bounds kPath{"the number of certificates", kNoUnit, 1, BackupLimits::kCertificates};
constexpr Bounds kAlgorithms{"the number of algorithms", kNoUnit, 0, BackupLimits::kAlgorithms};
constexpr Bounds kExtensions{"the number of extensions", kNoUnit, 0, BackupLimits::kExtensions};

Result<void> within(const Entry& entry, const Bounds& bounds, std::uint64_t value) {
  if (value >= bounds.lowest && value <= bounds.highest) return {};
  return refused(entry, std::string(bounds.what) + " is " + std::to_string(value) + std::string(bounds.unit) +
                            (value < bounds.lowest ? ", less than " : ", more than ") +
                            std::to_string(value < bounds.lowest ? bounds.lowest : bounds.highest));
}

/// The numbers of PIN rules. Spec: sks-api.md 4.8.
struct PinNumber {
  Bounds bounds;
  std::uint64_t (*of)(const BackupPinPolicy& pin);
};
constexpr auto kPinNumbers = std::to_array<PinNumber>({
    {{"the format", kNoUnit, 0, kLastOfFour}, [](const BackupPinPolicy& pin) -> std::uint64_t { return pin.format; }},
    {{"the number of tries", kNoUnit, 1, kMostTries},
     [](const BackupPinPolicy& pin) -> std::uint64_t { return pin.retry_limit; }},
    {{"the grouping", kNoUnit, 0, kLastOfFour},
     [](const BackupPinPolicy& pin) -> std::uint64_t { return pin.grouping; }},
    {{"the set of forbidden patterns", kNoUnit, 0, pin::kAllPatterns},
     [](const BackupPinPolicy& pin) -> std::uint64_t { return pin.pattern_restrictions; }},
    {{"the least length", kBytes, 1, pin::kMaxLength},
     [](const BackupPinPolicy& pin) -> std::uint64_t { return pin.min_length; }},
    {{"the greatest length", kBytes, 1, pin::kMaxLength},
     [](const BackupPinPolicy& pin) -> std::uint64_t { return pin.max_length; }},
    {{"the input method", kNoUnit, 0, kLastInputMethod},
     [](const BackupPinPolicy& pin) -> std::uint64_t { return pin.input_method; }},
});

bool asks_for(const BackupPinPolicy& pin, std::uint8_t pattern) { return (pin.pattern_restrictions & pattern) != 0; }

/// How many characters a format has, and how many kinds of them missing-group asks for, by pin::Format.
constexpr std::array<std::size_t, 4> kCharacters{10, 36, 256, 256};
constexpr std::array<std::size_t, 4> kCharacterKinds{0, 2, 4, 0};

/// Rules that no PIN obeys, once their numbers are within bounds.
struct Contradiction {
  bool (*holds)(const BackupPinPolicy& pin);
  std::string_view why;
};
constexpr auto kContradictions = std::to_array<Contradiction>({
    {[](const BackupPinPolicy& pin) { return pin.min_length > pin.max_length; },
     "the least length of the PIN is above the greatest"},
    {[](const BackupPinPolicy& pin) {
       return asks_for(pin, pin::kMissingGroup) && !pin::has_groups(static_cast<pin::Format>(pin.format));
     },
     "the PIN has to have characters of every kind, and its format has no kinds"},
    {[](const BackupPinPolicy& pin) {
       return asks_for(pin, pin::kMissingGroup) && pin.max_length < kCharacterKinds.at(pin.format);
     },
     "the greatest length of the PIN is below the number of the kinds of characters that it has to have"},
    {[](const BackupPinPolicy& pin) {
       return asks_for(pin, pin::kRepeated) && pin.min_length > kCharacters.at(pin.format);
     },
     "the least length of the PIN is above the number of characters that it can have, each of them once"},
});

Result<void> check_pin(const BackupPinPolicy& pin, std::size_t number) {
  const Entry entry{"PIN", number};
  for (const PinNumber& row : kPinNumbers) SKS_TRY(within(entry, row.bounds, row.of(pin)));
  for (const Contradiction& row : kContradictions)
    if (row.holds(pin)) return refused(entry, std::string(row.why));
  return {};
}

/// Values of sks-api.md 4.8 and 4.9.
constexpr std::uint8_t kProtectionPin = 1;
constexpr std::uint8_t kProtectionPuk = 2;
constexpr std::uint8_t kBiometricNone = 0;
constexpr std::uint8_t kBiometricExclusive = 3;
constexpr std::uint8_t kInputMethodTrustedGui = 2;
constexpr std::uint8_t kGroupingNone = 0;

bool takes_pin(std::uint8_t protection) { return protection == kProtectionPin || protection == kProtectionPuk; }

/// What createKeyEntry refuses of a key with these PIN rules, or with none (null). Spec: sks-api.md 4.9.
struct PinUse {
  bool (*is_wrong)(const BackupKey& key, const BackupPinPolicy* pin);
  std::string_view why;
};
constexpr auto kPinUses = std::to_array<PinUse>({
    {[](const BackupKey& key, const BackupPinPolicy* pin) {
       return pin == nullptr && (takes_pin(key.export_protection) || takes_pin(key.delete_protection));
     },
     "export or deletion takes a PIN, and the key has none"},
    {[](const BackupKey& key, const BackupPinPolicy* pin) {
       return key.enable_pin_caching && (pin == nullptr || pin->input_method != kInputMethodTrustedGui);
     },
     "the PIN may be kept in memory, and is not one for a trusted dialog alone"},
    {[](const BackupKey& key, const BackupPinPolicy* pin) {
       return key.biometric_protection != kBiometricNone &&
              (pin != nullptr) == (key.biometric_protection == kBiometricExclusive);
     },
     "the biometric protection does not fit whether the key has a PIN"},
});

/// Keys whose classes are equal may share a PIN: by grouping and appUsage, sks-api.md 4.8. Grouping none has no
/// classes.
constexpr std::array<std::array<std::uint8_t, 4>, 4> kClasses{{
    /* none */ {0, 0, 0, 0},
    /* shared */ {0, 0, 0, 0},
    /* signature+standard */ {0, 1, 1, 1},
    /* unique */ {0, 1, 2, 3},
}};

bool may_share(const BackupPinPolicy& pin, const BackupKey& one, const BackupKey& other) {
  const auto& classes = kClasses.at(pin.grouping);
  return pin.grouping != kGroupingNone && classes.at(one.app_usage) == classes.at(other.app_usage);
}

/// Looks at the keys in their order, each of them against the first that has the same PIN.
class PinUseChecker {
 public:
  explicit PinUseChecker(const Backup& backup) : backup_(backup), first_keys_(backup.pins.size()) {}

  Result<void> check(const Entry& entry, const BackupKey& key) {
    if (key.pin > backup_.pins.size()) return refused(entry, "the PIN is none of those of the backup");
    const BackupPinPolicy* const pin = key.pin == 0 ? nullptr : &backup_.pins[key.pin - 1];
    for (const PinUse& row : kPinUses)
      if (row.is_wrong(key, pin)) return refused(entry, std::string(row.why));
    if (pin == nullptr) return {};
    std::size_t& first = first_keys_[key.pin - 1];
    if (first == 0)
      first = entry.number;
    else if (!may_share(*pin, backup_.keys[first - 1], key))
      return refused(entry, "the PIN is that of key " + std::to_string(first) + ", and its rules forbid to share it");
    return {};
  }

 private:
  const Backup& backup_;
  std::vector<std::size_t> first_keys_;  ///< the number of the first key with each PIN; 0: none yet
};

Result<void> check_path(const Entry& entry, const std::vector<Bytes>& path) {
  SKS_TRY(within(entry, kPath, path.size()));
  for (const Bytes& certificate : path) SKS_TRY(within(entry, kCertificate, certificate.size()));
  return {};
}

Result<void> check_extension(const Entry& entry, const BackupExtension& extension) {
  SKS_TRY(within(entry, kExtensionType, extension.type.size()));
  SKS_TRY(within(entry, kQualifier, extension.qualifier.size()));
  return within(entry, kExtensionData, extension.data.size());
}

Result<void> check_key(const Entry& entry, const BackupKey& key) {
  SKS_TRY(within(entry, key.symmetric ? kSymmetricKey : kPrivateKey, key.key.size()));
  SKS_TRY(check_path(entry, key.certificate_path));
  SKS_TRY(within(entry, kFriendlyName, key.friendly_name.size()));
  SKS_TRY(within(entry, kIssuerUri, key.issuer_uri.size()));
  SKS_TRY(within(entry, kAlgorithms, key.endorsed_algorithms.size()));
  for (const std::string& algorithm : key.endorsed_algorithms) SKS_TRY(within(entry, kAlgorithm, algorithm.size()));
  SKS_TRY(within(entry, kExtensions, key.extensions.size()));
  for (const BackupExtension& extension : key.extensions) SKS_TRY(check_extension(entry, extension));
  return {};
}

Result<void> check_left(const Entry& entry, const BackupLeftKey& key) {
  SKS_TRY(within(entry, kFriendlyName, key.friendly_name.size()));
  SKS_TRY(within(entry, kIssuerUri, key.issuer_uri.size()));
  return check_path(entry, key.certificate_path);
}

}  // namespace

Result<void> check_backup(const Backup& backup) {
  const Entry whole{"backup"};
  SKS_TRY(within(whole, kLabel, backup.label.size()));
  SKS_TRY(within(whole, kTime, backup.time));
  SKS_TRY(within(whole, kPins, backup.pins.size()));
  SKS_TRY(within(whole, kKeys, backup.keys.size()));
  SKS_TRY(within(whole, kLeftKeys, backup.left_behind.size()));
  for (std::size_t i = 0; i < backup.pins.size(); ++i) SKS_TRY(check_pin(backup.pins[i], i + 1));
  PinUseChecker pin_uses(backup);
  for (std::size_t i = 0; i < backup.keys.size(); ++i) {
    const BackupKey& key = backup.keys[i];
    const Entry entry{"key", i + 1, key.friendly_name};
    SKS_TRY(check_key(entry, key));
    SKS_TRY(pin_uses.check(entry, key));
  }
  for (std::size_t i = 0; i < backup.left_behind.size(); ++i) {
    const BackupLeftKey& key = backup.left_behind[i];
    SKS_TRY(check_left({"key", i + 1, key.friendly_name, "those that stayed behind"}, key));
  }
  return {};
}

}  // namespace sks::sealed
