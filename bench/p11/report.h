#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "bench/p11/figures.h"
#include "tests/support/children.h"

namespace sks::bench {

using test::Sample;

/// What one side of a figure came to: the median of the rounds, or why there is none.
struct Outcome {
  std::optional<double> value;
  std::size_t errors = 0;  ///< of all rounds
  std::string problem;
};
Outcome median_of(const std::vector<Sample>& rounds);

struct Line {
  const Figure* figure;
  Outcome bare;
  Outcome module;
  Outcome peer;
};

enum class Verdict { none, passed, missed, not_measured };
std::string_view to_string(Verdict verdict);

/// The module's value divided by the other's; none if one of them is missing.
std::optional<double> ratio(const Outcome& module, const Outcome& other);
/// Of the module, by the bound of the figure.
Verdict judge(const Line& line, const std::vector<Line>& all);

/// A line of the table, and the lines above and below it.
void print_head(std::ostream& out);
void print_line(std::ostream& out, const Line& line, const std::vector<Line>& all);
void print_problems(std::ostream& out, const std::vector<Line>& all);

/// {"pairs", "peerPairs", "rounds", "secondsEach", "figures": [...]}, a member is null where nothing was measured.
struct Circumstances {
  std::string module;
  std::string peer;
  std::size_t pairs;
  std::size_t peer_pairs;
  unsigned rounds;
  double seconds;
};
void print_json(std::ostream& out, const Circumstances& circumstances, const std::vector<Line>& all);

}  // namespace sks::bench
