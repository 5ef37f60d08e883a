#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

/// Work in processes of its own: no library sees what another one left behind, and memory counts from zero.
namespace sks::test {

/// What came of it.
struct Sample {
  double value = 0;
  std::size_t errors = 0;
  std::string problem;  ///< one line for people; the value counts in spite of it when it is not 0
};

/// Prepares, calls `ready` once, which returns when all jobs that run together are ready, and works.
using Job = std::function<Sample(const std::function<void()>& ready)>;

/// Runs each job in a forked child, which ends without destructors. A child that takes longer is ended.
std::vector<Sample> run_together(const std::vector<Job>& jobs, std::chrono::seconds longest);

/// All values and errors, and the problems that are not empty, those of jobs with errors first, separated by " | ". A
/// job that has a problem and did nothing at all counts as an error.
Sample sum_of(std::vector<Sample> samples);

}  // namespace sks::test
