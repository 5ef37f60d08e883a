#pragma once

#include "conformance/kit/scenario.h"
#include "conformance/kit/scenario_result.h"

namespace sks::conformance {

/// How the client under examination is started. Each is a command of the shell, in which {url}, {init}, {main},
/// {cookie}, {ca}, {dir} and {pins} stand for their values.
struct ClientCommands {
  std::string enroll;
  std::string resume;             ///< of a deferred session; empty: enroll
  std::string cancel;             ///< with a user who refuses; empty: such scenarios are skipped
  std::string prepare;            ///< run once for each scenario before it; empty: nothing
  std::chrono::seconds patience;  ///< for each step of a client
};

/// Takes a client through one scenario, as its issuer on a loopback port.
ScenarioResult run_client_scenario(const Scenario& scenario, const ClientCommands& commands);

}  // namespace sks::conformance
