#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

/// Measurements in processes of their own: no module sees what another one left behind, and memory counts from zero.
namespace sks::bench {

struct Sample {
  double value = 0;
  std::size_t errors = 0;
  std::string problem;  ///< one line for people; the value counts in spite of it when it is not 0
};

/// Prepares, calls `ready` once, which returns when all jobs that run together are ready, and measures.
using Job = std::function<Sample(const std::function<void()>& ready)>;

/// Runs each job in a forked child, which ends without destructors. A child that takes longer is ended.
std::vector<Sample> run_together(const std::vector<Job>& jobs, std::chrono::seconds longest);

}  // namespace sks::bench
