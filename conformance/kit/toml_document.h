#pragma once

#include <string_view>

#include "conformance/document.h"

namespace sks::conformance {

inline constexpr std::size_t kMaxScenario = std::size_t{256} * 1024;

/// A TOML document as the JSON value that it mirrors: tables, arrays, texts, integers and booleans. Fails with option:
/// longer than kMaxScenario, a character beyond ASCII outside of comments and texts of one line, malformed, a floating
/// point number, a date, or nested too deeply. The sentence names the line.
Result<Json> parse_toml(std::string_view text);

}  // namespace sks::conformance
