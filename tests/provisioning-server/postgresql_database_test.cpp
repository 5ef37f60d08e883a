#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "provisioning-server/database/postgresql_connection.h"
#include "tests/provisioning-server/postgresql/control.h"
#include "tests/provisioning-server/test_databases.h"

using namespace sks;
using namespace sks::issuer;
using test::control_postgresql;
using test::postgresql_variable;
using test::with_option;

/// What PostgreSQL does beyond the contract in database_test.cpp: collisions, pipelines, the pool, faults, TLS.
namespace {

std::unique_ptr<Database> open_at(const std::string& url, std::size_t connections,
                                  const PostgresqlLimits& limits = {}) {
  auto opened = open_postgresql(url, connections, limits);
  if (!opened) FAIL(opened.error().detail);
  return std::move(*opened);
}

/// A table "pairs" with a row ("a", 0), in a schema of its own.
struct Fixture {
  explicit Fixture(std::size_t connections = 4, const PostgresqlLimits& limits = {})
      : database(open_at(space.url(), connections, limits)) {
    space.execute("CREATE TABLE pairs (name TEXT PRIMARY KEY, number BIGINT NOT NULL, content BYTEA NOT NULL)");
    REQUIRE(insert("a"));
  }
  static Result<void> insert_in(SqlTransaction& transaction, const std::string& name, const Bytes& content = {}) {
    SKS_TRY(transaction.run("INSERT INTO pairs (name, number, content) VALUES ($1, 0, $2)", {name, content}));
    return {};
  }
  static Result<void> enqueue_in(SqlTransaction& transaction, const std::string& name) {
    return transaction.enqueue("INSERT INTO pairs (name, number, content) VALUES ($1, 0, $2)", {name, Bytes{}});
  }
  static Result<std::int64_t> number_in(SqlTransaction& transaction) {
    SKS_LET(const SqlRows rows, transaction.query("SELECT number FROM pairs WHERE name = 'a'", {}));
    return rows.at(0).integer(0);
  }
  static Result<void> increment_in(SqlTransaction& transaction) {
    SKS_LET(const std::int64_t number, number_in(transaction));
    SKS_TRY(transaction.run("UPDATE pairs SET number = $1 WHERE name = 'a'", {number + 1}));
    return {};
  }
  Result<void> insert(const std::string& name, const Bytes& content = {}) const {
    return database->write([&](SqlTransaction& transaction) { return insert_in(transaction, name, content); });
  }
  std::int64_t rows() const { return test::count(*database, "SELECT count(*) FROM pairs"); }

