#pragma once

#include <string>

#include "conformance/verify.h"

/// The results for people and for programs. Names and texts of recordings come from outside: none of them reaches a
/// terminal, or an XML parser, as anything but text.
namespace sks::conformance {

/// A line for each session, then everything that failed, with expected and found bytes side by side.
std::string to_table(const std::vector<SessionResult>& results);

std::string to_json(const std::vector<SessionResult>& results);

/// JUnit's XML: a test suite for each session, a test case for each check.
std::string to_junit(const std::vector<SessionResult>& results);

/// `text` with everything that is no printable UTF-8 replaced.
std::string printable(std::string_view text);

}  // namespace sks::conformance
