#pragma once

#include <chrono>
#include <string>

namespace sks::cli {

/// A line at the terminal that says whom the program waits for, as long as it does: it appears after a second and
/// leaves no trace.
class WaitLine {
 public:
  /// `fd` is the program's output and outlives this; nothing is ever written when that is no terminal.
  explicit WaitLine(int fd);

  /// A wait for `whom` begins; poll() is called again and again until end().
  void begin(const std::string& whom);
  void poll();
  void end();

 private:
  void write(const std::string& text) const;

  int fd_;  ///< -1: no terminal
  std::string text_;
  std::chrono::steady_clock::time_point since_;
  bool shown_ = false;
};

}  // namespace sks::cli
