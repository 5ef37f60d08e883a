#include "tests/keygen2/schema.h"

#include "conformance/schema.h"

namespace sks::test {

std::string find_schema_violation(const std::string& message, const std::vector<std::string>& announced) {
  const auto violation = conformance::find_schema_violation(nlohmann::json::parse(message), announced);
  return violation ? violation->path + ' ' + violation->sentence : "";
}

}  // namespace sks::test
