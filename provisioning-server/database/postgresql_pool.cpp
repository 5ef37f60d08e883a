#include "provisioning-server/database/postgresql_pool.h"

#include <algorithm>

#include "sks-core/base/random.h"

namespace sks::issuer {
namespace {

using std::chrono::steady_clock;

/// Between two attempts to reach a database that is away.
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{1000};

/// The locks of a database object are `lanes` numbers in a row; at 2^62 of them, others do not draw the same.
std::int64_t draw_lock_base() {
  const Bytes random = system_random().bytes(8);
  std::uint64_t number = 0;
  for (const std::uint8_t byte : random) number = number << 8 | byte;
  return static_cast<std::int64_t>(number >> 1);
}

}  // namespace

PostgresqlPool::PostgresqlPool(std::string url, std::size_t lanes, const PostgresqlLimits& limits)
    : url_(std::move(url)), limits_(limits), lock_base_(draw_lock_base() / 2), lanes_(lanes) {
  watcher_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

PostgresqlPool::~PostgresqlPool() = default;

void PostgresqlPool::Lease::suspect_all(const std::string& why) {
  const std::lock_guard guard(pool_->lock_);
  ++pool_->epoch_;
  pool_->begin_outage({Status::storage, why});
}

std::size_t PostgresqlPool::find_free() const {
  std::size_t best = lanes_.size();
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (lanes_[i].busy) continue;
    if (lanes_[i].connection && lanes_[i].epoch == epoch_) return i;
    if (best == lanes_.size()) best = i;
  }
  return best;
}

Result<PostgresqlPool::Lease> PostgresqlPool::lease() {
  const auto deadline = steady_clock::now() + limits_.free_connection;
  std::unique_lock guard(lock_);
  for (;;) {
    const std::size_t number = find_free();
    const bool connected = number < lanes_.size() && lanes_[number].connection && lanes_[number].epoch == epoch_;
    // What others hold may work in spite of an outage, when the server takes no more connections; it is not waited for.
    if (outage_ && !connected) return *outage_;
    if (number == lanes_.size()) {
      if (freed_.wait_until(guard, deadline) == std::cv_status::timeout && find_free() == lanes_.size())
        return Error{Status::storage, "all " + std::to_string(lanes_.size()) +
                                          " connections to the database have been in use for too long"};
      continue;
    }
    Lane& lane = lanes_[number];
    lane.busy = true;
    if (lane.epoch != epoch_) lane.connection.reset();
    lane.epoch = epoch_;
    guard.unlock();
    Lease lease(*this, number);
    SKS_TRY(make_ready(lane, number));
    return lease;
  }
}

Result<void> PostgresqlPool::make_ready(Lane& lane, std::size_t number) {
  if (lane.connection && lane.connection->alive()) return {};
  lane.connection.reset();
  auto connected = PostgresqlConnection::connect(url_, limits_, lock_base_ + static_cast<std::int64_t>(number));
  if (!connected) {
    const std::lock_guard guard(lock_);
    begin_outage(connected.error());
    return connected.error();
  }
  lane.connection = std::move(*connected);
  return {};
}

void PostgresqlPool::give_back(std::size_t lane) {
  {
    const std::lock_guard guard(lock_);
    lanes_[lane].busy = false;
  }
  freed_.notify_one();
}

void PostgresqlPool::begin_outage(const Error& why) {
  outage_ = std::make_unique<Error>(why);
  freed_.notify_all();
  outage_begun_.notify_all();
}

void PostgresqlPool::watch(const std::stop_token& stop) {
  std::unique_lock guard(lock_);
  auto pause = kFirstPause;
  const auto never = [] { return false; };
  while (!stop.stop_requested()) {
    if (!outage_begun_.wait(guard, stop, [this] { return outage_ != nullptr; })) return;
    outage_begun_.wait_for(guard, stop, pause, never);
    if (stop.stop_requested()) return;
    guard.unlock();
    const auto reached = PostgresqlConnection::probe(url_, limits_);
    guard.lock();
    if (reached) {
      outage_.reset();
      pause = kFirstPause;
      freed_.notify_all();
    } else {
      outage_ = std::make_unique<Error>(reached.error());
      pause = std::min(pause * 2, kLongestPause);
    }
  }
}

}  // namespace sks::issuer
