#include "conformance/kit/scenario_result.h"

#include <algorithm>
#include <array>
#include <iomanip>
#include <sstream>

#include "conformance/document.h"
#include "conformance/report.h"

namespace sks::conformance {
namespace {

constexpr std::array<const char*, 4> kOutcomes{"passed", "failed", "skipped", "broken"};
/// How much of the output of a command is shown: its end.
constexpr std::size_t kShownLines = 20;

const char* name_of(ScenarioOutcome outcome) { return kOutcomes.at(static_cast<std::size_t>(outcome)); }

/// Each line made printable.
std::string shown_output(const std::string& output, const std::string& indent) {
  std::istringstream in(output);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(indent + "| " + printable(line) + '\n');
  const std::size_t first = lines.size() > kShownLines ? lines.size() - kShownLines : 0;
  std::string text;
  for (std::size_t i = first; i < lines.size(); ++i) text += lines[i];
  return text;
}

std::string details(const ScenarioResult& result, const std::string& indent) {
  std::ostringstream out;
  if (!result.broken.empty()) out << indent << printable(result.broken) << '\n';
  for (const Finding& finding : result.findings.list()) write_finding(out, finding, indent);
  if (!result.output.empty()) out << indent << "the other side:\n" << shown_output(result.output, indent);
  return out.str();
}

}  // namespace

ScenarioOutcome outcome_of(const std::vector<ScenarioResult>& results) {
  const auto has = [&](ScenarioOutcome outcome) {
    return std::ranges::any_of(results, [&](const ScenarioResult& result) { return result.outcome() == outcome; });
  };
  if (has(ScenarioOutcome::broken)) return ScenarioOutcome::broken;
  return has(ScenarioOutcome::failed) ? ScenarioOutcome::failed : ScenarioOutcome::passed;
}

std::string to_table(const std::vector<ScenarioResult>& results) {
  std::ostringstream out;
  std::size_t width = 0;
  for (const ScenarioResult& result : results) width = std::max(width, result.name.size());
  std::array<std::size_t, kOutcomes.size()> counts{};
  for (const ScenarioResult& result : results) {
    const ScenarioOutcome outcome = result.outcome();
    ++counts.at(static_cast<std::size_t>(outcome));
    out << std::left << std::setw(static_cast<int>(width)) << printable(result.name) << "  " << std::setw(7)
        << name_of(outcome) << "  " << printable(outcome == ScenarioOutcome::skipped ? result.skipped : result.proves)
        << '\n';
  }
  for (const ScenarioResult& result : results) {
    if (result.outcome() != ScenarioOutcome::failed && result.outcome() != ScenarioOutcome::broken) continue;
    out << '\n'
        << printable(result.name) << " (keygen2.md " << printable(result.spec) << "): " << printable(result.proves)
        << '\n'
        << details(result, "  ");
  }
  out << '\n' << results.size() << (results.size() == 1 ? " scenario" : " scenarios");
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (i == 0 || counts.at(i) != 0) out << ", " << counts.at(i) << ' ' << kOutcomes.at(i);
  out << '\n';
  return out.str();
}

std::string to_json(const std::vector<ScenarioResult>& results) {
  Json scenarios = Json::array();
  for (const ScenarioResult& result : results) {
    Json entry{{"name", result.name},
               {"title", result.title},
               {"spec", result.spec},
               {"proves", result.proves},
               {"result", name_of(result.outcome())},
               {"comparisons", result.findings.comparisons()},
               {"findings", findings_to_json(result.findings)}};
    if (!result.skipped.empty()) entry["sentence"] = result.skipped;
    if (!result.broken.empty()) entry["sentence"] = result.broken;
    if (!result.output.empty()) entry["output"] = result.output;
    scenarios.push_back(std::move(entry));
  }
  const Json document{{"result", name_of(outcome_of(results))}, {"scenarios", std::move(scenarios)}};
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string to_junit(const std::vector<ScenarioResult>& results, const std::string& suite) {
  const auto count = [&](ScenarioOutcome outcome) {
    return std::to_string(
        std::ranges::count_if(results, [&](const ScenarioResult& result) { return result.outcome() == outcome; }));
  };
  std::ostringstream out;
  out << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite" << xml_attribute("name", suite)
      << xml_attribute("tests", std::to_string(results.size()))
      << xml_attribute("failures", count(ScenarioOutcome::failed))
      << xml_attribute("errors", count(ScenarioOutcome::broken))
      << xml_attribute("skipped", count(ScenarioOutcome::skipped)) << ">\n";
  constexpr std::array<const char*, kOutcomes.size()> kElements{nullptr, "failure", "skipped", "error"};
  for (const ScenarioResult& result : results) {
    out << "    <testcase" << xml_attribute("classname", suite) << xml_attribute("name", result.name);
    const char* const element = kElements.at(static_cast<std::size_t>(result.outcome()));
    if (element == nullptr) {
      out << "/>\n";
      continue;
    }
    const std::string message = result.outcome() == ScenarioOutcome::skipped ? result.skipped : result.proves;
    out << ">\n      <" << element << xml_attribute("message", message) << '>' << xml_text(details(result, "")) << "</"
        << element << ">\n    </testcase>\n";
  }
  out << "  </testsuite>\n</testsuites>\n";
  return out.str();
}

}  // namespace sks::conformance
