#include <CLI/CLI.hpp>
#include <iostream>

#include "key-user-api/cli/parser.h"
#include "key-user-api/cli/program.h"
#include "key-user-api/dialog/pin_text.h"
#include "key-user-api/persona.h"

namespace sks::cli {
namespace {

std::string one_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return dialog::printable(text);
}

/// CLI11 finds a command missing before it finds that the one given is unknown.
std::string describe(const CLI::ParseError& error, const CLI::App& app) {
  const std::vector<std::string> unknown = app.remaining(true);
  if (dynamic_cast<const CLI::RequiredError*>(&error) == nullptr || unknown.empty()) return error.what();
  return "unknown command or option '" + unknown.front() + "'";
}

Outcome run_chosen(Arguments& arguments, const Chosen& command, std::ostream& out) {
  auto chosen = choose_store(arguments.chosen_store, arguments.chosen_persona);
  if (chosen) {
    arguments.store = std::move(chosen->folder);
    arguments.persona = std::move(chosen->persona);
  } else if (arguments.chosen_persona || (command.store == Store::chosen && !arguments.list_only)) {
    return Refusal{kExitUsage, chosen.error().detail};
  }
  return command.run(arguments, out);
}

int run_parsed(Arguments& arguments, const Chosen& command, std::ostream& out, std::ostream& err) {
  const Outcome outcome = run_chosen(arguments, command, out);
  out.flush();
  if (!outcome) {
    err << "sks: " << one_line(outcome.error().detail) << std::endl;
    return outcome.error().exit_code;
  }
  if (out) return kExitOk;
  err << "sks: all was done, but what there is to tell cannot be written" << std::endl;
  return kExitRefused;
}

}  // namespace

int run_program(SecretArguments secrets, std::ostream& out, std::ostream& err) {
  try {
    CLI::App app(kDescription, "sks");
    Arguments arguments;
    Chosen chosen;
    declare_program(app, arguments, chosen);
    // CLI11 takes the last argument first.
    std::vector<std::string> reversed(secrets.rest.rbegin(), secrets.rest.rend());
    arguments.secrets = std::move(secrets);
    try {
      app.parse(std::move(reversed));
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app.exit(error, out, err);
      err << "sks: " << one_line(describe(error, app)) << " (see 'sks --help')" << std::endl;
      return kExitUsage;
    }
    return run_parsed(arguments, chosen, out, err);
  } catch (const std::exception& error) {
    err << "sks: " << one_line(error.what()) << std::endl;
    return kExitRefused;
  }
}

}  // namespace sks::cli
