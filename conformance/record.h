#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "sks-core/base/result.h"

namespace sks::conformance {

/// What can be recorded.
struct ScenarioName {
  const char* name;
  const char* help;
};
std::vector<ScenarioName> record_scenarios();

/// Runs a scenario between our client half, our issuer half and a new key store in this process, and writes each of its
/// sessions into a folder of its own below `out`: NAME, or NAME-1, NAME-2 when they build on one another. The files are
/// those that tests/vectors/transcripts/README.md describes. Gives the folders in their order. Fails with option
/// (unknown name, or a folder that exists already), not_available (a file that cannot be written) or internal (a
/// session that does not succeed).
Result<std::vector<std::string>> record(const std::string& scenario, const std::filesystem::path& out);

}  // namespace sks::conformance
