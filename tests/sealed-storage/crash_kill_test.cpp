#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "tests/sealed-storage/child_process.h"
#include "tests/sealed-storage/crash_check.h"
#include "tests/sealed-storage/fault_disk.h"

/// kill -9 of a process that works on a store on disk, over and over.
///
/// The child says what it is about to do and what was answered. Both sides choose the steps from the same random
/// numbers, so the parent knows in which states the store may be. SKS_CRASH_ROUNDS changes the number of rounds.
namespace sks::test {
namespace {

constexpr auto kKeyNames = std::to_array<const char*>({"A", "B", "C", "D"});
constexpr const char* kLocalKey = "L";
constexpr std::size_t kRounds = 200;
constexpr unsigned kLongestRound = 90000;  // microseconds

std::size_t rounds() {
  const char* const asked = std::getenv("SKS_CRASH_ROUNDS");
  return asked == nullptr ? kRounds : std::stoul(asked);
}

/// The load of one process.
class Load {
 public:
  Load(unsigned seed, std::size_t round) : random_(seed), round_(round) {}

  /// What comes next in a store as `model` says.
  Step next(const Model& model) {
    if (queue_.empty()) queue_ = choose(model);
    Step step = queue_.front();
    queue_.erase(queue_.begin());
    return step;
  }

 private:
  std::uint32_t below(std::size_t limit) { return static_cast<std::uint32_t>(random_() % limit); }

  std::string session_name() { return "S" + std::to_string(round_) + "-" + std::to_string(++serial_); }

  std::vector<Step> provision(const std::string& key) {
    const std::string session = session_name();
    return {open_session(session), puk_policy("g" + key), pin_policy("g" + key), create_key(session, key, "g" + key),
            set_certificate(key),  add_bag(session, key), close_session(session)};
  }

  std::vector<Step> give_up(const std::string& key) {
    const std::string session = session_name();
    return {open_session(session), puk_policy("x"), pin_policy("x"), create_key(session, key, "x"),
            below(2) == 0 ? abort_session(session) : send_wrong_mac(session)};
  }

  /// A key of the local issuer, whose session no storage knows of before it closes, comes and goes.
  std::vector<Step> local_key(const Model& model) {
    if (model.keys.contains(kLocalKey)) return {delete_key(kLocalKey)};
    const std::string session = session_name();
    return {open_session(session), make_local_key(kLocalKey, session, puk_policy("x")), abort_session(session)};
  }

  std::vector<Step> choose(const Model& model) {
    if (std::ranges::any_of(model.sessions, [](const auto& entry) { return entry.second.open; }))
      return {abort_leftovers()};
    if (below(8) == 0) return local_key(model);
    const char* const candidate = kKeyNames.at(below(kKeyNames.size()));
    if (!model.keys.contains(candidate)) return below(3) == 0 ? give_up(candidate) : provision(candidate);
    const std::string key = candidate;
    const Model::Group& group = model.group_of(key);
    if (group.puk_locked()) return {delete_key(key)};
    if (group.locked()) return {below(2) == 0 ? try_puk(key, kPuk) : set_pin(key, kPuk, kFirstPin)};
    const std::string& pin = group.pin;
    switch (below(12)) {
      case 0:
        return {end(), begin()};
      case 1:
        return {change_pin(key, pin, pin == kFirstPin ? "5678" : kFirstPin)};
      case 2:
        return {try_puk(key, kWrongPuk)};
      case 3:
        return {try_puk(key, kPuk)};
      case 4:
        return {set_property(key, std::to_string(below(1000)))};
      case 5:
        return {delete_key(key)};
      case 6:
      case 7:
        return {try_pin(key, kWrongPin), try_pin(key, kWrongPin), sign_with_pin(key, kWrongPin)};
      case 8:
        return {sign_with_pin(key, kWrongPin)};
      default:
        return {sign_with_pin(key, pin)};
    }
  }

  static Step abort_leftovers() {
    return {"abort what the last process left open", Step::Kind::abort,
            [](World& world) -> Result<void> {
              for (const ProvisioningHandle session : all_sessions(world.engine(), SessionState::open))
                SKS_TRY(world.engine().abort_provisioning_session(session));
              return {};
            },
            [](const Model& before) { return std::vector<Model>{aborted(before)}; }};
  }

