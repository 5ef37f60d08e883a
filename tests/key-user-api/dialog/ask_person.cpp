#include <csignal>
#include <cstdio>
#include <string_view>

#include "key-user-api/dialog/attendant.h"

namespace {

volatile std::sig_atomic_t g_stop = 0;
bool stop_requested() { return g_stop != 0; }

}  // namespace

/// Asks one question with the dialog that is there, and prints the answer.
///
/// usage: ask_person auto|terminal|pinentry pin|consent|none
int main(int argc, char** argv) {
  using namespace sks;
  using namespace sks::dialog;
  if (argc != 3) return 2;
  const std::string_view kind = argv[1];
  const std::string_view question = argv[2];
  struct sigaction action {};
  action.sa_handler = [](int) { g_stop = 1; };
  sigaction(SIGINT, &action, nullptr);
  const auto attendant = Attendant::find(kind == "pinentry"   ? DialogKind::pinentry
                                         : kind == "terminal" ? DialogKind::terminal
                                                              : DialogKind::automatic,
                                         stop_requested);
  if (!attendant) {
    std::printf("failure: %s\n", attendant.error().detail.c_str());
    return 1;
  }
  AttendedDialog* const dialog = attendant->dialog();
  const bool is_terminal = dynamic_cast<TerminalDialog*>(dialog) != nullptr;
  std::printf("dialog: %s\n", dialog == nullptr ? "none" : is_terminal ? "terminal" : "pinentry");
  if (dialog == nullptr || question == "none") return 0;
  if (question == "consent") {
    const bool agreed = dialog->consent({"issuer.example", "manage", true, {"it deletes key 7"}});
    std::printf("answer: %s\n", agreed ? "agreed" : "refused");
  } else {
    const auto pin = dialog->choose_pin({"signature PIN", {"My key"}, 0, 4, 8, 3, 0, 0}, "");
    std::printf("answer: %s\n", pin ? to_string(pin->view()).c_str() : "cancelled");
  }
  std::printf("failure: %s\n", dialog->failure().c_str());
  return 0;
}
