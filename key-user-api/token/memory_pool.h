#pragma once

#include <cstddef>
#include <memory>
#include <mutex>

namespace sks::token {

/// Bytes that may be held at the same time, of a larger pool if there is one: what one application holds is part of
/// what all of them do. Thread-safe.
class MemoryPool {
 public:
  explicit MemoryPool(std::size_t limit, std::shared_ptr<MemoryPool> larger = nullptr)
      : limit_(limit), larger_(std::move(larger)) {}

  /// False, and nothing is taken: there is not so much left.
  [[nodiscard]] bool take(std::size_t bytes);
  void give_back(std::size_t bytes);

 private:
  const std::size_t limit_;
  const std::shared_ptr<MemoryPool> larger_;
  std::mutex mutex_;
  std::size_t taken_ = 0;
};

/// What one holder has taken of a pool. Goes back with it.
class MemoryShare {
 public:
  explicit MemoryShare(std::shared_ptr<MemoryPool> pool) : pool_(std::move(pool)) {}
  MemoryShare(const MemoryShare&) = delete;
  MemoryShare& operator=(const MemoryShare&) = delete;
  ~MemoryShare() { pool_->give_back(bytes_); }

  std::size_t bytes() const { return bytes_; }
  /// Less is always to be had. False: the pool has not so much left, and the share is as it was.
  [[nodiscard]] bool resize(std::size_t bytes);

 private:
  const std::shared_ptr<MemoryPool> pool_;
  std::size_t bytes_ = 0;
};

}  // namespace sks::token
