#include "provisioning-server/database/database.h"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "provisioning-server/database/group_committer.h"
#include "tests/provisioning-server/test_databases.h"

using namespace sks;
using namespace sks::issuer;

/// What every kind of database has to keep: see database.h.
namespace {

/// An empty table "pairs" with a key, a value and a byte string.
struct Fixture {
  explicit Fixture(const std::string& kind) : database(kind) {
    const std::string blob = database->dialect() == "sqlite" ? "BLOB" : "BYTEA";
    database.execute("CREATE TABLE pairs (name TEXT PRIMARY KEY, number BIGINT NOT NULL, content " + blob +
                     " NOT NULL)");
  }
  Result<void> insert(const std::string& name, std::int64_t number, const Bytes& content = {}) const {
    return database->write([&](SqlTransaction& transaction) { return insert_in(transaction, name, number, content); });
  }
  static Result<void> insert_in(SqlTransaction& transaction, const std::string& name, std::int64_t number,
                                const Bytes& content = {}) {
    SKS_TRY(transaction.run("INSERT INTO pairs (name, number, content) VALUES ($1, $2, $3)", {name, number, content}));
    return {};
  }
  std::int64_t rows() const { return database.count("SELECT count(*) FROM pairs"); }

  test::TestDatabase database;
};

}  // namespace

SKS_CONTRACT_TEST("Database: gives back integers, texts and byte strings as they were") {
  const Fixture fixture(kind);
  const std::string text("\xc3\xa5 'quoted' \\ \"x\" $1 ?");
  const Bytes content{0, 1, 0xff, 0};
  REQUIRE(fixture.insert(text, std::numeric_limits<std::int64_t>::min(), content));
  REQUIRE(fixture.insert("", std::numeric_limits<std::int64_t>::max()));
  SqlRows rows;
  REQUIRE(fixture.database->read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(rows, transaction.query("SELECT name, number, content FROM pairs ORDER BY number", {}));
    return {};
  }));
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].text(0) == text);
  CHECK(rows[0].integer(1) == std::numeric_limits<std::int64_t>::min());
  CHECK(rows[0].blob(2) == content);
  CHECK(rows[1].text(0).empty());
  CHECK(rows[1].integer(1) == std::numeric_limits<std::int64_t>::max());
  CHECK(rows[1].blob(2).empty());
}

SKS_CONTRACT_TEST("Database: parameters count by their numbers, in whatever order and however often they stand there") {
  const Fixture fixture(kind);
  REQUIRE(fixture.insert("a", 1));
  REQUIRE(fixture.insert("b", 2));
  SqlRows rows;
  REQUIRE(fixture.database->read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(rows, transaction.query("SELECT number FROM pairs WHERE number = $2 AND name = $1 AND name = $1",
                                    {std::string("b"), std::int64_t{2}}));
    return {};
  }));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].integer(0) == 2);
}

SKS_CONTRACT_TEST("Database: tells how many rows a change concerned, and gives back what RETURNING asks for") {
  const Fixture fixture(kind);
  for (const char* const name : {"a", "b", "c"}) REQUIRE(fixture.insert(name, 1));
  std::int64_t changed = 0;
  std::int64_t missed = 0;
  SqlRows rows;
  REQUIRE(fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(changed, transaction.run("UPDATE pairs SET number = $1", {std::int64_t{5}}));
    SKS_LET(missed, transaction.run("DELETE FROM pairs WHERE name = $1", {std::string("none")}));
    SKS_TRY(transaction.enqueue("UPDATE pairs SET number = 6 WHERE name = $1", {std::string("a")}));
    SKS_LET(rows, transaction.query("DELETE FROM pairs WHERE number = $1 RETURNING name", {std::int64_t{6}}));
    return {};
  }));
  CHECK(changed == 3);
  CHECK(missed == 0);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].text(0) == "a");
  CHECK(fixture.rows() == 2);
}

