#pragma once

#include <optional>

#include "tests/sks-core/model/world.h"

namespace sks::model {

struct Failure {
  std::size_t at;  ///< the call after which it was seen
  std::string what;
};

/// Gives a fresh store the calls one after the other.
std::optional<Failure> replay(World::Access access, const std::vector<Call>& calls);

/// What a long run has seen.
struct Tally {
  std::map<std::string, int> outcomes;  ///< by method and status
  int calls = 0;
};

/// Makes up calls and makes them. On failure `calls` are those that led to it.
std::optional<Failure> explore(World::Access access, std::uint64_t seed, std::size_t steps, std::vector<Call>& calls,
                               Tally& tally);

/// Drops calls and arguments as long as it still goes wrong.
std::vector<Call> shrink(World::Access access, std::vector<Call> calls);

std::string describe(const std::vector<Call>& calls);

}  // namespace sks::model
