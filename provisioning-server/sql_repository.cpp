#include "provisioning-server/sql_repository.h"

#include <array>

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
  SKS_LET(const SqlRows rows, database.select(statement, parameters));
  if (rows.empty()) return std::optional<Row>();
  Result<Row> row = read(rows[0]);
  if (!row) return row.error();
  return std::optional<Row>(std::move(row).value());
}

Statement select_session(const char* condition) {
  return "SELECT " + Statement(kSessionColumns) + " FROM sessions WHERE " + condition;
}

Result<void> insert_session(SqlTransaction& transaction, const Session& session) {
  static const Statement kInsert =
      "INSERT INTO sessions (" + Statement(kSessionColumns) +
      ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)";
  return transaction.enqueue(kInsert, {session.id,
                                       session.cookie_digest,
                                       session.ticket_digest,
                                       session.profile,
                                       session.profile_digest,
                                       session.subject,
                                       std::string(to_string(session.phase)),
                                       static_cast<std::int64_t>(session.version),
                                       session.sealed_state,
                                       session.sealed_puk,
                                       session.last_request,
                                       static_cast<std::int64_t>(session.reply.kind),
                                       session.reply.text,
                                       session.created,
                                       session.expires,
                                       session.client_session_id,
                                       session.device_fingerprint,
                                       session.data,
                                       order_word(session.order),
                                       session.order.fingerprint,
                                       session.order.device,
                                       session.kmk_generation});
}

Result<void> insert_credential(SqlTransaction& transaction, const Credential& credential, std::int64_t now) {
  static const Statement kInsert =
      "INSERT INTO credentials (" + Statement(kCredentialColumns) +
      ", owner, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'pending', 0, 0, $13, $14, $15,"
      " $16, 0, $17, $18, $8, $19)";
  SKS_TRY(transaction.enqueue(
      kInsert,
      {credential.fingerprint, credential.certificate, credential.subject, credential.profile, credential.app_usage,
       credential.friendly_name, credential.public_key_digest, credential.server_session_id,
       credential.client_session_id, credential.device_fingerprint, credential.key_management_key,
       static_cast<std::int64_t>(credential.privacy_enabled), credential.serial, credential.issuer,
       credential.not_after, credential.kmk_generation, credential.replaces, credential.clones, now}));
  if (!credential.signature_profile.empty())
    SKS_TRY(transaction.enqueue("INSERT INTO signature_profiles (credential, uri) VALUES ($1, $2)",
                                {credential.fingerprint, credential.signature_profile}));
  return insert_words(transaction, {credential.subject, now, credential.fingerprint});
}

Result<void> insert_operation(SqlTransaction& transaction, const std::string& session, const KeyOperation& operation) {
  return transaction.enqueue(
      "INSERT INTO operations (session, fingerprint, operation, owner, kmk_generation) VALUES ($1, $2, $3, $4, $5)",
      {session, operation.fingerprint, std::string(to_string(operation.kind)), operation.owner,
       operation.kmk_generation});
}

/// What makes the transaction of a step that exceeds a limit leave nothing behind.
const Error kUndone{Status::not_allowed, "the step exceeds a limit of its profile"};

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

/// Tables behind WITH RECURSIVE for a last message of session $1 that comes late: the device closed the session, and
/// another one found its keys there since. newer: owners on record of its targets that came behind it by the device's
/// word, each having found the keys of the one before. later: all sessions on the way there. Both are empty where the
/// owner on record is the one that the session has found, which is nearly always.
constexpr std::string_view kLater =
    "traced (newest, id) AS (SELECT target.owner, target.owner FROM operations"
    " JOIN credentials AS target ON target.fingerprint = operations.fingerprint"
    " WHERE operations.session = $1 AND target.owner NOT IN ('', $1, operations.owner)"
    " UNION SELECT traced.newest, operations.owner FROM traced JOIN operations ON operations.session = traced.id"
    " WHERE traced.id <> $1),"
    " bounded (newest, id) AS (SELECT newest, id FROM traced LIMIT 1000),"
    " newer (id) AS (SELECT newest FROM bounded WHERE id = $1),"
    " later (id) AS (SELECT id FROM bounded WHERE id <> $1 AND newest IN (SELECT id FROM newer)) ";

