#include "key-user-api/ssh_agent/consent.h"

#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/dialog/question_text.h"

namespace sks::ssh {
namespace {

/// Of what others have chosen.
constexpr std::size_t kMaxName = 100;

std::string shown(const std::string& name) { return dialog::shorten(dialog::printable(name), kMaxName); }

/// Empty when nothing is known.
std::string describe_purpose(const Requester& requester) {
  std::string purpose;
  if (!requester.user.empty()) purpose = ", to log in as " + shown(requester.user);
  if (!requester.hosts.empty())
    purpose += (purpose.empty() ? ", for" : " at") + (" the host " + requester.hosts.back());
  // The first host is the one that the agent is forwarded to.
  if (requester.forwarded) purpose += ", asked for by the host " + requester.hosts.front();
  return purpose;
}

std::string describe_program(const token::Program& program) {
  if (program.executable.empty()) return "A program";
  return shown(program.executable) + " (process " + std::to_string(program.pid) + ")";
}

}  // namespace

token::TrustedDialog::Question question_about(const Requester& requester, const std::string& key_comment,
                                              std::string what, std::string problem) {
  return {requester.program, key_comment + describe_purpose(requester), std::move(what), std::move(problem)};
}

Result<bool> ask_consent(const dialog::PinentrySettings& settings, const token::TrustedDialog::Question& question) {
  SKS_LET(dialog::PinentryProgram program, dialog::PinentryProgram::start(settings));
  SKS_TRY(program.offer("SETTITLE", "Key store of this device"));
  SKS_TRY(program.set("SETDESC", dialog::for_window(describe_program(question.program) + " wants a " + question.what +
                                                    " with the key " + question.token_label + ".")));
  SKS_TRY(program.offer("SETOK", "Agree"));
  SKS_TRY(program.offer("SETCANCEL", "Refuse"));
  SKS_LET(const dialog::assuan::Answer answer, program.ask("CONFIRM"));
  return answer.error == 0;
}

}  // namespace sks::ssh
