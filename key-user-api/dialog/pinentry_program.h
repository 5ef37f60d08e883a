#pragma once

#include <sys/types.h>
#include <termios.h>

#include <string>

#include "key-user-api/dialog/assuan.h"

namespace sks::dialog {

struct PinentrySettings {
  std::string program;        ///< absolute path
  std::string terminal = {};  ///< that the person is at, if it is not that of this process
  StopRequested stop_requested = nullptr;
  /// How long the program may take for what it asks nobody about.
  std::chrono::milliseconds answer_limit = std::chrono::seconds(10);
  /// How long the person may take. The program is told, and gets answer_limit on top.
  std::chrono::seconds person_limit = std::chrono::minutes(5);
  /// How long the program may take to end, before it is killed.
  std::chrono::milliseconds ending_limit = std::chrono::seconds(2);
};

/// The program that $SKS_PINENTRY names, else `pinentry`: a path, or a name to look for in the absolute folders of
/// $PATH. Fails with not_available.
Result<std::string> find_pinentry();

/// A pinentry program that runs until this object is destroyed: asked to end, then killed.
///
/// Errors are whole sentences about the program, with status external; user_abort when a signal asks to stop.
class PinentryProgram {
 public:
  /// Starts it, awaits its greeting and tells it where its person is.
  static Result<PinentryProgram> start(const PinentrySettings& settings);
  PinentryProgram(PinentryProgram&& other) noexcept;
  PinentryProgram& operator=(PinentryProgram&&) = delete;
  ~PinentryProgram();

  /// Sets something that the person has to see. `text` is cut to a line.
  Result<void> set(std::string_view command, std::string_view text);
  /// Sets something that is not needed; whether the program knows it.
  Result<bool> offer(std::string_view command, std::string_view text = {});
  /// Sends what asks the person, and awaits the answer: Answer::error is 0, or they refused. Fails also when the
  /// program could not ask, or got no answer in time.
  Result<assuan::Answer> ask(std::string_view command);

 private:
  PinentryProgram(const PinentrySettings& settings, pid_t process, int socket);

  Result<void> prepare();
  Error about_program(Error error) const;
  Result<assuan::Answer> transact(std::string_view command, std::string_view text);
  bool has_ended_within(std::chrono::milliseconds limit);

  PinentrySettings settings_;
  pid_t process_;  ///< 0: moved from
  int socket_;
  assuan::Connection connection_;
  std::optional<termios> terminal_before_;  ///< how the terminal was, if there is one
};

}  // namespace sks::dialog
