#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "sks-core/base/result.h"

namespace sks::conformance {

/// The exit code of a command, or that a signal ended it.
struct Ending {
  int code;
  bool by_signal;
};

/// A command of the shell in a process group of its own, which ends with this object.
class ChildProcess {
 public:
  /// Runs `command` with standard output and error going to `output`, and nothing to read. Fails with not_available.
  static Result<ChildProcess> start(const std::string& command, const std::map<std::string, std::string>& environment,
                                    const std::filesystem::path& output);
  ChildProcess(ChildProcess&& other) noexcept : process_(std::exchange(other.process_, 0)), ending_(other.ending_) {}
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  /// How it ended, if it did.
  std::optional<Ending> poll();
  std::optional<Ending> wait(std::chrono::milliseconds patience);

 private:
  explicit ChildProcess(pid_t process) : process_(process) {}

  pid_t process_;
  std::optional<Ending> ending_;
};

/// As one word of the shell.
std::string shell_quote(const std::string& text);

/// `command` with each "{name}" replaced by its value as a word of the shell. Names that are not there stay.
std::string substitute(std::string command, const std::map<std::string, std::string>& values);

}  // namespace sks::conformance
