#pragma once

#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "sks-core/base/bytes.h"

namespace sks::wire {

/// recv() for one end of a conversation, that looks again and again for some time before it sleeps.
///
/// Many answers, and the requests that follow them, take less time than a processor needs to fall asleep and to wake
/// up: tens of microseconds on virtual machines. Between two looks the processor goes to whoever wants it. Somebody who
/// wants it is better off without us, though: a thread that looks keeps the scheduler from moving others to its
/// processor. Then, and when nothing came for as long as `attention`, the receiver sleeps at once for some calls: few
/// the first time, as that may have been by chance, and more as long as it goes on.
///
/// For one thread at a time.
class AttentiveReceiver {
 public:
  explicit AttentiveReceiver(std::chrono::microseconds attention) : attention_(attention) {}

  /// As recv() on a socket that blocks.
  ssize_t receive(int socket, std::span<std::uint8_t> room) {
    if (inattentive_ > 0) {
      --inattentive_;
      return ::recv(socket, room.data(), room.size(), 0);
    }
    ssize_t received = ::recv(socket, room.data(), room.size(), MSG_DONTWAIT);
    if (!is_absent(received)) return received;
    const long before = switches_of_thread();
    const auto until = std::chrono::steady_clock::now() + attention_;
    do {
      ::sched_yield();
      received = ::recv(socket, room.data(), room.size(), MSG_DONTWAIT);
    } while (is_absent(received) && std::chrono::steady_clock::now() < until);
    const bool in_vain = is_absent(received);
    rest(in_vain || switches_of_thread() != before);
    return in_vain ? ::recv(socket, room.data(), room.size(), 0) : received;
  }

  /// How many of the next calls sleep at once.
  int calls_asleep() const { return inattentive_; }

 private:
  static constexpr int kMostInattentiveCalls = 32;

  void rest(bool was_disturbed) {
    disturbed_ = was_disturbed ? std::min(2 * disturbed_, kMostInattentiveCalls) : 1;
    inattentive_ = was_disturbed ? disturbed_ : 0;
  }

  static bool is_absent(ssize_t received) { return received < 0 && errno == EAGAIN; }

  /// How often this thread has left its processor to another one.
  static long switches_of_thread() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw + usage.ru_nivcsw;
  }

  std::chrono::microseconds attention_;
  int inattentive_ = 0;  ///< calls that are left
  int disturbed_ = 1;
};

}  // namespace sks::wire
