#pragma once

#include <string>
#include <string_view>

#include "keygen2/json_parser.h"

namespace sks::keygen2::json {

/// `"..."` with the shortest escapes. Spec: keygen2.md 3.7.
std::string string_literal(std::string_view text);

/// A member of a member of the outermost object.
struct Omitted {
  std::string_view object;
  std::string_view member;
};

/// JCS (RFC 8785) of an object, without one member of one of its own members. Spec: keygen2.md 3.7.
std::string canonical(const Value& object, Omitted omitted);

}  // namespace sks::keygen2::json
