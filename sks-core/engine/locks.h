#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace sks::engine {

/// A mutex that goes to those who wait in the order in which they came. std::mutex goes to anyone.
class FifoMutex {
 public:
  void lock() {
    std::unique_lock lock(mutex_);
    const std::uint64_t ticket = next_ticket_++;
    turn_.wait(lock, [&] { return ticket == served_; });
  }
  void unlock() {
    const std::lock_guard lock(mutex_);
    ++served_;
    turn_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable turn_;
  std::uint64_t next_ticket_ = 0;
  std::uint64_t served_ = 0;
};

/// The engine's locks, taken in this order.
struct Locks {
  /// Held during every call that works in an open session: they come one after the other, in the order of their
  /// arrival (sks-byte-stream.md, detail 8). Key generation and the device's signatures happen under this lock alone,
  /// so that the users of finished keys need not wait for them.
  FifoMutex provisioning;
  /// Taken by one delayed PUK after the other: waiting in parallel would undo the delay.
  std::mutex puk_delay;
  /// Held while anything looks at the store or changes it. Operations with a key happen outside of it.
  std::mutex store;
};

/// Both locks of a call that works in an open session. They are given up before it waits for the storage, so that
/// several calls can wait for one and the same sync.
class ProvisioningLock {
 public:
  explicit ProvisioningLock(Locks& locks) : provisioning_(locks.provisioning), store_(locks.store) {}

 private:
  std::lock_guard<FifoMutex> provisioning_;
  std::lock_guard<std::mutex> store_;
};

/// Lets other calls look at the store for a while. The caller looks again at what it knew of objects that are not its
/// own.
class Unlocked {
 public:
  explicit Unlocked(std::mutex& mutex) : mutex_(mutex) { mutex_.unlock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;
  ~Unlocked() { mutex_.lock(); }

 private:
  std::mutex& mutex_;
};

}  // namespace sks::engine
