#pragma once

#include <string>
#include <vector>

#include "sks-core/base/result.h"

namespace sks::issuer {

/// Where a page ended: the values of the columns that a list is in the order of, as one text that fits into a URL.
std::string make_cursor(const std::vector<std::string>& values);
/// Fails with option: not made by make_cursor(), or of another number of values.
Result<std::vector<std::string>> parse_cursor(const std::string& cursor, std::size_t count);

}  // namespace sks::issuer
