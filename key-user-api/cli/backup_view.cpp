#include "key-user-api/cli/backup_view.h"

#include <array>

#include "key-user-api/cli/listed_key.h"
#include "key-user-api/cli/output.h"
#include "key-user-api/dialog/pin_text.h"
#include "sks-core/crypto/x509.h"

namespace sks::cli {
namespace {

/// In the order of LeftBehind.
constexpr std::array<std::string_view, 5> kReasons{"its issuer made it non-exportable", "it is suspended",
                                                   "its PIN or PUK is blocked", "its export takes a PIN or PUK",
                                                   "its PIN is that of the device"};

std::string pin_column(const sealed::BackupKey& key) { return key.pin == 0 ? "none" : std::to_string(key.pin); }

/// In the place of what a certificate would tell that does not decode. The key store takes some of them, such as the
/// former certificate of a symmetric key, and nobody looks at those of keys that stayed behind.
constexpr std::string_view kUnreadable = "(unreadable)";

std::string subject_of(const std::vector<Bytes>& path) {
  const auto certificate = crypto::Certificate::from_der(path.front());
  return certificate ? certificate->subject() : std::string(kUnreadable);
}

std::string algorithm_column(const sealed::BackupKey& key) {
  if (key.symmetric) return symmetric_algorithm(key.key.size());
  const auto certificate = crypto::Certificate::from_der(key.certificate_path.front());
  const auto algorithm = certificate ? algorithm_of(*certificate, 0) : certificate.error();
  return algorithm ? *algorithm : std::string(kUnreadable);
}

TableRow row_of(const sealed::BackupKey& key) {
  return {key.friendly_name,     subject_of(key.certificate_path),
          algorithm_column(key), std::string(app_usage_name(key.app_usage)),
          pin_column(key),       key.issuer_uri};
}

}  // namespace

void show_left_behind(const sealed::Backup& backup, std::ostream& out) {
  if (backup.left_behind.empty()) return;
  std::vector<TableRow> rows{{"NAME", "SUBJECT", "REASON", "ISSUER"}};
  for (const sealed::BackupLeftKey& key : backup.left_behind)
    rows.push_back({key.friendly_name, subject_of(key.certificate_path),
                    std::string(kReasons.at(static_cast<std::size_t>(key.reason))), key.issuer_uri});
  out << "Not in the backup; get new ones from their issuers:\n";
  write_table(rows, out);
}

void show_keys(const std::vector<sealed::BackupKey>& keys, std::string_view title, std::ostream& out) {
  if (keys.empty()) return;
  std::vector<TableRow> rows{{"NAME", "SUBJECT", "ALGORITHM", "USAGE", "PIN", "ISSUER"}};
  for (const sealed::BackupKey& key : keys) rows.push_back(row_of(key));
  out << title << "\n";
  write_table(rows, out);
}

void show_backup(const sealed::Backup& backup, std::ostream& out) {
  out << "Backup of " << dialog::printable(backup.label) << ", made "
      << format_time(static_cast<std::int64_t>(backup.time)) << ".\n";
  show_keys(backup.keys, "In the backup:", out);
  show_left_behind(backup, out);
}

}  // namespace sks::cli
