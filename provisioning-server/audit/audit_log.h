#pragma once

#include <cstdint>
#include <string>

#include "provisioning-server/database/database.h"

namespace sks::issuer {

/// Who did what, under which policy, with which result. Never holds secrets.
struct AuditEntry {
  std::int64_t time = 0;
  std::string actor;    ///< name of an administrator, "operator" for the command line, or the address of the peer
  std::string action;   ///< the step: "ticket", "InvocationRequest", ...
  std::string session;  ///< serverSessionId; empty outside a session
  std::string policy;   ///< profile name and digest
  std::string result;   ///< "ok", or the word of a refusal
  std::string detail;   ///< one sentence, or empty
};

/// The audit log of one process. Each lane of its database (see SqlTransaction::lane) has a chain of its own: every
/// entry holds the hash of the one before it, so that an entry that is changed, removed or moved breaks the chain, and
/// signed checkpoints tell how long each chain has been. Safe for several threads.
class AuditLog {
 public:
  virtual ~AuditLog() = default;
  /// Inside of the transaction that the entry is about: both are there, or neither. Fails with storage.
  virtual Result<void> append(SqlTransaction& transaction, const AuditEntry& entry) = 0;
};

}  // namespace sks::issuer
