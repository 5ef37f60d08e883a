#pragma once

#include <string>
#include <vector>

#include "provisioning-server/database/database.h"
#include "provisioning-server/repository.h"

namespace sks::issuer {

/// One session that a credential comes from, or that was to do something to its key.
struct HistoryRow {
  std::string session;                            ///< serverSessionId
  std::string operation;                          ///< "issue", or as to_string(KeyOperation::Kind)
  std::string creator;                            ///< of its ticket
  SessionPhase phase = SessionPhase::invocation;  ///< done: it has happened
  std::string result;                             ///< "ok" or the word of a refusal, once the session has ended
  std::int64_t created = 0;
  std::int64_t ended = 0;
  std::int64_t kmk_generation = 1;  ///< of the session
};

struct CredentialHistory {
  std::vector<HistoryRow> sessions;  ///< oldest first, at most 1000
  std::string replaced_by;           ///< fingerprint; empty if none
  std::vector<std::string> clones;   ///< fingerprints of credentials whose keys share its PIN, valid ones
};

/// What has happened to the key of a credential. Fails with storage.
Result<CredentialHistory> find_history(Database& database, const std::string& fingerprint);

}  // namespace sks::issuer
