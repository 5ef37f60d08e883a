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

class WatchedDatabase final : public Database {
 public:
  explicit WatchedDatabase(std::unique_ptr<Database> inner) : inner_(std::move(inner)) {}

  Result<void> write(const Work& work) override { return commit(work, &Database::write); }
  Result<void> swap(const Work& work) override { return commit(work, &Database::swap); }
  Result<void> read(const Work& work) override {
    Watch watch{*this, work};
    return watch.settle(inner_->read(watch.work()));
  }
  Result<SqlRows> select(std::string_view statement, const SqlValues& parameters) override {
    Result<SqlRows> rows = inner_->select(statement, parameters);
    if (rows) {
      note_success();
    } else {
      note_failure(rows.error());
    }
    return rows;
  }
  std::size_t lanes() const override { return inner_->lanes(); }
  std::string_view dialect() const override { return inner_->dialect(); }

 private:
  /// One transaction: what its work refuses by itself says nothing about the database.
  class Watch {
   public:
    Watch(WatchedDatabase& database, const Work& given) : database_(database), given_(given) {}
    Work work() {
      return [this](SqlTransaction& transaction) -> Result<void> {
        Result<void> outcome = given_(transaction);
        reached_ = true;
        return outcome;
      };
    }
    Result<void> settle(Result<void> outcome) {
      if (outcome || (reached_ && outcome.error().status != Status::storage)) {
        database_.note_success();
      } else {
        database_.note_failure(outcome.error());
      }
      return outcome;
    }

   private:
    WatchedDatabase& database_;
    const Work& given_;
    bool reached_ = false;
  };

  Result<void> commit(const Work& work, Result<void> (Database::*how)(const Work&)) {
    const SteadyClock::time_point start = SteadyClock::now();
    Watch watch{*this, work};
    Result<void> outcome = watch.settle(((*inner_).*how)(watch.work()));
    if (outcome) Metrics::instance().observe("database_commit_seconds", seconds_since(start));
    return outcome;
  }

  void note_failure(const Error& error) {
    Metrics::instance().counter("database_errors_total", {{"reason", reason_of(error.status)}}).add();
    if (error.status != Status::storage) return;
    const std::lock_guard lock(mutex_);
    ++failures_;
    if (is_out_.exchange(true)) return;
    since_ = SteadyClock::now();
    log_error("outage", {{"what", "database"}, {"reason", error.detail}});
  }

  void note_success() {
    if (!is_out_.load(std::memory_order_relaxed)) return;
    const std::lock_guard lock(mutex_);
    if (!is_out_.exchange(false)) return;
    log_info("outage-over", {{"what", "database"},
                             {"seconds", std::to_string(static_cast<std::int64_t>(seconds_since(since_)))},
                             {"failures", std::to_string(std::exchange(failures_, 0))}});
  }

  std::unique_ptr<Database> inner_;
  std::atomic<bool> is_out_{false};
  std::mutex mutex_;
  SteadyClock::time_point since_;
  std::uint64_t failures_ = 0;
};

}  // namespace

std::unique_ptr<Database> watch_database(std::unique_ptr<Database> database) {
  return std::make_unique<WatchedDatabase>(std::move(database));
}

}  // namespace sks::issuer
