#pragma once

#include <csignal>

namespace sks::daemon {

/// The signals that ask us to stop, from now on taken by wait() and by nothing else, in threads that start later too.
class StopSignals {
 public:
  StopSignals() {
    ::sigemptyset(&signals_);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) ::sigaddset(&signals_, number);
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }
  void wait() const {
    int number = 0;
    while (::sigwait(&signals_, &number) != 0) {
    }
  }

 private:
  sigset_t signals_{};
};

}  // namespace sks::daemon
