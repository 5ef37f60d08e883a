#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <thread>

#include "provisioning-server/database/postgresql_pool.h"
#include "provisioning-server/metrics.h"
#include "sks-core/base/random.h"

namespace sks::issuer {
namespace {

enum class Access : std::uint8_t { write, swap, read, select };

/// In the order of Access.
///
/// write: Database promises that nobody disturbs a transaction, so that one may count rows before it inserts another.
/// Its predicate locks are on pages, which unrelated sessions share: some of the transactions are repeated for nothing.
/// swap: the snapshot and the locks of the rows that are changed. Two that change one row collide all the same.
/// read: a snapshot is all that is needed. It never collides.
/// select: a statement has its snapshot by itself.
constexpr auto kBegin = std::to_array<std::string_view>({
    "BEGIN ISOLATION LEVEL SERIALIZABLE",
    "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    "",
});

/// What libpq and the server keep of statements whose answers nobody has read yet stays bounded.
constexpr std::size_t kLongestPipeline = 128;

constexpr int kLossesBeforeTurn = 3;
constexpr std::chrono::milliseconds kFirstPause{1};
constexpr std::chrono::milliseconds kLongestPause{32};

/// What runs a change and fails with SQLSTATE 22012 when it had no row to change: statements behind it, which are on
/// their way already, are skipped then.
constexpr std::string_view kRequireBegin = "WITH required AS (";
constexpr std::string_view kRequireEnd = " RETURNING 1) SELECT 1 / count(*) FROM required";

/// Statements that are run once and may take long.
constexpr auto kSchemaWords = std::to_array<std::string_view>({"CREATE", "ALTER", "DROP"});

bool changes_schema(std::string_view statement) {
  statement.remove_prefix(std::min(statement.find_first_not_of(" \n"), statement.size()));
  return std::ranges::any_of(kSchemaWords, [&](std::string_view word) { return statement.starts_with(word); });
}

struct FailureRow {
  SqlFailureKind kind;
  Status status;
  std::string_view sentence;
};
constexpr auto kFailures = std::to_array<FailureRow>({
    {SqlFailureKind::lost, Status::storage, "the connection to the database was lost"},
    {SqlFailureKind::no_answer, Status::storage, "the database does not answer"},
    {SqlFailureKind::collision, Status::storage, "the database is too busy: the change collided with others each time"},
    {SqlFailureKind::unique, Status::not_allowed, "the database says"},
    {SqlFailureKind::unchanged, Status::not_available, "there was no row to change"},
    {SqlFailureKind::read_only, Status::storage, "the database takes no changes"},
    {SqlFailureKind::no_room, Status::storage, "the database says"},
    {SqlFailureKind::statement, Status::internal, "the database says"},
});

Error error_of(const SqlFailure& failure) {
  const auto row = std::ranges::find(kFailures, failure.kind, &FailureRow::kind);
  SKS_CHECK(row != kFailures.end());
  return {row->status, std::string(row->sentence) + ": " + failure.detail};
}

bool ends_connection(SqlFailureKind kind) { return kind == SqlFailureKind::lost || kind == SqlFailureKind::no_answer; }

class PostgresqlTransaction : public SqlTransaction {
 public:
  PostgresqlTransaction(PostgresqlPool::Lease& lease, const PostgresqlLimits& limits, Access access)
      : lease_(lease), limits_(limits), access_(access) {}
  PostgresqlTransaction(const PostgresqlTransaction&) = delete;
  PostgresqlTransaction& operator=(const PostgresqlTransaction&) = delete;
  ~PostgresqlTransaction() override {
    if (!over_) roll_back();
  }

  Result<SqlRows> query(std::string_view statement, const SqlValues& parameters) override {
    SKS_LET(PostgresqlConnection::Answer answer, ask(statement, parameters));
    return std::move(answer.rows);
  }
  Result<std::int64_t> run(std::string_view statement, const SqlValues& parameters) override {
    SKS_LET(const PostgresqlConnection::Answer answer, ask(statement, parameters));
    if (answer.changed != 0) note_change();
    return answer.changed;
  }
  Result<void> enqueue(std::string_view statement, SqlValues parameters) override {
    SKS_TRY(send(statement, parameters));
    note_change();
    if (queued_ < kLongestPipeline) return {};
    SKS_TRY(receive());
    return {};
  }
  Result<void> require(std::string_view statement, SqlValues parameters) override {
    return enqueue(std::string(kRequireBegin).append(statement).append(kRequireEnd), std::move(parameters));
  }
  std::size_t lane() const override { return lease_.lane(); }

