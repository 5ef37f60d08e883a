#pragma once

#include <chrono>
#include <memory>

#include "key-user-api/daemon/peer.h"

namespace sks::daemon {

/// One use of the key store, or a connection that was refused. Spec: spec/sksd.md 9.
struct Use {
  std::chrono::system_clock::time_point time;  ///< when it was over
  std::shared_ptr<const Peer> peer;
  std::uint32_t application = 0;  ///< 0: none
  token::UseRecord record;        ///< its method is a text that never goes away
  std::chrono::microseconds duration{};
};

/// Where uses are told of. Thread-safe, and quick.
class UseSink {
 public:
  virtual ~UseSink() = default;
  virtual void add(const Use& use) noexcept = 0;
};

}  // namespace sks::daemon
