#pragma once

#include "key-user-api/dialog/pinentry_program.h"
#include "key-user-api/ssh_agent/agent_keys.h"

/// What the user is asked about a signature.
namespace sks::ssh {

/// About `what` of a key ("PIN", "signature"). Its label is the comment of the key and what the key is wanted for: a
/// user at a host, and the host that asks if the agent is forwarded. Names that others have chosen are printable, and
/// of bounded length.
token::TrustedDialog::Question question_about(const Requester& requester, const std::string& key_comment,
                                              std::string what, std::string problem);

/// Asks for consent through a pinentry program. Fails as PinentryProgram.
Result<bool> ask_consent(const dialog::PinentrySettings& settings, const token::TrustedDialog::Question& question);

}  // namespace sks::ssh
