#pragma once

#include <chrono>
#include <csignal>
#include <optional>

namespace sks::dialog {

/// Whether a signal has asked the program to stop.
using StopRequested = bool (*)();

/// Holds back the signals that ask to stop, except while wait() waits: none can slip in between the question whether
/// one has arrived and a read that would then go on without end.
class HeldSignals {
 public:
  HeldSignals();
  ~HeldSignals();
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  enum class Waited { readable, interrupted, timed_out };

  /// Waits until there is something to read, or the other end is closed. No `limit`: without end.
  Waited wait(int fd, std::optional<std::chrono::nanoseconds> limit = std::nullopt) const;

  /// The signals that are held back anyway.
  const sigset_t& before() const { return before_; }

 private:
  sigset_t before_{};
};

}  // namespace sks::dialog