  std::mt19937 random_;
  std::size_t round_;
  int serial_ = 0;
  std::vector<Step> queue_;
};

EngineConfig config_of(const Model& model) {
  EngineConfig config;
  config.prepay_pin_attempts = model.prepays;
  return config;
}

constexpr const char* kIntent = "I";
constexpr const char* kAnswer = "A";

void work(const std::string& folder, const Model& model, Load load, const Child::Report& report) {
  World world(folder, config_of(model));
  world.model = model;
  if (const Result<void> opened = world.open(); !opened) return report("cannot open: " + opened.error().detail);
  if (observe(world.engine()) != model.text()) return report("found\n" + observe(world.engine()));
  for (;;) {
    const Step step = load.next(world.model);
    report(kIntent);
    if (const Result<void> done = step.run(world); !done) return report(step.name + ": " + done.error().detail);
    report(kAnswer);
    world.model = all_states(step, world.model).back();
  }
}

std::map<std::string, Bytes> certificates_in(const std::string& folder) {
  std::map<std::string, Bytes> certificates;
  World world(folder, {});
  REQUIRE(world.open());
  for (const KeyHandle key : all_keys(world.engine())) {
    const KeyAttributes attributes = world.engine().get_key_attributes(key).value();
    certificates[attributes.friendly_name] = attributes.certificate_path.front();
  }
  return certificates;
}

/// What was going on in a process when it was killed.
struct Death {
  std::vector<Model> states;  ///< one that the store must be in
  std::size_t answers = 0;
  bool in_flight = false;
};

/// Reads what a process said after its first intent.
Death read_log(const Child& child, Model model, Load load) {
  Death death;
  std::optional<Step> step = load.next(model);
  for (std::string line = child.report(); !line.empty(); line = child.report()) {
    if (line == kIntent) {
      step = load.next(model);
      continue;
    }
    REQUIRE_MESSAGE(line == kAnswer, line);
    REQUIRE(step.has_value());
    model = all_states(*step, model).back();
    step.reset();
    ++death.answers;
  }
  death.in_flight = step.has_value();
  death.states = step ? all_states(*step, model) : std::vector<Model>{model};
  for (Model& state : death.states) state = state.after_crash();
  return death;
}

}  // namespace

TEST_CASE("kill -9 at any instant: what was answered holds, and no PIN attempt comes back") {
  const TempDir dir;
  const std::string folder = dir.file("store");
  const std::string copy = dir.file("copy");
  const TestIdentity& identity = test_identity();
  REQUIRE(SqliteStore::create(folder, {identity.certificate_path(), SecureBytes::copy_of(as_bytes("key"))}));
  management_key();  // one for all processes
  std::mt19937 random(std::random_device{}());
  const auto seed = static_cast<unsigned>(random());
  random.seed(seed);
  CAPTURE(seed);
  Model model;
  std::size_t answers = 0;
  std::size_t in_flight = 0;
  std::size_t locked = 0;
  for (std::size_t round = 0; round < rounds(); ++round) {
    CAPTURE(round);
    model.prepays = round % 2 == 1;
    const Load load(static_cast<unsigned>(random()), round);
    Child child([&](const Child::Report& report) { work(folder, model, load, report); });
    REQUIRE_MESSAGE(child.report() == kIntent, child.report());
    ::usleep(static_cast<useconds_t>(random() % kLongestRound));
    child.kill();
    const Death death = read_log(child, model, load);
    std::filesystem::remove_all(copy);
    write_folder(copy, read_folder(folder));
    const std::optional<Model> found = match_state(copy, death.states, certificates_in(copy));
    REQUIRE(found.has_value());
    model = *found;
    answers += death.answers;
    if (death.in_flight) ++in_flight;
    if (std::ranges::any_of(model.groups, [](const auto& entry) { return entry.second.locked(); })) ++locked;
  }
  MESSAGE("seed " << seed << ": " << rounds() << " rounds, " << answers << " answers, " << in_flight
                  << " kills during a step, " << locked << " with a locked PIN");
  // How many there are is a matter of the machine's speed.
  CHECK(answers > 0);
  CHECK(in_flight > 0);
}

}  // namespace sks::test