/// What the operations of session $1 mean for the credentials of their targets, in this order. Nothing is settled on
/// the word of an anonymous client, who may speak of keys that another device holds. Spec: keygen2.md 7.11
struct Settlement {
  bool takes_time;  ///< as $2
  std::string_view statement;
  /// Two operations of which the last one counts: nothing changes where a later session did one of them.
  bool yields = false;
};
constexpr auto kSettlements = std::to_array<Settlement>({
    // The device had these keys. So those whose places they were to take are gone, whatever became of that session.
    {true,
     "WITH RECURSIVE settled (fingerprint) AS"
     " (SELECT credentials.replaces FROM credentials JOIN operations ON operations.fingerprint ="
     "  credentials.fingerprint WHERE session = $1 AND replaces <> ''"
     "  UNION SELECT earlier.replaces FROM credentials AS earlier JOIN settled ON settled.fingerprint ="
     "  earlier.fingerprint WHERE earlier.replaces <> '')"
     " UPDATE credentials SET status = 'replaced', revoked = $2 WHERE status IN ('issued', 'suspended', 'pending',"
     " 'abandoned') AND privacy_enabled = 0 AND fingerprint IN (SELECT fingerprint FROM settled)"},
    {true,
     "UPDATE credentials SET status = 'issued', issued = $2 WHERE status IN ('pending', 'abandoned')"
     " AND replaces <> '' AND privacy_enabled = 0 AND fingerprint IN"
     " (SELECT fingerprint FROM operations WHERE session = $1)"},
    // What was held while nobody knew how its session ended (reason 6: certificateHold) leaves the revocation list.
    {false,
     "UPDATE revocations SET in_force = 0, listed = 0 WHERE in_force = 1 AND reason = 6 AND fingerprint IN"
     " (SELECT credentials.fingerprint FROM credentials JOIN operations ON operations.fingerprint ="
     "  credentials.fingerprint WHERE session = $1 AND status = 'issued')"},
    // Also those that are not in force, or not yet: if the last message of their session comes late, the key is gone
    // all the same.
    {true,
     "UPDATE credentials SET status = 'removed', revoked = $2 WHERE status IN ('issued', 'suspended', 'pending',"
     " 'abandoned') AND privacy_enabled = 0 AND fingerprint IN"
     " (SELECT fingerprint FROM operations WHERE session = $1 AND operation = 'remove')"},
    {true,
     "UPDATE credentials SET status = 'replaced', revoked = $2 WHERE status IN ('issued', 'suspended', 'pending',"
     " 'abandoned') AND privacy_enabled = 0 AND fingerprint IN"
     " (SELECT fingerprint FROM operations WHERE session = $1 AND operation = 'update')"},
    {false,
     "UPDATE credentials SET key_suspended = 1 WHERE privacy_enabled = 0 AND fingerprint IN"
     " (SELECT fingerprint FROM operations WHERE session = $1 AND operation = 'suspend')",
     true},
    {false,
     "UPDATE credentials SET key_suspended = 0 WHERE privacy_enabled = 0 AND fingerprint IN"
     " (SELECT fingerprint FROM operations WHERE session = $1 AND operation = 'resume')",
     true},
    // A key that takes the place of a suspended one is suspended.
    {false,
     "UPDATE credentials SET key_suspended = 1 WHERE server_session_id = $1 AND replaces IN"
     " (SELECT credentials.fingerprint FROM credentials JOIN operations ON operations.fingerprint ="
     "  credentials.fingerprint WHERE session = $1 AND key_suspended <> 0)"},
});

/// The statements of kSettlements.
std::array<Statement, kSettlements.size()> settlement_statements() {
  std::array<Statement, kSettlements.size()> statements;
  for (std::size_t i = 0; i < statements.size(); ++i) {
    statements.at(i) = kSettlements.at(i).statement;
    if (kSettlements.at(i).yields)
      statements.at(i) = "WITH RECURSIVE " + Statement(kLater) + statements.at(i) +
                         " AND fingerprint NOT IN (SELECT fingerprint FROM operations WHERE session IN"
                         " (SELECT id FROM later) AND operation IN ('suspend', 'resume'))";
  }
  return statements;
}

/// What the end of a session means for the keys of earlier sessions that it was to operate on.
Result<void> settle_operations(SqlTransaction& transaction, const Step& step) {
  const Session& session = step.after;
  static const auto kStatements = settlement_statements();
  static const Statement kTakeOver = with_absorbed(" OR later.id = $1") + ", " + Statement(kLater) +
                                     "UPDATE credentials SET owner = $1, kmk_generation = $2, key_management_key = $3"
                                     " WHERE privacy_enabled = 0 AND owner NOT IN (SELECT id FROM newer) AND " +
                                     kIsAbsorbed;
  for (std::size_t i = 0; i < kStatements.size(); ++i)
    SKS_TRY(transaction.enqueue(kStatements.at(i), kSettlements.at(i).takes_time
                                                       ? SqlValues{session.id, step.audit.time}
                                                       : SqlValues{session.id}));
  return transaction.enqueue(kTakeOver, {session.id, session.kmk_generation, step.key_management_key});
}

