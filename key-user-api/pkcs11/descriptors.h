#pragma once

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <optional>

namespace sks::p11 {

/// The open sockets of this process, where a forked child finds them whatever its parent's threads were doing.
///
/// Has no destructor, as it lives for as long as the code.
class Descriptors {
 public:
  static constexpr std::size_t kSize = 80;

  /// Keeps a descriptor and returns its place; none when all are taken.
  std::optional<std::size_t> keep(int descriptor) {
    for (std::size_t i = 0; i < kSize; ++i) {
      int none = kNone;
      if (entries_[i].compare_exchange_strong(none, descriptor + 1)) return i;
    }
    return std::nullopt;
  }

  /// Takes it out; -1 when the process was forked in between.
  int take(std::size_t place) { return entries_[place].exchange(kNone) - 1; }

  /// For a child: lets go of what it inherited. Nothing is sent, so its parent does not notice.
  void close_all() {
    for (std::size_t i = 0; i < kSize; ++i)
      if (const int descriptor = take(i); descriptor >= 0) ::close(descriptor);
  }

 private:
  static constexpr int kNone = 0;  // so that all zeros are the initial state
  std::array<std::atomic<int>, kSize> entries_{};
};

}  // namespace sks::p11
