#pragma once

#include <cstdint>

namespace sks {

/// Time as an input from the world, so that tests can fix it. Called by several threads at once.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Seconds since 1970-01-01T00:00:00Z.
  virtual std::int64_t now() const = 0;
  /// Milliseconds since then, where nothing depends on them but an order.
  virtual std::int64_t now_in_milliseconds() const { return now() * 1000; }
  /// Blocks the caller; the delay that sks-api.md chapter 5.8 asks for before a PUK without retry limit is compared.
  virtual void sleep_seconds(unsigned seconds) const = 0;
};

/// The clock of the operating system.
const Clock& system_clock();

}  // namespace sks
