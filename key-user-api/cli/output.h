#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace sks::cli {

using TableRow = std::vector<std::string>;

/// Columns two spaces apart, an empty cell as "-". All rows have the same number of cells. Cells may come from outside:
/// what could control a terminal is replaced.
void write_table(const std::vector<TableRow>& rows, std::ostream& out);

/// "2026-01-31 12:00:00Z"
std::string format_time(std::int64_t seconds_since_1970);

}  // namespace sks::cli
