#pragma once

#include <ostream>
#include <string>

#include "conformance/document.h"
#include "conformance/verify.h"

/// The results for people and for programs. Names and texts of recordings come from outside: none of them reaches a
/// terminal, or an XML parser, as anything but text.
namespace sks::conformance {

/// A line for each session, then everything that failed, with expected and found bytes side by side.
std::string to_table(const std::vector<SessionResult>& results);

std::string to_json(const std::vector<SessionResult>& results);

/// JUnit's XML: a test suite for each session, a test case for each check.
std::string to_junit(const std::vector<SessionResult>& results);

// What reports of other results are made of.

/// A line, and below it expected and found bytes side by side.
void write_finding(std::ostream& out, const Finding& finding, const std::string& indent);
Json findings_to_json(const Findings& findings);
/// For texts and for attribute values in double quotes. The text is printable.
std::string xml_text(std::string_view text);
/// ` name="value"`, the value made printable.
std::string xml_attribute(const char* name, std::string_view value);

/// `text` with everything that is no printable UTF-8 replaced.
std::string printable(std::string_view text);

}  // namespace sks::conformance
