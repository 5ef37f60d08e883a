#pragma once

#include "key-user-api/dialog/pinentry_program.h"
#include "key-user-api/ssh_agent/agent_keys.h"

namespace sks::ssh {

/// Behind the name of a key: what it is wanted for. Printable, of bounded length; empty when nothing is known.
std::string describe_purpose(const Requester& requester);

/// Asks through a pinentry program, a new process for each question.
class PinentryConfirmation final : public ConfirmationDialog {
 public:
  /// `person_limit` and the other times are those of pinentry. The program is looked for at each question.
  explicit PinentryConfirmation(dialog::StopRequested stop_requested = nullptr) : stop_requested_(stop_requested) {}

  bool confirm(const Requester& requester, const std::string& key_comment) override;

 private:
  dialog::StopRequested stop_requested_;
};

}  // namespace sks::ssh
