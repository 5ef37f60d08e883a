#pragma once

#include <string>

namespace sks::test {

/// Validates a message against spec/keygen2.schema.json. Gives the place and the first violation, or "".
std::string find_schema_violation(const std::string& message);

}  // namespace sks::test
