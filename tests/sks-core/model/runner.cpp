#include "tests/sks-core/model/runner.h"

#include <algorithm>

#include "tests/sks-core/model/generator.h"

namespace sks::model {
namespace {

constexpr std::size_t kCompareEvery = 6;
constexpr int kMostAttempts = 3000;

std::optional<std::string> step(World& world, const Call& call, bool compares) {
  std::optional<std::string> wrong = world.run(call);
  return wrong || !compares ? wrong : world.compare();
}

// The same call without what may not matter.
std::vector<Call> simpler(const Call& call) {
  std::vector<Call> calls(5, call);
  calls[0].fault = Fault::none;
  calls[0].fault_at = 0;
  calls[1].biometric = 0;
  calls[2].patterns = 0;
  calls[3].endorsed = 0;
  calls[4].export_protection = calls[4].delete_protection = 0;
  std::erase_if(calls, [&](const Call& other) { return describe(other) == describe(call); });
  return calls;
}

class Shrinker {
 public:
  Shrinker(World::Access access, std::vector<Call> calls) : access_(access), calls_(std::move(calls)) {}

  std::vector<Call> run() {
    for (std::size_t size = std::max<std::size_t>(calls_.size() / 2, 1); size > 0; size /= 2)
      while (drop_chunks(size)) {
      }
    for (std::size_t i = 0; i < calls_.size(); ++i)
      for (const Call& other : simpler(calls_[i])) {
        std::vector<Call> changed = calls_;
        changed[i] = other;
        try_these(std::move(changed));
      }
    return calls_;
  }

 private:
  bool drop_chunks(std::size_t size) {
    bool has_dropped = false;
    for (std::size_t at = 0; at < calls_.size();) {
      std::vector<Call> fewer = calls_;
      const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
      fewer.erase(first, first + static_cast<std::ptrdiff_t>(std::min(size, fewer.size() - at)));
      if (try_these(std::move(fewer))) {
        has_dropped = true;
      } else {
        at += size;
      }
    }
    return has_dropped;
  }

  bool try_these(std::vector<Call> calls) {
    if (calls.empty() || ++attempts_ > kMostAttempts) return false;
    const std::optional<Failure> failure = replay(access_, calls);
    if (!failure) return false;
    calls.resize(failure->at + 1);
    calls_ = std::move(calls);
    return true;
  }

  World::Access access_;
  std::vector<Call> calls_;
  int attempts_ = 0;
};

}  // namespace

std::optional<Failure> replay(World::Access access, const std::vector<Call>& calls) {
  World world(access);
  for (std::size_t i = 0; i < calls.size(); ++i)
    if (std::optional<std::string> wrong = step(world, calls[i], true)) return Failure{i, *std::move(wrong)};
  return {};
}

std::optional<Failure> explore(World::Access access, std::uint64_t seed, std::size_t steps, std::vector<Call>& calls,
                               Tally& tally) {
  World world(access);
  Generator generator(seed);
  for (std::size_t i = 0; i < steps; ++i) {
    calls.push_back(generator.next(world));
    const bool compares = i % kCompareEvery == 0 || i + 1 == steps;
    if (std::optional<std::string> wrong = step(world, calls.back(), compares)) return Failure{i, *std::move(wrong)};
    ++tally.calls;
    ++tally.outcomes[name_of(calls.back().method) + ": " + world.last_outcome()];
  }
  return {};
}

std::vector<Call> shrink(World::Access access, std::vector<Call> calls) {
  return Shrinker(access, std::move(calls)).run();
}

std::string describe(const std::vector<Call>& calls) {
  std::string text;
  for (const Call& call : calls) text += "\n  " + describe(call);
  return text;
}

}  // namespace sks::model
