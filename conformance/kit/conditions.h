#pragma once

#include "conformance/node.h"

namespace sks::conformance {

/// Whether a value of a message is what a scenario says: the same value, or one of
/// { absent = true }, { size = N }, { any_of = [...] }, { not = VALUE }. What is different adds a finding.
void check_condition(const Node& message, const std::string& pointer, const Json& expected);

}  // namespace sks::conformance
