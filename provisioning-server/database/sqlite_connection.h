#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "provisioning-server/database/database.h"

struct sqlite3;
struct sqlite3_stmt;

namespace sks::issuer {

/// One connection to an SQLite file, with every statement that it has run kept prepared. For one thread at a time.
class SqliteConnection {
 public:
  enum class Mode : std::uint8_t { read, write };

  /// Fails with storage.
  static Result<std::unique_ptr<SqliteConnection>> open(const std::string& file, Mode mode);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  /// As SqlTransaction. A value NULL, and a column of another type than SqlValue has, fail with internal.
  Result<SqlRows> query(std::string_view statement, const SqlValues& parameters);
  Result<std::int64_t> run(std::string_view statement, const SqlValues& parameters);

  /// False also when SQLite has rolled back by itself, as it does when the disk is full.
  bool in_transaction() const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  /// `places`: which parameter, counted from 0, belongs to each of SQLite's places.
  struct Prepared {
    std::unique_ptr<sqlite3_stmt, Finalize> statement;
    std::vector<std::size_t> places;
  };
  class Use;

  SqliteConnection() = default;
  Result<Prepared*> prepare(std::string_view statement);
  Error failure(int code) const;
  static int wait_for_others(void* connection, int attempt);

  std::unique_ptr<sqlite3, Close> database_;
  std::map<std::string, Prepared, std::less<>> prepared_;
  std::chrono::steady_clock::time_point waiting_since_;
};

}  // namespace sks::issuer