  /// Ends the transaction as `outcome`, the word of the work, and what happened before want it.
  Result<void> finish(Result<void> outcome) {
    if (outcome && !failure_) outcome = commit();
    if (!over_) roll_back();
    if (outcome && failure_) return error_of(*failure_);
    return outcome;
  }
  bool collided() const { return failure_ && failure_->kind == SqlFailureKind::collision; }

 private:
  Error fail(SqlFailure failure) {
    // A statement that changes something where only reading is possible: our mistake, or an old primary.
    if (failure.kind == SqlFailureKind::read_only && access_ >= Access::read) failure.kind = SqlFailureKind::statement;
    failure_ = std::move(failure);
    return error_of(*failure_);
  }

  Result<void> send(std::string_view statement, const SqlValues& parameters) {
    if (failure_) return error_of(*failure_);
    PostgresqlConnection& connection = lease_.connection();
    const auto send_all = [&]() -> Result<void, SqlFailure> {
      const std::string_view begin = kBegin.at(static_cast<std::size_t>(access_));
      if (!begun_ && !begin.empty()) SKS_TRY(connection.send(begin, {}));
      begun_ = !begin.empty();
      if (!changes_schema(statement)) return connection.send(statement, parameters);
      longest_ = limits_.schema_answer;
      SKS_TRY(connection.send("SELECT set_config('statement_timeout', $1, true)", {std::to_string(longest_.count())}));
      return connection.send(statement, parameters, PostgresqlConnection::Prepare::no);
    };
    ++queued_;
    auto sent = send_all();
    if (!sent) return fail(std::move(sent).error());
    return {};
  }

  Result<PostgresqlConnection::Answer> receive() {
    auto answer = lease_.connection().receive(longest_);
    queued_ = 0;
    if (!answer) return fail(std::move(answer).error());
    return std::move(*answer);
  }

  Result<PostgresqlConnection::Answer> ask(std::string_view statement, const SqlValues& parameters) {
    SKS_TRY(send(statement, parameters));
    return receive();
  }

  Result<void> commit() {
    if (!begun_) {
      over_ = true;
      return {};
    }
    if (access_ == Access::read && queued_ == 0) {
      // Nothing depends on the answer, so it is read when the connection is used again.
      SKS_TRY(send("COMMIT", {}));
      lease_.connection().leave();
      over_ = true;
      return {};
    }
    commit_sent_ = true;
    const auto answer = ask("COMMIT", {});
    if (answer && answer->command == "COMMIT") {
      over_ = true;
      return {};
    }
    if (answer) return fail({SqlFailureKind::statement, "the transaction was rolled back"});
    if (!ends_connection(failure_->kind)) return answer.error();
    return Error{Status::storage, answer.error().detail + "; whether the change was made is unknown"};
  }

  bool send_rollback() {
    // Behind a queued statement that fails, the server skips the rest of the pipeline, and with it the first ROLLBACK.
    for (int attempt = 0; attempt < 2; ++attempt) {
      if (!lease_.connection().send("ROLLBACK", {})) return false;
      const auto answer = lease_.connection().receive(limits_.answer);
      if (!answer && ends_connection(answer.error().kind)) return false;
      if (lease_.connection().idle()) return true;
    }
    return false;
  }

  void roll_back() {
    over_ = true;
    const bool usable = !(failure_ && ends_connection(failure_->kind));
    if (begun_ && usable && !send_rollback()) lease_.drop();
    if (failure_ && (ends_connection(failure_->kind) || failure_->kind == SqlFailureKind::read_only)) lease_.drop();
    if (failure_ && failure_->kind == SqlFailureKind::no_answer) lease_.suspect_all(failure_->detail);
    tell_undone(usable || !commit_sent_ ? Undone::certainly : Undone::perhaps);
  }

