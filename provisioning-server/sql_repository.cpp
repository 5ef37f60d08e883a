#include "provisioning-server/sql_repository.h"

#include "provisioning-server/directory/subject_words.h"
#include "provisioning-server/internal/repository_rows.h"

namespace sks::issuer {
namespace {

/// Sessions that one transaction ends: others get their turn in between.
constexpr std::int64_t kExpireTogether = 200;

using Statement = std::string;

template <class Row, class Read>
Result<std::optional<Row>> find_one(Database& database, std::string_view statement, const SqlValues& parameters,
                                    const Read& read) {
  std::optional<Row> found;
  SKS_TRY(database.read([&](SqlTransaction& transaction) -> Result<void> {
    found.reset();
    SKS_LET(const SqlRows rows, transaction.query(statement, parameters));
    if (rows.empty()) return {};
    Result<Row> row = read(rows[0]);
    if (!row) return row.error();
    found = std::move(row).value();
    return {};
  }));
  return found;
}

Result<std::optional<Session>> find_session_by(Database& database, std::string_view column, const std::string& value) {
  const Statement statement =
      "SELECT " + Statement(kSessionColumns) + " FROM sessions WHERE " + Statement(column) + " = $1";
  return find_one<Session>(database, statement, {value}, session_of);
}

Result<void> insert_session(SqlTransaction& transaction, const Session& session) {
  static const Statement kInsert =
      "INSERT INTO sessions (" + Statement(kSessionColumns) +
      ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
  SKS_TRY(transaction.run(
      kInsert, {session.id, session.cookie_digest, session.ticket_digest, session.profile, session.profile_digest,
                session.subject, std::string(to_string(session.phase)), static_cast<std::int64_t>(session.version),
                session.sealed_state, session.sealed_puk, session.last_request,
                static_cast<std::int64_t>(session.reply.kind), session.reply.text, session.created, session.expires,
                session.client_session_id, session.device_fingerprint, session.data}));
  return {};
}

Result<void> insert_credential(SqlTransaction& transaction, const Credential& credential, std::int64_t now) {
  static const Statement kInsert =
      "INSERT INTO credentials (" + Statement(kCredentialColumns) +
      ", owner, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'pending', 0, 0, $13, $14, $15, $8,"
      " $16)";
  // Its UNIQUE rules are part of the outcome.
  SKS_TRY(transaction.run(
      kInsert, {credential.fingerprint, credential.certificate, credential.subject, credential.profile,
                credential.app_usage, credential.friendly_name, credential.public_key_digest,
                credential.server_session_id, credential.client_session_id, credential.device_fingerprint,
                credential.key_management_key, static_cast<std::int64_t>(credential.privacy_enabled), credential.serial,
                credential.issuer, credential.not_after, now}));
  return insert_words(transaction, {credential.subject, now, credential.fingerprint});
}

Result<void> insert_operation(SqlTransaction& transaction, const std::string& session, const KeyOperation& operation) {
  return transaction.enqueue("INSERT INTO operations (session, fingerprint, operation, owner) VALUES ($1, $2, $3, $4)",
                             {session, operation.fingerprint, std::string(to_string(operation.kind)), operation.owner});
}

/// The device of a step that has told it.
Result<void> note_device(SqlTransaction& transaction, const Step& step) {
  if (step.device_path.empty()) return {};
  Bytes path;
  for (const Bytes& certificate : step.device_path) path.insert(path.end(), certificate.begin(), certificate.end());
  return transaction.enqueue(
      "INSERT INTO devices (fingerprint, certificate, path, first_seen, last_seen) VALUES ($1, $2, $3, $4, $4)"
      " ON CONFLICT (fingerprint) DO UPDATE SET certificate = excluded.certificate, path = excluded.path,"
      " last_seen = excluded.last_seen",
      {step.after.device_fingerprint, step.device_path.front(), path, step.audit.time});
}

/// What the end of a session means for the credentials that were made in it.
Result<void> settle_credentials(SqlTransaction& transaction, const Session& session, std::int64_t now) {
  if (session.phase == SessionPhase::done)
    return transaction.enqueue(
        "UPDATE credentials SET status = 'issued', issued = $1 WHERE server_session_id = $2 AND status = 'pending'",
        {now, session.id});
  if (session.phase == SessionPhase::aborted)
    return transaction.enqueue(
        "UPDATE credentials SET status = 'abandoned' WHERE server_session_id = $1 AND status = 'pending'",
        {session.id});
  return {};
}

/// Table absorbed: the sessions whose keys became those of session $1 if the device has closed it. They are the owners
/// of its targets, by the device's word and on record, and the owners of theirs in turn where the records do not tell
/// how a session ended: its last message was lost, or its client was anonymous. `or_else` tells of which other sessions
/// the targets count.
Statement with_absorbed(const char* or_else) {
  // Each step looks at the targets of one more session, so there is a limit, far above what losses explain; it stands
  // outside of the recursion, where PostgreSQL takes it, and both databases go no further than they are asked. An owner
  // is '' where a program of the first version has made the row: the session that issued the key.
  return Statement(
             "WITH RECURSIVE reached (id) AS (SELECT id FROM sessions WHERE id = $1 UNION SELECT earlier.id FROM "
             "reached"
             " JOIN sessions AS later ON later.id = reached.id"
             " JOIN operations ON operations.session = later.id"
             " JOIN credentials AS target ON target.fingerprint = operations.fingerprint"
             " JOIN sessions AS earlier ON earlier.id IN (operations.owner,"
             " CASE target.owner WHEN '' THEN target.server_session_id ELSE target.owner END)"
             " WHERE later.phase <> 'done' OR target.privacy_enabled <> 0") +
         or_else + "), absorbed (id) AS (SELECT id FROM reached LIMIT 1000) ";
}

/// Of a credential: one of those sessions owns it.
constexpr const char* kIsAbsorbed =
    "(owner IN (SELECT id FROM absorbed) OR (owner = '' AND server_session_id IN (SELECT id FROM absorbed)))";

/// Most sessions have none.
Result<bool> has_operations(SqlTransaction& transaction, const Session& session) {
  SKS_LET(const SqlRows some, transaction.query("SELECT 1 FROM operations WHERE session = $1 LIMIT 1", {session.id}));
  return !some.empty();
}

/// What the end of a session means for the keys of earlier sessions that it was to operate on. Nothing is settled on
/// the word of an anonymous client, who may speak of keys that another device holds. Spec: keygen2.md 7.11
Result<void> settle_operations(SqlTransaction& transaction, const Session& session) {
  if (session.phase != SessionPhase::done) return {};
  SKS_LET(const bool some, has_operations(transaction, session));
  if (!some) return {};
  static const Statement kRemove =
      "UPDATE credentials SET status = 'removed' WHERE status IN ('issued', 'suspended') AND privacy_enabled = 0 AND "
      "fingerprint IN"
      " (SELECT fingerprint FROM operations WHERE session = $1 AND operation = 'remove')";
  static const Statement kTakeOver = with_absorbed(" OR later.id = $1") +
                                     "UPDATE credentials SET owner = $1 WHERE privacy_enabled = 0 AND " + kIsAbsorbed;
  SKS_TRY(transaction.enqueue(kRemove, {session.id}));
  return transaction.enqueue(kTakeOver, {session.id});
}

/// The session's row, if it is where the step comes from.
Result<bool> move_session(SqlTransaction& transaction, const Step& step) {
  const Session& after = step.after;
  const bool over = is_over(after.phase);
  SKS_LET(const std::int64_t moved,
          transaction.run(
              "UPDATE sessions SET phase = $1, version = $2, sealed_state = $3, sealed_puk = $4, last_request = $5,"
              " reply_kind = $6, reply_text = $7, expires = $8, client_session_id = $9, device_fingerprint = $10,"
              " ended = $11, result = $12 WHERE id = $13 AND phase = $14 AND version = $15",
              {std::string(to_string(after.phase)), static_cast<std::int64_t>(step.from_version + 1),
               over ? Bytes() : after.sealed_state, after.phase == SessionPhase::aborted ? Bytes() : after.sealed_puk,
               after.last_request, static_cast<std::int64_t>(after.reply.kind), after.reply.text, after.expires,
               after.client_session_id, after.device_fingerprint, over ? step.audit.time : std::int64_t{0},
               over ? step.audit.result : std::string(), after.id, std::string(to_string(step.from)),
               static_cast<std::int64_t>(step.from_version)}));
  return moved == 1;
}

/// Whether the ticket can be spent, and spends it.
Result<StartOutcome> spend_ticket(SqlTransaction& transaction, const std::string& digest, std::int64_t now) {
  SKS_LET(const SqlRows rows, transaction.query("SELECT expires, used FROM tickets WHERE digest = $1", {digest}));
  if (rows.empty()) return StartOutcome::ticket_unknown;
  if (rows[0].integer(1) != 0) return StartOutcome::ticket_used;
  if (rows[0].integer(0) <= now) return StartOutcome::ticket_expired;
  SKS_LET(const std::int64_t spent,
          transaction.run("UPDATE tickets SET used = $1 WHERE digest = $2 AND used = 0", {now, digest}));
  return spent == 1 ? StartOutcome::started : StartOutcome::ticket_used;
}

Statement select_credential(const std::string& condition) {
  return "SELECT " + Statement(kCredentialColumns) + " FROM credentials WHERE " + condition;
}

}  // namespace

Result<void> SqlRepository::add_ticket(const Ticket& ticket, const AuditEntry& audit) {
  static const Statement kInsert =
      "INSERT INTO tickets (" + Statement(kTicketColumns) + ") VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)";
  return database_.swap([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.run(kInsert, {ticket.digest, ticket.profile, ticket.subject, ticket.cookie_digest,
                                      ticket.created, ticket.expires, ticket.creator, ticket.data}));
    return audit_.append(transaction, audit);
  });
}