  test::TestDatabase space{"postgresql"};
  std::unique_ptr<Database> database;
};

/// Until the database answers again; the test's own time limit ends it otherwise.
void wait_for(const Fixture& fixture) {
  while (!fixture.database->read([](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.query("SELECT 1", {}));
    return {};
  }))
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

Error failure_of(const Result<void>& result) {
  REQUIRE_FALSE(result);
  return result.error();
}

bool says(const Error& error, std::string_view part) { return error.detail.find(part) != std::string::npos; }

constexpr PostgresqlLimits kImpatient{std::chrono::seconds(2), std::chrono::milliseconds(200),
                                      std::chrono::milliseconds(1000), std::chrono::milliseconds(60'000), 30};

}  // namespace

TEST_CASE("failure_kind: the longest beginning of an SQLSTATE decides") {
  struct Case {
    const char* state;
    SqlFailureKind kind;
  };
  // Codes: PostgreSQL 15, appendix A.
  const auto cases = std::to_array<Case>({
      {"40001", SqlFailureKind::collision},
      {"40P01", SqlFailureKind::collision},
      {"23505", SqlFailureKind::unique},
      {"23502", SqlFailureKind::statement},
      {"42P01", SqlFailureKind::statement},
      {"53100", SqlFailureKind::no_room},
      {"57014", SqlFailureKind::no_room},
      {"57P01", SqlFailureKind::lost},
      {"08006", SqlFailureKind::lost},
      {"25006", SqlFailureKind::read_only},
      {"25P02", SqlFailureKind::statement},
      {"XX001", SqlFailureKind::no_room},
      {"XX000", SqlFailureKind::statement},
      {"", SqlFailureKind::statement},
  });
  for (const Case& c : cases) {
    CAPTURE(c.state);
    CHECK(failure_kind(c.state) == c.kind);
  }
}

TEST_CASE("PostgreSQL: large and empty values come back as they were") {
  const Fixture fixture;
  Bytes large(1 << 20);
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<std::uint8_t>(i * 31 >> 3);
  const std::string text(1 << 20, 'x');
  REQUIRE(fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.run("CREATE TABLE texts (content TEXT NOT NULL)", {}));
    SKS_TRY(transaction.run("INSERT INTO texts (content) VALUES ($1)", {text}));
    SKS_TRY(Fixture::insert_in(transaction, "", {}));
    return Fixture::insert_in(transaction, "large", large);
  }));
  SqlRows rows;
  SqlRows texts;
  REQUIRE(fixture.database->read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(rows, transaction.query("SELECT name, content FROM pairs WHERE name <> 'a' ORDER BY name", {}));
    SKS_LET(texts, transaction.query("SELECT content FROM texts", {}));
    return {};
  }));
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].text(0).empty());
  CHECK(rows[0].blob(1).empty());
  CHECK(rows[1].blob(1) == large);
  CHECK(texts.at(0).text(0) == text);
}

TEST_CASE("PostgreSQL: what is no BIGINT, TEXT or BYTEA is a mistake of the program") {
  const Fixture fixture;
  for (const char* const query :
       {"SELECT 1.5", "SELECT sum(number) FROM pairs", "SELECT CAST(NULL AS TEXT)", "SELECT true"}) {
    CAPTURE(query);
    const auto done = fixture.database->read([&](SqlTransaction& transaction) -> Result<void> {
      SKS_TRY(transaction.query(query, {}));
      return {};
    });
    CHECK(failure_of(done).status == Status::internal);
  }
  CHECK(failure_of(fixture.insert(std::string("a\0b", 3))).status == Status::internal);
  CHECK(failure_of(fixture.insert("\xff")).status == Status::internal);
  CHECK(fixture.rows() == 1);
}

TEST_CASE("PostgreSQL: a thousand statements of one transaction travel together, all or none") {
  const Fixture fixture;
  const auto insert_many = [](SqlTransaction& transaction, const std::string& prefix) -> Result<void> {
    for (int i = 0; i < 1000; ++i) SKS_TRY(Fixture::enqueue_in(transaction, prefix + std::to_string(i)));
    return {};
  };
  REQUIRE(fixture.database->write([&](SqlTransaction& transaction) { return insert_many(transaction, "x"); }));
  CHECK(fixture.rows() == 1001);

  // The last one exists: the failure comes with the commit.
  const auto late = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(insert_many(transaction, "y"));
    return Fixture::enqueue_in(transaction, "a");
  });
  CHECK(failure_of(late).status == Status::not_allowed);
  // The work gives up while its queue holds a statement that fails.
  const auto given_up = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(Fixture::enqueue_in(transaction, "a"));
    return Error{Status::not_available, "no"};
  });
  CHECK(failure_of(given_up).status == Status::not_available);
  CHECK(fixture.rows() == 1001);
  CHECK(fixture.insert("z"));
}

