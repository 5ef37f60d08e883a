#include "provisioning-server/internal/sqlite_schema.h"

#include <array>

#include "provisioning-server/internal/sqlite.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kApplicationId = 0x534b4953;  // "SKIS"

// Only what SQLite and PostgreSQL have in common. Phases and statuses are words, so that an operator can read the
// tables.
constexpr const char* kFirstVersion = R"sql(
CREATE TABLE tickets (
  digest TEXT PRIMARY KEY,
  profile TEXT NOT NULL,
  subject TEXT NOT NULL,
  cookie_digest TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  used INTEGER NOT NULL
);
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  cookie_digest TEXT NOT NULL UNIQUE,
  ticket_digest TEXT NOT NULL REFERENCES tickets (digest),
  profile TEXT NOT NULL,
  profile_digest TEXT NOT NULL,
  subject TEXT NOT NULL,
  phase TEXT NOT NULL,
  version INTEGER NOT NULL,
  sealed_state BLOB NOT NULL,
  sealed_puk BLOB NOT NULL,
  last_request TEXT NOT NULL,
  reply_kind INTEGER NOT NULL,
  reply_text TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  client_session_id TEXT NOT NULL,
  device_fingerprint TEXT NOT NULL
);
CREATE UNIQUE INDEX sessions_client ON sessions (client_session_id) WHERE client_session_id <> '';
CREATE INDEX sessions_open ON sessions (expires) WHERE phase NOT IN ('done', 'aborted');
CREATE TABLE credentials (
  fingerprint TEXT PRIMARY KEY,
  certificate BLOB NOT NULL,
  subject TEXT NOT NULL,
  profile TEXT NOT NULL,
  app_usage TEXT NOT NULL,
  friendly_name TEXT NOT NULL,
  public_key_digest TEXT NOT NULL,
  server_session_id TEXT NOT NULL REFERENCES sessions (id),
  client_session_id TEXT NOT NULL,
  device_fingerprint TEXT NOT NULL,
  key_management_key BLOB NOT NULL,
  privacy_enabled INTEGER NOT NULL,
  status TEXT NOT NULL,
  issued INTEGER NOT NULL,
  revoked INTEGER NOT NULL
);
CREATE UNIQUE INDEX credentials_key ON credentials (public_key_digest);
CREATE INDEX credentials_session ON credentials (server_session_id);
CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  time INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  session TEXT NOT NULL,
  policy TEXT NOT NULL,
  result TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX audit_session ON audit (session);
)sql";

// The session that a key belongs to changes with operations on keys of the same session. Spec: keygen2.md 7.11
constexpr const char* kOwners = R"sql(
ALTER TABLE credentials ADD COLUMN owner TEXT NOT NULL DEFAULT '';
UPDATE credentials SET owner = server_session_id;
CREATE INDEX credentials_owner ON credentials (owner);
CREATE TABLE operations (
  session TEXT NOT NULL REFERENCES sessions (id),
  fingerprint TEXT NOT NULL REFERENCES credentials (fingerprint),
  operation TEXT NOT NULL,
  owner TEXT NOT NULL,
  PRIMARY KEY (session, fingerprint, operation)
);
)sql";

/// Row n leads from version n to n + 1.
constexpr std::array<const char*, 2> kSteps{kFirstVersion, kOwners};
constexpr std::int64_t kSchemaVersion = kSteps.size();

Result<std::int64_t> pragma(sqlite3* database, const char* sql) {
  SqliteStatement statement(database, sql);
  SKS_LET(const bool found, statement.first());
  return found ? statement.row().integer(0) : 0;
}

/// Takes the steps from the database's version on, all or none.
Result<void> take_steps(sqlite3* database) {
  SKS_LET(SqliteTransaction transaction, SqliteTransaction::begin(database));
  // Read inside of the transaction: another process may have taken them just now.
  SKS_LET(const std::int64_t version, pragma(database, "PRAGMA user_version"));
  for (std::int64_t step = version; step < kSchemaVersion; ++step)
    SKS_TRY(execute_sql(database, kSteps.at(static_cast<std::size_t>(step))));
  const std::string marks = "PRAGMA application_id = " + std::to_string(kApplicationId) +
                            "; PRAGMA user_version = " + std::to_string(kSchemaVersion);
  SKS_TRY(execute_sql(database, marks.c_str()));
  return transaction.commit();
}

}  // namespace

Result<void> create_schema(sqlite3* database) { return take_steps(database); }

Result<void> open_schema(sqlite3* database, const std::string& file) {
  SKS_LET(const std::int64_t application, pragma(database, "PRAGMA application_id"));
  SKS_LET(const std::int64_t version, pragma(database, "PRAGMA user_version"));
  if (application != kApplicationId) return Error{Status::option, file + " is not the database of an issuer"};
  if (version < 1 || version > kSchemaVersion)
    return Error{Status::option, file + " has format version " + std::to_string(version) + ", this program knows " +
                                     std::to_string(kSchemaVersion)};
  if (version == kSchemaVersion) return {};
  return take_steps(database);
}

}  // namespace sks::issuer
