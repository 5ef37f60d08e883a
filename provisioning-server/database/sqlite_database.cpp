#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>
#include <ranges>
#include <thread>

#include "provisioning-server/database/sqlite_connection.h"

namespace sks::issuer {
namespace {

constexpr std::int64_t kApplicationId = 0x534b4953;  // "SKIS"
constexpr std::size_t kMaxReaders = 16;

class SqliteTransaction final : public SqlTransaction {
 public:
  explicit SqliteTransaction(SqliteConnection& connection) : connection_(connection) {}

  Result<SqlRows> query(std::string_view statement, const SqlValues& parameters) override {
    if (failure_) return *failure_;
    return keep(connection_.query(statement, parameters));
  }
  Result<std::int64_t> run(std::string_view statement, const SqlValues& parameters) override {
    if (failure_) return *failure_;
    const Result<std::int64_t> changed = keep(connection_.run(statement, parameters));
    if (changed && *changed != 0) note_change();
    return changed;
  }
  Result<void> enqueue(std::string_view statement, SqlValues parameters) override {
    SKS_TRY(run(statement, parameters));
    return {};
  }
  Result<void> require(std::string_view statement, SqlValues parameters) override {
    SKS_LET(const std::int64_t changed, run(statement, parameters));
    if (changed != 0) return {};
    failure_ = Error{Status::not_available, "there was no row to change"};
    return *failure_;
  }
  std::size_t lane() const override { return 0; }

  /// What `work` makes of the transaction: an error that it has not passed on counts, too.
  Result<void> outcome_of(const Database::Work& work) {
    Result<void> outcome = work(*this);
    if (outcome && failure_) return *failure_;
    return outcome;
  }
  void undone(Undone how) { tell_undone(how); }

 private:
  template <class T>
  Result<T> keep(Result<T> result) {
    if (!result) failure_ = result.error();
    return result;
  }

  SqliteConnection& connection_;
  std::optional<Error> failure_;
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::string file, std::unique_ptr<SqliteConnection> connection)
      : file_(std::move(file)), connection_(std::move(connection)) {}

  Result<void> write(const Work& work) override;
  Result<void> read(const Work& work) override;
  Result<SqlRows> select(std::string_view statement, const SqlValues& parameters) override;
  std::size_t lanes() const override { return 1; }
  std::string_view dialect() const override { return "sqlite"; }

 private:
  /// On the stack of the thread that wants it.
  struct Job {
    Job(const Work& asked, SqliteConnection& connection) : work(asked), transaction(connection) {}

    const Work& work;
    SqliteTransaction transaction;
    Result<void> outcome;
    std::exception_ptr thrown;
    std::condition_variable turn;  ///< is_finished, or the next one to write
    bool is_finished = false;
  };
  using Jobs = std::vector<Job*>;
  struct Loan;

  void run_together(const Jobs& jobs) noexcept;
  Result<void> run_in_transaction(const Jobs& jobs);
  Result<void> run_one(Job& job);
  void end_transaction(std::string_view statement);

  Result<std::unique_ptr<SqliteConnection>> take_reader();
  void give_back(std::unique_ptr<SqliteConnection> reader);

  const std::string file_;
  std::unique_ptr<SqliteConnection> connection_;  // of the writer

  std::mutex jobs_mutex_;
  Jobs jobs_;
  std::thread::id writer_;  ///< the thread that writes; none when nobody does

  std::mutex readers_mutex_;
  std::condition_variable reader_returns_;
  std::vector<std::unique_ptr<SqliteConnection>> idle_readers_;
  std::size_t readers_ = 0;
};

/// One thread writes at a time: the first of those that wait does it for all of them. So that a transaction on its own
/// changes threads nowhere, and those that come while the disk is waited for are the next ones together.
Result<void> SqliteDatabase::write(const Work& work) {
  const std::thread::id nobody;
  Job job(work, *connection_);
  std::unique_lock lock(jobs_mutex_);
  // The writer would wait for itself.
  SKS_CHECK(std::this_thread::get_id() != writer_);
  jobs_.push_back(&job);
  job.turn.wait(lock, [&] { return job.is_finished || writer_ == nobody; });
  if (!job.is_finished) {
    writer_ = std::this_thread::get_id();
    const Jobs together = std::exchange(jobs_, {});
    lock.unlock();
    run_together(together);
    lock.lock();
    writer_ = nobody;
    // Under the lock: a job is gone as soon as its owner sees that it is finished.
    for (Job* const finished : together) {
      finished->is_finished = true;
      if (finished != &job) finished->turn.notify_one();
    }
    if (!jobs_.empty()) jobs_.front()->turn.notify_one();
  }
  if (job.thrown) std::rethrow_exception(job.thrown);
  return std::move(job.outcome);
}

/// All jobs in one transaction: what costs time is to wait for the disk.
/// Whoever waits for one of them would wait for ever if it threw.
void SqliteDatabase::run_together(const Jobs& jobs) noexcept {
  const Result<void> done = run_in_transaction(jobs);
  if (done) return;
  end_transaction("ROLLBACK");
  // The latest first, so that each finds what it has left behind.
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    (*job)->transaction.undone(SqlTransaction::Undone::perhaps);
    if ((*job)->outcome) (*job)->outcome = done.error();
  }
}

