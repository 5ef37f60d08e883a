#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "key-user-api/socket_place/socket_place.h"
#include "sks-core/base/result.h"

namespace CLI {
class App;
}

namespace sks::cli {

struct AgentOptions {
  bool sh = false;  ///< else as $SHELL suggests
  bool csh = false;
  std::vector<std::string> command = {};  ///< what to run; empty: print what a shell needs
  std::string passphrase_file = {};       ///< for sksd, or empty
};
/// The program that SKS_SKSD names, else the one beside this program, else along $PATH. Fails with not_available.
Result<std::string> find_sksd();

void add_agent_options(CLI::App& command, AgentOptions& options);

/// Sees to it that the SSH agent of a key store is served, by starting sksd if need be, and writes the lines that let
/// a shell use it to `out`, or becomes the command. Fails with not_available: sksd cannot be started, or serves no
/// agent; the command cannot be run.
Result<void> run_agent(const SocketPlace& place, const AgentOptions& options, std::ostream& out);

/// The line for a shell; csh understands another language than all others.
std::string agent_environment(const std::string& socket, bool csh);

}  // namespace sks::cli
