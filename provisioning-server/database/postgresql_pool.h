#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "provisioning-server/database/postgresql_connection.h"

namespace sks::issuer {

/// The connections of one Database, one for each lane. They are made when they are needed and made again when they are
/// lost. While nothing can be connected to, a thread of the pool tries from time to time, and everybody else is told at
/// once what it found. Safe for several threads.
class PostgresqlPool {
 public:
  PostgresqlPool(std::string url, std::size_t lanes, const PostgresqlLimits& limits);
  ~PostgresqlPool();
  PostgresqlPool(const PostgresqlPool&) = delete;
  PostgresqlPool& operator=(const PostgresqlPool&) = delete;

  std::size_t size() const { return lanes_.size(); }

  /// A connection for one thread, until it goes away.
  class Lease {
   public:
    Lease(PostgresqlPool& pool, std::size_t lane) : pool_(&pool), lane_(lane) {}
    Lease(Lease&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), lane_(other.lane_) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (pool_ != nullptr) pool_->give_back(lane_);
    }
    std::size_t lane() const { return lane_; }
    PostgresqlConnection& connection() const { return *pool_->lanes_[lane_].connection; }
    /// The connection is of no use any more.
    void drop() { pool_->lanes_[lane_].connection.reset(); }
    /// Nor are the others, as long as the server has not shown that it answers.
    void suspect_all(const std::string& why);

   private:
    PostgresqlPool* pool_;
    std::size_t lane_;
  };
  /// Waits for a free lane if need be. Fails with not_available (there is no such database) or storage.
  Result<Lease> lease();

 private:
  struct Lane {
    std::unique_ptr<PostgresqlConnection> connection;
    std::uint64_t epoch = 0;  ///< of the connection: older than epoch_ means suspected
    bool busy = false;
  };

  void give_back(std::size_t lane);
  /// Free lanes that are connected come first. None: size().
  std::size_t find_free() const;
  /// Without lock_, for a lane that is busy for the caller's sake.
  Result<void> make_ready(Lane& lane, std::size_t number);
  void begin_outage(const Error& why);
  void watch(const std::stop_token& stop);

  const std::string url_;
  const PostgresqlLimits limits_;
  const std::int64_t lock_base_;  ///< the number of lane 0's lock in the server
  std::mutex lock_;
  std::condition_variable_any freed_;         ///< a lane was given back, or an outage has begun or ended
  std::condition_variable_any outage_begun_;  ///< for the watcher alone: it need not wake up for every transaction
  std::vector<Lane> lanes_;
  std::uint64_t epoch_ = 0;
  std::unique_ptr<Error> outage_;  ///< why no connection can be made
  std::jthread watcher_;           ///< goes away before what it uses
};

}  // namespace sks::issuer
