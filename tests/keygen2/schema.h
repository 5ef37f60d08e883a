#pragma once

#include <string>

namespace sks::test {

/// Validates a message against spec/keygen2.schema.json. Gives the place and keyword of the first violation, or "".
///
/// Knows exactly the keywords that the schema uses; another one ends the test.
std::string find_schema_violation(const std::string& message);

}  // namespace sks::test
