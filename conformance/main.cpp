#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "conformance/live_key_store.h"
#include "conformance/record.h"
#include "conformance/replay.h"
#include "conformance/report.h"
#include "conformance/scenario_commands.h"

namespace sks::conformance {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

/// Of all commands; each fills in its own.
struct Arguments {
  std::vector<std::string> folders;
  std::string json;
  std::string junit;
  std::string device;
  std::string out;
  std::vector<std::string> recorded;
  ScenarioArguments scenarios;
};

int fail(const std::string& sentence) {
  std::cerr << "sks-conformance: " << printable(sentence) << '\n';
  return kUsage;
}

bool write_file(const std::string& file, const std::string& content) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << content;
  return static_cast<bool>(out.flush());
}

void add_folders(CLI::App& command, Arguments& arguments) {
  command.add_option("DIR", arguments.folders, "Folders of recorded sessions")->required();
}

void add_reports(CLI::App& command, Arguments& arguments) {
  command.add_option("--json", arguments.json, "Write the results into this file, as JSON");
  command.add_option("--junit", arguments.junit, "Write the results into this file, as JUnit's XML");
}

/// Writes the table and the files that were asked for, and gives the exit code.
int report(const Arguments& arguments, const std::vector<SessionResult>& results) {
  struct Output {
    const std::string& file;
    std::string (*format)(const std::vector<SessionResult>&);
  };
  std::cout << to_table(results);
  if (!std::cout.flush()) return fail("cannot write the result");
  for (const Output& output : {Output{arguments.json, to_json}, Output{arguments.junit, to_junit}})
    if (!output.file.empty() && !write_file(output.file, output.format(results)))
      return fail("cannot write " + output.file);
  const Outcome outcome = outcome_of(results);
  return outcome == Outcome::passed ? 0 : outcome == Outcome::failed ? kFailed : kUsage;
}

void add_verify(CLI::App& command, Arguments& arguments) {
  add_folders(command, arguments);
  add_reports(command, arguments);
}

int run_verify(const Arguments& arguments) { return report(arguments, verify(arguments.folders)); }

void add_replay(CLI::App& command, Arguments& arguments) {
  add_folders(command, arguments);
  command
      .add_option("--device", arguments.device,
                  "The key store: tcp:127.0.0.1:PORT or unix:PATH of a byte stream, or memory: for one in this process")
      ->required();
  add_reports(command, arguments);
}

int run_replay(const Arguments& arguments) {
  const auto device = LiveKeyStore::open(arguments.device);
  if (!device) return fail(device.error().detail);
  return report(arguments, replay(arguments.folders, (*device)->store()));
}

void add_record(CLI::App& command, Arguments& arguments) {
  std::string list;
  for (const ScenarioName& scenario : record_scenarios())
    list += "\n  " + std::string(scenario.name) + ": " + scenario.help;
  command.add_option("--out", arguments.out, "Write a new folder for each session into this one")->required();
  command.add_option("--scenario", arguments.recorded, "What to record, any number of times; all of them if not given");
  command.footer("Scenarios:" + list);
}

int run_record(const Arguments& arguments) {
  std::vector<std::string> names = arguments.recorded;
  if (names.empty())
    for (const ScenarioName& scenario : record_scenarios()) names.emplace_back(scenario.name);
  for (const std::string& name : names) {
    const auto folders = record(name, arguments.out);
    if (!folders) return fail(folders.error().detail);
    for (const std::string& folder : *folders) std::cout << printable(folder) << '\n';
  }
  return std::cout.flush() ? 0 : fail("cannot write the result");
}

template <void (*add)(CLI::App&, ScenarioArguments&)>
void add_scenarios(CLI::App& command, Arguments& arguments) {
  add(command, arguments.scenarios);
}

template <int (*play)(const ScenarioArguments&)>
int run_scenarios(const Arguments& arguments) {
  return play(arguments.scenarios);
}

struct Command {
  const char* name;
  const char* help;
  void (*add_options)(CLI::App& command, Arguments& arguments);
  int (*run)(const Arguments& arguments);
};
constexpr auto kCommands = std::to_array<Command>({
    {"verify", "Check recorded sessions against their secrets", add_verify, run_verify},
    {"replay", "Play recorded sessions against a live key store", add_replay, run_replay},
    {"record", "Record sessions between our client and our issuer", add_record, run_record},
    {"client", "Take a KeyGen2 client through scenarios, as its issuer", add_scenarios<add_client>,
     run_scenarios<run_client>},
    {"issuer", "Take a KeyGen2 issuer through scenarios, as its client", add_scenarios<add_issuer>,
     run_scenarios<run_issuer>},
});

int run(int argc, char** argv) {
  CLI::App app("Conformance kit for KeyGen2 and SKS", "sks-conformance");
  app.set_version_flag("--version", "sks-conformance " SKS_VERSION);
  app.require_subcommand(1);
  app.footer("Exit code: 0 everything passed, 1 a check failed, 2 wrong usage or an unreadable recording");
  Arguments arguments;
  for (const Command& command : kCommands)
    command.add_options(*app.add_subcommand(command.name, command.help), arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return fail(std::string(error.what()) + " (--help shows the usage)");
  }
  for (const Command& command : kCommands)
    if (app.got_subcommand(command.name)) return command.run(arguments);
  return kUsage;
}

}  // namespace
}  // namespace sks::conformance

int main(int argc, char** argv) {
  try {
    return sks::conformance::run(argc, argv);
  } catch (const std::exception& exception) {
    return sks::conformance::fail(exception.what());
  }
}
