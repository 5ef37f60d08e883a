#include "key-user-api/cli/parser.h"

#include <CLI/CLI.hpp>

#include "key-user-api/cli/options.h"

namespace sks::cli {
namespace {

void add_commands(CLI::App& parent, std::string_view group, Arguments& arguments, Chosen& chosen) {
  for (const Command& row : all_commands()) {
    if (row.group != group) continue;
    CLI::App* const command = parent.add_subcommand(row.name, row.description);
    command->callback([&arguments, &chosen, &row] {
      arguments.command = row.name;
      chosen = {row.run, row.store};
    });
    row.add_options(*command, arguments);
  }
}

void add_group(CLI::App& app, const Group& row, Arguments& arguments, Chosen& chosen) {
  CLI::App* const group = app.add_subcommand(std::string(row.name), row.description);
  add_commands(*group, row.name, arguments, chosen);
  if (row.run == nullptr) {
    group->require_subcommand(1);
    return;
  }
  row.add_options(*group, arguments);
  group->require_subcommand(0, 1);
  group->callback([&chosen, &row, group] {
    if (group->get_subcommands().empty()) chosen = {row.run, Store::none};
  });
}

}  // namespace

void declare_program(CLI::App& app, Arguments& arguments, Chosen& chosen) {
  app.set_version_flag("--version", "sks " SKS_VERSION);
  add_common_options(app, arguments);
  app.require_subcommand(1);
  app.fallthrough();  // --store may also stand behind the command
  add_commands(app, "", arguments, chosen);
  for (const Group& row : command_groups()) add_group(app, row, arguments, chosen);
}

}  // namespace sks::cli
