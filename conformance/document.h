#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sks-core/base/result.h"

/// JSON files from outside, strictly read.
namespace sks::conformance {

using Json = nlohmann::json;

inline constexpr std::size_t kMaxDocument = std::size_t{8} * 1024 * 1024;

/// Any JSON value and nothing after it. Fails with option: malformed, nested too deeply, a name that occurs twice in
/// one object (the library would silently keep the last one), a byte order mark or a NUL.
Result<Json> parse_document(std::string_view text);

/// The same for a regular file of at most kMaxDocument bytes. The sentence of a failure starts with the file's name.
Result<Json> read_document(const std::filesystem::path& file);

}  // namespace sks::conformance