SKS_CONTRACT_TEST("Database: what a transaction did is gone after an error, whoever has noticed it") {
  const Fixture fixture(kind);
  REQUIRE(fixture.insert("a", 1));
  int undone = 0;
  const auto refused = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    transaction.when_undone([&](SqlTransaction::Undone) { ++undone; });
    SKS_TRY(Fixture::insert_in(transaction, "b", 1));
    return Error{Status::not_available, "no"};
  });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::not_available);
  CHECK(undone == 1);

  const auto twice = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    transaction.when_undone([&](SqlTransaction::Undone) { ++undone; });
    SKS_TRY(Fixture::insert_in(transaction, "c", 1));
    return Fixture::insert_in(transaction, "a", 1);
  });
  REQUIRE_FALSE(twice);
  CHECK(twice.error().status == Status::not_allowed);
  CHECK(undone == 2);

  const auto enqueued = fixture.database->write([](SqlTransaction& transaction) -> Result<void> {
    return transaction.enqueue("INSERT INTO pairs SELECT name, number, content FROM pairs", {});
  });
  REQUIRE_FALSE(enqueued);
  CHECK(enqueued.error().status == Status::not_allowed);

  // An error that the work keeps to itself.
  Result<SqlRows> later = SqlRows();
  const auto kept = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(Fixture::insert_in(transaction, "d", 1));
    static_cast<void>(transaction.run("INSERT INTO nowhere VALUES (1)", {}));
    later = transaction.query("SELECT name FROM pairs", {});
    return {};
  });
  REQUIRE_FALSE(kept);
  CHECK(kept.error().status == Status::internal);
  CHECK_FALSE(later);

  CHECK(fixture.rows() == 1);
  REQUIRE(fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
    transaction.when_undone([&](SqlTransaction::Undone) { ++undone; });
    return Fixture::insert_in(transaction, "b", 1);
  }));
  CHECK(undone == 2);
  CHECK(fixture.rows() == 2);
}

SKS_CONTRACT_TEST("Database: an exception of the work reaches its caller, and nothing remains") {
  const Fixture fixture(kind);
  const auto work = [](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(Fixture::insert_in(transaction, "a", 1));
    throw std::runtime_error("broken");
  };
  CHECK_THROWS_WITH(static_cast<void>(fixture.database->write(work)), "broken");
  CHECK(fixture.rows() == 0);
  CHECK(fixture.insert("a", 1));
}

SKS_CONTRACT_TEST("Database: a read sees one state, and every write that has returned") {
  const Fixture fixture(kind);
  REQUIRE(fixture.insert("a", 1));
  std::int64_t before = 0;
  std::int64_t after = 0;
  REQUIRE(fixture.database->read([&](SqlTransaction& transaction) -> Result<void> {
    const auto count = [&]() -> Result<std::int64_t> {
      SKS_LET(const SqlRows rows, transaction.query("SELECT count(*) FROM pairs", {}));
      return rows.at(0).integer(0);
    };
    SKS_LET(before, count());
    SKS_TRY(fixture.insert("b", 1));
    SKS_LET(after, count());
    return {};
  }));
  CHECK(before == 1);
  CHECK(after == 1);
  CHECK(fixture.rows() == 2);
  CHECK_FALSE(fixture.database->read(
      [](SqlTransaction& transaction) -> Result<void> { return Fixture::insert_in(transaction, "c", 1); }));
  CHECK(fixture.rows() == 2);
}

SKS_CONTRACT_TEST("Database: many threads change one row, and no change is lost") {
  constexpr int kThreads = 8;
  constexpr int kRounds = 50;
  const Fixture fixture(kind);
  REQUIRE(fixture.insert("a", 0));
  std::atomic<int> failures = 0;
  std::atomic<bool> overlap = false;
  std::vector<std::atomic<int>> busy(fixture.database->lanes());
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i)
      threads.emplace_back([&] {
        for (int round = 0; round < kRounds; ++round) {
          const auto done = fixture.database->write([&](SqlTransaction& transaction) -> Result<void> {
            std::atomic<int>& lane = busy.at(transaction.lane());
            if (lane.fetch_add(1) != 0) overlap = true;
            const auto change = [&]() -> Result<void> {
              SKS_LET(const SqlRows rows, transaction.query("SELECT number FROM pairs WHERE name = 'a'", {}));
              SKS_TRY(transaction.run("UPDATE pairs SET number = $1 WHERE name = 'a'", {rows.at(0).integer(0) + 1}));
              return {};
            };
            Result<void> changed = change();
            lane.fetch_sub(1);
            return changed;
          });
          if (!done) ++failures;
        }
      });
  }
  CHECK(failures == 0);
  CHECK_FALSE(overlap);
  CHECK(fixture.database.count("SELECT number FROM pairs WHERE name = 'a'") == kThreads * kRounds);
}

