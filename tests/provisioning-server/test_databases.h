#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "provisioning-server/database/database.h"
#include "tests/support/temp_dir.h"

namespace sks::test {

/// The kinds that a contract test runs over: "sqlite", and "postgresql" when SKS_TEST_POSTGRESQL holds the URL of a
/// database in which schemas may be made.
std::vector<std::string> database_kinds();

/// An empty database of its own.
class TestDatabase {
 public:
  explicit TestDatabase(const std::string& kind = "sqlite");
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  issuer::Database& operator*() const { return *database_; }
  issuer::Database* operator->() const { return database_.get(); }
  const std::string& url() const { return url_; }
  /// Only for SQLite.
  std::string file() const { return folder_.file("issuer.db"); }
  void close() { database_.reset(); }
  /// As another process would, or this one after close().
  std::unique_ptr<issuer::Database> open_again() const;

  /// One statement, or several with a semicolon behind each.
  void execute(const std::string& statements) const;
  std::int64_t count(const std::string& query) const;

 private:
  TempDir folder_;
  std::string url_;
  std::string schema_;
  std::unique_ptr<issuer::Database> database_;
};

void execute(issuer::Database& database, const std::string& statements);
std::int64_t count(issuer::Database& database, const std::string& query);

}  // namespace sks::test

/// A TEST_CASE that every kind of database has to pass; its body finds the kind in `kind`.
#define SKS_CONTRACT_TEST(name) SKS_CONTRACT_TEST_INNER(SKS_CONCAT(contract_, __LINE__), name)
#define SKS_CONTRACT_TEST_INNER(body, name)                       \
  static void body(const std::string& kind);                      \
  TEST_CASE(name) {                                               \
    for (const std::string& kind : sks::test::database_kinds()) { \
      CAPTURE(kind);                                              \
      body(kind);                                                 \
    }                                                             \
  }                                                               \
  static void body(const std::string& kind)
