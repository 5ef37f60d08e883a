#include "key-user-api/cli/interrupt.h"

#include <array>
#include <csignal>
#include <cstddef>

namespace sks::cli {
namespace {

constexpr auto kSignals = std::to_array({SIGINT, SIGTERM, SIGHUP});

volatile std::sig_atomic_t g_interrupted = 0;
int g_guards = 0;
std::array<struct sigaction, kSignals.size()> g_previous{};

void on_signal(int /*signal*/) { g_interrupted = 1; }

}  // namespace

InterruptGuard::InterruptGuard() {
  if (g_guards++ > 0) return;
  g_interrupted = 0;
  // Without SA_RESTART, so that a read from the terminal ends.
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &g_previous[i]);
}

InterruptGuard::~InterruptGuard() {
  if (--g_guards > 0) return;
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &g_previous[i], nullptr);
  g_interrupted = 0;
}

bool interrupted() { return g_interrupted != 0; }

}  // namespace sks::cli
