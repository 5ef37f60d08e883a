#include "conformance/report.h"

#include <algorithm>
#include <array>
#include <iomanip>
#include <sstream>

#include "sks-core/base/byte_reader.h"

namespace sks::conformance {
namespace {

constexpr std::array<const char*, 3> kOutcomes{"passed", "failed", "unreadable"};

const char* name_of(Outcome outcome) { return kOutcomes.at(static_cast<std::size_t>(outcome)); }

std::size_t count_failed(const SessionResult& result) {
  return static_cast<std::size_t>(
      std::ranges::count_if(result.checks, [](const CheckResult& row) { return !row.findings.empty(); }));
}

void write_difference(std::ostream& out, const Difference& difference, const std::string& indent) {
  std::size_t field_width = std::string_view("field").size();
  std::size_t expected_width = std::string_view("expected").size();
  for (const Difference::Row& row : difference.rows) {
    field_width = std::max(field_width, row.field.size());
    expected_width = std::max(expected_width, row.expected.size());
  }
  const auto line = [&](const char* mark, const std::string& field, const std::string& offset,
                        const std::string& expected, const std::string& found) {
    out << indent << mark << ' ' << std::left << std::setw(static_cast<int>(field_width)) << field << "  " << std::right
        << std::setw(6) << offset << "  " << std::left << std::setw(static_cast<int>(expected_width)) << expected
        << "  " << found << '\n';
  };
  out << indent << "expected as in " << printable(to_string(difference.expected)) << '\n';
  line(" ", "field", "offset", "expected", "found");
  for (const Difference::Row& row : difference.rows)
    line(row.equal ? " " : "*", row.field, std::to_string(row.offset), row.expected, row.found);
}

Json to_json(const Difference& difference) {
  Json rows = Json::array();
  for (const Difference::Row& row : difference.rows)
    rows.push_back({{"field", row.field},
                    {"offset", row.offset},
                    {"expected", row.expected},
                    {"found", row.found},
                    {"equal", row.equal}});
  return {{"field", difference.field},
          {"offset", difference.offset},
          {"expectedIn", to_string(difference.expected)},
          {"fields", std::move(rows)}};
}

Json to_json(const CheckResult& row) {
  return {{"name", row.topic->name},
          {"document", row.topic->document},
          {"chapter", row.topic->chapter},
          {"covers", row.topic->covers},
          {"result", name_of(row.findings.empty() ? Outcome::passed : Outcome::failed)},
          {"comparisons", row.findings.comparisons()},
          {"findings", findings_to_json(row.findings)}};
}

void write_testcase(std::ostream& out, const SessionResult& session, const CheckResult& row) {
  out << "    <testcase" << xml_attribute("classname", session.name) << xml_attribute("name", row.topic->name);
  if (row.findings.empty()) {
    out << "/>\n";
    return;
  }
  const Finding& first = row.findings.list().front();
  std::ostringstream details;
  for (const Finding& finding : row.findings.list()) write_finding(details, finding, "");
  out << ">\n      <failure" << xml_attribute("message", to_string(first.place) + ' ' + first.sentence) << '>'
      << xml_text(details.str()) << "</failure>\n    </testcase>\n";
}

}  // namespace

void write_finding(std::ostream& out, const Finding& finding, const std::string& indent) {
  out << indent << printable(to_string(finding.place)) << ' ' << printable(finding.sentence) << '\n';
  if (finding.difference) write_difference(out, *finding.difference, indent + "  ");
}

Json findings_to_json(const Findings& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings.list()) {
    Json entry{{"file", finding.place.file}, {"path", finding.place.path}, {"sentence", finding.sentence}};
    if (!finding.place.note.empty()) entry["method"] = finding.place.note;
    if (finding.difference) entry["difference"] = to_json(*finding.difference);
    list.push_back(std::move(entry));
  }
  return list;
}

