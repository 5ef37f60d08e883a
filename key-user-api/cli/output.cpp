#include "key-user-api/cli/output.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "key-user-api/dialog/pin_text.h"
#include "sks-core/base/byte_reader.h"

namespace sks::cli {
namespace {

std::string cell_text(const std::string& cell) { return cell.empty() ? "-" : dialog::printable(cell); }

std::size_t width_of(const std::string& text) { return is_utf8(text) ? count_code_points(text) : text.size(); }

}  // namespace

void write_table(const std::vector<TableRow>& rows, std::ostream& out) {
  std::vector<std::size_t> widths;
  for (const TableRow& row : rows) {
    widths.resize(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(cell_text(row[i])));
  }
  for (const TableRow& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string text = cell_text(row[i]);
      out << text;
      if (i + 1 < row.size()) out << std::string(widths[i] - width_of(text) + 2, ' ');
    }
    out << "\n";
  }
}

std::string format_time(std::int64_t seconds_since_1970) {
  const std::time_t time = seconds_since_1970;
  std::tm parts{};
  std::array<char, 64> text{};
  if (gmtime_r(&time, &parts) == nullptr) return std::to_string(seconds_since_1970);
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%SZ", &parts)};
}

}  // namespace sks::cli
