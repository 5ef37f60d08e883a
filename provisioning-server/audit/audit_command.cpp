#include "provisioning-server/audit/audit_command.h"

#include <ostream>

#include "keygen2/time.h"
#include "provisioning-server/audit/audit_key.h"
#include "provisioning-server/audit/audit_lines.h"
#include "provisioning-server/issuer.h"

namespace sks::issuer {
namespace {

Result<std::int64_t> parse_moment(const std::string& option, const std::string& text, std::int64_t absent) {
  if (text.empty()) return absent;
  const bool is_day = text.find('T') == std::string::npos;
  const auto time = keygen2::parse_time(is_day ? text + "T00:00:00Z" : text, keygen2::TimeZone::utc);
  if (!time)
    return Error{Status::option, option + " takes a day such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z"};
  return *time;
}

/// Texts of peers may hold line ends, and worse for a terminal.
std::string printable(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return text;
}

Result<void> print_entries(Database& database, const AuditPeriod& period, std::ostream& out) {
  const auto nothing = [](const auto&...) -> Result<void> { return {}; };
  const auto print = [&](const ChainedEntry& at) -> Result<void> {
    const AuditEntry& entry = at.entry;
    std::string line = keygen2::format_utc_time(entry.time);
    for (const std::string& field :
         {entry.actor, entry.action, entry.session, entry.policy, entry.result, entry.detail})
      line += field.empty() ? " -" : ' ' + printable(field);
    out << line << '\n';
    return {};
  };
  return read_audit(database, period, {nothing, nothing, print}, [](const std::string&, std::int64_t) {});
}

Result<void> export_entries(const AuditArguments& arguments, std::ostream& out) {
  AuditPeriod period;
  SKS_LET(period.from, parse_moment("--from", arguments.from, period.from));
  SKS_LET(period.to, parse_moment("--to", arguments.to, period.to));
  SKS_LET(const std::unique_ptr<Issuer> issuer, Issuer::open(arguments.folder));
  if (arguments.json) return export_audit(issuer->database(), period, out);
  return print_entries(issuer->database(), period, out);
}

Result<AuditReport> verify_what(const AuditArguments& arguments) {
  const std::string key = arguments.key.empty() ? IssuerPaths(arguments.folder).audit_public_keys : arguments.key;
  SKS_LET(std::vector<crypto::PublicKey> keys, read_audit_keys(key));
  if (!arguments.file.empty()) return verify_file(arguments.file, std::move(keys), system_clock().now());
  std::vector<Checkpoint> checkpoints;
  if (!arguments.checkpoints.empty()) {
    SKS_LET(checkpoints, read_checkpoints(arguments.checkpoints));
  }
  SKS_LET(const std::unique_ptr<Issuer> issuer, Issuer::open(arguments.folder));
  return verify_database(issuer->database(), std::move(keys), checkpoints, issuer->clock().now());
}

Result<void> verify(const AuditArguments& arguments, std::ostream& out) {
  SKS_LET(const AuditReport report, verify_what(arguments));
  for (const std::string& finding : report.findings) out << printable(finding) << '\n';
  for (const std::string& note : report.notes) out << "note: " << printable(note) << '\n';
  out << report.entries << " entries in " << report.chains << " chains, " << report.checkpoints << " checkpoints; "
      << report.uncovered << " entries behind the last checkpoint";
  if (report.uncovered != 0) out << ", the earliest of " << keygen2::format_utc_time(report.uncovered_since);
  out << '\n';
  if (report.findings.empty()) return {};
  return Error{Status::not_allowed, "the audit log is not what it was"};
}

}  // namespace

Result<void> run_audit_command(const AuditArguments& arguments, std::ostream& out) {
  if (arguments.folder.empty() && (arguments.file.empty() || arguments.key.empty()))
    return Error{Status::option, "--dir is missing; only `verify` does without, with --file and --key"};
  if (arguments.action == "verify") return verify(arguments, out);
  if (arguments.action == "export") return export_entries(arguments, out);
  return Error{Status::option, "audit takes \"verify\" or \"export\""};
}

}  // namespace sks::issuer
