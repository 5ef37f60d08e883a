#pragma once

#include <iosfwd>
#include <string>

#include "sks-core/base/result.h"

namespace sks::issuer {

/// What somebody has written behind `sks-issuer audit`. Empty: not given.
struct AuditArguments {
  std::string action;  ///< "verify" or "export"
  std::string folder;
  std::string file;         ///< verify: an export instead of the database
  std::string checkpoints;  ///< verify: a file with checkpoints that were kept elsewhere
  std::string key;          ///< verify: a file with public keys instead of audit.pem in the folder
  std::string from;         ///< export: "2026-01-31" or "2026-01-31T12:00:00Z"
  std::string to;
  bool json = false;  ///< export: JSON lines instead of text for people
};

/// Fails with option (options that do not fit together), not_allowed (the audit log is not what it was) or as its parts
/// do.
Result<void> run_audit_command(const AuditArguments& arguments, std::ostream& out);

}  // namespace sks::issuer
