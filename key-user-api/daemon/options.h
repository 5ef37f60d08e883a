#pragma once

#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "key-user-api/daemon/served_store.h"
#include "key-user-api/ssh_agent/agent.h"
#include "sks-core/wire/address.h"

namespace sks::daemon {

inline constexpr int kExitOk = 0;
inline constexpr int kExitRefused = 1;
inline constexpr int kExitUsage = 2;

/// What --store takes for a store that lives as long as the program.
inline constexpr const char* kMemoryStore = "memory:";

struct Options {
  std::string store;                  ///< a folder, or kMemoryStore
  std::string passphrase_file;        ///< or empty
  std::vector<wire::Address> listen;  ///< for the SKS API alone; empty: applications are served at `socket`
  std::string socket;                 ///< absolute
  std::string name;                   ///< of the log: the persona's, or that of the store's socket
  std::string log_file;               ///< or empty
  bool foreground = false;
  std::chrono::seconds idle_limit{600};  ///< of a server that was started on demand; 0: none
  ssh::Confirm ssh_confirm = ssh::Confirm::never;
  Mode mode = Mode::ordinary;
  attestation::AttestationKeyType attestation_key = attestation::AttestationKeyType::p256;
};

/// The command line. When the program has nothing else to do (--help, a wrong usage) there are no options: what there
/// is to say has been written to `out` or `err`, and `exit_code` is set.
std::optional<Options> read_options(int argc, const char* const* argv, std::ostream& out, std::ostream& err,
                                    int& exit_code);

/// "sksd: SENTENCE" in one line: what a user has typed may hold line ends, and worse for a terminal.
void complain(std::ostream& err, std::string sentence);

}  // namespace sks::daemon
