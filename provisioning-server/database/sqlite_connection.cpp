#include "provisioning-server/database/sqlite_connection.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

namespace sks::issuer {
namespace {

/// How long another process, such as a command of the operator, may hold the file.
constexpr std::chrono::seconds kPatience{10};
/// A server under load lets go of the file for some microseconds between two commits: whoever looks rarely, as SQLite's
/// own handler does after a while, never sees it free.
constexpr std::chrono::microseconds kLookAgain{400};

// secure_delete: erased session state is overwritten, not only unlinked. temp_store: nothing of it in other files.
// wal_autocheckpoint: pages that many sessions change are copied into the file once for many commits. Whoever commits
// waits for that: among a million credentials, where each session changes pages anywhere in the file, a copy after each
// 8000 pages came often enough to be seen in the 99th percentile of a step, and slowed all of them.
constexpr const char* kSettings =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
    " PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;"
    " PRAGMA wal_autocheckpoint = 32000";

struct Failure {
  int code;  ///< primary result code of SQLite
  Status status;
  const char* sentence;
};
constexpr auto kFailures = std::to_array<Failure>({
    {SQLITE_FULL, Status::storage, "there is no space left for the database"},
    {SQLITE_BUSY, Status::storage, "the database is held by another program"},
    {SQLITE_LOCKED, Status::storage, "the database is held by another program"},
    {SQLITE_IOERR, Status::storage, "the database cannot be read or written"},
    {SQLITE_CANTOPEN, Status::storage, "the database cannot be opened"},
    {SQLITE_READONLY, Status::storage, "the database cannot be written"},
    {SQLITE_PERM, Status::storage, "the database cannot be opened"},
    {SQLITE_CORRUPT, Status::storage, "the database is damaged"},
    {SQLITE_NOTADB, Status::storage, "the file is not a database"},
    {SQLITE_NOMEM, Status::storage, "there is no memory left for the database"},
    {SQLITE_CONSTRAINT, Status::internal, "the database refuses the change"},
});

Error describe(int code, const char* words) {
  if (code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_ROWID)
    return {Status::not_allowed, std::string("the database holds such a row already: ") + words};
  const auto* const row = std::ranges::find(kFailures, code & 0xff, &Failure::code);
  if (row == kFailures.end()) return {Status::internal, std::string("a statement is wrong: ") + words};
  return {row->status, std::string(row->sentence) + ": " + words};
}

int bind(sqlite3_stmt* statement, int place, const SqlValue& value) {
  if (const auto* const number = std::get_if<std::int64_t>(&value))
    return sqlite3_bind_int64(statement, place, *number);
  if (const auto* const text = std::get_if<std::string>(&value))
    return sqlite3_bind_text64(statement, place, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
  const Bytes& blob = std::get<Bytes>(value);
  // A null pointer would make it NULL.
  if (blob.empty()) return sqlite3_bind_zeroblob(statement, place, 0);
  return sqlite3_bind_blob64(statement, place, blob.data(), blob.size(), SQLITE_STATIC);
}

Result<SqlValue> column(sqlite3_stmt* statement, int index) {
  const int type = sqlite3_column_type(statement, index);
  if (type == SQLITE_INTEGER) return SqlValue(sqlite3_column_int64(statement, index));
  if (type != SQLITE_TEXT && type != SQLITE_BLOB)
    return Error{Status::internal, "a statement is wrong: column " + std::to_string(index) +
                                       " is neither an integer nor a text nor a byte string"};
  const void* const data =
      type == SQLITE_TEXT ? sqlite3_column_text(statement, index) : sqlite3_column_blob(statement, index);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, index));
  if (size != 0 && data == nullptr) return describe(SQLITE_NOMEM, "a column");
  const ByteView content(static_cast<const std::uint8_t*>(data), size);
  if (type == SQLITE_TEXT) return SqlValue(sks::to_string(content));
  return SqlValue(to_bytes(content));
}

}  // namespace

void SqliteConnection::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }
void SqliteConnection::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