/// What a step writes into the session's row. Columns that have an index are written by the steps that may change them
/// only: a database looks after the index even when the value is the same.
struct StepColumn {
  std::string_view name;
  bool (*is_written)(const Step&);
  SqlValue (*value)(const Step&);
};
bool always(const Step&) { return true; }
bool at_end(const Step& step) { return is_over(step.after.phase); }
/// The client has not told who it is before these steps, and how long the session may last depends on that.
bool at_begin(const Step& step) {
  return step.from == SessionPhase::invocation || step.from == SessionPhase::initialization;
}
constexpr auto kStepColumns = std::to_array<StepColumn>({
    {"phase", always, [](const Step& step) { return SqlValue(std::string(to_string(step.after.phase))); }},
    {"version", always, [](const Step& step) { return SqlValue(static_cast<std::int64_t>(step.from_version + 1)); }},
    {"sealed_state", always,
     [](const Step& step) { return SqlValue(at_end(step) ? Bytes() : step.after.sealed_state); }},
    {"last_request", always, [](const Step& step) { return SqlValue(step.after.last_request); }},
    {"reply_kind", always, [](const Step& step) { return SqlValue(static_cast<std::int64_t>(step.after.reply.kind)); }},
    {"reply_text", always, [](const Step& step) { return SqlValue(step.after.reply.text); }},
    {"expires", at_begin, [](const Step& step) { return SqlValue(step.after.expires); }},
    {"client_session_id", at_begin, [](const Step& step) { return SqlValue(step.after.client_session_id); }},
    {"device_fingerprint", at_begin, [](const Step& step) { return SqlValue(step.after.device_fingerprint); }},
    {"sealed_puk", at_end,
     [](const Step& step) {
       return SqlValue(step.after.phase == SessionPhase::aborted ? Bytes() : step.after.sealed_puk);
     }},
    {"ended", at_end, [](const Step& step) { return SqlValue(step.audit.time); }},
    {"result", at_end, [](const Step& step) { return SqlValue(step.audit.result); }},
});

/// UPDATE sessions SET ... for the columns that the step writes; id, phase and version are the parameters behind them.
Statement step_statement(const Step& step) {
  Statement statement = "UPDATE sessions SET ";
  int number = 0;
  for (const StepColumn& column : kStepColumns) {
    if (!column.is_written(step)) continue;
    if (number != 0) statement += ", ";
    statement.append(column.name).append(" = $").append(std::to_string(++number));
  }
  for (const char* const column : {" WHERE id = $", " AND phase = $", " AND version = $"})
    statement.append(column).append(std::to_string(++number));
  return statement;
}

/// Moves the session's row, which has to be where the step comes from.
Result<void> move_session(SqlTransaction& transaction, const Step& step) {
  SqlValues values;
  for (const StepColumn& column : kStepColumns)
    if (column.is_written(step)) values.push_back(column.value(step));
  values.emplace_back(step.after.id);
  values.emplace_back(std::string(to_string(step.from)));
  values.emplace_back(static_cast<std::int64_t>(step.from_version));
  return transaction.require(step_statement(step), std::move(values));
}

/// Why a ticket could not be spent. One that looks open by now was cancelled, or spent by a session that is not there.
StartOutcome refusal_of(const std::optional<Ticket>& ticket, std::int64_t now) {
  if (!ticket) return StartOutcome::ticket_unknown;
  if (ticket->used == 0 && ticket->expires <= now) return StartOutcome::ticket_expired;
  return StartOutcome::ticket_used;
}

bool settles(const Step& step) {
  return step.after.phase == SessionPhase::done && (step.ends_operations || !step.operations.empty());
}

/// Who counts must be alone: nobody else may add to what is counted. Likewise who takes over keys looks at other
/// sessions that do, and they must not look back at the same time.
bool must_be_alone(const Step& step) {
  return settles(step) || (step.limits.any() && (!step.pending.empty() || !step.device_path.empty()));
}