  PostgresqlPool::Lease& lease_;
  const PostgresqlLimits& limits_;
  const Access access_;
  std::chrono::milliseconds longest_ = limits_.answer;
  bool begun_ = false;
  bool over_ = false;
  bool commit_sent_ = false;
  std::size_t queued_ = 0;  ///< statements whose answers have not been read
  std::optional<SqlFailure> failure_;
};

class PostgresqlDatabase : public Database {
 public:
  PostgresqlDatabase(const std::string& url, std::size_t connections, const PostgresqlLimits& limits)
      : limits_(limits), pool_(url, connections, limits) {}

  Result<void> write(const Work& work) override { return run(work, Access::write); }
  Result<void> swap(const Work& work) override { return run(work, Access::swap); }
  Result<void> read(const Work& work) override { return run(work, Access::read); }
  Result<SqlRows> select(std::string_view statement, const SqlValues& parameters) override {
    SqlRows rows;
    const auto one = [&](SqlTransaction& transaction) -> Result<void> {
      SKS_LET(rows, transaction.query(statement, parameters));
      return {};
    };
    SKS_TRY(run(one, Access::select));
    return rows;
  }
  std::size_t lanes() const override { return pool_.size(); }
  std::string_view dialect() const override { return "postgresql"; }

 private:
  Result<void> run(const Work& work, Access access) {
    // Transactions that have just been committed begin anew at once and win against one that waits, again and again.
    // Those that lose take turns, until the others have lost as often and stand in the same line.
    std::unique_lock<std::timed_mutex> turn(turn_, std::defer_lock);
    for (int repetition = 0;; ++repetition) {
      if (repetition == kLossesBeforeTurn) static_cast<void>(turn.try_lock_for(limits_.free_connection));
      {
        SKS_LET(PostgresqlPool::Lease lease, pool_.lease());
        PostgresqlTransaction transaction(lease, limits_, access);
        Result<void> outcome = transaction.finish(work(transaction));
        if (outcome || !transaction.collided() || repetition >= limits_.repetitions) return outcome;
        Metrics::instance().counter("database_repeats_total").add();
      }
      pause(repetition);
    }
  }

  /// A random part of a time that doubles, so that those who collided do not meet again.
  static void pause(int repetition) {
    auto longest = std::chrono::microseconds(kFirstPause);
    for (int i = 0; i < repetition && longest < kLongestPause; ++i) longest *= 2;
    const Bytes random = system_random().bytes(1);
    std::this_thread::sleep_for(longest * (random[0] + 1) / 256);
  }

  const PostgresqlLimits limits_;
  PostgresqlPool pool_;
  std::timed_mutex turn_;
};

/// libpq quotes parts of a URL that it cannot read.
bool may_hold_password(const std::string& url) {
  return url.find('@') != std::string::npos || url.find("password") != std::string::npos;
}

Result<void> check_url(const std::string& url) {
  char* message = nullptr;
  const ossl::Ptr<PQconninfoOption, PQconninfoFree> options(PQconninfoParse(url.c_str(), &message));
  const ossl::Ptr<char, PQfreemem> owned(message);
  if (options) return {};
  std::string detail = "the URL of the database is not one of PostgreSQL";
  if (message != nullptr && !may_hold_password(url)) detail += ": " + std::string(message);
  while (detail.ends_with('\n')) detail.pop_back();
  return Error{Status::option, detail};
}

}  // namespace

Result<std::unique_ptr<Database>> open_postgresql(const std::string& url, std::size_t connections,
                                                  const PostgresqlLimits& limits) {
  SKS_TRY(check_url(url));
  auto database = std::make_unique<PostgresqlDatabase>(url, std::max<std::size_t>(connections, 1), limits);
  const Result<void> answers = database->read([](SqlTransaction& transaction) -> Result<void> {
    SKS_TRY(transaction.query("SELECT 1", {}));
    return {};
  });
  if (!answers) return answers.error();
  return std::unique_ptr<Database>(std::move(database));
}

Result<std::unique_ptr<Database>> open_postgresql(const std::string& url, std::size_t connections) {
  return open_postgresql(url, connections, {});
}

}  // namespace sks::issuer
