#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks::issuer {

/// Runs statements without parameters and results. Fails with storage.
Result<void> execute_sql(sqlite3* database, const char* sql);

/// Columns of the row a statement stands on.
class SqliteRow {
 public:
  explicit SqliteRow(sqlite3_stmt* statement) : statement_(statement) {}
  std::string text(int column) const;
  Bytes blob(int column) const;
  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }

 private:
  sqlite3_stmt* statement_;
};

/// A prepared statement with its parameters bound in order. A failure to prepare or bind sticks until it is run.
class SqliteStatement {
 public:
  SqliteStatement(sqlite3* database, const char* sql);

  SqliteStatement& bind(std::string_view text);
  SqliteStatement& bind(ByteView blob);
  SqliteStatement& bind(const Bytes& blob) { return bind(ByteView(blob)); }
  SqliteStatement& bind(std::int64_t number);

  /// Runs to the end; returns how many rows were changed. Fails with storage, or with not_allowed when a UNIQUE rule
  /// forbids the change.
  Result<int> run();
  /// Whether there is a first row; it can be read until the statement goes away.
  Result<bool> first();
  Result<bool> next();  ///< behind first() or next() with a row
  SqliteRow row() const { return SqliteRow(statement_.get()); }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  Error failure() const;

  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int code_;
  int bound_ = 0;
};

/// BEGIN IMMEDIATE; rolled back unless committed.
class SqliteTransaction {
 public:
  static Result<SqliteTransaction> begin(sqlite3* database);
  SqliteTransaction(SqliteTransaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  SqliteTransaction& operator=(SqliteTransaction&& other) noexcept {
    std::swap(database_, other.database_);
    return *this;
  }
  ~SqliteTransaction();
  Result<void> commit();

 private:
  explicit SqliteTransaction(sqlite3* database) : database_(database) {}
  sqlite3* database_;
};

}  // namespace sks::issuer
