#include "provisioning-server/database/schema.h"

#include <sqlite3.h>

#include <atomic>
#include <thread>

#include "provisioning-server/audit/chained_audit_log.h"
#include "provisioning-server/sql_repository.h"
#include "tests/provisioning-server/test_databases.h"

using namespace sks;
using namespace sks::issuer;

namespace {

// As programs of the first two versions have made them.
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
constexpr const char* kSecondVersion = R"sql(
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

constexpr const char* kRows = R"sql(
INSERT INTO tickets VALUES ('ticket-a', 'default', 'CN=Jo Doe,O=Example', '', 5, 9, 6), ('ticket-b', 'default', 'CN=x', '', 5, 9, 7);
INSERT INTO sessions VALUES
  ('id-a', 'cookie-a', 'ticket-a', 'default', 'abc', 'CN=Jo Doe,O=Example', 'done', 4, x'', x'09', 'r', 1, 'u', 6, 20, 'client-a', 'dev'),
  ('id-b', 'cookie-b', 'ticket-b', 'default', 'abc', 'CN=x', 'invocation', 1, x'01', x'', 'r', 0, '{}', 7, 30, '', '');
INSERT INTO credentials (fingerprint, certificate, subject, profile, app_usage, friendly_name, public_key_digest,
  server_session_id, client_session_id, device_fingerprint, key_management_key, privacy_enabled, status, issued, revoked)
  VALUES ('print-a', x'3000', 'CN=Jo Doe,O=Example', 'default', 'authentication', 'Key', 'key-a', 'id-a', 'client-a',
  'dev', x'05', 0, 'issued', 8, 0);
INSERT INTO audit (time, actor, action, session, policy, result, detail) VALUES
  (5, 'operator', 'ticket', '', 'default abc', 'ok', 'CN=Jo Doe,O=Example'), (6, 'peer', 'InvocationRequest', 'id-a', 'default abc', 'ok', '');
PRAGMA application_id = 1397442899;
)sql";

void make_old(const std::string& file, const std::string& statements) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
  const int code = sqlite3_exec(database, statements.c_str(), nullptr, nullptr, nullptr);
  CHECK_MESSAGE(code == SQLITE_OK, sqlite3_errmsg(database));
  sqlite3_close(database);
}

std::unique_ptr<Database> opened(const std::string& file) {
  auto database = open_sqlite(file, false);
  REQUIRE(database);
  return std::move(database).value();
}

}  // namespace

SKS_CONTRACT_TEST("schema: an empty database gets all tables, and opening it again changes nothing") {
  const test::TestDatabase database(kind);
  REQUIRE(bring_schema_forward(*database));
  const std::int64_t steps = database.count("SELECT count(*) FROM schema_version");
  CHECK(steps > 0);
  const std::unique_ptr<Database> other = database.open_again();
  REQUIRE(bring_schema_forward(*other));
  CHECK(database.count("SELECT count(*) FROM schema_version") == steps);
  CHECK(database.count("SELECT count(*) FROM credentials") == 0);
}

SKS_CONTRACT_TEST("schema: a database that a newer program has changed is refused and stays as it is") {
  const test::TestDatabase database(kind);
  REQUIRE(bring_schema_forward(*database));
  database.execute("INSERT INTO schema_version (step) VALUES ('tomorrow')");
  const auto refused = bring_schema_forward(*database);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::option);
  CHECK(refused.error().detail == "a newer program has changed the database: step \"tomorrow\"");
}

SKS_CONTRACT_TEST("schema: many who open an empty database at one time all find its tables") {
  const test::TestDatabase database(kind);
  std::atomic<int> good = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i)
      threads.emplace_back([&] {
        const std::unique_ptr<Database> own = database.open_again();
        if (bring_schema_forward(*own)) ++good;
      });
  }
  CHECK(good == 6);
  CHECK(database.count("SELECT count(*) FROM tickets") == 0);
}

TEST_CASE("schema: a step that cannot be taken leaves the database as it was") {
  const test::TestDatabase database;
  // In the way of the last step.
  database.execute("CREATE TABLE devices (x INTEGER)");
  CHECK_FALSE(bring_schema_forward(*database));
  CHECK(database.count("SELECT count(*) FROM sqlite_master WHERE type = 'table'") == 1);
}

TEST_CASE("schema: a database of an earlier version is brought to this one, with everything in it") {
  struct Case {
    const char* name;
    std::string schema;
    int version;
  };
  const Case cases[] = {{"first", kFirstVersion, 1}, {"second", std::string(kFirstVersion) + kSecondVersion, 2}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const test::TempDir folder;
    const std::string file = folder.file("issuer.db");
    make_old(file, c.schema + kRows + "PRAGMA user_version = " + std::to_string(c.version));
    if (c.version == 2) make_old(file, "UPDATE credentials SET owner = server_session_id");

    const std::unique_ptr<Database> database = opened(file);
    REQUIRE(bring_schema_forward(*database));
    ChainedAuditLog audit(*database, "node", system_clock(), system_random());
    SqlRepository repository(*database, audit);
    const auto found = repository.find_credential_in("print-a", "id-a", "client-a");
    REQUIRE(found);
    REQUIRE(*found);
    CHECK((*found)->subject == "CN=Jo Doe,O=Example");
    CHECK((*repository.find_session("cookie-b"))->phase == SessionPhase::invocation);
    CHECK((*repository.find_ticket("ticket-a"))->used == 6);
    CHECK(test::count(*database, "SELECT count(*) FROM tickets WHERE digest = 'ticket-a' AND session = 'id-a'") == 1);
    CHECK(test::count(*database, "SELECT count(*) FROM tickets WHERE used = 0 AND session <> ''") == 0);
    CHECK(test::count(*database, "SELECT count(*) FROM credential_words WHERE word IN ('jo', 'doe', 'example')") == 3);
    CHECK(test::count(*database, "SELECT count(*) FROM devices WHERE fingerprint = 'dev' AND first_seen = 6") == 1);
    CHECK(test::count(*database, "SELECT count(*) FROM credentials WHERE created = 8") == 1);
    CHECK(test::count(*database, "SELECT count(*) FROM audit WHERE number IN (1, 2) AND time = number + 4") == 2);
    CHECK(test::count(*database, "SELECT count(*) FROM audit_chains") == 1);
    // Programs of those versions refuse it.
    CHECK(test::count(*database, "PRAGMA user_version") == 3);
    CHECK(bring_schema_forward(*opened(file)));
  }
}

TEST_CASE("schema: an SQLite file with an unknown version is refused") {
  const test::TempDir folder;
  const std::string file = folder.file("issuer.db");
  make_old(file, std::string(kFirstVersion) + kRows + "PRAGMA user_version = 99");
  const auto newer = bring_schema_forward(*opened(file));
  REQUIRE_FALSE(newer);
  CHECK(newer.error().status == Status::option);
  CHECK(newer.error().detail.find("format version 99") != std::string::npos);
}
