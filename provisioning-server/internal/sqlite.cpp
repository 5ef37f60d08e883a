#include "provisioning-server/internal/sqlite.h"

namespace sks::issuer {

Result<void> execute_sql(sqlite3* database, const char* sql) {
  if (sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return Error{Status::storage, std::string("the database says: ") + sqlite3_errmsg(database)};
}

std::string SqliteRow::text(int column) const {
  const unsigned char* const value = sqlite3_column_text(statement_, column);
  if (value == nullptr) return {};
  return sks::to_string(ByteView(value, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))));
}

Bytes SqliteRow::blob(int column) const {
  const auto* const value = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  if (value == nullptr) return {};
  return {value, value + sqlite3_column_bytes(statement_, column)};
}

SqliteStatement::SqliteStatement(sqlite3* database, const char* sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  code_ = sqlite3_prepare_v2(database, sql, -1, &statement, nullptr);
  statement_.reset(statement);
}

SqliteStatement& SqliteStatement::bind(std::string_view text) {
  ++bound_;
  if (code_ == SQLITE_OK)
    code_ = sqlite3_bind_text64(statement_.get(), bound_, text.empty() ? "" : text.data(), text.size(),
                                SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

SqliteStatement& SqliteStatement::bind(ByteView blob) {
  ++bound_;
  if (code_ == SQLITE_OK)
    code_ = blob.empty() ? sqlite3_bind_zeroblob(statement_.get(), bound_, 0)
                         : sqlite3_bind_blob64(statement_.get(), bound_, blob.data(), blob.size(), SQLITE_TRANSIENT);
  return *this;
}

SqliteStatement& SqliteStatement::bind(std::int64_t number) {
  ++bound_;
  if (code_ == SQLITE_OK) code_ = sqlite3_bind_int64(statement_.get(), bound_, number);
  return *this;
}

Error SqliteStatement::failure() const {
  const Status status = (code_ & 0xff) == SQLITE_CONSTRAINT ? Status::not_allowed : Status::storage;
  return {status, std::string("the database says: ") + sqlite3_errmsg(database_)};
}

Result<int> SqliteStatement::run() {
  if (code_ == SQLITE_OK) {
    do code_ = sqlite3_step(statement_.get());
    while (code_ == SQLITE_ROW);
  }
  if (code_ != SQLITE_DONE) return failure();
  return sqlite3_changes(database_);
}

Result<bool> SqliteStatement::first() {
  if (code_ == SQLITE_OK) code_ = sqlite3_step(statement_.get());
  if (code_ == SQLITE_ROW) return true;
  if (code_ == SQLITE_DONE) return false;
  return failure();
}

Result<bool> SqliteStatement::next() {
  if (code_ == SQLITE_ROW) code_ = SQLITE_OK;
  return first();
}

Result<SqliteTransaction> SqliteTransaction::begin(sqlite3* database) {
  SKS_TRY(SqliteStatement(database, "BEGIN IMMEDIATE").run());
  return SqliteTransaction(database);
}

SqliteTransaction::~SqliteTransaction() {
  if (database_ != nullptr) sqlite3_exec(database_, "ROLLBACK", nullptr, nullptr, nullptr);
}

Result<void> SqliteTransaction::commit() {
  SKS_TRY(SqliteStatement(database_, "COMMIT").run());
  database_ = nullptr;
  return {};
}

}  // namespace sks::issuer
