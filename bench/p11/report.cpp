#include "bench/p11/report.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <iomanip>
#include <nlohmann/json.hpp>

namespace sks::bench {
namespace {

[[gnu::format(printf, 1, 2)]] std::string formatted(const char* format, ...) {
  std::array<char, 100> text{};
  std::va_list values;
  va_start(values, format);
  std::vsnprintf(text.data(), text.size(), format, values);
  va_end(values);
  return text.data();
}

const Line* one_of(const Line& line, const std::vector<Line>& all) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Line& other) {
    return other.figure->operation == line.figure->operation && other.figure->stage == line.figure->stage &&
           other.figure->threads == 1 && other.figure->processes == 1;
  });
  return found == all.end() ? nullptr : &*found;
}

/// What the bound is about, and whether more is better.
struct Judged {
  std::optional<double> value;
  bool is_floor;
};

Judged judged_value(const Line& line, const std::vector<Line>& all) {
  switch (line.figure->bound_of) {
    case BoundOf::nothing:
      return {std::nullopt, true};
    case BoundOf::ratio_to_bare:
      return {ratio(line.module, line.bare), true};
    case BoundOf::ratio_to_one: {
      const Line* const one = one_of(line, all);
      return {one == nullptr ? std::nullopt : ratio(line.module, one->module), true};
    }
    case BoundOf::at_least:
      return {line.module.value, true};
    case BoundOf::at_most:
      return {line.module.value, false};
    case BoundOf::errors:
      if (!line.module.value) return {std::nullopt, false};
      return {static_cast<double>(line.module.errors), false};
  }
  return {std::nullopt, true};
}

std::string number(double value) {
  if (value >= 1000) return formatted("%.0f", value);
  return value >= 10 ? formatted("%.1f", value) : formatted("%.3f", value);
}

std::string cell(const Outcome& outcome) {
  if (!outcome.value) return outcome.problem.empty() ? "" : "failed";
  return number(*outcome.value) + (outcome.errors == 0 ? "" : " (" + std::to_string(outcome.errors) + "!)");
}

std::string cell(const std::optional<double>& value) { return value ? formatted("%.3g", *value) : ""; }

std::string bound_text(const Line& line, const std::vector<Line>& all) {
  const Figure& figure = *line.figure;
  const Judged judged = judged_value(line, all);
  const std::string reached = judged.value ? formatted(", is %.3g", *judged.value) : "";
  switch (figure.bound_of) {
    case BoundOf::nothing:
      return "";
    case BoundOf::ratio_to_bare:
      return formatted(">= %g of bare", figure.bound) + reached;
    case BoundOf::ratio_to_one:
      return formatted(">= %g of one", figure.bound) + reached;
    case BoundOf::at_least:
      return formatted(">= %g", figure.bound);
    case BoundOf::at_most:
      return formatted("<= %g", figure.bound);
    case BoundOf::errors:
      return formatted("%g errors", figure.bound) + reached;
  }
  return "";
}

nlohmann::json json_of(const Outcome& outcome) {
  if (!outcome.value && outcome.problem.empty()) return nullptr;
  nlohmann::json object;
  object["value"] = outcome.value ? nlohmann::json(*outcome.value) : nlohmann::json(nullptr);
  object["errors"] = outcome.errors;
  if (!outcome.problem.empty()) object["problem"] = outcome.problem;
  return object;
}

nlohmann::json json_of(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

struct Column {
  const char* title;
  int width;  ///< negative: text, which begins at the left
};
constexpr auto kColumns = std::to_array<Column>({{"figure", -41},
                                                 {"unit", 4},
                                                 {"bare EVP", 10},
                                                 {"module", 14},
                                                 {"/ bare", 7},
                                                 {"peer", 14},
                                                 {"/ peer", 7},
                                                 {"bound", -25},
                                                 {"", -12}});
using Cells = std::array<std::string, kColumns.size()>;

void print_cells(std::ostream& out, const Cells& cells) {
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const int width = kColumns[i].width;
    out << (width < 0 ? std::left : std::right) << std::setw(std::abs(width)) << cells[i] << "  ";
  }
  out << std::endl;
}

}  // namespace

Outcome median_of(const std::vector<Sample>& rounds) {
  Outcome outcome;
  std::vector<double> values;
  for (const Sample& sample : rounds) {
    outcome.errors += sample.errors;
    values.push_back(sample.value);
    if (outcome.problem.empty()) outcome.problem = sample.problem;
  }
  // A side that fails in one of its rounds has not reached anything.
  const bool failed = std::any_of(rounds.begin(), rounds.end(),
                                  [](const Sample& sample) { return sample.value == 0 && !sample.problem.empty(); });
  if (values.empty() || failed) return outcome;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  outcome.value = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return outcome;
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::none:
      return "";
    case Verdict::passed:
      return "pass";
    case Verdict::missed:
      return "MISSED";
    case Verdict::not_measured:
      return "NOT MEASURED";
  }
  return "";
}

std::optional<double> ratio(const Outcome& module, const Outcome& other) {
  if (!module.value || !other.value || *other.value == 0) return std::nullopt;
  return *module.value / *other.value;
}

Verdict judge(const Line& line, const std::vector<Line>& all) {
  if (line.figure->bound_of == BoundOf::nothing) return Verdict::none;
  const Judged judged = judged_value(line, all);
  if (!judged.value) return Verdict::not_measured;
  const bool held = judged.is_floor ? *judged.value >= line.figure->bound : *judged.value <= line.figure->bound;
  return held ? Verdict::passed : Verdict::missed;
}

void print_head(std::ostream& out) {
  Cells titles;
  for (std::size_t i = 0; i < titles.size(); ++i) titles[i] = kColumns[i].title;
  print_cells(out, titles);
}

void print_line(std::ostream& out, const Line& line, const std::vector<Line>& all) {
  print_cells(out,
              {std::string(line.figure->title), std::string(unit_of(line.figure->measure)), cell(line.bare),
               cell(line.module), cell(ratio(line.module, line.bare)), cell(line.peer),
               cell(ratio(line.module, line.peer)), bound_text(line, all), std::string(to_string(judge(line, all)))});
}

void print_problems(std::ostream& out, const std::vector<Line>& all) {
  for (const Line& line : all) {
    if (!line.module.problem.empty()) out << "module, " << line.figure->name << ": " << line.module.problem << '\n';
    if (!line.peer.problem.empty()) out << "peer, " << line.figure->name << ": " << line.peer.problem << '\n';
  }
}

void print_json(std::ostream& out, const Circumstances& circumstances, const std::vector<Line>& all) {
  nlohmann::json rows = nlohmann::json::array();
  for (const Line& line : all) {
    nlohmann::json row;
    row["figure"] = line.figure->name;
    row["title"] = line.figure->title;
    row["unit"] = unit_of(line.figure->measure);
    row["bare"] = json_of(line.bare);
    row["module"] = json_of(line.module);
    row["peer"] = json_of(line.peer);
    row["ratioToBare"] = json_of(ratio(line.module, line.bare));
    row["ratioToPeer"] = json_of(ratio(line.module, line.peer));
    row["bound"] = bound_text(line, all);
    row["verdict"] = to_string(judge(line, all));
    rows.push_back(std::move(row));
  }
  const nlohmann::json document = {{"module", circumstances.module}, {"peer", circumstances.peer},
                                   {"pairs", circumstances.pairs},   {"peerPairs", circumstances.peer_pairs},
                                   {"rounds", circumstances.rounds}, {"secondsEach", circumstances.seconds},
                                   {"figures", std::move(rows)}};
  out << document.dump(2) << '\n';
}

}  // namespace sks::bench