Result<std::optional<Ticket>> SqlRepository::find_ticket(const std::string& digest) {
  static const Statement kSelect = "SELECT " + Statement(kTicketColumns) + " FROM tickets WHERE digest = $1";
  return find_one<Ticket>(database_, kSelect, {digest},
                          [](const SqlRow& row) { return Result<Ticket>(ticket_of(row)); });
}

Result<StartOutcome> SqlRepository::start_session(const Session& session, const AuditEntry& audit) {
  StartOutcome outcome{};
  const Result<void> done = database_.swap([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(outcome, spend_ticket(transaction, session.ticket_digest, audit.time));
    if (outcome != StartOutcome::started) return {};
    SKS_TRY(insert_session(transaction, session));
    return audit_.append(transaction, audit);
  });
  if (!done) return done.error();
  return outcome;
}

Result<std::optional<Session>> SqlRepository::find_session(const std::string& cookie_digest) {
  return find_session_by(database_, "cookie_digest", cookie_digest);
}

Result<std::optional<Session>> SqlRepository::find_session_of(const Credential& credential) {
  return find_session_by(database_, "id", credential.server_session_id);
}

Result<StepOutcome> SqlRepository::commit_step(const Step& step) {
  StepOutcome outcome{};
  bool settles = false;
  const auto work = [&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const bool moved, move_session(transaction, step));
    outcome = moved ? StepOutcome::committed : StepOutcome::conflict;
    if (!moved) return {};
    for (const Credential& credential : step.pending)
      SKS_TRY(insert_credential(transaction, credential, step.audit.time));
    for (const KeyOperation& operation : step.operations)
      SKS_TRY(insert_operation(transaction, step.after.id, operation));
    SKS_TRY(note_device(transaction, step));
    SKS_TRY(settle_credentials(transaction, step.after, step.audit.time));
    SKS_TRY(settle_operations(transaction, step.after));
    return audit_.append(transaction, step.audit);
  };
  // Who takes over keys looks at other sessions that do, and they must not look back at the same time.
  if (step.after.phase == SessionPhase::done)
    SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
      SKS_LET(settles, has_operations(transaction, step.after));
      return {};
    }));
  const Result<void> done = settles ? database_.write(work) : database_.swap(work);
  if (done) return outcome;
  // The only UNIQUE rules a step can run into are those on client session ids, certificates and public keys.
  if (done.error().status == Status::not_allowed) return StepOutcome::duplicate;
  return done.error();
}

