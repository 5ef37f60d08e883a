#include "key-user-api/ssh_agent/confirmation.h"

#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/dialog/question_text.h"

namespace sks::ssh {
namespace {

/// Of what others have chosen: user names, program names.
constexpr std::size_t kMaxName = 100;

std::string shown(const std::string& name) { return dialog::shorten(dialog::printable(name), kMaxName); }

std::string describe_program(const token::Program& program) {
  if (program.executable.empty()) return "A program";
  return shown(program.executable) + " (process " + std::to_string(program.pid) + ")";
}

Result<bool> ask(dialog::StopRequested stop_requested, const std::string& question) {
  dialog::PinentrySettings settings;
  SKS_LET(settings.program, dialog::find_pinentry());
  settings.stop_requested = stop_requested;
  SKS_LET(dialog::PinentryProgram program, dialog::PinentryProgram::start(settings));
  SKS_TRY(program.offer("SETTITLE", "Key store of this device"));
  SKS_TRY(program.set("SETDESC", question));
  SKS_TRY(program.offer("SETOK", "Sign"));
  SKS_TRY(program.offer("SETCANCEL", "Refuse"));
  SKS_LET(const dialog::assuan::Answer answer, program.ask("CONFIRM"));
  return answer.error == 0;
}

}  // namespace

std::string describe_purpose(const Requester& requester) {
  std::string purpose;
  if (!requester.user.empty()) purpose += ", to log in as " + shown(requester.user);
  if (!requester.hosts.empty())
    purpose += (purpose.empty() ? ", for" : " at") + (" the host " + requester.hosts.back());
  // The first host is the one that the agent is forwarded to.
  if (requester.forwarded) purpose += ", asked for by the host " + requester.hosts.front();
  return purpose;
}

bool PinentryConfirmation::confirm(const Requester& requester, const std::string& key_comment) {
  const std::string question = describe_program(requester.program) + " wants a signature with the key " + key_comment +
                               describe_purpose(requester) + ".";
  const Result<bool> agreed = ask(stop_requested_, dialog::for_window(question));
  return agreed && *agreed;
}

}  // namespace sks::ssh
