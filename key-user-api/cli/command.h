#pragma once

#include <ostream>
#include <span>
#include <string>
#include <string_view>

#include "key-user-api/cli/arguments.h"
#include "sks-core/base/result.h"

namespace CLI {
class App;
}

/// The table of commands: a command is a row.
namespace sks::cli {

/// An error with the exit code that fits it.
struct Refusal {
  int exit_code;
  std::string detail;
};
using Outcome = Result<void, Refusal>;

using Run = Outcome (*)(Arguments&, std::ostream&);

/// Whether a command works in the key store that the options and the environment choose.
enum class Store : std::uint8_t { chosen, none };

struct Command {
  std::string_view group;  ///< empty: none
  const char* name;
  const char* description;
  Store store;
  Run run;
  void (*add_options)(CLI::App& command, Arguments& arguments);
};

struct Group {
  std::string_view name;
  const char* description;
  /// Where the group is a command too, without one of its own behind it; else null.
  Run run = nullptr;
  void (*add_options)(CLI::App& command, Arguments& arguments) = nullptr;
};

std::span<const Command> all_commands();
std::span<const Group> command_groups();

}  // namespace sks::cli
