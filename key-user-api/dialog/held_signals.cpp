#include "key-user-api/dialog/held_signals.h"

#include <poll.h>

#include <algorithm>
#include <ctime>

#include "sks-core/base/result.h"

namespace sks::dialog {

HeldSignals::HeldSignals() {
  sigset_t held;
  sigemptyset(&held);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&held, signal);
  SKS_CHECK(pthread_sigmask(SIG_BLOCK, &held, &before_) == 0);
}

HeldSignals::~HeldSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

HeldSignals::Waited HeldSignals::wait(int fd, std::optional<std::chrono::nanoseconds> limit) const {
  using std::chrono::nanoseconds;
  using std::chrono::seconds;
  timespec time{};
  if (limit) {
    const nanoseconds left = std::max(*limit, nanoseconds::zero());
    const auto whole = std::chrono::duration_cast<seconds>(left);
    time = {whole.count(), (left - whole).count()};
  }
  pollfd input{fd, POLLIN, 0};
  const int ready = ::ppoll(&input, 1, limit ? &time : nullptr, &before_);
  if (ready == 0) return Waited::timed_out;
  return ready == 1 ? Waited::readable : Waited::interrupted;
}

}  // namespace sks::dialog
