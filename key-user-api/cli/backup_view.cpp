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

Result<std::string> subject_of(const std::vector<Bytes>& path) {
  SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(path.front()));
  return certificate.subject();
}

Result<TableRow> row_of(const sealed::BackupKey& key) {
  SKS_LET(const crypto::Certificate certificate, crypto::Certificate::from_der(key.certificate_path.front()));
  SKS_LET(std::string algorithm, algorithm_of(certificate, key.symmetric ? key.key.size() : 0));
  return TableRow{key.friendly_name,    certificate.subject(),
                  std::move(algorithm), std::string(app_usage_name(key.app_usage)),
                  pin_column(key),      key.issuer_uri};
}

}  // namespace

Result<void> show_left_behind(const sealed::Backup& backup, std::ostream& out) {
  if (backup.left_behind.empty()) return {};
  std::vector<TableRow> rows{{"NAME", "SUBJECT", "REASON", "ISSUER"}};
  for (const sealed::BackupLeftKey& key : backup.left_behind) {
    SKS_LET(std::string subject, subject_of(key.certificate_path));
    rows.push_back({key.friendly_name, std::move(subject),
                    std::string(kReasons.at(static_cast<std::size_t>(key.reason))), key.issuer_uri});
  }
  out << "Not in the backup; get new ones from their issuers:\n";
  write_table(rows, out);
  return {};
}

Result<void> show_keys(const std::vector<sealed::BackupKey>& keys, std::string_view title, std::ostream& out) {
  if (keys.empty()) return {};
  std::vector<TableRow> rows{{"NAME", "SUBJECT", "ALGORITHM", "USAGE", "PIN", "ISSUER"}};
  for (const sealed::BackupKey& key : keys) {
    SKS_LET(TableRow row, row_of(key));
    rows.push_back(std::move(row));
  }
  out << title << "\n";
  write_table(rows, out);
  return {};
}

Result<void> show_backup(const sealed::Backup& backup, std::ostream& out) {
  out << "Backup of " << dialog::printable(backup.label) << ", made "
      << format_time(static_cast<std::int64_t>(backup.time)) << ".\n";
  SKS_TRY(show_keys(backup.keys, "In the backup:", out));
  return show_left_behind(backup, out);
}

}  // namespace sks::cli