Result<std::size_t> SqlRepository::expire_sessions(std::int64_t now) {
  std::size_t expired = 0;
  for (;;) {
    std::size_t together = 0;
    const Result<void> done = database_.write([&](SqlTransaction& transaction) -> Result<void> {
      SKS_LET(const SqlRows rows,
              transaction.query("UPDATE sessions SET phase = 'aborted', version = version + 1, sealed_state = $2,"
                                " sealed_puk = $2, last_request = '', reply_text = '', ended = $1,"
                                " result = 'session-expired' WHERE phase NOT IN ('done', 'aborted') AND id IN"
                                " (SELECT id FROM sessions WHERE expires <= $1 AND phase NOT IN ('done', 'aborted')"
                                " LIMIT $3) RETURNING id, profile, profile_digest",
                                {now, Bytes(), kExpireTogether}));
      for (const SqlRow& row : rows) {
        SKS_TRY(transaction.enqueue(
            "UPDATE credentials SET status = 'abandoned' WHERE server_session_id = $1 AND status = 'pending'",
            {row.text(0)}));
        SKS_TRY(audit_.append(transaction, {now, "issuer", "expire", row.text(0), row.text(1) + ' ' + row.text(2),
                                            "session-expired", ""}));
      }
      together = rows.size();
      return {};
    });
    if (!done) return done.error();
    expired += together;
    if (together < static_cast<std::size_t>(kExpireTogether)) return expired;
  }
}

