#pragma once

#include <iosfwd>
#include <stop_token>
#include <string>
#include <variant>

#include "provisioning-server/audit/audit_reader.h"
#include "provisioning-server/audit/audit_verifier.h"

/// An audit log as JSON lines. Spec: spec/issuer-audit.md#export
namespace sks::issuer {

/// First line of an export.
struct ExportHeader {
  AuditPeriod period;
};
using AuditLine = std::variant<ExportHeader, Checkpoint, AuditChain, ChainedEntry>;

std::string to_line(const AuditLine& line);
/// Strict. Fails with option.
Result<AuditLine> parse_line(std::string_view text);

/// Writes everything of a period. Fails with storage, also when `out` does not take it.
Result<void> export_audit(Database& database, const AuditPeriod& period, std::ostream& out);

/// Checks an export at the time `now`. Fails with not_available (cannot be read) or option (is none; the sentence names
/// the line).
Result<AuditReport> verify_file(const std::string& file, std::vector<crypto::PublicKey> keys, std::int64_t now);
/// Checks what a database holds at the time `now`, against `checkpoints` that were kept elsewhere. Fails with storage,
/// also when `stop` is requested before the end.
Result<AuditReport> verify_database(Database& database, std::vector<crypto::PublicKey> keys,
                                    const std::vector<Checkpoint>& checkpoints, std::int64_t now,
                                    const std::stop_token& stop = {});
/// The checkpoints in a file of such lines; lines of other kinds do not count. Fails as verify_file().
Result<std::vector<Checkpoint>> read_checkpoints(const std::string& file);

}  // namespace sks::issuer