SKS_CONTRACT_TEST("Database: among many threads each failure concerns only its own transaction") {
  constexpr int kThreads = 8;
  constexpr int kRounds = 25;
  const Fixture fixture(kind);
  std::atomic<int> inserted = 0;
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i)
      threads.emplace_back([&, i] {
        for (int round = 0; round < kRounds; ++round) {
          // Two threads each try the same name.
          const auto done = fixture.insert(std::to_string(i / 2) + '-' + std::to_string(round), i);
          if (done) ++inserted;
          if (!done && done.error().status == Status::not_allowed) ++refused;
        }
      });
  }
  CHECK(inserted == kThreads / 2 * kRounds);
  CHECK(refused == kThreads / 2 * kRounds);
  CHECK(fixture.rows() == kThreads / 2 * kRounds);
}

SKS_CONTRACT_TEST("Database: what another opener of the database has written is seen") {
  const Fixture fixture(kind);
  const std::unique_ptr<Database> other = fixture.database.open_again();
  REQUIRE(fixture.insert("a", 1));
  CHECK(test::count(*other, "SELECT count(*) FROM pairs") == 1);
  test::execute(*other, "DELETE FROM pairs");
  CHECK(fixture.rows() == 0);
}

TEST_CASE("open_database: a URL that names no database is refused in one sentence") {
  const test::TempDir folder;
  for (const char* const url : {"", "issuer.db", "mysql://h/x", "sqlite:", "sqlite"}) {
    CAPTURE(url);
    const auto opened = open_database(url, folder.path());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().status == Status::option);
  }
  CHECK(open_database("sqlite:absent", folder.path()).error().status == Status::not_available);
  CHECK(open_sqlite(folder.file("issuer.db"), true));
  CHECK(open_database("sqlite:issuer.db", folder.path()));
  CHECK(open_database("sqlite:" + folder.file("issuer.db"), "/nowhere"));
}

SKS_CONTRACT_TEST("Database: a required change that has no row to change undoes the transaction") {
  const Fixture fixture(kind);
  REQUIRE(fixture.insert("a", 1));
  const auto change = [&](const std::string& name) {
    return fixture.database->swap([&](SqlTransaction& transaction) -> Result<void> {
      SKS_TRY(transaction.require("UPDATE pairs SET number = 2 WHERE name = $1", {name}));
      return transaction.enqueue("INSERT INTO pairs (name, number, content) VALUES ($1, $2, $3)",
                                 {"beside " + name, std::int64_t{3}, Bytes()});
    });
  };
  REQUIRE(change("a"));
  CHECK(fixture.rows() == 2);
  const auto refused = change("b");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().status == Status::not_available);
  CHECK(fixture.rows() == 2);
  // The connection is of use for others.
  CHECK(change("a").error().status == Status::not_allowed);
  CHECK(fixture.insert("c", 1));
}

SKS_CONTRACT_TEST("Database: one SELECT sees what was written before") {
  const Fixture fixture(kind);
  REQUIRE(fixture.insert("a", 7));
  const auto rows = fixture.database->select("SELECT number FROM pairs WHERE name = $1", {std::string("a")});
  REQUIRE(rows);
  REQUIRE(rows->size() == 1);
  CHECK(rows->front().integer(0) == 7);
  const auto none = fixture.database->select("SELECT number FROM pairs WHERE name = $1", {std::string("b")});
  REQUIRE(none);
  CHECK(none->empty());
  CHECK(fixture.database->select("SELECT nothing FROM nowhere", {}).error().status == Status::internal);
  CHECK(fixture.database->select("SELECT number FROM pairs", {})->size() == 1);
}

