#include <thread>

#include "tests/key-user-api/stress/scene.h"
#include "tests/support/pkcs11/life_cycle.h"

namespace sks::stress {
namespace {

void live(const client::Module& module, const Options& options, Clock::time_point end, Tally& tally) {
  auto session = client::Session::open(module, options.token);
  if (!session) return tally.wrong(session.error().text());
  client::LifeCycle cycle(std::move(session).value());
  while (Clock::now() < end) {
    const auto lived = cycle.run();
    if (lived)
      tally.good();
    else
      tally.wrong(lived.error().text());
  }
}

test::Sample live_in_threads(const Options& options, const std::function<void()>& ready) {
  const auto module = client::Module::load(options.module);
  if (!module) return {0, 1, module.error().text()};
  if (const auto done = module->initialize(); !done) return {0, 1, done.error().text()};
  // Holds the login while threads come and go.
  const auto session = client::Session::open(*module, options.token);
  if (!session) return {0, 1, session.error().text()};
  ready();
  Tally tally;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(seconds(options.seconds));
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < options.threads; ++i) threads.emplace_back([&] { live(*module, options, end, tally); });
  }
  return tally.sum();
}

}  // namespace

test::Sample run_cycles(const Options& options) {
  const test::Job job = [&](const std::function<void()>& ready) { return live_in_threads(options, ready); };
  const std::chrono::seconds longest(static_cast<long>(options.seconds) + 60);
  return test::sum_of(test::run_together(std::vector<test::Job>(options.processes, job), longest));
}

}  // namespace sks::stress