/// All of a step but its limits and its audit entry.
Result<void> write_step(SqlTransaction& transaction, const Step& step) {
  SKS_TRY(move_session(transaction, step));
  for (const Credential& credential : step.pending)
    SKS_TRY(insert_credential(transaction, credential, step.audit.time));
  for (const KeyOperation& operation : step.operations)
    SKS_TRY(insert_operation(transaction, step.after.id, operation));
  SKS_TRY(note_device(transaction, step));
  SKS_TRY(settle_credentials(transaction, step.after, step.audit.time));
  if (!settles(step)) return {};
  return settle_operations(transaction, step);
}

/// Of a step that keeps to its limits. The only UNIQUE rules that it can run into are those on client session ids,
/// certificates and public keys.
Result<StepOutcome> outcome_of(const Result<void>& written) {
  if (written) return StepOutcome::committed;
  if (written.error().status == Status::not_available) return StepOutcome::conflict;
  if (written.error().status == Status::not_allowed) return StepOutcome::duplicate;
  return written.error();
}

Statement select_credential(const std::string& condition) {
  return "SELECT " + Statement(kCredentialColumns) + " FROM credentials WHERE " + condition;
}

}  // namespace

Result<void> SqlRepository::add_ticket(const Ticket& ticket, const AuditEntry& audit) {
  static const Statement kInsert = "INSERT INTO tickets (" + Statement(kTicketColumns) +
                                   ") VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, $11, 0)";
  return database_.swap([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.run(kInsert, {ticket.digest, ticket.profile, ticket.subject, ticket.cookie_digest,
                                      ticket.created, ticket.expires, ticket.creator, ticket.data,
                                      order_word(ticket.order), ticket.order.fingerprint, ticket.order.device}));
    return audit_.append(transaction, audit);
  });
}

Result<std::optional<Ticket>> SqlRepository::find_ticket(const std::string& digest) {
  static const Statement kSelect = "SELECT " + Statement(kTicketColumns) + " FROM tickets WHERE digest = $1";
  return find_one<Ticket>(database_, kSelect, {digest}, ticket_of);
}

Result<CancelOutcome> SqlRepository::cancel_ticket(const std::string& digest, const AuditEntry& audit) {
  CancelOutcome outcome{};
  const Result<void> done = database_.swap([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const std::int64_t changed,
            transaction.run(
                "UPDATE tickets SET expires = $1, cancelled = 1 WHERE digest = $2 AND used = 0 AND expires > $1",
                {audit.time, digest}));
    outcome = CancelOutcome::cancelled;
    if (changed == 1) return audit_.append(transaction, audit);
    SKS_LET(const SqlRows rows, transaction.query("SELECT 1 FROM tickets WHERE digest = $1", {digest}));
    outcome = rows.empty() ? CancelOutcome::unknown : CancelOutcome::not_open;
    return {};
  });
  if (!done) return done.error();
  return outcome;
}

Result<StartOutcome> SqlRepository::start_session(const Session& session, const AuditEntry& audit) {
  const auto work = [&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(
        transaction.require("UPDATE tickets SET used = $1, session = $3 WHERE digest = $2 AND used = 0 AND"
                            " expires > $1",
                            {audit.time, session.ticket_digest, session.id}));
    SKS_TRY(insert_session(transaction, session));
    return audit_.append(transaction, audit);
  };
  const Result<void> done = committer_ == nullptr ? database_.swap(work) : committer_->swap(work);
  if (done) return StartOutcome::started;
  if (done.error().status != Status::not_available) return done.error();
  SKS_LET(const std::optional<Ticket> ticket, find_ticket(session.ticket_digest));
  return refusal_of(ticket, audit.time);
}

Result<std::optional<Session>> SqlRepository::find_session(const std::string& cookie_digest) {
  static const Statement kSelect = select_session("cookie_digest = $1");
  return find_one<Session>(database_, kSelect, {cookie_digest}, session_of);
}

Result<std::optional<Session>> SqlRepository::find_session_of(const Credential& credential) {
  static const Statement kSelect = select_session("id = $1");
  return find_one<Session>(database_, kSelect, {credential.server_session_id}, session_of);
}

Result<StepOutcome> SqlRepository::commit_step(const Step& step) {
  StepOutcome outcome{};
  const auto work = [&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(write_step(transaction, step));
    SKS_LET(outcome, check_limits(transaction, step));
    return outcome == StepOutcome::committed ? audit_.append(transaction, step.audit) : kUndone;
  };
  const Result<void> done = must_be_alone(step) ? database_.write(work) : database_.swap(work);
  if (outcome != StepOutcome::committed) return outcome;
  return outcome_of(done);
}