Result<void> SqliteDatabase::run_in_transaction(const Jobs& jobs) {
  SKS_TRY(connection_->run("BEGIN IMMEDIATE", {}));
  for (Job* const job : jobs) SKS_TRY(run_one(*job));
  SKS_TRY(connection_->run("COMMIT", {}));
  return {};
}

/// Fails only when the transaction as a whole is lost.
Result<void> SqliteDatabase::run_one(Job& job) {
  SKS_TRY(connection_->run("SAVEPOINT job", {}));
  bool is_good = false;
  try {
    job.outcome = job.transaction.outcome_of(job.work);
    is_good = static_cast<bool>(job.outcome);
  } catch (...) {
    job.thrown = std::current_exception();
  }
  if (!connection_->in_transaction())
    return job.outcome ? Error{Status::storage, "the database has given up the transaction"} : job.outcome.error();
  if (!is_good) {
    SKS_TRY(connection_->run("ROLLBACK TO job", {}));
    job.transaction.undone(SqlTransaction::Undone::certainly);
  }
  SKS_TRY(connection_->run("RELEASE job", {}));
  return {};
}

void SqliteDatabase::end_transaction(std::string_view statement) {
  // It is over already when SQLite has ended it itself; nothing else can go wrong with a rollback.
  if (connection_->in_transaction()) static_cast<void>(connection_->run(statement, {}));
}

/// Gives the connection back without a transaction, whatever happens.
struct SqliteDatabase::Loan {
  SqliteDatabase& database;
  std::unique_ptr<SqliteConnection> reader;
  ~Loan() {
    if (reader->in_transaction()) static_cast<void>(reader->run("ROLLBACK", {}));
    database.give_back(std::move(reader));
  }
};

Result<SqlRows> SqliteDatabase::select(std::string_view statement, const SqlValues& parameters) {
  SKS_LET(std::unique_ptr<SqliteConnection> reader, take_reader());
  const Loan loan{*this, std::move(reader)};
  return loan.reader->query(statement, parameters);
}

Result<void> SqliteDatabase::read(const Work& work) {
  SKS_LET(std::unique_ptr<SqliteConnection> reader, take_reader());
  const Loan loan{*this, std::move(reader)};
  SKS_TRY(loan.reader->run("BEGIN", {}));
  SqliteTransaction transaction(*loan.reader);
  return transaction.outcome_of(work);
}

Result<std::unique_ptr<SqliteConnection>> SqliteDatabase::take_reader() {
  {
    std::unique_lock lock(readers_mutex_);
    reader_returns_.wait(lock, [this] { return !idle_readers_.empty() || readers_ < kMaxReaders; });
    if (!idle_readers_.empty()) {
      std::unique_ptr<SqliteConnection> reader = std::move(idle_readers_.back());
      idle_readers_.pop_back();
      return reader;
    }
    ++readers_;
  }
  auto opened = SqliteConnection::open(file_, SqliteConnection::Mode::read);
  if (!opened) {
    const std::lock_guard lock(readers_mutex_);
    --readers_;
    reader_returns_.notify_one();
  }
  return opened;
}

void SqliteDatabase::give_back(std::unique_ptr<SqliteConnection> reader) {
  const std::lock_guard lock(readers_mutex_);
  idle_readers_.push_back(std::move(reader));
  reader_returns_.notify_one();
}

/// An empty file that only its owner can read, from its first moment on.
Result<void> create_file(const std::string& file) {
  const int made = ::open(file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (made >= 0) {
    ::close(made);
    return {};
  }
  if (errno == EEXIST) return Error{Status::option, file + " exists already"};
  return Error{Status::storage,
               "cannot make " + file + ": " + std::strerror(errno)};  // NOLINT(concurrency-mt-unsafe): glibc's is
}

Result<void> check_kind(SqliteConnection& connection, const std::string& file) {
  SKS_LET(const SqlRows rows, connection.query("PRAGMA application_id", {}));
  if (rows.empty() || rows[0].integer(0) != kApplicationId)
    return Error{Status::option, file + " is not the database of an issuer"};
  return {};
}

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(const std::string& file, bool create) {
  std::error_code ignored;
  if (create) {
    SKS_TRY(create_file(file));
  } else if (!std::filesystem::exists(file, ignored)) {
    return Error{Status::not_available, "there is no database " + file};
  }
  auto connection = SqliteConnection::open(file, SqliteConnection::Mode::write);
  if (!connection) return Error{Status::option, file + " cannot be used: " + connection.error().detail};
  if (create) {
    SKS_TRY((*connection)->run("PRAGMA application_id = " + std::to_string(kApplicationId), {}));
  } else {
    SKS_TRY(check_kind(**connection, file));
  }
  return std::unique_ptr<Database>(new SqliteDatabase(file, std::move(connection).value()));
}

}  // namespace sks::issuer
