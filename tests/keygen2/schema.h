#pragma once

#include <string>
#include <vector>

namespace sks::test {

/// Validates a message against spec/keygen2.schema.json, from or for a client that announced these capabilities. Gives
/// the place and the first violation, or "".
std::string find_schema_violation(const std::string& message, const std::vector<std::string>& announced = {});

}  // namespace sks::test
