#include "sealed-storage/backup_file.h"

#include <algorithm>
#include <limits>

#include "sealed-storage/cbor.h"
#include "sks-core/base/byte_reader.h"

namespace sks::sealed {
namespace {

constexpr PassphraseFileKind kKind{{'S', 'K', 'S', 'B', 'A', 'C', 'K', 0}, 1, "a backup of a key store", "the backup"};

// Pairs in each map of spec/backup.md chapter 3. Keys count up from 1.
constexpr std::size_t kBackupPairs = 5;
constexpr std::size_t kPinPairs = 9;
constexpr std::size_t kKeyPairs = 14;
constexpr std::size_t kExtensionPairs = 4;
constexpr std::size_t kLeftPairs = 4;

constexpr std::uint64_t kLastOfFour = 3;  // the enumerations of the SKS API have four values

/// Room for a structure with `pairs` numbers and heads, and the contents that are counted by themselves.
constexpr std::size_t room(std::size_t pairs) { return (2 * pairs + 1) * CborWriter::kMaxHead; }

std::size_t size_of(const std::vector<Bytes>& path) {
  std::size_t size = CborWriter::kMaxHead;
  for (const Bytes& certificate : path) size += certificate.size() + CborWriter::kMaxHead;
  return size;
}

std::size_t size_of(const BackupKey& key) {
  std::size_t size = room(kKeyPairs) + key.key.size() + size_of(key.certificate_path) + key.friendly_name.size() +
                     key.issuer_uri.size();
  for (const std::string& algorithm : key.endorsed_algorithms) size += algorithm.size() + CborWriter::kMaxHead;
  for (const BackupExtension& extension : key.extensions)
    size += room(kExtensionPairs) + extension.type.size() + extension.qualifier.size() + extension.data.size();
  return size;
}

/// Not less than what the content takes.
std::size_t size_of(const Backup& backup) {
  std::size_t size = room(kBackupPairs) + backup.label.size() + backup.pins.size() * room(kPinPairs);
  for (const BackupKey& key : backup.keys) size += size_of(key);
  for (const BackupLeftKey& key : backup.left_behind)
    size += room(kLeftPairs) + key.friendly_name.size() + key.issuer_uri.size() + size_of(key.certificate_path);
  return size;
}

/// Writes the pairs of a map whose keys count up from 1.
class PairWriter {
 public:
  PairWriter(CborWriter& out, std::size_t pairs) : out_(out) { out_.map(pairs); }

  CborWriter& next() { return out_.uint(++key_); }

  void path(const std::vector<Bytes>& path) {
    next().array(path.size());
    for (const Bytes& certificate : path) out_.bytes(certificate);
  }

 private:
  CborWriter& out_;
  std::uint64_t key_ = 0;
};

void write(CborWriter& out, const BackupPinPolicy& pin) {
  PairWriter pairs(out, kPinPairs);
  pairs.next().uint(pin.format);
  pairs.next().uint(pin.retry_limit);
  pairs.next().uint(pin.grouping);
  pairs.next().uint(pin.pattern_restrictions);
  pairs.next().uint(pin.min_length);
  pairs.next().uint(pin.max_length);
  pairs.next().uint(pin.input_method);
  pairs.next().uint(pin.user_defined ? 1 : 0);
  pairs.next().uint(pin.user_modifiable ? 1 : 0);
}

void write(CborWriter& out, const BackupExtension& extension) {
  PairWriter pairs(out, kExtensionPairs);
  pairs.next().text(extension.type);
  pairs.next().uint(extension.sub_type);
  pairs.next().text(extension.qualifier);
  pairs.next().bytes(extension.data.view());
}

void write(CborWriter& out, const BackupKey& key) {
  PairWriter pairs(out, kKeyPairs);
  pairs.next().uint(key.symmetric ? 1 : 0);
  pairs.next().bytes(key.key.view());
  pairs.path(key.certificate_path);
  pairs.next().text(key.friendly_name);
  pairs.next().text(key.issuer_uri);
  pairs.next().uint(key.app_usage);
  pairs.next().array(key.endorsed_algorithms.size());
  for (const std::string& algorithm : key.endorsed_algorithms) out.text(algorithm);
  pairs.next().uint(key.pin);
  pairs.next().uint(key.export_protection);
  pairs.next().uint(key.delete_protection);
  pairs.next().uint(key.enable_pin_caching ? 1 : 0);
  pairs.next().uint(key.biometric_protection);
  pairs.next().uint(key.key_backup);
  pairs.next().array(key.extensions.size());
  for (const BackupExtension& extension : key.extensions) write(out, extension);
}

void write(CborWriter& out, const BackupLeftKey& key) {
  PairWriter pairs(out, kLeftPairs);
  pairs.next().uint(static_cast<std::uint64_t>(key.reason));
  pairs.next().text(key.friendly_name);
  pairs.next().text(key.issuer_uri);
  pairs.path(key.certificate_path);
}

/// Reads the pairs of a map whose keys count up from 1, each number within its bounds.
class PairReader {
 public:
  PairReader(CborReader& in, std::size_t pairs) : in_(in) { in_.expect_map(pairs); }

  CborReader& next() {
    in_.expect_uint(++key_);
    return in_;
  }

  template <class Number>
  void number(Number& out, std::uint64_t highest = std::numeric_limits<Number>::max()) {
    out = static_cast<Number>(next().uint_up_to(highest));
  }
  void flag(bool& out) { out = next().uint_up_to(1) == 1; }
  void text(std::string& out) { out = next().text(); }