std::string xml_text(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string xml_attribute(const char* name, std::string_view value) {
  return std::string(" ") + name + "=\"" + xml_text(printable(value)) + '"';
}

std::string printable(std::string_view text) {
  const bool utf8 = is_utf8(text);
  std::string clean;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // C1 controls and the two characters that XML forbids are several bytes long.
    const bool control = byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8);
    const std::string_view rest = text.substr(i);
    const bool c1 = utf8 && byte == 0xc2 && rest.size() > 1 && static_cast<unsigned char>(rest[1]) < 0xa0;
    const bool forbidden = utf8 && (rest.starts_with("\xEF\xBF\xBE") || rest.starts_with("\xEF\xBF\xBF"));
    clean += control || c1 || forbidden ? '?' : text[i];
    i += c1 ? 1U : forbidden ? 2U : 0U;
  }
  return clean;
}

std::string to_table(const std::vector<SessionResult>& results) {
  std::ostringstream out;
  std::size_t width = 0;
  for (const SessionResult& result : results) width = std::max(width, printable(result.name).size());
  std::array<std::size_t, kOutcomes.size()> counts{};
  for (const SessionResult& result : results) {
    ++counts.at(static_cast<std::size_t>(result.outcome()));
    out << std::left << std::setw(static_cast<int>(width)) << printable(result.name) << "  " << std::setw(10)
        << name_of(result.outcome());
    if (result.outcome() == Outcome::unreadable)
      out << "  " << printable(result.unreadable) << '\n';
    else
      out << "  " << result.checks.size() - count_failed(result) << " of " << result.checks.size() << " checks, "
          << result.comparisons() << " comparisons\n";
  }
  bool first_note = true;
  for (const SessionResult& result : results)
    for (const std::string& note : result.notes) {
      out << (first_note ? "\n" : "") << printable(result.name) << ": " << printable(note) << '\n';
      first_note = false;
    }
  for (const SessionResult& result : results)
    for (const CheckResult& row : result.checks) {
      if (row.findings.empty()) continue;
      out << '\n'
          << printable(result.name) << ": " << row.topic->name << " (" << row.topic->document << ' '
          << row.topic->chapter << ")\n";
      for (const Finding& finding : row.findings.list()) write_finding(out, finding, "  ");
    }
  out << '\n' << results.size() << " sessions";
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (i == 0 || counts.at(i) != 0) out << ", " << counts.at(i) << ' ' << kOutcomes.at(i);
  out << '\n';
  return out.str();
}

std::string to_json(const std::vector<SessionResult>& results) {
  Json sessions = Json::array();
  for (const SessionResult& result : results) {
    Json checks = Json::array();
    for (const CheckResult& row : result.checks) checks.push_back(to_json(row));
    Json session{{"name", result.name},
                 {"folder", result.folder},
                 {"result", name_of(result.outcome())},
                 {"checks", std::move(checks)}};
    if (!result.unreadable.empty()) session["sentence"] = result.unreadable;
    if (!result.notes.empty()) session["notes"] = result.notes;
    sessions.push_back(std::move(session));
  }
  const Json document{{"result", name_of(outcome_of(results))}, {"sessions", std::move(sessions)}};
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string to_junit(const std::vector<SessionResult>& results) {
  std::ostringstream out;
  out << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"sks-conformance\">\n";
  for (const SessionResult& result : results) {
    const bool unreadable = result.outcome() == Outcome::unreadable;
    out << "  <testsuite" << xml_attribute("name", result.name)
        << xml_attribute("tests", std::to_string(unreadable ? 1 : result.checks.size()))
        << xml_attribute("failures", std::to_string(count_failed(result)))
        << xml_attribute("errors", unreadable ? "1" : "0") << ">\n";
    if (unreadable)
      out << "    <testcase" << xml_attribute("classname", result.name) << xml_attribute("name", "recording")
          << ">\n      <error" << xml_attribute("message", result.unreadable) << "/>\n    </testcase>\n";
    for (const CheckResult& row : result.checks) write_testcase(out, result, row);
    out << "  </testsuite>\n";
  }
  out << "</testsuites>\n";
  return out.str();
}

}  // namespace sks::conformance
