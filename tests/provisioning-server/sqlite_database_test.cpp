#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "tests/provisioning-server/test_databases.h"

using namespace sks;
using namespace sks::issuer;

namespace {

Result<void> insert(Database& database, std::int64_t number, std::size_t size = 1) {
  return database.write([&](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.run("INSERT INTO numbers (number, content) VALUES ($1, $2)", {number, Bytes(size, 7)}));
    return {};
  });
}

void make_table(const test::TestDatabase& database) {
  database.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY, content BLOB NOT NULL)");
}

/// No file of this process grows beyond `bytes`: to the database it is as if the disk were full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uintmax_t bytes) {
    previous_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(getrlimit(RLIMIT_FSIZE, &previous_) == 0);
    const rlimit limit{bytes, previous_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &previous_);
    std::signal(SIGXFSZ, previous_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit previous_{};
  void (*previous_handler_)(int) = nullptr;
};

}  // namespace

TEST_CASE("open_sqlite: a file that is no database of an issuer is refused in one sentence") {
  const test::TempDir folder;
  CHECK(open_sqlite(folder.file("absent"), false).error().status == Status::not_available);
  test::write_file(folder.file("text"), std::string(4096, 'x'));
  CHECK(open_sqlite(folder.file("text"), false).error().status == Status::option);
  test::write_file(folder.file("empty"), "");
  CHECK(open_sqlite(folder.file("empty"), false).error().status == Status::option);
  CHECK(open_sqlite(folder.file("empty"), true).error().status == Status::option);
  CHECK(open_sqlite(folder.file("no/such/folder"), true).error().status == Status::storage);
}

TEST_CASE("open_sqlite: only the owner can read the files") {
  const test::TestDatabase database;
  make_table(database);
  for (const char* const suffix : {"", "-wal", "-shm"}) {
    struct stat status {};
    REQUIRE(stat((database.file() + suffix).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
  }
}

TEST_CASE("open_sqlite: what a write was asked for is on disk when it returns") {
  const test::TestDatabase database;
  make_table(database);
  CHECK(database.count("PRAGMA synchronous") == 2);
  CHECK(database.count("PRAGMA foreign_keys") == 1);
  CHECK(database.count("PRAGMA secure_delete") == 1);
}

TEST_CASE("open_sqlite: when the disk is full every write fails, and the service goes on as soon as there is space") {
  const test::TestDatabase database;
  make_table(database);
  REQUIRE(insert(*database, 0));
  std::atomic<int> refused = 0;
  std::atomic<int> undone = 0;
  std::string sentence;
  {
    const FileSizeLimit limit(64 * 1024);
    // More than the limit in one go, and several at one time, so that the common end of a group fails.
    std::vector<std::jthread> threads;
    std::mutex mutex;
    for (int i = 1; i <= 8; ++i)
      threads.emplace_back([&, i] {
        const auto done = database->write([&](SqlTransaction& transaction) -> Result<void> {
          transaction.when_undone([&](SqlTransaction::Undone) { ++undone; });
          SKS_TRY(transaction.run("INSERT INTO numbers (number, content) VALUES ($1, $2)",
                                  {std::int64_t{i}, Bytes(100'000, 7)}));
          return {};
        });
        if (!done && done.error().status == Status::storage) ++refused;
        const std::lock_guard lock(mutex);
        if (!done) sentence = done.error().detail;
      });
  }
  CHECK(refused == 8);
  CHECK(undone == 8);
  CHECK(sentence.starts_with("the database cannot be read or written"));
  CHECK(database.count("SELECT count(*) FROM numbers") == 1);
  REQUIRE(insert(*database, 1, 100'000));
  CHECK(database.count("SELECT count(*) FROM numbers") == 2);
}

TEST_CASE("open_sqlite: a transaction that SQLite itself gives up fails, with all that shared it") {
  const test::TestDatabase database;
  make_table(database);
  REQUIRE(insert(*database, 0));
  REQUIRE(database->write([](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.query("PRAGMA max_page_count = 20", {}));
    return {};
  }));
  const auto full = insert(*database, 1, 200'000);
  REQUIRE_FALSE(full);
  CHECK(full.error().status == Status::storage);
  CHECK(full.error().detail.starts_with("there is no space left for the database"));
  CHECK(insert(*database, 1));
  CHECK(database.count("SELECT count(*) FROM numbers") == 2);
}

TEST_CASE("open_sqlite: a write waits for another program that holds the file") {
  const test::TestDatabase database;
  make_table(database);
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(database.file().c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  std::atomic<bool> returned = false;
  bool is_good = false;
  {
    const std::jthread writer([&] {
      is_good = static_cast<bool>(insert(*database, 1));
      returned = true;
    });
    // Readers do not wait for it.
    CHECK(database.count("SELECT count(*) FROM numbers") == 0);
    CHECK_FALSE(returned);
    REQUIRE(sqlite3_exec(other, "INSERT INTO numbers VALUES (2, x''); COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  sqlite3_close(other);
  CHECK(is_good);
  CHECK(database.count("SELECT count(*) FROM numbers") == 2);
}

TEST_CASE("open_sqlite: a wrong statement, a missing parameter and a NULL are mistakes of the program") {
  const test::TestDatabase database;
  make_table(database);
  for (const char* const statement :
       {"SELEC 1", "SELECT number FROM numbers WHERE number = $1", "SELECT NULL", "SELECT 1.5", "SELECT ?", "", "  "}) {
    CAPTURE(statement);
    const auto done = database->read([&](SqlTransaction& transaction) -> Result<void> {
      SKS_TRY(transaction.query(statement, {}));
      return {};
    });
    REQUIRE_FALSE(done);
    CHECK(done.error().status == Status::internal);
  }
}
