#pragma once

#include <string_view>

namespace sks::conformance {

/// The text of spec/keygen2.schema.json.
extern const std::string_view kKeyGen2Schema;

}  // namespace sks::conformance
