#pragma once

#include <string>
#include <vector>

#include "conformance/checks.h"

namespace sks::conformance {

enum class Outcome : std::uint8_t { passed, failed, unreadable };

struct CheckResult {
  const Topic* topic;
  Findings findings;
};

struct SessionResult {
  std::string folder;
  std::string name;
  std::string unreadable;  ///< the sentence; empty: it was checked
  std::vector<CheckResult> checks;
  std::vector<std::string> notes = {};  ///< what is neither right nor wrong

  Outcome outcome() const;
  std::size_t comparisons() const;
};

/// The worst outcome of all.
Outcome outcome_of(const std::vector<SessionResult>& results);

/// All checks of one recording.
std::vector<CheckResult> check_recording(const Recording& recording);

/// Checks the recording in each folder, and that no two are of the same session.
std::vector<SessionResult> verify(const std::vector<std::string>& folders);

}  // namespace sks::conformance
