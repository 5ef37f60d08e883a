#include "provisioning-server/life_cycle/credential_history.h"

#include "provisioning-server/internal/repository_rows.h"

namespace sks::issuer {
namespace {

constexpr const char* kSessions =
    "SELECT sessions.id, done.operation, COALESCE((SELECT creator FROM tickets WHERE digest = ticket_digest), ''),"
    " phase, result, created, ended, sessions.kmk_generation FROM"
    " (SELECT server_session_id AS session, 'issue' AS operation FROM credentials WHERE fingerprint = $1"
    "  UNION ALL SELECT session, operation FROM operations WHERE fingerprint = $1) AS done"
    " JOIN sessions ON sessions.id = done.session ORDER BY created, sessions.id, done.operation LIMIT 1000";

}  // namespace

Result<CredentialHistory> find_history(Database& database, const std::string& fingerprint) {
  CredentialHistory history;
  SKS_TRY(database.read([&](SqlTransaction& transaction) -> Result<void> {
    history = {};
    SKS_LET(const SqlRows sessions, transaction.query(kSessions, {fingerprint}));
    for (const SqlRow& row : sessions) {
      SKS_LET(const SessionPhase phase, parse_phase(row.text(3)));
      history.sessions.push_back(
          {row.text(0), row.text(1), row.text(2), phase, row.text(4), row.integer(5), row.integer(6), row.integer(7)});
    }
    // Those that were never issued replace nothing.
    SKS_LET(const SqlRows next, transaction.query("SELECT fingerprint FROM credentials WHERE replaces = $1"
                                                  " AND replaces <> '' AND issued <> 0",
                                                  {fingerprint}));
    if (!next.empty()) history.replaced_by = next.front().text(0);
    SKS_LET(const SqlRows clones,
            transaction.query("SELECT fingerprint FROM credentials WHERE clones = $1 AND clones <> ''"
                              " AND status = 'issued' ORDER BY fingerprint LIMIT 1000",
                              {fingerprint}));
    for (const SqlRow& row : clones) history.clones.push_back(row.text(0));
    return {};
  }));
  return history;
}

}  // namespace sks::issuer