TEST_CASE("PostgreSQL: a transaction that collides is repeated, as often as is allowed") {
  for (const int repetitions : {0, 1}) {
    CAPTURE(repetitions);
    PostgresqlLimits limits;
    limits.repetitions = repetitions;
    const Fixture fixture(4, limits);
    int runs = 0;
    int undone = 0;
    const auto done = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
      transaction.when_undone([&](SqlTransaction::Undone) { ++undone; });
      SKS_LET(const std::int64_t number, Fixture::number_in(transaction));
      // Another one is faster.
      if (++runs == 1) SKS_TRY(fixture.database->write(Fixture::increment_in));
      SKS_TRY(transaction.run("UPDATE pairs SET number = $1 WHERE name = 'a'", {number + 10}));
      return {};
    });
    CHECK(runs == repetitions + 1);
    CHECK(undone == 1);
    if (repetitions == 0) {
      CHECK(failure_of(done).status == Status::storage);
      CHECK(says(done.error(), "collided"));
    } else {
      CHECK(done);
    }
    CHECK(test::count(*fixture.database, "SELECT number FROM pairs WHERE name = 'a'") == (repetitions == 0 ? 1 : 11));
  }
}

TEST_CASE("PostgreSQL: rows that are counted before one is inserted stay within the limit") {
  constexpr std::int64_t kLimit = 5;
  const Fixture fixture(8);
  std::atomic<int> inserted = 0;
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        for (int round = 0; round < 5; ++round) {
          bool room = false;
          const auto done = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
            SKS_LET(const SqlRows rows, transaction.query("SELECT count(*) FROM pairs WHERE name LIKE 'n%'", {}));
            room = rows.at(0).integer(0) < kLimit;
            if (!room) return {};
            return Fixture::insert_in(transaction, "n" + std::to_string(i) + "-" + std::to_string(round));
          });
          if (!done) ++failed;
          if (done && room) ++inserted;
        }
      });
  }
  CHECK(failed == 0);
  CHECK(inserted == kLimit);
  CHECK(fixture.rows() == kLimit + 1);
}

TEST_CASE("PostgreSQL: swaps collide where they change the same row, and nowhere else") {
  const Fixture fixture;
  REQUIRE(fixture.insert("other"));
  struct Case {
    const char* faster;  ///< the row that another one changes meanwhile
    int runs;
  };
  for (const Case& c : {Case{"other", 1}, Case{"a", 2}}) {
    CAPTURE(c.faster);
    int runs = 0;
    REQUIRE(fixture.database->swap([&](SqlTransaction& transaction) -> Result<void> {
      // All rows are read, which would make serializable transactions collide.
      SKS_TRY(transaction.query("SELECT sum(number)::bigint FROM pairs", {}));
      if (++runs == 1)
        SKS_TRY(fixture.database->swap([&](SqlTransaction& inner) -> Result<void> {
          SKS_TRY(inner.query("SELECT sum(number)::bigint FROM pairs", {}));
          SKS_TRY(inner.run("UPDATE pairs SET number = number + 1 WHERE name = $1", {std::string(c.faster)}));
          return {};
        }));
      SKS_TRY(transaction.run("UPDATE pairs SET number = number + 1 WHERE name = 'a'", {}));
      return {};
    }));
    CHECK(runs == c.runs);
  }
  CHECK(test::count(*fixture.database, "SELECT number FROM pairs WHERE name = 'a'") == 3);
}

TEST_CASE("PostgreSQL: a statement is prepared once for each connection") {
  const Fixture fixture(1);
  for (int i = 0; i < 5; ++i) REQUIRE(fixture.insert("b" + std::to_string(i)));
  const char* const prepared = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO pairs%'";
  CHECK(test::count(*fixture.database, prepared) == 1);
  // A statement that could not be prepared can be once its table exists.
  const auto later = [&] {
    return fixture.database->write([](SqlTransaction& transaction) -> Result<void> {
      SKS_TRY(transaction.run("INSERT INTO later VALUES (1)", {}));
      return {};
    });
  };
  CHECK(failure_of(later()).status == Status::internal);
  fixture.space.execute("CREATE TABLE later (number BIGINT)");
  CHECK(later());
  control_postgresql("drop_connections");
  wait_for(fixture);
  CHECK(fixture.insert("c"));
  CHECK(test::count(*fixture.database, prepared) == 1);
}

