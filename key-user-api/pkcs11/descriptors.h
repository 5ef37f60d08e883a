#pragma once

#include <sys/stat.h>
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

  /// Keeps a socket and returns its place; none when all are taken, or when it is no socket.
  std::optional<std::size_t> keep(int descriptor) {
    const std::optional<ino_t> socket = socket_at(descriptor);
    if (!socket) return std::nullopt;
    for (std::size_t i = 0; i < kSize; ++i) {
      int none = kNone;
      if (!entries_[i].descriptor.compare_exchange_strong(none, kBeingMade)) continue;
      entries_[i].socket = *socket;
      entries_[i].descriptor = descriptor + 1;
      return i;
    }
    return std::nullopt;
  }

  /// Whether the descriptor still is what was kept. Applications that close all the descriptors they do not know, and
  /// then open others, are common; what goes to one of ours would go to theirs.
  bool is_there(std::size_t place) const { return is_there(entries_[place]); }

  /// Takes it out; -1 when it is not there any more, or when the process was forked in between.
  int take(std::size_t place) {
    Entry& entry = entries_[place];
    const bool there = is_there(entry);
    const int descriptor = entry.descriptor.exchange(kNone) - 1;
    return there ? descriptor : -1;
  }

  /// For a child: lets go of what it inherited. Nothing is sent, so its parent does not notice.
  void close_all() {
    for (std::size_t i = 0; i < kSize; ++i)
      if (const int descriptor = take(i); descriptor >= 0) ::close(descriptor);
  }

 private:
  static constexpr int kNone = 0;  // so that all zeros are the initial state
  static constexpr int kBeingMade = -1;

  struct Entry {
    std::atomic<int> descriptor;  ///< plus one
    std::atomic<ino_t> socket;    ///< no two sockets that are open have the same
  };

  static std::optional<ino_t> socket_at(int descriptor) {
    struct stat found {};
    if (::fstat(descriptor, &found) != 0 || !S_ISSOCK(found.st_mode)) return std::nullopt;
    return found.st_ino;
  }

  static bool is_there(const Entry& entry) {
    const int descriptor = entry.descriptor - 1;
    return descriptor >= 0 && socket_at(descriptor) == entry.socket;
  }

  std::array<Entry, kSize> entries_{};
};

}  // namespace sks::p11
