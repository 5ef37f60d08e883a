#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "sks-core/wire/socket.h"

namespace sks::test {

/// The program sksd as a process of its own. Killed at the end if it still runs.
class SksdProcess {
 public:
  explicit SksdProcess(std::vector<std::string> arguments);
  ~SksdProcess();

  /// The line that says what is served; empty when the program ends without one.
  std::string ready_line();
  pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Waits for the end. The exit code; none when a signal was the end, or when there is none within ten seconds.
  std::optional<int> exit_code();
  /// What came on the standard error, after the end.
  std::string complaint();

 private:
  pid_t pid_ = -1;
  wire::Descriptor out_;
  wire::Descriptor err_;
};

}  // namespace sks::test