  /// The items of an array. Memory grows with what was read, not with the number that the array announces.
  template <class Item, class Read>
  void array(std::vector<Item>& out, std::size_t most, Read read) {
    const std::size_t count = next().array();
    if (count > most) in_.fail();  // an item can be a byte in the file and a hundred in memory
    for (std::size_t i = 0; i < count && !in_.failed(); ++i) out.push_back(read(in_));
  }

  void path(std::vector<Bytes>& out) {
    array(out, BackupLimits::kCertificates, [](CborReader& item) { return to_bytes(item.bytes()); });
  }

 private:
  CborReader& in_;
  std::uint64_t key_ = 0;
};

BackupPinPolicy read_pin(CborReader& in) {
  BackupPinPolicy pin;
  PairReader pairs(in, kPinPairs);
  pairs.number(pin.format, kLastOfFour);
  pairs.number(pin.retry_limit);
  pairs.number(pin.grouping, kLastOfFour);
  pairs.number(pin.pattern_restrictions);
  pairs.number(pin.min_length);
  pairs.number(pin.max_length);
  pairs.number(pin.input_method);
  pairs.flag(pin.user_defined);
  pairs.flag(pin.user_modifiable);
  return pin;
}

BackupExtension read_extension(CborReader& in) {
  BackupExtension extension;
  PairReader pairs(in, kExtensionPairs);
  pairs.text(extension.type);
  pairs.number(extension.sub_type, kLastOfFour);
  pairs.text(extension.qualifier);
  extension.data = SecureBytes::copy_of(pairs.next().bytes());
  return extension;
}

BackupKey read_key(CborReader& in, std::size_t pins) {
  BackupKey key;
  PairReader pairs(in, kKeyPairs);
  pairs.flag(key.symmetric);
  key.key = SecureBytes::copy_of(pairs.next().bytes());
  pairs.path(key.certificate_path);
  pairs.text(key.friendly_name);
  pairs.text(key.issuer_uri);
  pairs.number(key.app_usage, kLastOfFour);
  pairs.array(key.endorsed_algorithms, BackupLimits::kAlgorithms, [](CborReader& item) { return item.text(); });
  pairs.number(key.pin, pins);
  pairs.number(key.export_protection, kLastOfFour);
  pairs.number(key.delete_protection, kLastOfFour);
  pairs.flag(key.enable_pin_caching);
  pairs.number(key.biometric_protection, kLastOfFour);
  pairs.number(key.key_backup, kLastOfFour);
  pairs.array(key.extensions, BackupLimits::kExtensions, read_extension);
  return key;
}

BackupLeftKey read_left(CborReader& in) {
  BackupLeftKey key;
  PairReader pairs(in, kLeftPairs);
  pairs.number(key.reason, static_cast<std::uint64_t>(LeftBehind::device_pin));
  pairs.text(key.friendly_name);
  pairs.text(key.issuer_uri);
  pairs.path(key.certificate_path);
  return key;
}

}  // namespace

SecureBytes encode_backup_content(const Backup& backup) {
  CborWriter out(size_of(backup));
  PairWriter pairs(out, kBackupPairs);
  pairs.next().text(backup.label);
  pairs.next().uint(backup.time);
  pairs.next().array(backup.pins.size());
  for (const BackupPinPolicy& pin : backup.pins) write(out, pin);
  pairs.next().array(backup.keys.size());
  for (const BackupKey& key : backup.keys) write(out, key);
  pairs.next().array(backup.left_behind.size());
  for (const BackupLeftKey& key : backup.left_behind) write(out, key);
  return std::move(out).take();
}

Result<Backup> decode_backup_content(ByteView content) {
  CborReader in(content);
  Backup backup;
  PairReader pairs(in, kBackupPairs);
  pairs.text(backup.label);
  pairs.number(backup.time);
  pairs.array(backup.pins, BackupLimits::kPins, read_pin);
  pairs.array(backup.keys, BackupLimits::kKeys, [&](CborReader& item) { return read_key(item, backup.pins.size()); });
  pairs.array(backup.left_behind, BackupLimits::kLeftBehind, read_left);
  SKS_TRY(in.finish());
  SKS_TRY(check_backup(backup));
  return backup;
}

Result<void> check_encodable(const Backup& backup) {
  if (size_of(backup) > kMaxEnvelopeContent) return Error{Status::option, "the keys are too much for one backup file"};
  if (const auto checked = check_backup(backup); !checked) return Error{Status::option, checked.error().detail};
  return {};
}

Result<SecureBytes> encode_backup(const Backup& backup, const std::string& path, SecretSource& secrets,
                                  const Random& random, crypto::ScryptCosts costs) {
  SKS_TRY(check_encodable(backup));
  return seal_passphrase_file(kKind, encode_backup_content(backup).view(), path, secrets, random, costs);
}

Result<void> check_backup_start(ByteView start, const std::string& path) {
  return check_passphrase_file(kKind, start, path);
}

Result<Backup> decode_backup(ByteView file, const std::string& path, SecretSource& secrets) {
  SKS_LET(const SecureBytes content, open_passphrase_file(kKind, file, path, secrets));
  auto backup = decode_backup_content(content.view());
  if (!backup)
    return Error{Status::crypto, path + " holds no backup that this program understands: " + backup.error().detail};
  return backup;
}

}  // namespace sks::sealed
