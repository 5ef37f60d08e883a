#include "provisioning-server/life_cycle/puk_desk.h"

#include "provisioning-server/enrolment.h"
#include "provisioning-server/pages.h"

namespace sks::issuer {
namespace {

/// The session that the PIN of a credential's key comes from, as far as open_puk() needs it.
Result<Session> find_puk_session(SqlTransaction& transaction, const std::string& fingerprint) {
  // $1 and those it took the place or the PIN of; the first of them has made the PIN.
  constexpr const char* kOrigin =
      "WITH RECURSIVE line (fingerprint) AS (SELECT fingerprint FROM credentials WHERE fingerprint = $1"
      " UNION SELECT CASE later.replaces WHEN '' THEN later.clones ELSE later.replaces END FROM credentials AS later"
      " JOIN line ON line.fingerprint = later.fingerprint)"
      " SELECT sessions.id, sealed_puk FROM credentials JOIN sessions ON sessions.id = credentials.server_session_id"
      " WHERE fingerprint IN (SELECT fingerprint FROM line) AND replaces = '' AND clones = ''";
  SKS_LET(const SqlRows known,
          transaction.query("SELECT status FROM credentials WHERE fingerprint = $1", {fingerprint}));
  if (known.empty()) return Error{Status::not_available, "there is no credential " + fingerprint};
  SKS_LET(const SqlRows rows, transaction.query(kOrigin, {fingerprint}));
  if (rows.empty() || rows.front().blob(1).empty())
    return Error{Status::not_available, "there is no PUK for credential " + fingerprint};
  Session session;
  session.id = rows.front().text(0);
  session.sealed_puk = rows.front().blob(1);
  return session;
}

Result<void> note_first(SqlTransaction& transaction, const std::string& session, const std::string& fingerprint,
                        const AuditEntry& entry) {
  SKS_LET(const std::int64_t noted,
          transaction.run("INSERT INTO puk_showings (session, credential, time, actor) VALUES ($1, $2, $3, $4)"
                          " ON CONFLICT (session) DO NOTHING",
                          {session, fingerprint, entry.time, entry.actor}));
  if (noted == 1) return {};
  SKS_LET(const SqlRows before,
          transaction.query("SELECT time, actor FROM puk_showings WHERE session = $1", {session}));
  if (before.empty()) return Error{Status::storage, "the record of a PUK has changed meanwhile"};
  return Error{Status::not_allowed, "the PUK was shown to " + before.front().text(1) + " at " +
                                        time_text(before.front().integer(0)) + ", and is shown once"};
}

}  // namespace

Result<SecureBytes> show_puk(Database& database, AuditLog& audit, const SessionSeal& seal,
                             const std::string& fingerprint, PukShowing showing, const AuditEntry& entry) {
  SecureBytes puk;
  const Result<void> done = database.write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const Session session, find_puk_session(transaction, fingerprint));
    SKS_LET(puk, open_puk(seal, session));
    const Result<void> first = note_first(transaction, session.id, fingerprint, entry);
    const bool shown_before = !first && first.error().status == Status::not_allowed;
    if (!first && !(shown_before && showing == PukShowing::again)) return first;
    AuditEntry noted = entry;
    noted.session = session.id;
    noted.detail = "credential " + fingerprint;
    return audit.append(transaction, noted);
  });
  if (!done) return done.error();
  return puk;
}

}  // namespace sks::issuer
