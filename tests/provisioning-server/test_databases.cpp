#include "tests/provisioning-server/test_databases.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "sks-core/base/encoding.h"
#include "sks-core/base/random.h"

namespace sks::test {
namespace {

using issuer::Database;
using issuer::SqlTransaction;

std::string server_url() {
  const char* const url = std::getenv("SKS_TEST_POSTGRESQL");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return url == nullptr ? "" : url;
}

std::unique_ptr<Database> opened(Result<std::unique_ptr<Database>> result) {
  if (!result) FAIL(result.error().detail);
  return std::move(result).value();
}

}  // namespace

std::vector<std::string> database_kinds() {
  std::vector<std::string> kinds{"sqlite"};
  if (!server_url().empty()) kinds.emplace_back("postgresql");
  return kinds;
}

TestDatabase::TestDatabase(const std::string& kind) {
  if (kind == "sqlite") {
    url_ = "sqlite:" + file();
    database_ = opened(issuer::open_sqlite(file(), true));
    return;
  }
  const std::string server = server_url();
  schema_ = "test_" + to_hex(system_random().bytes(8));
  test::execute(*opened(issuer::open_database(server, "")), "CREATE SCHEMA " + schema_);
  url_ = server + (server.find('?') == std::string::npos ? '?' : '&') + "options=-csearch_path%3D" + schema_;
  database_ = open_again();
}

TestDatabase::~TestDatabase() {
  database_.reset();
  if (!schema_.empty())
    test::execute(*opened(issuer::open_database(server_url(), "")), "DROP SCHEMA " + schema_ + " CASCADE");
}

std::unique_ptr<Database> TestDatabase::open_again() const { return opened(issuer::open_database(url_, "")); }
void TestDatabase::execute(const std::string& statements) const { test::execute(*database_, statements); }
std::int64_t TestDatabase::count(const std::string& query) const { return test::count(*database_, query); }

void execute(Database& database, const std::string& statements) {
  const auto done = database.write([&](SqlTransaction& transaction) -> Result<void> {
    std::string_view rest = statements;
    while (!rest.empty()) {
      const std::string_view statement = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), statement.size() + 1));
      if (statement.find_first_not_of(" \n") != std::string_view::npos) SKS_TRY(transaction.run(statement, {}));
    }
    return {};
  });
  if (!done) FAIL(done.error().detail);
}

std::int64_t count(Database& database, const std::string& query) {
  std::int64_t number = 0;
  const auto done = database.read([&](SqlTransaction& transaction) -> Result<void> {
    SKS_LET(const issuer::SqlRows rows, transaction.query(query, {}));
    number = rows.at(0).integer(0);
    return {};
  });
  if (!done) FAIL(done.error().detail);
  return number;
}

}  // namespace sks::test