TEST_CASE("PostgreSQL: who finds all connections in use is told so after a while") {
  const Fixture fixture(1, kImpatient);
  const auto outer = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(Fixture::insert_in(transaction, "b"));
    const Error refused = failure_of(fixture.insert("c"));
    CHECK(refused.status == Status::storage);
    CHECK(says(refused, "all 1 connections"));
    return {};
  });
  CHECK(outer);
  CHECK(fixture.insert("c"));
  CHECK(fixture.rows() == 3);
}

TEST_CASE("PostgreSQL: more threads than connections share them, and lanes never overlap") {
  const Fixture fixture(3);
  CHECK(fixture.database->lanes() == 3);
  std::vector<std::atomic<int>> busy(3);
  std::atomic<int> overlaps = 0;
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        for (int round = 0; round < 20; ++round) {
          const auto done = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
            std::atomic<int>& lane = busy.at(transaction.lane());
            if (lane.fetch_add(1) != 0) ++overlaps;
            auto inserted = Fixture::insert_in(transaction, std::to_string(i) + "-" + std::to_string(round));
            lane.fetch_sub(1);
            return inserted;
          });
          if (!done) ++failures;
        }
      });
  }
  CHECK(failures == 0);
  CHECK(overlaps == 0);
  CHECK(fixture.rows() == 161);
}

TEST_CASE("PostgreSQL: connections that were closed are made again without anybody noticing") {
  const Fixture fixture;
  for (const char* const how : {"drop_connections", "restart", "kill"}) {
    CAPTURE(how);
    control_postgresql(how);
    if (how == std::string("kill")) control_postgresql("start");
    CHECK(fixture.insert(how));
  }
  CHECK(fixture.rows() == 4);
}

TEST_CASE("PostgreSQL: a connection that breaks takes its transaction with it, and nothing else") {
  const Fixture fixture;
  int undone = 0;
  const auto broken = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    transaction.when_undone([&](SqlTransaction::Undone) { ++undone; });
    SKS_TRY(Fixture::insert_in(transaction, "b"));
    control_postgresql("drop_connections");
    return Fixture::insert_in(transaction, "c");
  });
  CHECK(failure_of(broken).status == Status::storage);
  CHECK(says(broken.error(), "the connection to the database was lost"));
  CHECK(undone == 1);
  CHECK(fixture.rows() == 1);
  CHECK(fixture.insert("b"));
}

TEST_CASE("PostgreSQL: a database that is away refuses, and is in use again when it is back") {
  const Fixture fixture;
  control_postgresql("stop");
  for (int i = 0; i < 10; ++i) {
    const Error refused = failure_of(fixture.insert("b"));
    CHECK(refused.status == Status::storage);
    CHECK(says(refused, "connection to server"));
  }
  control_postgresql("start");
  wait_for(fixture);
  CHECK(fixture.insert("b"));
  CHECK(fixture.rows() == 2);
}

TEST_CASE("PostgreSQL: a server that does not answer costs one wait, and nobody waits behind it") {
  const Fixture fixture(4, kImpatient);
  control_postgresql("freeze");
  const auto first = fixture.insert("b");
  const auto second = fixture.insert("c");
  control_postgresql("thaw");
  CHECK(says(failure_of(first), "does not answer"));
  CHECK(says(failure_of(second), "does not answer"));
  wait_for(fixture);
  CHECK(fixture.insert("d"));
}

TEST_CASE("PostgreSQL: a commit without answer is reported as unknown, and its lane waits for the end of it") {
  const Fixture fixture(1, kImpatient);
  int undone = 0;
  const auto unknown = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    transaction.when_undone([&](SqlTransaction::Undone) { ++undone; });
    SKS_TRY(Fixture::insert_in(transaction, "b"));
    control_postgresql("freeze");
    return {};
  });
  control_postgresql("thaw");
  CHECK(failure_of(unknown).status == Status::storage);
  CHECK(says(unknown.error(), "whether the change was made is unknown"));
  CHECK(undone == 1);
  wait_for(fixture);
  // The old connection had the COMMIT in its queue: it is done, or can no longer be, when the lane is used again.
  const std::int64_t found = fixture.rows();
  CHECK(failure_of(fixture.insert("a")).status == Status::not_allowed);
  CHECK(fixture.rows() == found);
}

