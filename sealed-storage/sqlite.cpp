#include "sealed-storage/sqlite.h"

#include <algorithm>
#include <array>
#include <limits>

namespace sks::sealed {
namespace {

struct Reason {
  int code;  ///< primary result code
  Status status;
  const char* sentence;
};

constexpr auto kReasons = std::to_array<Reason>({
    {SQLITE_FULL, Status::storage, "the disk is full"},
    {SQLITE_READONLY, Status::storage, "the file or its folder is read-only"},
    {SQLITE_PERM, Status::storage, "permission denied"},
    {SQLITE_CANTOPEN, Status::storage, "the file cannot be opened"},
    {SQLITE_IOERR, Status::storage, "the disk reports an error"},
    {SQLITE_BUSY, Status::storage, "another program holds the database"},
    {SQLITE_ERROR, Status::storage, "the database is damaged or was written by a newer SQLite"},
    {SQLITE_CORRUPT, Status::storage, "the database is damaged"},
    {SQLITE_NOTADB, Status::option, "the file is not a database"},
    {SQLITE_TOOBIG, Status::storage, "a record is too large"},
});

constexpr int kPrimaryCode = 0xFF;

Error error_of(sqlite3* database, int code) { return sqlite_error(sqlite3_db_filename(database, "main"), code); }

/// Above the largest sealed record, far below SQLite's own limit.
constexpr int kMaxCell = 5 << 20;

}  // namespace

Error sqlite_error(const std::string& path, int code) {
  const std::string what = "cannot use " + path + ": ";
  const auto* const reason = std::ranges::find(kReasons, code & kPrimaryCode, &Reason::code);
  if (reason != kReasons.end()) return Error{reason->status, what + reason->sentence};
  return Error{Status::storage, what + sqlite3_errstr(code)};
}

Statement& Statement::bind(int index, std::int64_t value) {
  SKS_CHECK(sqlite3_bind_int64(statement_.get(), index, value) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int index, ByteView value) {
  // A null pointer would bind NULL instead of an empty blob.
  const void* const data = value.empty() ? static_cast<const void*>("") : value.data();
  SKS_CHECK(value.size() <= static_cast<std::size_t>(kMaxCell));
  SKS_CHECK(sqlite3_bind_blob(statement_.get(), index, data, static_cast<int>(value.size()), SQLITE_STATIC) ==
            SQLITE_OK);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return error_of(sqlite3_db_handle(statement_.get()), code);
}

Result<void> Statement::run() {
  const StatementReset guard(*this);
  SKS_LET(const bool row, step());
  SKS_CHECK(!row);
  return {};
}

void Statement::reset() {
  sqlite3_reset(statement_.get());
  sqlite3_clear_bindings(statement_.get());
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

ByteView Statement::blob(int column) const {
  const void* const data = sqlite3_column_blob(statement_.get(), column);
  return {static_cast<const std::uint8_t*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string Statement::text(int column) const { return sks::to_string(blob(column)); }

Result<Database> Database::open(const std::string& path) {
  SKS_LET(Database database, open_with(path, path, SQLITE_OPEN_READWRITE));
  // SQLite falls back to reading alone when it may not write, and fails later with another reason.
  if (sqlite3_db_readonly(database.database_.get(), "main") != 0) return sqlite_error(path, SQLITE_READONLY);
  return database;
}

Result<Database> Database::open_image(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      uri += c == '%' ? "%25" : c == '?' ? "%3f" : "%23";
    } else {
      uri += c;
    }
  }
  return open_with(uri + "?immutable=1", path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

Result<Database> Database::open_with(const std::string& name, const std::string& path, int flags) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  Database database(raw);  // to be closed after a failure too
  if (code != SQLITE_OK) return sqlite_error(path, code);
  sqlite3_limit(raw, SQLITE_LIMIT_LENGTH, kMaxCell);

  // The file may come from anybody: what its schema holds must not run, and SQL must not reach the page format.
  struct Option {
    int option;
    int value;
  };
  for (const Option& setting : {Option{SQLITE_DBCONFIG_DEFENSIVE, 1}, Option{SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
                                Option{SQLITE_DBCONFIG_ENABLE_VIEW, 0}, Option{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0}}) {
    SKS_CHECK(sqlite3_db_config(raw, setting.option, setting.value, nullptr) == SQLITE_OK);
  }
  return database;
}

void Database::leave_log() {
  SKS_CHECK(sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr) == SQLITE_OK);
}

Result<void> Database::execute(const std::string& sql) {
  const int code = sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error_of(database_.get(), code);
  return {};
}

Result<Statement> Database::prepare(const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK) return error_of(database_.get(), code);
  return Statement(raw);
}

Result<std::int64_t> Database::query_integer(const std::string& sql) {
  SKS_LET(Statement statement, prepare(sql));
  SKS_LET(const bool row, statement.step());
  SKS_CHECK(row);
  return statement.integer(0);
}

}  // namespace sks::sealed
