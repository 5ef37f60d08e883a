#pragma once

#include <mutex>

namespace sks::engine {

/// The engine's locks, taken in this order.
struct Locks {
  /// Held during every call that works in an open session: they come one after the other. Key generation and the
  /// device's signatures happen under this lock alone, so that the users of finished keys need not wait for them.
  std::mutex provisioning;
  /// Taken by one delayed PUK after the other: waiting in parallel would undo the delay.
  std::mutex puk_delay;
  /// Held while anything looks at the store or changes it. Operations with a key happen outside of it.
  std::mutex store;
};

/// Both locks of a call that works in an open session.
class ProvisioningLock {
 public:
  explicit ProvisioningLock(Locks& locks) : provisioning_(locks.provisioning), store_(locks.store) {}

 private:
  std::lock_guard<std::mutex> provisioning_;
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