Result<std::optional<Credential>> SqlRepository::find_credential(const std::string& fingerprint) {
  static const Statement kSelect = select_credential("fingerprint = $1");
  return find_one<Credential>(database_, kSelect, {fingerprint}, credential_of);
}

Result<std::optional<Credential>> SqlRepository::find_credential_in(const std::string& fingerprint,
                                                                    const std::string& server_session_id,
                                                                    const std::string& client_session_id) {
  static const Statement kSelect =
      with_absorbed("") +
      select_credential(
          "fingerprint = $3 AND EXISTS (SELECT 1 FROM sessions WHERE id = $1 AND client_session_id = $2)"
          " AND ") +
      kIsAbsorbed;
  return find_one<Credential>(database_, kSelect, {server_session_id, client_session_id, fingerprint}, credential_of);
}

Result<std::vector<KeyOperation>> SqlRepository::find_operations(const std::string& server_session_id) {
  std::vector<KeyOperation> operations;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    operations.clear();
    SKS_LET(const SqlRows rows, transaction.query("SELECT fingerprint, operation, owner FROM operations"
                                                  " WHERE session = $1 ORDER BY operation, fingerprint",
                                                  {server_session_id}));
    for (const SqlRow& row : rows) {
      SKS_LET(const KeyOperation::Kind kind, parse_operation(row.text(1)));
      operations.push_back({row.text(0), kind, row.text(2)});
    }
    return {};
  }));
  return operations;
}

Result<RevokeOutcome> SqlRepository::revoke_credential(const std::string& fingerprint, const AuditEntry& audit) {
  RevokeOutcome outcome{};
  SKS_TRY(database_.write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const SqlRows known, transaction.query("SELECT 1 FROM credentials WHERE fingerprint = $1", {fingerprint}));
    SKS_LET(const std::int64_t changed, transaction.run("UPDATE credentials SET status = 'revoked', revoked = $1"
                                                        " WHERE fingerprint = $2 AND status = 'issued'",
                                                        {audit.time, fingerprint}));
    outcome = changed == 1 ? RevokeOutcome::revoked : RevokeOutcome::not_issued;
    if (known.empty()) outcome = RevokeOutcome::unknown;
    if (changed != 1) return {};
    return audit_.append(transaction, audit);
  }));
  return outcome;
}

Result<void> SqlRepository::add_audit(const AuditEntry& audit) {
  return database_.swap([&](SqlTransaction& transaction) { return audit_.append(transaction, audit); });
}

}  // namespace sks::issuer
