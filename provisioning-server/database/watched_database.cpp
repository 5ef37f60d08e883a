#include "provisioning-server/database/watched_database.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

#include "provisioning-server/log.h"
#include "provisioning-server/metrics.h"

namespace sks::issuer {
namespace {

using SteadyClock = std::chrono::steady_clock;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

/// The words of metric database_errors_total. A row that is there already is an answer, not a failure.
std::string_view reason_of(Status status) { return status == Status::storage ? "unavailable" : "statement"; }

/// What may fail while the others work, so that it alone shows that it works again: a database whose disk is full, or
/// that somebody else holds, can be read, and a transaction that changes nothing needs no disk.
enum Part : unsigned { kRead = 1, kBegin = 2, kChange = 4 };

class WatchedDatabase final : public Database {
 public:
  explicit WatchedDatabase(std::unique_ptr<Database> inner) : inner_(std::move(inner)) {}

  Result<void> write(const Work& work) override { return commit(work, &Database::write); }
  Result<void> swap(const Work& work) override { return commit(work, &Database::swap); }
  Result<void> read(const Work& work) override {
    Watch watch{work};
    Result<void> outcome = inner_->read(watch.work());
    if (outcome || watch.has_refused(outcome)) {
      note_success(kRead);
    } else {
      note_failure(outcome.error(), kRead);
    }
    return outcome;
  }
  Result<SqlRows> select(std::string_view statement, const SqlValues& parameters) override {
    Result<SqlRows> rows = inner_->select(statement, parameters);
    if (rows) {
      note_success(kRead);
    } else {
      note_failure(rows.error(), kRead);
    }
    return rows;
  }
  std::size_t lanes() const override { return inner_->lanes(); }
  std::string_view dialect() const override { return inner_->dialect(); }

 private:
  /// One transaction.
  class Watch {
   public:
    explicit Watch(const Work& given) : given_(given) {}
    Work work() {
      return [this](SqlTransaction& transaction) -> Result<void> {
        Result<void> outcome = given_(transaction);
        reached_ = true;
        has_changes_ = transaction.has_changes();
        return outcome;
      };
    }
    bool reached() const { return reached_; }
    bool has_changes() const { return has_changes_; }
    /// What the work refuses by itself says nothing about what the database would have made of it.
    bool has_refused(const Result<void>& outcome) const {
      return reached_ && !outcome && outcome.error().status != Status::storage;
    }

   private:
    const Work& given_;
    bool reached_ = false;
    bool has_changes_ = false;
  };

  Result<void> commit(const Work& work, Result<void> (Database::*how)(const Work&)) {
    const SteadyClock::time_point start = SteadyClock::now();
    Watch watch{work};
    Result<void> outcome = ((*inner_).*how)(watch.work());
    if (outcome) {
      note_success(watch.has_changes() ? kBegin | kChange : kBegin);
      Metrics::instance().observe("database_commit_seconds", seconds_since(start));
    } else if (watch.has_refused(outcome)) {
      note_success(kBegin);
    } else {
      note_failure(outcome.error(), watch.reached() ? kChange : kBegin);
    }
    return outcome;
  }

  void note_failure(const Error& error, Part part) {
    Metrics::instance().counter("database_errors_total", {{"reason", reason_of(error.status)}}).add();
    if (error.status != Status::storage) return;
    const std::lock_guard lock(mutex_);
    ++failures_;
    if (out_.fetch_or(part) != 0) return;
    since_ = SteadyClock::now();
    log_error("outage", {{"what", "database"}, {"reason", error.detail}});
  }

  /// Of these parts.
  void note_success(unsigned parts) {
    if ((out_.load(std::memory_order_relaxed) & parts) == 0) return;
    const std::lock_guard lock(mutex_);
    const unsigned before = out_.fetch_and(~parts);
    if (before == 0 || (before & ~parts) != 0) return;
    log_info("outage-over", {{"what", "database"},
                             {"seconds", std::to_string(static_cast<std::int64_t>(seconds_since(since_)))},
                             {"failures", std::to_string(std::exchange(failures_, 0))}});
  }

  std::unique_ptr<Database> inner_;
  std::atomic<unsigned> out_{0};  ///< parts that have failed and not worked since
  std::mutex mutex_;
  SteadyClock::time_point since_;
  std::uint64_t failures_ = 0;
};

}  // namespace

std::unique_ptr<Database> watch_database(std::unique_ptr<Database> database) {
  return std::make_unique<WatchedDatabase>(std::move(database));
}

}  // namespace sks::issuer
