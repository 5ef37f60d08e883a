#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// The little that a repository asks of an SQL database: statements inside of transactions that are durable once they
/// have been committed. SQLite and PostgreSQL implement it; everything above is written once, in what both of them
/// speak.
namespace sks::issuer {

/// A parameter or a column. Both databases are given integers, texts and byte strings only; NULL is not in use.
using SqlValue = std::variant<std::int64_t, std::string, Bytes>;
using SqlValues = std::vector<SqlValue>;

/// One row of a result. Asking for a column that does not exist, or by another type than it has, is a mistake of the
/// program.
class SqlRow {
 public:
  explicit SqlRow(SqlValues columns) : columns_(std::move(columns)) {}
  std::int64_t integer(std::size_t column) const { return std::get<std::int64_t>(columns_.at(column)); }
  const std::string& text(std::size_t column) const { return std::get<std::string>(columns_.at(column)); }
  const Bytes& blob(std::size_t column) const { return std::get<Bytes>(columns_.at(column)); }

 private:
  SqlValues columns_;
};
using SqlRows = std::vector<SqlRow>;

/// A transaction under way. Parameters are written $1, $2, ... in the statement and given in that order; the text of a
/// statement is one of few that the program has, so that it is prepared once for each connection.
///
/// After an error the transaction is over: work() returns the error, and nothing of it remains.
class SqlTransaction {
 public:
  virtual ~SqlTransaction() = default;
  /// The rows of a SELECT, or of an INSERT, UPDATE or DELETE with RETURNING, all read.
  virtual Result<SqlRows> query(std::string_view statement, const SqlValues& parameters) = 0;
  /// How many rows were changed.
  virtual Result<std::int64_t> run(std::string_view statement, const SqlValues& parameters) = 0;
  /// A statement whose outcome nobody waits for: it may be sent together with the ones behind it. Its failure is that
  /// of the transaction.
  virtual Result<void> enqueue(std::string_view statement, SqlValues parameters) = 0;
  /// Likewise an INSERT, UPDATE or DELETE, without RETURNING, that the transaction is worth nothing without: when it
  /// changes no row, the transaction fails with not_available.
  virtual Result<void> require(std::string_view statement, SqlValues parameters) = 0;
  /// Whether it has changed rows so far, or sent statements that may have.
  bool has_changes() const { return has_changes_; }
  /// Which of the chains of this process the transaction extends: transactions with one lane never overlap.
  virtual std::size_t lane() const = 0;

  /// Whether it is certain that nothing of a transaction remains: not when its COMMIT got no answer.
  enum class Undone : std::uint8_t { certainly, perhaps };
  using UndoneNote = std::function<void(Undone)>;
  /// For what a repository keeps in memory about its rows: `note` is called when the transaction does not remain, or
  /// when nobody knows whether it does; in any case before the next transaction of its lane that follows it begins. The
  /// note that came last is called first.
  void when_undone(UndoneNote note) { notes_.push_back(std::move(note)); }

 protected:
  /// An implementation calls this once for each transaction that was not committed for certain.
  void tell_undone(Undone how) {
    for (auto note = notes_.rbegin(); note != notes_.rend(); ++note) (*note)(how);
    notes_.clear();
  }
  void note_change() { has_changes_ = true; }

 private:
  std::vector<UndoneNote> notes_;
  bool has_changes_ = false;
};

/// Errors: storage (the database cannot be reached, is full, or is damaged; the sentence says which), not_allowed (a
/// UNIQUE rule forbids the change), not_available (a required change had no row to change), internal (a statement is
/// wrong).
class Database {
 public:
  virtual ~Database() = default;

  /// Runs `work` inside of a transaction that no other one can disturb, and commits when it returns no error; durable
  /// when it returns. `work` may be run several times: a transaction that collided with another one is repeated, so it
  /// must have no effects outside of the database but on what it assigns anew each time. Safe for several threads.
  using Work = std::function<Result<void>(SqlTransaction&)>;
  virtual Result<void> write(const Work& work) = 0;
  /// The same for work that decides by what it changes, such as compare-and-swap on a row: nobody else can change the
  /// same rows meanwhile, but what it merely reads may not be true any more when it commits. Costs less where many
  /// transactions run at the same time. Who counts rows before inserting one needs write(), and so does everybody who
  /// inserts rows that are counted.
  virtual Result<void> swap(const Work& work) { return write(work); }
  /// The same for SELECT alone, on one consistent state. Sees every write that has returned.
  virtual Result<void> read(const Work& work) = 0;
  /// The rows of one SELECT, which needs no transaction around it to see one consistent state.
  virtual Result<SqlRows> select(std::string_view statement, const SqlValues& parameters) = 0;

  /// How many lanes there are: SqlTransaction::lane() is below it.
  virtual std::size_t lanes() const = 0;
  /// "sqlite" or "postgresql": for the few statements that differ, and for messages.
  virtual std::string_view dialect() const = 0;
};

/// Opens what a URL names:
///   sqlite:FILE                              one file; a relative name starts at `folder`
///   postgresql://USER@HOST:PORT/NAME?...     as libpq reads it
/// Fails with option (no such kind of URL), not_available (there is no such database) or storage.
Result<std::unique_ptr<Database>> open_database(const std::string& url, const std::string& folder);

/// SQLite: one thread at a time writes, and commits whatever has come in meanwhile together; WAL, synchronous FULL;
/// readers have connections of their own. `file` is created, readable by its owner alone, when `create`.
Result<std::unique_ptr<Database>> open_sqlite(const std::string& file, bool create);
/// PostgreSQL 15 or later, over as many connections as are needed at one time, at most `connections`.
Result<std::unique_ptr<Database>> open_postgresql(const std::string& url, std::size_t connections);

}  // namespace sks::issuer
