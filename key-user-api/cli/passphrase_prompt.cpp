#include "key-user-api/cli/passphrase_prompt.h"

#include "key-user-api/cli/interrupt.h"
#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/dialog/terminal.h"

namespace sks::cli {
namespace {

Result<SecureBytes> ask_passphrase(dialog::Terminal& terminal, const std::string& owner) {
  auto typed = terminal.read_secret("Passphrase of " + owner + ": ");
  if (!typed || typed->empty()) return Error{Status::user_abort, "no passphrase was entered"};
  return std::move(*typed);
}

Result<SecureBytes> ask_new_passphrase(dialog::Terminal& terminal, const std::string& owner) {
  while (true) {
    auto first = terminal.read_secret("New passphrase of " + owner + ": ");
    if (!first || first->empty()) return Error{Status::user_abort, "no passphrase was entered"};
    const auto second = terminal.read_secret("Once more: ");
    if (!second) return Error{Status::user_abort, "no passphrase was entered"};
    if (equal_constant_time(first->view(), second->view())) return std::move(*first);
    terminal.write("The two entries differ.\n");
  }
}

}  // namespace

Result<SecureBytes> prompt_passphrase(PromptFor prompt, const std::string& owner, const std::string& no_terminal) {
  const InterruptGuard guard;  // Ctrl-C at the prompt must not leave the terminal without echo
  auto terminal = dialog::Terminal::open(interrupted);
  if (!terminal) return Error{Status::not_available, no_terminal};
  const std::string shown = dialog::printable(owner);
  return prompt == PromptFor::passphrase ? ask_passphrase(*terminal, shown) : ask_new_passphrase(*terminal, shown);
}

}  // namespace sks::cli
