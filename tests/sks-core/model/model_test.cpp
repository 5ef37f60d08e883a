#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "tests/sks-core/model/runner.h"

// Random calls, given to a key store and to a model of it. Without the environment variables these are the same runs
// every time.
//
// SKS_MODEL_SEED   the first seed; each store gets its own, one after the other
// SKS_MODEL_STEPS  calls in all
// SKS_MODEL_REPORT anything: count the outcomes of each method
namespace sks::model {
namespace {

constexpr std::uint64_t kFirstSeed = 1;
constexpr std::uint64_t kSteps = 3000;
constexpr std::uint64_t kStepsPerStore = 600;  // then most PINs and PUKs are blocked

std::uint64_t setting(const char* name, std::uint64_t usual) {
  const char* const text = std::getenv(name);
  return text == nullptr ? usual : std::strtoull(text, nullptr, 10);
}

std::string report(const Tally& tally) {
  std::ostringstream text;
  text << tally.calls << " calls";
  for (const auto& [outcome, count] : tally.outcomes) text << "\n  " << outcome << ": " << count;
  return text.str();
}

void check(World::Access access) {
  Tally tally;
  std::uint64_t seed = setting("SKS_MODEL_SEED", kFirstSeed);
  const std::uint64_t steps = setting("SKS_MODEL_STEPS", kSteps);
  MESSAGE(steps << " calls, seeds from " << seed);
  int failures = 0;
  for (std::uint64_t done = 0; done < steps && failures < 3; done += kStepsPerStore, ++seed) {
    std::vector<Call> calls;
    const std::optional<Failure> failure = explore(access, seed, std::min(kStepsPerStore, steps - done), calls, tally);
    if (!failure) continue;
    ++failures;
    const std::vector<Call> fewest = shrink(access, calls);
    const std::optional<Failure> again = replay(access, fewest);
    FAIL_CHECK("seed " << seed << ", call " << failure->at << ": " << failure->what
                       << "\nshrunk to:" << describe(fewest) << "\n"
                       << (again ? again->what : "which does not go wrong any more"));
  }
  if (std::getenv("SKS_MODEL_REPORT") != nullptr) MESSAGE(report(tally));
  CHECK(tally.calls > 0);
}

}  // namespace

TEST_CASE(
    "Random calls: the engine answers each as the model of the specification does, through restarts and crashes") {
  check(World::Access::direct);
}

TEST_CASE("Random calls: so does a store at the other end of the byte stream") { check(World::Access::byte_stream); }

}  // namespace sks::model