SKS_CONTRACT_TEST("GroupCommitter: does what it was given, and a work that fails takes no other one with it") {
  const Fixture fixture(kind);
  REQUIRE(fixture.insert("taken", 0));
  constexpr int kThreads = 4;
  constexpr int kEach = 25;
  std::atomic<int> done = 0;
  std::atomic<int> refused = 0;
  {
    GroupCommitter committer(*fixture.database);
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread)
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kEach; ++i) {
          const std::string name = i % 5 == 0 ? "taken" : std::to_string(thread) + '-' + std::to_string(i);
          committer.swap([name](SqlTransaction& transaction) { return Fixture::insert_in(transaction, name, 1); },
                         [&](const Result<void>& outcome) {
                           ++done;
                           if (!outcome && outcome.error().status == Status::not_allowed) ++refused;
                         },
                         i % 2 == 0 ? GroupCommitter::Together::yes : GroupCommitter::Together::not_with_rivals);
        }
      });
  }  // what is left is done now
  CHECK(done == kThreads * kEach);
  CHECK(refused == kThreads * kEach / 5);
  CHECK(fixture.rows() == 1 + kThreads * kEach * 4 / 5);
}

SKS_CONTRACT_TEST("GroupCommitter: an exception of a work is its outcome") {
  const Fixture fixture(kind);
  Result<void> outcome;
  GroupCommitter(*fixture.database)
      .swap([](SqlTransaction&) -> Result<void> { throw std::runtime_error("out of order"); },
            [&](const Result<void>& told) { outcome = told; }, GroupCommitter::Together::yes);
  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().status == Status::internal);
  CHECK(outcome.error().detail == "out of order");
  CHECK(fixture.insert("a", 1));
}

TEST_CASE("GroupCommitter: does two transactions at one time, also after many that came together") {
  class Meeting final : public Database {
   public:
    Result<void> write(const Work&) override {
      if (!is_on) return {};
      std::unique_lock lock(mutex_);
      ++inside_;
      changed_.notify_all();
      if (wait_for(lock, 2)) return {};
      return Error{Status::internal, "alone"};
    }
    Result<void> read(const Work&) override { return {}; }
    Result<SqlRows> select(std::string_view, const SqlValues&) override { return SqlRows(); }
    std::size_t lanes() const override { return 2; }
    std::string_view dialect() const override { return "meeting"; }
    bool wait_for_first() {
      std::unique_lock lock(mutex_);
      return wait_for(lock, 1);
    }
    std::atomic<bool> is_on = false;

   private:
    bool wait_for(std::unique_lock<std::mutex>& lock, int count) {
      return changed_.wait_for(lock, std::chrono::seconds(30), [&] { return inside_ >= count; });
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    int inside_ = 0;
  } database;
  GroupCommitter committer(database);
  const auto swap = [&committer] { return committer.swap([](SqlTransaction&) { return Result<void>(); }); };
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 8; ++thread)
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) CHECK(swap());
      });
  }
  database.is_on = true;
  const std::jthread first([&] { CHECK(swap()); });
  REQUIRE(database.wait_for_first());
  CHECK(swap());
}

TEST_CASE("GroupCommitter: where the database fails, it is not asked again for each of those that wait") {
  class Away final : public Database {
   public:
    Result<void> write(const Work&) override {
      ++asked;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      return Error{Status::storage, "away"};
    }
    Result<void> read(const Work&) override { return {}; }
    Result<SqlRows> select(std::string_view, const SqlValues&) override { return SqlRows(); }
    std::size_t lanes() const override { return 1; }
    std::string_view dialect() const override { return "away"; }
    std::atomic<int> asked = 0;
  } database;
  std::atomic<int> refused = 0;
  {
    GroupCommitter committer(database);
    for (int i = 0; i < 40; ++i)
      committer.swap(
          [](SqlTransaction&) { return Result<void>(); },
          [&](const Result<void>& outcome) { refused += !outcome && outcome.error().status == Status::storage; },
          GroupCommitter::Together::yes);
  }
  CHECK(refused == 40);
  CHECK(database.asked < 10);
}
