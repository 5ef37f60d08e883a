#include "key-user-api/dialog/attendant.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace sks::dialog {
namespace {

bool has_desktop() {
  constexpr auto kDisplays = std::to_array<const char*>({"DISPLAY", "WAYLAND_DISPLAY"});
  return std::ranges::any_of(kDisplays, [](const char* name) {
    const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
    return value != nullptr && *value != '\0';
  });
}

}  // namespace

Attendant::Attendant(Terminal terminal)
    : terminal_(std::make_unique<Terminal>(std::move(terminal))),
      dialog_(std::make_unique<TerminalDialog>(*terminal_)) {}

Attendant::Attendant(PinentrySettings settings) : dialog_(std::make_unique<PinentryDialog>(std::move(settings))) {}

Result<Attendant> Attendant::find(DialogKind kind, StopRequested stop_requested) {
  if (kind != DialogKind::pinentry) {
    auto terminal = Terminal::open(stop_requested);
    if (terminal) return Attendant(std::move(*terminal));
    if (kind == DialogKind::terminal) return terminal.error();
    if (!has_desktop()) return none();
  }
  auto program = find_pinentry();
  if (!program && kind == DialogKind::automatic) return none();
  if (!program) return program.error();
  PinentrySettings settings;
  settings.program = std::move(*program);
  settings.stop_requested = stop_requested;
  return Attendant(std::move(settings));
}

}  // namespace sks::dialog
