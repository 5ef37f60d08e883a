#include <CLI/CLI.hpp>
#include <array>
#include <iostream>

#include "tests/key-user-api/stress/scene.h"

namespace sks::stress {
namespace {

struct Mode {
  const char* name;
  const char* description;
  test::Sample (*run)(const Options&);
  bool needs_key;
  bool kills;
};
constexpr auto kModes = std::to_array<Mode>({
    {"cycles", "generate, find, sign and destroy pairs", run_cycles, false, false},
    {"sessions", "many sessions, each with an operation, at the same time", run_sessions, true, false},
    {"forks", "fork again and again while threads sign", run_forks, true, false},
    {"kills", "sign while the daemon is killed again and again", run_kills, true, true},
    {"pins", "guess PINs while the daemon is killed: no attempt may be granted back", run_pins, false, true},
});

void declare(CLI::App& app, Options& options) {
  app.add_option("--token", options.token.label, "label of the token (default: the first one with a PIN)");
  app.add_option("--pin", options.token.pin, "its PIN");
  app.add_option("--key-label", options.key_label, "of the P-256 pair for signatures, which is made if it is not there")
      ->capture_default_str();
  app.add_option("--threads", options.threads, "in each process")->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_option("--processes", options.processes, "at the same time")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  app.add_option("--seconds", options.seconds, "to go on for")->capture_default_str();
  app.add_option("--sessions", options.sessions, "of the mode sessions")->capture_default_str();
  app.add_option("--forks", options.forks, "of the mode forks")->capture_default_str();
  app.add_flag("--sessions-survive-fork", options.sessions_survive_fork,
               "a child may go on with the sessions of its parent, as with SoftHSM2");
  app.add_option("--socket", options.socket,
                 "of the daemon to kill, or the folder of it: who listens there gets SIGKILL");
  app.add_option("--kill-command", options.kill_command, "a shell command that kills it instead");
  app.add_option("--kill-every", options.kill_every, "seconds from one kill to the next, on average")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 60.0));
  app.add_option("--tries", options.tries, "wrong PINs that the token takes until it locks")->capture_default_str();
  app.add_option("--rounds", options.rounds, "of the mode pins")->capture_default_str();
  app.add_flag("--lock", options.lock, "mode pins: lock the token at the end");
}

int run(const Mode& mode, const Options& options) {
  if (mode.kills && options.socket.empty() && options.kill_command.empty()) {
    std::cerr << "pkcs11_stress: " << mode.name << " needs --socket or --kill-command\n";
    return 2;
  }
  if (mode.needs_key) {
    const test::Sample made = ensure_key(options);
    if (made.errors != 0) {
      std::cerr << "pkcs11_stress: no key: " << made.problem << '\n';
      return 1;
    }
  }
  const test::Sample sample = mode.run(options);
  std::cout << mode.name << ": " << static_cast<std::uint64_t>(sample.value) << " done, " << sample.errors << " wrong";
  if (!sample.problem.empty()) std::cout << " (" << sample.problem << ")";
  std::cout << '\n';
  // Nothing done is no success either.
  return sample.errors == 0 && sample.value > 0 ? 0 : 1;
}

}  // namespace
}  // namespace sks::stress

int main(int argc, char** argv) {
  using sks::stress::kModes;
  CLI::App app("Uses a PKCS#11 module harder than applications do, and verifies every answer.", "pkcs11_stress");
  sks::stress::Options options;
  std::string mode;
  std::string modes;
  for (const auto& row : kModes) modes += std::string("\n  ") + row.name + ": " + row.description;
  app.footer("Modes:" + modes);
  app.add_option("MODE", mode, "what to do")->required();
  app.add_option("MODULE", options.module, "the PKCS#11 module")->required();
  sks::stress::declare(app, options);
  CLI11_PARSE(app, argc, argv);
  for (const auto& row : kModes)
    if (row.name == mode) return sks::stress::run(row, options);
  std::cerr << "pkcs11_stress: there is no mode " << mode << '\n';
  return 2;
}
