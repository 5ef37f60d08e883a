#pragma once

#include <string>
#include <vector>

#include "conformance/finding.h"

namespace sks::conformance {

enum class ScenarioOutcome : std::uint8_t {
  passed,
  failed,
  skipped,  ///< the other side does not do what the scenario needs
  broken,   ///< the scenario asks for something impossible, or the command cannot be run
};

struct ScenarioResult {
  std::string name;
  std::string title;
  std::string spec;
  std::string proves;
  Findings findings;    ///< what was expected, and what came
  std::string skipped;  ///< why, if it was
  std::string broken;   ///< why, if it is
  std::string output;   ///< of the command of a client, or answers of an issuer

  ScenarioOutcome outcome() const {
    if (!broken.empty()) return ScenarioOutcome::broken;
    if (!findings.empty()) return ScenarioOutcome::failed;
    return skipped.empty() ? ScenarioOutcome::passed : ScenarioOutcome::skipped;
  }
};

// The results for people and for programs. Nothing in them reaches a terminal or an XML parser as anything but text.

/// A line for each scenario, then what was wrong.
std::string to_table(const std::vector<ScenarioResult>& results);
std::string to_json(const std::vector<ScenarioResult>& results);
/// JUnit's XML: a test case for each scenario.
std::string to_junit(const std::vector<ScenarioResult>& results, const std::string& suite);

/// The worst of all.
ScenarioOutcome outcome_of(const std::vector<ScenarioResult>& results);

}  // namespace sks::conformance
