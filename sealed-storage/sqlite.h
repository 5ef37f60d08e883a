#pragma once

#include <sqlite3.h>

#include <memory>
#include <optional>
#include <string>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// Owners of SQLite objects, and the one place where its result codes become errors.
namespace sks::sealed {

/// The reason behind an SQLite result code: storage when the disk is full, read-only or failing or when the database is
/// damaged, option when the file is no database.
Error sqlite_error(const std::string& path, int code);

class Statement {
 public:
  /// Parameters are numbered from 1. Views must stay valid until the next reset().
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, ByteView value);

  /// true = there is a row to read.
  Result<bool> step();
  /// Runs a statement that returns no row, and resets it whatever comes out.
  Result<void> run();
  void reset();

  std::int64_t integer(int column) const;
  ByteView blob(int column) const;  ///< valid until the next step() or reset()
  std::string text(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement, sqlite3_finalize) {}

  std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement_;
};

/// Resets a statement on every way out, so that no read lock stays behind.
class StatementReset {
 public:
  explicit StatementReset(Statement& statement) : statement_(statement) {}
  StatementReset(const StatementReset&) = delete;
  StatementReset& operator=(const StatementReset&) = delete;
  ~StatementReset() { statement_.reset(); }

 private:
  Statement& statement_;
};

class Database {
 public:
  /// Opens an existing file; an empty one is a new database.
  static Result<Database> open(const std::string& path);

  /// Opens a database file for reading, as it is without its log and without regard to who else uses it: what is
  /// being written meanwhile may make it look damaged.
  static Result<Database> open_image(const std::string& path);

  Result<void> execute(const std::string& sql);
  Result<Statement> prepare(const std::string& sql);
  /// The one value that a pragma or query returns.
  Result<std::int64_t> query_integer(const std::string& sql);

  /// Closing will leave the files as they are, instead of emptying the log into the database.
  void leave_log();

  /// For what has no method here. Owned by this object.
  sqlite3* handle() const { return database_.get(); }

  bool in_transaction() const { return sqlite3_get_autocommit(database_.get()) == 0; }

 private:
  static Result<Database> open_with(const std::string& name, const std::string& path, int flags);
  explicit Database(sqlite3* database) : database_(database, sqlite3_close_v2) {}

  std::unique_ptr<sqlite3, decltype(&sqlite3_close_v2)> database_;
};

}  // namespace sks::sealed
