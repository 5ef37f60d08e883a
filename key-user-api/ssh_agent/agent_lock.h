#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>

#include "sks-core/base/bytes.h"
#include "sks-core/base/random.h"
#include "sks-core/base/result.h"

namespace sks::ssh {

/// The lock of an agent, under a passphrase of which only a hash is kept. Thread-safe.
class AgentLock {
 public:
  using Pause = std::function<void(std::chrono::milliseconds)>;

  /// `pause` waits; it may end early when the agent stops.
  AgentLock(const Random& random, Pause pause) : random_(random), pause_(std::move(pause)) {}

  bool locked() const { return locked_; }

  /// Fails with not_allowed (locked already), or crypto (there is no memory for the hash).
  Result<void> lock(ByteView passphrase);
  /// Fails with not_allowed (not locked), or authorization after a pause that gets longer with every failure: attempts
  /// come one after the other, on however many connections.
  Result<void> unlock(ByteView passphrase);

 private:
  Result<SecureBytes> hash_of(ByteView passphrase) const;

  const Random& random_;
  Pause pause_;
  std::atomic<bool> locked_ = false;
  std::mutex mutex_;  ///< of what follows
  Bytes salt_;
  SecureBytes hash_;
  unsigned failures_ = 0;
};

}  // namespace sks::ssh
