#include "provisioning-server/sqlite_repository.h"

#include <sys/stat.h>

#include <array>
#include <filesystem>

#include "provisioning-server/internal/sqlite.h"
#include "provisioning-server/internal/sqlite_schema.h"

namespace sks::issuer {
namespace {

constexpr int kBusyMilliseconds = 10000;

constexpr auto kPhases = std::to_array<std::string_view>(
    {"invocation", "initialization", "discovery", "key_creation", "suspended", "finalization", "done", "aborted"});
constexpr auto kStatuses = std::to_array<std::string_view>({"pending", "issued", "revoked", "abandoned", "removed"});
constexpr auto kOperations = std::to_array<std::string_view>({"unlock", "remove"});

template <class Enum, std::size_t N>
Result<Enum> enum_of(const std::array<std::string_view, N>& words, std::string_view word) {
  for (std::size_t i = 0; i < N; ++i)
    if (words[i] == word) return static_cast<Enum>(i);
  return Error{Status::storage, "the database holds an unknown word"};
}

Result<void> insert_audit(sqlite3* database, const AuditEntry& audit) {
  SKS_TRY(SqliteStatement(database,
                          "INSERT INTO audit (time, actor, action, session, policy, result, detail)"
                          " VALUES (?, ?, ?, ?, ?, ?, ?)")
              .bind(audit.time)
              .bind(audit.actor)
              .bind(audit.action)
              .bind(audit.session)
              .bind(audit.policy)
              .bind(audit.result)
              .bind(audit.detail)
              .run());
  return {};
}

Result<void> insert_session(sqlite3* database, const Session& session) {
  SKS_TRY(SqliteStatement(database,
                          "INSERT INTO sessions (id, cookie_digest, ticket_digest, profile, profile_digest, subject,"
                          " phase, version, sealed_state, sealed_puk, last_request, reply_kind, reply_text, created,"
                          " expires, client_session_id, device_fingerprint)"
                          " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
              .bind(session.id)
              .bind(session.cookie_digest)
              .bind(session.ticket_digest)
              .bind(session.profile)
              .bind(session.profile_digest)
              .bind(session.subject)
              .bind(to_string(session.phase))
              .bind(static_cast<std::int64_t>(session.version))
              .bind(session.sealed_state)
              .bind(session.sealed_puk)
              .bind(session.last_request)
              .bind(static_cast<std::int64_t>(session.reply.kind))
              .bind(session.reply.text)
              .bind(session.created)
              .bind(session.expires)
              .bind(session.client_session_id)
              .bind(session.device_fingerprint)
              .run());
  return {};
}

Result<void> insert_credential(sqlite3* database, const Credential& credential) {
  SKS_TRY(SqliteStatement(database,
                          "INSERT INTO credentials (fingerprint, certificate, subject, profile, app_usage,"
                          " friendly_name, public_key_digest, server_session_id, client_session_id,"
                          " device_fingerprint, key_management_key, privacy_enabled, status, issued, revoked, owner)"
                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'pending', 0, 0, ?8)")
              .bind(credential.fingerprint)
              .bind(credential.certificate)
              .bind(credential.subject)
              .bind(credential.profile)
              .bind(credential.app_usage)
              .bind(credential.friendly_name)
              .bind(credential.public_key_digest)
              .bind(credential.server_session_id)
              .bind(credential.client_session_id)
              .bind(credential.device_fingerprint)
              .bind(credential.key_management_key)
              .bind(static_cast<std::int64_t>(credential.privacy_enabled))
              .run());
  return {};
}

Result<void> insert_operation(sqlite3* database, const std::string& session, const KeyOperation& operation) {
  SKS_TRY(
      SqliteStatement(database, "INSERT INTO operations (session, fingerprint, operation, owner) VALUES (?, ?, ?, ?)")
          .bind(session)
          .bind(operation.fingerprint)
          .bind(to_string(operation.kind))
          .bind(operation.owner)
          .run());
  return {};
}

constexpr const char* kSelectSession =
    "SELECT id, cookie_digest, ticket_digest, profile, profile_digest, subject, phase, version, sealed_state,"
    " sealed_puk, last_request, reply_kind, reply_text, created, expires, client_session_id, device_fingerprint"
    " FROM sessions WHERE ";

Result<std::optional<Session>> select_session(sqlite3* database, const char* condition, const std::string& value) {
  SqliteStatement statement(database, (kSelectSession + std::string(condition)).c_str());
  SKS_LET(const bool found, statement.bind(value).first());
  if (!found) return std::optional<Session>();
  const SqliteRow row = statement.row();
  Session session;
  session.id = row.text(0);
  session.cookie_digest = row.text(1);
  session.ticket_digest = row.text(2);
  session.profile = row.text(3);
  session.profile_digest = row.text(4);
  session.subject = row.text(5);
  SKS_LET(session.phase, enum_of<SessionPhase>(kPhases, row.text(6)));
  session.version = static_cast<std::uint64_t>(row.integer(7));
  session.sealed_state = row.blob(8);
  session.sealed_puk = row.blob(9);
  session.last_request = row.text(10);
  session.reply.kind = row.integer(11) == 0 ? StoredReply::Kind::message : StoredReply::Kind::redirect;
  session.reply.text = row.text(12);
  session.created = row.integer(13);
  session.expires = row.integer(14);
  session.client_session_id = row.text(15);
  session.device_fingerprint = row.text(16);
  return std::optional(std::move(session));
}

/// What the end of a session means for the credentials that were made in it.
Result<void> settle_credentials(sqlite3* database, const Session& session, std::int64_t now) {
  if (session.phase == SessionPhase::done)
    SKS_TRY(SqliteStatement(database,
                            "UPDATE credentials SET status = 'issued', issued = ?"
                            " WHERE server_session_id = ? AND status = 'pending'")
                .bind(now)
                .bind(session.id)
                .run());
  if (session.phase == SessionPhase::aborted)
    SKS_TRY(SqliteStatement(database,
                            "UPDATE credentials SET status = 'abandoned'"
                            " WHERE server_session_id = ? AND status = 'pending'")
                .bind(session.id)
                .run());
  return {};
}

/// Table absorbed: the sessions whose keys became those of session ?1 if the device has closed it. They are the owners
/// of its targets, by the device's word and on record, and the owners of theirs in turn where the records do not tell
/// how a session ended: its last message was lost, or its client was anonymous. `or_else` tells of which other sessions
/// the targets count.
std::string with_absorbed(const std::string& or_else) {
  // Each step looks at the targets of one more session, so there is a limit, far above what losses explain. An owner is
  // '' where a program of the first version has made the row: the session that issued the key.
  return "WITH RECURSIVE absorbed (id) AS (SELECT ?1 UNION SELECT earlier.id FROM absorbed"
         " JOIN sessions AS later ON later.id = absorbed.id"
         " JOIN operations ON operations.session = later.id"
         " JOIN credentials AS target ON target.fingerprint = operations.fingerprint"
         " JOIN sessions AS earlier ON earlier.id IN (operations.owner,"
         " CASE target.owner WHEN '' THEN target.server_session_id ELSE target.owner END)"
         " WHERE later.phase <> 'done' OR target.privacy_enabled <> 0" +
         or_else + " LIMIT 1000) ";
}

/// Of a credential: one of those sessions owns it.
constexpr const char* kIsAbsorbed =
    "(owner IN (SELECT id FROM absorbed) OR (owner = '' AND server_session_id IN (SELECT id FROM absorbed)))";

/// What the end of a session means for the keys of earlier sessions that it was to operate on. Nothing is settled on
/// the word of an anonymous client, who may speak of keys that another device holds. Spec: keygen2.md 7.11
Result<void> settle_operations(sqlite3* database, const Session& session) {
  if (session.phase != SessionPhase::done) return {};
  const std::string kStatements[] = {
      "UPDATE credentials SET status = 'removed' WHERE status = 'issued' AND privacy_enabled = 0 AND fingerprint IN"
      " (SELECT fingerprint FROM operations WHERE session = ?1 AND operation = 'remove')",
      with_absorbed(" OR later.id = ?1") + "UPDATE credentials SET owner = ?1 WHERE privacy_enabled = 0 AND " +
          kIsAbsorbed};
  for (const std::string& sql : kStatements) SKS_TRY(SqliteStatement(database, sql.c_str()).bind(session.id).run());
  return {};
}

constexpr const char* kSelectCredential =
    "SELECT fingerprint, certificate, subject, profile, app_usage, friendly_name, public_key_digest,"
    " server_session_id, client_session_id, device_fingerprint, key_management_key, privacy_enabled, status, issued,"
    " revoked FROM credentials WHERE ";

Result<std::optional<Credential>> read_credential(SqliteStatement& statement) {
  SKS_LET(const bool found, statement.first());
  if (!found) return std::optional<Credential>();
  const SqliteRow row = statement.row();
  SKS_LET(const Credential::Status status, enum_of<Credential::Status>(kStatuses, row.text(12)));
  return std::optional(Credential{row.text(0), row.blob(1), row.text(2), row.text(3), row.text(4), row.text(5),
                                  row.text(6), row.text(7), row.text(8), row.text(9), row.blob(10),
                                  row.integer(11) != 0, status, row.integer(13), row.integer(14)});
}

}  // namespace

std::string_view to_string(KeyOperation::Kind kind) { return kOperations.at(static_cast<std::size_t>(kind)); }
std::string_view to_string(SessionPhase phase) { return kPhases.at(static_cast<std::size_t>(phase)); }
std::string_view to_string(Credential::Status status) { return kStatuses.at(static_cast<std::size_t>(status)); }

void SqliteRepository::Close::operator()(sqlite3* database) const { sqlite3_close(database); }
SqliteRepository::SqliteRepository(Database database) : database_(std::move(database)) {}
SqliteRepository::~SqliteRepository() = default;

Result<SqliteRepository::Database> SqliteRepository::connect(const std::string& file, int flags) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(file.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  Database database(raw);
  if (code != SQLITE_OK) return Error{Status::storage, "cannot open " + file + ": " + sqlite3_errstr(code)};
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
  sqlite3_extended_result_codes(raw, 1);
  // secure_delete: erased session state is overwritten, not only unlinked.
  SKS_TRY(execute_sql(raw,
                      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                      " PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF"));
  return database;
}

Result<void> SqliteRepository::create(const std::string& file) {
  if (std::filesystem::exists(file)) return Error{Status::option, file + " exists already"};
  SKS_LET(const Database database, connect(file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  if (chmod(file.c_str(), S_IRUSR | S_IWUSR) != 0) return Error{Status::storage, "cannot protect " + file};
  return create_schema(database.get());
}

Result<std::unique_ptr<SqliteRepository>> SqliteRepository::open(const std::string& file) {
  if (!std::filesystem::exists(file)) return Error{Status::not_available, "there is no database " + file};
  Result<Database> database = connect(file, SQLITE_OPEN_READWRITE);
  if (!database) return Error{Status::option, file + " cannot be used: " + database.error().detail};
  SKS_TRY(open_schema(database->get(), file));
  return std::unique_ptr<SqliteRepository>(new SqliteRepository(std::move(database).value()));
}

Result<void> SqliteRepository::add_ticket(const Ticket& ticket, const AuditEntry& audit) {
  const std::lock_guard lock(mutex_);
  SKS_LET(SqliteTransaction transaction, SqliteTransaction::begin(database_.get()));
  SKS_TRY(SqliteStatement(database_.get(),
                          "INSERT INTO tickets (digest, profile, subject, cookie_digest, created, expires, used)"
                          " VALUES (?, ?, ?, ?, ?, ?, 0)")
              .bind(ticket.digest)
              .bind(ticket.profile)
              .bind(ticket.subject)
              .bind(ticket.cookie_digest)
              .bind(ticket.created)
              .bind(ticket.expires)
              .run());
  SKS_TRY(insert_audit(database_.get(), audit));
  return transaction.commit();
}

Result<std::optional<Ticket>> SqliteRepository::find_ticket(const std::string& digest) {
  const std::lock_guard lock(mutex_);
  SqliteStatement statement(database_.get(),
                            "SELECT digest, profile, subject, cookie_digest, created, expires, used"
                            " FROM tickets WHERE digest = ?");
  SKS_LET(const bool found, statement.bind(digest).first());
  if (!found) return std::optional<Ticket>();
  const SqliteRow row = statement.row();
  return std::optional(
      Ticket{row.text(0), row.text(1), row.text(2), row.text(3), row.integer(4), row.integer(5), row.integer(6)});
}

Result<StartOutcome> SqliteRepository::start_session(const Session& session, const AuditEntry& audit) {
  const std::lock_guard lock(mutex_);
  SKS_LET(SqliteTransaction transaction, SqliteTransaction::begin(database_.get()));
  SqliteStatement ticket(database_.get(), "SELECT expires, used FROM tickets WHERE digest = ?");
  SKS_LET(const bool found, ticket.bind(session.ticket_digest).first());
  if (!found) return StartOutcome::ticket_unknown;
  if (ticket.row().integer(1) != 0) return StartOutcome::ticket_used;
  if (ticket.row().integer(0) <= audit.time) return StartOutcome::ticket_expired;
  SKS_LET(const int spent, SqliteStatement(database_.get(), "UPDATE tickets SET used = ? WHERE digest = ? AND used = 0")
                               .bind(audit.time)
                               .bind(session.ticket_digest)
                               .run());
  if (spent != 1) return StartOutcome::ticket_used;
  SKS_TRY(insert_session(database_.get(), session));
  SKS_TRY(insert_audit(database_.get(), audit));
  SKS_TRY(transaction.commit());
  return StartOutcome::started;
}

Result<std::optional<Session>> SqliteRepository::find_session(const std::string& cookie_digest) {
  const std::lock_guard lock(mutex_);
  return select_session(database_.get(), "cookie_digest = ?", cookie_digest);
}

Result<std::optional<Session>> SqliteRepository::find_session_of(const Credential& credential) {
  const std::lock_guard lock(mutex_);
  return select_session(database_.get(), "id = ?", credential.server_session_id);
}

Result<StepOutcome> SqliteRepository::commit_step(const Step& step) {
  const std::lock_guard lock(mutex_);
  Result<StepOutcome> outcome = apply_step(step);
  // The only UNIQUE rules a step can run into are those on client session ids, certificates and public keys.
  if (!outcome && outcome.error().status == Status::not_allowed) return StepOutcome::duplicate;
  return outcome;
}

Result<StepOutcome> SqliteRepository::apply_step(const Step& step) {
  sqlite3* const database = database_.get();
  const Session& after = step.after;
  SKS_LET(SqliteTransaction transaction, SqliteTransaction::begin(database));
  SKS_LET(
      const int moved,
      SqliteStatement(database,
                      "UPDATE sessions SET phase = ?, version = ?, sealed_state = ?, sealed_puk = ?, last_request = ?,"
                      " reply_kind = ?, reply_text = ?, expires = ?, client_session_id = ?, device_fingerprint = ?"
                      " WHERE id = ? AND phase = ? AND version = ?")
          .bind(to_string(after.phase))
          .bind(static_cast<std::int64_t>(step.from_version + 1))
          .bind(is_over(after.phase) ? Bytes() : after.sealed_state)
          .bind(after.phase == SessionPhase::aborted ? Bytes() : after.sealed_puk)
          .bind(after.last_request)
          .bind(static_cast<std::int64_t>(after.reply.kind))
          .bind(after.reply.text)
          .bind(after.expires)
          .bind(after.client_session_id)
          .bind(after.device_fingerprint)
          .bind(after.id)
          .bind(to_string(step.from))
          .bind(static_cast<std::int64_t>(step.from_version))
          .run());
  if (moved != 1) return StepOutcome::conflict;
  for (const Credential& credential : step.pending) SKS_TRY(insert_credential(database, credential));
  for (const KeyOperation& operation : step.operations) SKS_TRY(insert_operation(database, after.id, operation));
  SKS_TRY(settle_credentials(database, after, step.audit.time));
  SKS_TRY(settle_operations(database, after));
  SKS_TRY(insert_audit(database, step.audit));
  SKS_TRY(transaction.commit());
  return StepOutcome::committed;
}

Result<std::size_t> SqliteRepository::expire_sessions(std::int64_t now) {
  const std::lock_guard lock(mutex_);
  sqlite3* const database = database_.get();
  SKS_LET(SqliteTransaction transaction, SqliteTransaction::begin(database));
  constexpr const char* kStatements[] = {
      "INSERT INTO audit (time, actor, action, session, policy, result, detail)"
      " SELECT ?1, 'issuer', 'expire', id, profile || ' ' || profile_digest, 'session-expired', ''"
      " FROM sessions WHERE expires <= ?1 AND phase NOT IN ('done', 'aborted')",
      "UPDATE credentials SET status = 'abandoned' WHERE status = 'pending' AND server_session_id IN"
      " (SELECT id FROM sessions WHERE expires <= ?1 AND phase NOT IN ('done', 'aborted'))",
      "UPDATE sessions SET phase = 'aborted', version = version + 1, sealed_state = x'', sealed_puk = x'',"
      " last_request = '',"
      " reply_text = '' WHERE expires <= ?1 AND phase NOT IN ('done', 'aborted')"};
  int expired = 0;
  for (const char* const sql : kStatements) {
    SKS_LET(expired, SqliteStatement(database, sql).bind(now).run());
  }
  SKS_TRY(transaction.commit());
  return static_cast<std::size_t>(expired);
}

Result<std::optional<Credential>> SqliteRepository::find_credential(const std::string& fingerprint) {
  const std::lock_guard lock(mutex_);
  SqliteStatement statement(database_.get(), (kSelectCredential + std::string("fingerprint = ?")).c_str());
  return read_credential(statement.bind(fingerprint));
}

Result<std::optional<Credential>> SqliteRepository::find_credential_in(const std::string& fingerprint,
                                                                       const std::string& server_session_id,
                                                                       const std::string& client_session_id) {
  const std::lock_guard lock(mutex_);
  const std::string sql = with_absorbed("") + kSelectCredential +
                          "fingerprint = ?3 AND EXISTS (SELECT 1 FROM sessions WHERE id = ?1 AND"
                          " client_session_id = ?2) AND " +
                          kIsAbsorbed;
  SqliteStatement statement(database_.get(), sql.c_str());
  return read_credential(statement.bind(server_session_id).bind(client_session_id).bind(fingerprint));
}

Result<std::vector<KeyOperation>> SqliteRepository::find_operations(const std::string& server_session_id) {
  const std::lock_guard lock(mutex_);
  std::vector<KeyOperation> operations;
  SqliteStatement statement(database_.get(),
                            "SELECT fingerprint, operation, owner FROM operations WHERE session = ?"
                            " ORDER BY operation, fingerprint");
  SKS_LET(bool found, statement.bind(server_session_id).first());
  while (found) {
    const SqliteRow row = statement.row();
    SKS_LET(const KeyOperation::Kind kind, enum_of<KeyOperation::Kind>(kOperations, row.text(1)));
    operations.push_back({row.text(0), kind, row.text(2)});
    SKS_LET(found, statement.next());
  }
  return operations;
}

Result<RevokeOutcome> SqliteRepository::revoke_credential(const std::string& fingerprint, const AuditEntry& audit) {
  SKS_LET(const std::optional<Credential> credential, find_credential(fingerprint));
  if (!credential) return RevokeOutcome::unknown;
  const std::lock_guard lock(mutex_);
  SKS_LET(SqliteTransaction transaction, SqliteTransaction::begin(database_.get()));
  SKS_LET(const int changed, SqliteStatement(database_.get(),
                                             "UPDATE credentials SET status = 'revoked', revoked = ?"
                                             " WHERE fingerprint = ? AND status = 'issued'")
                                 .bind(audit.time)
                                 .bind(fingerprint)
                                 .run());
  if (changed != 1) return RevokeOutcome::not_issued;
  SKS_TRY(insert_audit(database_.get(), audit));
  SKS_TRY(transaction.commit());
  return RevokeOutcome::revoked;
}

Result<void> SqliteRepository::add_audit(const AuditEntry& audit) {
  const std::lock_guard lock(mutex_);
  return insert_audit(database_.get(), audit);
}

}  // namespace sks::issuer
