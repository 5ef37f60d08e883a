#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "key-user-api/dialog/attended_dialog.h"
#include "key-user-api/dialog/held_signals.h"
#include "sks-core/base/result.h"

namespace sks::dialog {

/// The terminal of the person in front of the program, whatever its standard streams are.
class Terminal {
 public:
  /// Opens /dev/tty. Without `stop_requested` only signals that arrive while a line is awaited end it. Fails with
  /// not_available when the process has no terminal.
  static Result<Terminal> open(StopRequested stop_requested = nullptr);
  /// Takes over an open terminal device.
  explicit Terminal(int fd, StopRequested stop_requested = nullptr) : fd_(fd), stop_requested_(stop_requested) {}

  Terminal(Terminal&& other) noexcept;
  Terminal& operator=(Terminal&&) = delete;
  ~Terminal();

  void write(std::string_view text);

  /// Forgets what was typed so far and not read. read_secret() does so by itself.
  void discard_input();

  /// One line without its end. Nothing at the end of input, when a signal arrives or has asked to stop before, or when
  /// the line is longer than any PIN.
  std::optional<SecureBytes> read_line();
  /// The same without showing what is typed.
  std::optional<SecureBytes> read_secret(std::string_view prompt);

 private:
  int fd_;
  StopRequested stop_requested_;
};

/// Asks the user at a terminal.
class TerminalDialog final : public AttendedDialog {
 public:
  explicit TerminalDialog(Terminal& terminal) : terminal_(terminal) {}

  bool consent(const keygen2::ConsentRequest& request) override;
  std::optional<SecureBytes> choose_pin(const keygen2::PinRequest& request, const std::string& problem) override;
  bool accept_many_keys(std::size_t count) override;
  bool disclose(const std::vector<std::string>& attributes) override;
  void alert(const std::string& sentence) override;
  void creating_key(const keygen2::KeyCreationProgress& progress) override;

 private:
  Terminal& terminal_;
};

/// A question to be answered with y or n; everything but y and yes is no. What was typed before it appears is no
/// answer.
bool ask_yes_no(Terminal& terminal, std::string_view question);

}  // namespace sks::dialog
