#include "provisioning-server/database/schema.h"

#include <algorithm>
#include <array>
#include <set>

#include "provisioning-server/database/schema_access.h"
#include "provisioning-server/database/schema_audit.h"
#include "provisioning-server/database/schema_directory.h"
#include "provisioning-server/database/schema_issuance.h"
#include "provisioning-server/database/schema_landing.h"
#include "provisioning-server/database/schema_life_cycle.h"
#include "provisioning-server/database/schema_open_sessions.h"
#include "provisioning-server/database/schema_policies.h"
#include "provisioning-server/database/schema_revocation.h"
#include "provisioning-server/database/schema_signature_profiles.h"
#include "provisioning-server/database/schema_ticket_sessions.h"
#include "provisioning-server/database/schema_unlisted.h"

namespace sks::issuer {
namespace {

/// In the order in which they are taken.
constexpr auto kSteps = std::to_array<SchemaStep>({
    {"issuance", kIssuanceSchema},
    {"owners", kOwnersSchema},
    {"audit chains", kAuditSchema, take_over_audit},
    {"directory", kDirectorySchema, fill_directory},
    {"revocation", kRevocationSchema},
    {"access", kAccessSchema},
    {"policies", kPoliciesSchema},
    {"life cycle", kLifeCycleSchema},
    {"signature profiles", kSignatureProfilesSchema},
    {"cancelled tickets", kCancelledTicketsSchema},
    {"open sessions", kOpenSessionsSchema},
    {"ticket sessions", kTicketSessionsSchema},
    {"unlisted credentials", kUnlistedSchema},
});

/// SQLite files of programs before schema_version count the steps they have taken in PRAGMA user_version. This number
/// makes those programs refuse the file.
constexpr std::int64_t kCountedSteps = 2;
constexpr std::int64_t kSchemaVersionTable = 3;

/// Several processes may come with a new program at the same time; the one that is late finds everything done.
constexpr int kAttempts = 3;
constexpr std::int64_t kLock = 0x534b4953;

struct Spelling {
  std::string_view placeholder;
  std::string_view sqlite;
  std::string_view postgresql;
};
constexpr auto kSpellings = std::to_array<Spelling>({
    {"{integer}", "INTEGER", "BIGINT"},
    {"{text}", "TEXT", "TEXT COLLATE \"C\""},
    {"{blob}", "BLOB", "BYTEA"},
    // The key of a table is where its rows stand, not one more index.
    {"{clustered}", "WITHOUT ROWID", ""},
    {"{empty}", "x''", "'\\x'::bytea"},
    {"{room for sessions}", "", "ALTER TABLE sessions SET (fillfactor = 50)"},
});

std::string spelled(std::string_view statement, std::string_view dialect) {
  std::string text(statement);
  for (const Spelling& spelling : kSpellings) {
    const std::string_view word = dialect == "sqlite" ? spelling.sqlite : spelling.postgresql;
    for (std::size_t at = text.find(spelling.placeholder); at != std::string::npos;
         at = text.find(spelling.placeholder, at + word.size()))
      text.replace(at, spelling.placeholder.size(), word);
  }
  return text;
}

/// What user_version says, where there is one.
Result<std::int64_t> count_old_steps(SqlTransaction& transaction, std::string_view dialect) {
  if (dialect != "sqlite") return 0;
  SKS_LET(const SqlRows rows, transaction.query("PRAGMA user_version", {}));
  const std::int64_t version = rows.at(0).integer(0);
  if (version < 0 || version > kSchemaVersionTable)
    return Error{Status::option, "the database has format version " + std::to_string(version) +
                                     ", this program knows " + std::to_string(kSchemaVersionTable)};
  return version;
}

Result<std::set<std::string>> find_taken(SqlTransaction& transaction, std::string_view dialect) {
  SKS_LET(const std::int64_t counted, count_old_steps(transaction, dialect));
  SKS_TRY(run_schema_statements(transaction, dialect,
                                "CREATE TABLE IF NOT EXISTS schema_version (step {text} PRIMARY KEY);"));
  for (std::int64_t i = 0; i < std::min(counted, kCountedSteps); ++i)
    SKS_TRY(transaction.run("INSERT INTO schema_version (step) VALUES ($1) ON CONFLICT DO NOTHING",
                            {std::string(kSteps.at(static_cast<std::size_t>(i)).name)}));
  if (dialect == "sqlite")
    SKS_TRY(transaction.query("PRAGMA user_version = " + std::to_string(kSchemaVersionTable), {}));
  SKS_LET(const SqlRows rows, transaction.query("SELECT step FROM schema_version", {}));
  std::set<std::string> taken;
  for (const SqlRow& row : rows) taken.insert(row.text(0));
  return taken;
}

Error newer(const std::string& step) {
  return {Status::option, "a newer program has changed the database: step \"" + step + '"'};
}

Result<void> take_steps(SqlTransaction& transaction, std::string_view dialect) {
  if (dialect == "postgresql") SKS_TRY(transaction.query("SELECT 1 FROM pg_advisory_xact_lock($1)", {kLock}));
  SKS_LET(std::set<std::string> taken, find_taken(transaction, dialect));
  for (const SchemaStep& step : kSteps) {
    if (taken.erase(std::string(step.name)) != 0) continue;
    SKS_TRY(run_schema_statements(transaction, dialect, step.statements));
    if (step.run != nullptr) SKS_TRY(step.run(transaction));
    SKS_TRY(transaction.run("INSERT INTO schema_version (step) VALUES ($1)", {std::string(step.name)}));
  }
  if (taken.empty()) return {};
  return newer(*taken.begin());
}

}  // namespace

Result<void> run_schema_statements(SqlTransaction& transaction, std::string_view dialect, std::string_view statements) {
  while (!statements.empty()) {
    const std::size_t end = statements.find(';');
    const std::string statement = spelled(statements.substr(0, end), dialect);
    statements.remove_prefix(end == std::string_view::npos ? statements.size() : end + 1);
    if (statement.find_first_not_of(" \n") != std::string::npos) SKS_TRY(transaction.run(statement, {}));
  }
  return {};
}

Result<bool> has_table(SqlTransaction& transaction, std::string_view dialect, const std::string& name) {
  const char* const tables = dialect == "sqlite"
                                 ? "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1"
                                 : "SELECT CASE WHEN to_regclass($1) IS NULL THEN 0 ELSE 1 END";
  SKS_LET(const SqlRows found, transaction.query(tables, {name}));
  return found.at(0).integer(0) != 0;
}

Result<std::size_t> count_missing_steps(Database& database) {
  std::size_t missing = kSteps.size();
  const Result<void> counted = database.read([&](SqlTransaction& transaction) -> Result<void> {
    missing = kSteps.size();
    SKS_TRY(count_old_steps(transaction, database.dialect()));
    SKS_LET(const bool is_known, has_table(transaction, database.dialect(), "schema_version"));
    if (!is_known) return {};
    SKS_LET(const SqlRows rows, transaction.query("SELECT step FROM schema_version ORDER BY step", {}));
    for (const SqlRow& row : rows) {
      if (std::ranges::find(kSteps, row.text(0), &SchemaStep::name) == kSteps.end()) return newer(row.text(0));
      --missing;
    }
    return {};
  });
  if (!counted) return counted.error();
  return missing;
}

Result<void> bring_schema_forward(Database& database) {
  // Most of the time there is nothing to write.
  SKS_LET(const std::size_t missing, count_missing_steps(database));
  if (missing == 0) return {};
  Result<void> done;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    done = database.write([&](SqlTransaction& transaction) { return take_steps(transaction, database.dialect()); });
    if (done || done.error().status == Status::option) break;
  }
  return done;
}

}  // namespace sks::issuer
