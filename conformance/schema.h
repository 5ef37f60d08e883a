#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conformance/document.h"

namespace sks::conformance {

struct SchemaViolation {
  std::string path;  ///< JSON pointer into the message
  std::string sentence;
};

/// The first violation of spec/keygen2.schema.json by a message, judged as what its "@qualifier" says it is. Members
/// that the schema marks as those of an extension are unknown properties unless their capability is among `announced`.
/// Spec: sks-extensions.md, KeyGen2 carriage.
std::optional<SchemaViolation> find_schema_violation(const Json& message,
                                                     const std::vector<std::string>& announced = {});

}  // namespace sks::conformance
