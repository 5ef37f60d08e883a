#pragma once

#include <csignal>

namespace sks::test {

/// As long as it lives, SIGINT sets a flag, as in the program.
class FlaggingSignals {
 public:
  FlaggingSignals() {
    flag_ = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { flag_ = 1; };
    sigaction(SIGINT, &action, &before_);
  }
  ~FlaggingSignals() { sigaction(SIGINT, &before_, nullptr); }
  FlaggingSignals(const FlaggingSignals&) = delete;
  FlaggingSignals& operator=(const FlaggingSignals&) = delete;

  /// Whether the signal has come since the last of these was made.
  static bool stop_requested() { return flag_ != 0; }

 private:
  static inline volatile std::sig_atomic_t flag_ = 0;
  struct sigaction before_ {};
};

}  // namespace sks::test
