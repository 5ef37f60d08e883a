#include "key-user-api/cli/command_secrets.h"

#include "key-user-api/cli/interrupt.h"
#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/passphrase_source.h"

namespace sks::cli {
namespace {

Result<SecureBytes> ask_passphrase(dialog::Terminal& terminal, const std::string& what) {
  auto typed = terminal.read_secret("Passphrase of " + dialog::printable(what) + ": ");
  if (!typed || typed->empty()) return Error{Status::user_abort, "no passphrase was entered"};
  return std::move(*typed);
}

Result<SecureBytes> ask_new_passphrase(dialog::Terminal& terminal, const std::string& what) {
  while (true) {
    auto first = terminal.read_secret("New passphrase of " + dialog::printable(what) + ": ");
    if (!first || first->empty()) return Error{Status::user_abort, "no passphrase was entered"};
    const auto second = terminal.read_secret("Once more: ");
    if (!second) return Error{Status::user_abort, "no passphrase was entered"};
    if (equal_constant_time(first->view(), second->view())) return std::move(*first);
    terminal.write("The two entries differ.\n");
  }
}

std::string key_store_in(const std::string& folder) { return "the key store in " + folder; }

/// `no_terminal`: what to say when nobody can be asked.
template <class Ask>
Result<SecureBytes> at_terminal(Ask ask, const std::string& what, const std::string& no_terminal) {
  const InterruptGuard guard;  // Ctrl-C at the prompt must not leave the terminal without echo
  auto terminal = dialog::Terminal::open(interrupted);
  if (!terminal) return Error{Status::not_available, no_terminal};
  return ask(*terminal, what);
}

}  // namespace

Result<SecureBytes> CommandSecrets::from_places(Ask ask, const std::string& store) const {
  SKS_LET(WaitingPassphrase waiting, find_waiting_passphrase(file_));
  if (waiting.passphrase) return std::move(*waiting.passphrase);
  return at_terminal(ask, key_store_in(store),
                     key_store_in(store) + " needs a passphrase, and there is none: no " + "--passphrase-file, " +
                         waiting.tried + ", and no terminal to ask at");
}

Result<SecureBytes> CommandSecrets::find(Secret secret, const std::string& store) const {
  if (secret == Secret::passphrase) return from_places(ask_passphrase, store);
  if (use_ == NewPassphrase::first) return from_places(ask_new_passphrase, store);
  if (!new_file_.empty()) return read_passphrase_file(new_file_);
  return at_terminal(ask_new_passphrase, key_store_in(store),
                     "a new passphrase is needed: there is no --new-passphrase-file, and no terminal to ask at");
}

Result<SecureBytes> CommandSecrets::get(Secret secret, const std::string& store) {
  if (secret == Secret::passphrase && made_) return SecureBytes::copy_of(made_->view());
  SKS_LET(SecureBytes found, find(secret, store));
  if (secret == Secret::new_passphrase) made_ = SecureBytes::copy_of(found.view());
  return found;
}

Result<SecureBytes> ExportSecrets::get(Secret secret, const std::string& exported) {
  if (secret == Secret::passphrase && made_) return SecureBytes::copy_of(made_->view());
  const auto ask = secret == Secret::passphrase ? ask_passphrase : ask_new_passphrase;
  SKS_LET(SecureBytes found, !file_.empty() ? read_passphrase_file(file_)
                                            : at_terminal(ask, exported,
                                                          exported + " needs a passphrase, and there is none: no "
                                                                     "--export-passphrase-file, and no terminal to ask "
                                                                     "at"));
  if (secret == Secret::new_passphrase) made_ = SecureBytes::copy_of(found.view());
  return found;
}

}  // namespace sks::cli
