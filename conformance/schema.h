#pragma once

#include <optional>
#include <string>

#include "conformance/document.h"

namespace sks::conformance {

struct SchemaViolation {
  std::string path;  ///< JSON pointer into the message
  std::string sentence;
};

/// The first violation of spec/keygen2.schema.json by a message, judged as what its "@qualifier" says it is.
std::optional<SchemaViolation> find_schema_violation(const Json& message);

}  // namespace sks::conformance
