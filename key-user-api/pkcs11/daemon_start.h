#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace sks::p11 {

/// Starts the sksd of a key store. Spec: spec/sksd.md 1.
class DaemonStart {
 public:
  /// `program` is a name with a slash, or one that is looked for in PATH. No `option`: nothing is ever started.
  DaemonStart(std::string program, std::string option, std::string value,
              std::chrono::milliseconds patience = std::chrono::seconds(60))
      : program_(std::move(program)), option_(std::move(option)), value_(std::move(value)), patience_(patience) {}

  /// Returns once the program says whether its socket accepts connections. False when it does not, when it takes too
  /// long (it is ended then), and when it failed less than a second ago: applications that ask all the time would have
  /// it started all the time. A program that cannot be run is told of once, on the standard error.
  bool run();

 private:
  std::optional<int> spawn();
  void complain_once(int error);
  bool wait_for(int process) const;

  std::string program_;
  std::string option_;
  std::string value_;
  std::chrono::milliseconds patience_;
  std::optional<std::chrono::steady_clock::time_point> failed_at_;
  bool has_complained_ = false;
};

/// The program: SKS_SKSD, else that of the installation or build folder that the module is in, else where an
/// installation has it, else "sksd" of PATH. Programs with rights of others (setuid) do not listen to SKS_SKSD.
std::string daemon_program();

}  // namespace sks::p11