bool SqlRepository::commit_step_later(Step& step, StepDone done) {
  if (committer_ == nullptr || must_be_alone(step)) return false;
  using Together = GroupCommitter::Together;
  const Together together = step.device_path.empty() ? Together::yes : Together::not_with_rivals;
  const auto shared = std::make_shared<Step>(std::move(step));
  committer_->swap(
      [this, shared](SqlTransaction& transaction) -> Result<void> {
        SKS_TRY(write_step(transaction, *shared));
        return audit_.append(transaction, shared->audit);
      },
      [shared, done = std::move(done)](const Result<void>& written) { done(std::move(*shared), outcome_of(written)); },
      together);
  return true;
}

Result<std::size_t> SqlRepository::expire_sessions(std::int64_t now) {
  std::size_t expired = 0;
  for (;;) {
    std::size_t together = 0;
    const Result<void> done = database_.write([&](SqlTransaction& transaction) -> Result<void> {
      SKS_LET(const SqlRows rows,
              transaction.query(
                  "UPDATE sessions SET phase = 'aborted', version = version + 1, sealed_state = $2,"
                  " sealed_puk = $2, last_request = '', reply_text = '', ended = $1,"
                  " result = 'session-expired' WHERE phase NOT IN ('done', 'aborted') AND id IN"
                  " (SELECT id FROM sessions WHERE expires <= $1 AND ended = 0 AND phase NOT IN ('done', 'aborted')"
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
    SKS_LET(const SqlRows rows, transaction.query("SELECT fingerprint, operation, owner, kmk_generation FROM operations"
                                                  " WHERE session = $1 ORDER BY operation, fingerprint",
                                                  {server_session_id}));
    for (const SqlRow& row : rows) {
      SKS_LET(const KeyOperation::Kind kind, parse_operation(row.text(1)));
      operations.push_back({row.text(0), kind, row.text(2), row.integer(3)});
    }
    return {};
  }));
  return operations;
}

Result<std::vector<Credential>> SqlRepository::find_targets(const ManagementOrder& order, const std::string& subject,
                                                            const std::string& profile) {
  // Those that were revoked before they were ever in force, too: that takes no key off a device. The limit is far above
  // what a device has.
  const auto with_successors = [](const char* condition) {
    return "WITH RECURSIVE targets (fingerprint) AS (SELECT fingerprint FROM credentials WHERE " +
           Statement(condition) +
           " UNION SELECT later.fingerprint FROM targets JOIN credentials AS later ON later.replaces ="
           " targets.fingerprint WHERE later.status IN ('pending', 'abandoned')"
           " OR (later.status = 'revoked' AND later.issued = 0)) " +
           select_credential("fingerprint IN (SELECT fingerprint FROM targets) ORDER BY fingerprint LIMIT 1000");
  };
  static const Statement kOne = with_successors("fingerprint = $1");
  static const Statement kAll = with_successors(
      "device_fingerprint = $1 AND subject = $2 AND ($3 = '' OR profile = $3) AND privacy_enabled = 0 AND"
      " status IN ('issued', 'suspended')");
  std::vector<Credential> targets;
  const SqlValues parameters =
      order.fingerprint.empty() ? SqlValues{order.device, subject, profile} : SqlValues{order.fingerprint};
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    targets.clear();
    SKS_LET(const SqlRows rows, transaction.query(order.fingerprint.empty() ? kAll : kOne, parameters));
    for (const SqlRow& row : rows) {
      SKS_LET(Credential credential, credential_of(row));
      targets.push_back(std::move(credential));
    }
    return {};
  }));
  return targets;
}

Result<std::string> SqlRepository::find_client_session(const std::string& server_session_id) {
  std::string found;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    found.clear();
    SKS_LET(const SqlRows rows,
            transaction.query("SELECT client_session_id FROM sessions WHERE id = $1", {server_session_id}));
    if (!rows.empty()) found = rows.front().text(0);
    return {};
  }));
  return found;
}

Result<std::optional<LimitExcess>> SqlRepository::find_excess(const ProfileLimits& limits, const Session& session,
                                                              std::int64_t coming, std::int64_t now) {
  std::optional<LimitExcess> excess;
  SKS_TRY(database_.read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(excess, issuer::find_excess(transaction, limits, session, coming, now));
    return {};
  }));
  return excess;
}

Result<void> SqlRepository::add_audit(const AuditEntry& audit) {
  return database_.swap([&](SqlTransaction& transaction) { return audit_.append(transaction, audit); });
}

}  // namespace sks::issuer