TEST_CASE("PostgreSQL: a statement that takes too long is cancelled, and the connection stays") {
  const Fixture fixture(1, kImpatient);
  const char* const own = "SELECT pg_backend_pid()";
  const std::int64_t before = test::count(*fixture.database, own);
  const auto slow = fixture.database->read([](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.query("SELECT 1 FROM pg_sleep(600)", {}));
    return {};
  });
  CHECK(failure_of(slow).status == Status::storage);
  CHECK(says(slow.error(), "statement timeout"));
  CHECK(test::count(*fixture.database, own) == before);
}

TEST_CASE("open_postgresql: refusals name the reason and never the password") {
  const std::string url = postgresql_variable("SKS_TEST_POSTGRESQL_TCP");
  const std::size_t start = url.find(':', std::string("postgresql://").size()) + 1;
  const std::string password = url.substr(start, url.find('@') - start);
  REQUIRE(password.size() == 32);
  const auto replaced = [&](const std::string& part, const std::string& by) {
    std::string other = url;
    return other.replace(other.rfind(part), part.size(), by);
  };
  std::string other_authority = postgresql_variable("SKS_TEST_POSTGRESQL_CA");
  other_authority.replace(other_authority.rfind("ca.pem"), 6, "other.pem");
  struct Case {
    const char* name;
    std::string url;
    Status status;
    const char* part;
  };
  const auto cases = std::to_array<Case>({
      {"wrong password", replaced(password, "notthepassword"), Status::storage, "password authentication failed"},
      {"no database", replaced("/sks", "/absent"), Status::not_available, "does not exist"},
      {"nobody there", "postgresql://sks:notthepassword@127.0.0.1:1/sks", Status::storage, "connection to server"},
      {"no such option", with_option(url, "colour=blue"), Status::option, "not one of PostgreSQL"},
      {"no host", "postgresql://sks:notthepassword@[::1/sks", Status::option, "not one of PostgreSQL"},
      {"no such option, no password", "postgresql://localhost/sks?colour=blue", Status::option, "colour"},
      {"name of another",
       with_option(with_option(url, "sslmode=verify-full"),
                   "sslrootcert=" + postgresql_variable("SKS_TEST_POSTGRESQL_CA")),
       Status::storage, "does not match host name"},
      {"another authority",
       with_option(with_option(replaced("127.0.0.1", "localhost"), "sslmode=verify-full"),
                   "sslrootcert=" + other_authority),
       Status::storage, "certificate verify failed"},
  });
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const auto opened = open_postgresql(c.url, 1);
    REQUIRE_FALSE(opened);
    CAPTURE(opened.error().detail);
    CHECK(opened.error().status == c.status);
    CHECK(says(opened.error(), c.part));
    CHECK_FALSE(says(opened.error(), password));
    CHECK_FALSE(says(opened.error(), "notthepassword"));
    CHECK(opened.error().detail.find('\n') == std::string::npos);
  }
}

TEST_CASE("open_postgresql: TLS as the URL says") {
  std::string url = postgresql_variable("SKS_TEST_POSTGRESQL_TCP");
  url.replace(url.find("127.0.0.1"), 9, "localhost");
  url = with_option(with_option(url, "sslmode=verify-full"),
                    "sslrootcert=" + postgresql_variable("SKS_TEST_POSTGRESQL_CA"));
  const char* const encrypted = "SELECT count(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl";
  CHECK(test::count(*open_at(url, 1), encrypted) == 1);
  const std::string plain = with_option(postgresql_variable("SKS_TEST_POSTGRESQL_TCP"), "sslmode=disable");
  CHECK(test::count(*open_at(plain, 1), encrypted) == 0);
}
