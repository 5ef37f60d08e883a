#pragma once

#include <iosfwd>
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

/// Checks an export. Fails with not_available (cannot be read) or option (is none; the sentence names the line).
Result<AuditReport> verify_file(const std::string& file, std::vector<crypto::PublicKey> keys);
/// Checks what a database holds, against `checkpoints` that were kept elsewhere.
Result<AuditReport> verify_database(Database& database, std::vector<crypto::PublicKey> keys,
                                    const std::vector<Checkpoint>& checkpoints);
/// The checkpoints in a file of such lines; lines of other kinds do not count. Fails as verify_file().
Result<std::vector<Checkpoint>> read_checkpoints(const std::string& file);

}  // namespace sks::issuer
