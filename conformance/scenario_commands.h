#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace sks::conformance {

/// What the commands that play scenarios are told.
struct ScenarioArguments {
  std::string folder;  ///< of scenarios, instead of those that the program carries
  std::vector<std::string> only;
  bool list = false;
  unsigned timeout = 60;  ///< seconds
  std::string json;
  std::string junit;

  std::string exec;
  std::string resume_exec;
  std::string cancel_exec;
  std::string prepare;

  std::string init;
  std::string url;
  std::string ticket_command;
  std::string order_command;
  std::string ca;
  std::string device_ca;
  std::string device_certificate;
  std::string device_key;
  bool print_device_ca = false;
};

void add_client(CLI::App& command, ScenarioArguments& arguments);
void add_issuer(CLI::App& command, ScenarioArguments& arguments);

// Give the exit code: 0 passed, 1 failed, 2 wrong usage or a broken scenario. Throw what stops the command.
int run_client(const ScenarioArguments& arguments);
int run_issuer(const ScenarioArguments& arguments);

}  // namespace sks::conformance
