#pragma once

#include "conformance/finding.h"
#include "conformance/recording.h"

namespace sks::conformance {

/// Compares what a call returned with what it should have returned: of objects every member of `expected`, of lists
/// every element. Nothing, zero, false and the empty text, list and object are the same: a recording writes null for
/// what was not given. Each value that differs adds a finding with its place below `place`.
void expect_json(Findings& findings, const Place& place, const Json& expected, const Json& found);

/// A value as a report shows it.
std::string shown(const Json& value);

}  // namespace sks::conformance