/// A prepared statement that is put back as it was, so that it holds no lock and no pointer to parameters.
class SqliteConnection::Use {
 public:
  explicit Use(sqlite3_stmt* statement) : statement_(statement) {}
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }

 private:
  sqlite3_stmt* statement_;
};

SqliteConnection::~SqliteConnection() = default;

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::string& file, Mode mode) {
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection);
  sqlite3* raw = nullptr;
  // A reader writes into the shared memory of the WAL, too.
  const int code = sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  connection->database_.reset(raw);
  if (code != SQLITE_OK) return Error{Status::storage, "cannot open " + file + ": " + sqlite3_errstr(code)};
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_handler(raw, wait_for_others, connection.get());
  if (const int set = sqlite3_exec(raw, kSettings, nullptr, nullptr, nullptr); set != SQLITE_OK)
    return connection->failure(set);
  if (mode == Mode::read) SKS_TRY(connection->run("PRAGMA query_only = ON", {}));
  return connection;
}

int SqliteConnection::wait_for_others(void* connection, int attempt) {
  auto& self = *static_cast<SqliteConnection*>(connection);
  const auto now = std::chrono::steady_clock::now();
  if (attempt == 0) self.waiting_since_ = now;
  if (now - self.waiting_since_ > kPatience) return 0;
  std::this_thread::sleep_for(kLookAgain);
  return 1;
}

Error SqliteConnection::failure(int code) const { return describe(code, sqlite3_errmsg(database_.get())); }

bool SqliteConnection::in_transaction() const { return sqlite3_get_autocommit(database_.get()) == 0; }

Result<SqliteConnection::Prepared*> SqliteConnection::prepare(std::string_view text) {
  if (const auto known = prepared_.find(text); known != prepared_.end()) return &known->second;
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), text.data(), static_cast<int>(text.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  Prepared prepared;
  prepared.statement.reset(raw);
  if (code != SQLITE_OK) return failure(code);
  if (raw == nullptr) return Error{Status::internal, "a statement is wrong: it is empty"};
  // SQLite takes "$2" for a name and counts its places by their first appearance.
  for (int place = 1; place <= sqlite3_bind_parameter_count(raw); ++place) {
    const char* const name = sqlite3_bind_parameter_name(raw, place);
    const std::string_view digits = name == nullptr ? std::string_view() : std::string_view(name).substr(1);
    std::size_t number = 0;
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (problem != std::errc() || end != digits.data() + digits.size() || number == 0)
      return Error{Status::internal, "a statement is wrong: parameters are $1, $2, ..."};
    prepared.places.push_back(number - 1);
  }
  return &prepared_.emplace(std::string(text), std::move(prepared)).first->second;
}

Result<SqlRows> SqliteConnection::query(std::string_view statement, const SqlValues& parameters) {
  SKS_LET(Prepared* const prepared, prepare(statement));
  sqlite3_stmt* const raw = prepared->statement.get();
  const Use use(raw);
  for (std::size_t place = 0; place < prepared->places.size(); ++place) {
    const std::size_t parameter = prepared->places[place];
    if (parameter >= parameters.size()) return Error{Status::internal, "a statement is wrong: a parameter is missing"};
    const int code = bind(raw, static_cast<int>(place) + 1, parameters[parameter]);
    if (code != SQLITE_OK) return failure(code);
  }
  SqlRows rows;
  int code = sqlite3_step(raw);
  for (; code == SQLITE_ROW; code = sqlite3_step(raw)) {
    const int count = sqlite3_column_count(raw);
    SqlValues values;
    values.reserve(static_cast<std::size_t>(count));
    for (int index = 0; index < count; ++index) {
      SKS_LET(SqlValue value, column(raw, index));
      values.push_back(std::move(value));
    }
    rows.emplace_back(std::move(values));
  }
  if (code != SQLITE_DONE) return failure(code);
  return rows;
}

Result<std::int64_t> SqliteConnection::run(std::string_view statement, const SqlValues& parameters) {
  SKS_TRY(query(statement, parameters));
  return sqlite3_changes64(database_.get());
}

}  // namespace sks::issuer
