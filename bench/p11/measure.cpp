#include "bench/p11/measure.h"

#include <unistd.h>

#include <atomic>
#include <latch>
#include <thread>

#include "tests/support/pkcs11/daemon.h"

namespace sks::bench {
namespace {

using client::Answer;
using Clock = std::chrono::steady_clock;
using Ready = std::function<void()>;
using Seconds = std::chrono::duration<double>;

constexpr double kMebibyte = 1024.0 * 1024.0;
constexpr std::size_t kTooManyErrors = 10'000;

struct Count {
  std::size_t done = 0;
  std::size_t errors = 0;
  double seconds = 0;
  std::string problem;  ///< the first one
};

/// Calls `step` until the time is over. `step` returns the text of an error, or nothing.
template <class Step>
Count repeat(double seconds, bool go_on_after_errors, const Step& step) {
  Count count;
  const Clock::time_point begin = Clock::now();
  const auto elapsed = [&] { return Seconds(Clock::now() - begin).count(); };
  // Short operations must not pay for a look at the clock each.
  std::size_t batch = 1;
  do {
    for (std::size_t i = 0; i < batch; ++i) {
      std::optional<std::string> problem = step();
      if (!problem) {
        ++count.done;
        continue;
      }
      ++count.errors;
      if (count.problem.empty()) count.problem = std::move(*problem);
      if (!go_on_after_errors || count.errors >= kTooManyErrors) return count;
    }
    count.seconds = elapsed();
    if (batch < 64 && count.seconds / static_cast<double>(count.done + count.errors) < 2e-6) batch *= 2;
  } while (count.seconds < seconds);
  return count;
}

/// One `work` for each thread, started at the same time.
std::vector<Count> in_threads(unsigned threads, const std::function<Count(unsigned)>& work) {
  std::vector<Count> counts(threads);
  std::latch start(static_cast<std::ptrdiff_t>(threads));
  std::vector<std::jthread> running;
  for (unsigned i = 0; i < threads; ++i)
    running.emplace_back([&, i] {
      start.arrive_and_wait();
      counts[i] = work(i);
    });
  running.clear();
  return counts;
}

Sample sum_of(const std::vector<Count>& counts, const Figure& figure) {
  Sample sample;
  for (const Count& count : counts) {
    if (count.seconds > 0) sample.value += static_cast<double>(count.done) / count.seconds;
    sample.errors += count.errors;
    if (sample.problem.empty()) sample.problem = count.problem;
  }
  if (figure.measure == Measure::microseconds && sample.value > 0) sample.value = 1e6 / sample.value;
  // Errors are what stress is about; any other figure is not worth anything with them.
  if (figure.measure != Measure::stress && !sample.problem.empty()) sample.value = 0;
  return sample;
}

Sample problem_of(const client::Refused& refused) { return {0, 0, refused.text()}; }

Answer<Scene> open_scene(const Subject& subject) {
  SKS_LET(client::Module module, client::Module::load(subject.module));
  SKS_TRY(module.initialize());
  return Scene{module, subject.token, subject.pairs};
}

std::optional<std::string> step(Operation& operation) {
  const Answer<void> answer = operation.run();
  if (answer) return std::nullopt;
  return answer.error().text();
}

Sample run_operations(const Figure& figure, const Subject& subject, double seconds, const Ready& ready) {
  const auto scene = open_scene(subject);
  if (!scene) return problem_of(scene.error());
  std::vector<std::unique_ptr<Operation>> operations;
  for (unsigned i = 0; i < figure.threads; ++i) {
    auto operation = make_operation(figure.operation, *scene, i);
    if (!operation) return problem_of(operation.error());
    operations.push_back(std::move(operation).value());
  }
  ready();
  const auto counts = in_threads(figure.threads, [&](unsigned thread) {
    return repeat(seconds, figure.measure == Measure::stress, [&] { return step(*operations[thread]); });
  });
  Sample sample = sum_of(counts, figure);
  for (const auto& operation : operations)
    if (const auto cleaned = operation->clean(); !cleaned && sample.problem.empty())
      sample.problem = "afterwards: " + cleaned.error().text();
  return sample;
}

Answer<double> time_to_first_find(const client::Module& module, const Subject& subject) {
  const Clock::time_point begin = Clock::now();
  SKS_TRY(module.initialize());
  SKS_LET(const client::Session session, client::Session::open_public(module, subject.token));
  client::Attributes wanted;
  SKS_TRY(session.find_one(wanted.number(CKA_CLASS, CKO_PUBLIC_KEY).add(CKA_ID, pair_id(subject.pairs / 2))));
  return 1e3 * Seconds(Clock::now() - begin).count();
}

Sample run_first_find(const Subject& subject, const Ready& ready) {
  const auto module = client::Module::load(subject.module);
  if (!module) return problem_of(module.error());
  ready();
  const auto milliseconds = time_to_first_find(*module, subject);
  if (!milliseconds) return problem_of(milliseconds.error());
  return {*milliseconds, 0, {}};
}

/// What a process has more once it has loaded the module and used it for a while.
Sample run_module_memory(const Figure& figure, const Subject& subject, const Ready& ready) {
  ready();
  const std::size_t before = client::resident_memory(::getpid());
  const auto scene = open_scene(subject);
  if (!scene) return problem_of(scene.error());
  const auto operation = make_operation(figure.operation, *scene, 0);
  if (!operation) return problem_of(operation.error());
  constexpr int kUses = 20;
  for (int i = 0; i < kUses; ++i)
    if (auto problem = step(**operation)) return {0, 0, std::move(*problem)};
  const std::size_t after = client::resident_memory(::getpid());
  return {(static_cast<double>(after) - static_cast<double>(before)) / kMebibyte, 0, {}};
}

}  // namespace

Job module_job(const Figure& figure, const Subject& subject, double seconds) {
  return [&figure, subject, seconds](const Ready& ready) -> Sample {
    switch (figure.measure) {
      case Measure::rate:
      case Measure::microseconds:
      case Measure::stress:
        return run_operations(figure, subject, seconds, ready);
      case Measure::first_find:
      case Measure::first_start:
        return run_first_find(subject, ready);
      case Measure::module_memory:
        return run_module_memory(figure, subject, ready);
      case Measure::daemon_memory:
        break;
    }
    return {0, 0, "is no matter of the module"};
  };
}

Job bare_job(const Figure& figure, double seconds) {
  return [&figure, seconds](const Ready& ready) -> Sample {
    std::vector<BareOperation> operations;
    for (unsigned i = 0; i < figure.threads; ++i) operations.push_back(bare_operation(figure.operation));
    ready();
    return sum_of(in_threads(figure.threads,
                             [&](unsigned thread) {
                               return repeat(seconds, false, [&]() -> std::optional<std::string> {
                                 operations[thread]();
                                 return std::nullopt;
                               });
                             }),
                  figure);
  };
}

Job make_keys_job(const Subject& subject) {
  return [subject](const Ready&) -> Sample {
    const auto scene = open_scene(subject);
    if (!scene) return problem_of(scene.error());
    return {0, 0, make_keys(*scene)};
  };
}

Job fill_job(const Subject& subject, unsigned threads) {
  return [subject, threads](const Ready&) -> Sample {
    const auto scene = open_scene(subject);
    if (!scene) return problem_of(scene.error());
    const auto filled = fill(*scene, threads);
    return filled ? Sample{} : problem_of(filled.error());
  };
}

}  // namespace sks::bench
