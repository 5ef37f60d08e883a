#include "tests/sealed-storage/crash_sweep.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "tests/sealed-storage/crash_check.h"

namespace sks::test {
namespace {

using Commit = RecordingStorage::Commit;

/// The default leaves out most operations between two syncs.
constexpr std::size_t kStride = 9;
constexpr std::size_t kFailureStride = 53;

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// A disk that never takes anything again leaves nothing to tell of sessions: what is told of them is durable.
bool tells_sessions(SecureKeyStore& store) {
  const auto told = store.enumerate_provisioning_sessions({}, SessionState::open);
  if (!told) CHECK_MESSAGE(told.error().status == Status::storage, told.error().detail);
  return static_cast<bool>(told);
}

std::string joined(const std::set<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += text + "--\n";
  return all;
}

}  // namespace

bool full_sweep() { return environment("SKS_CRASH_SWEEP") == "full"; }

unsigned sweep_seed() {
  const std::string seed = environment("SKS_CRASH_SEED");
  return seed.empty() ? 1U : static_cast<unsigned>(std::stoul(seed));
}

/// A run of the whole script on a disk that works, as the power cuts see it.
struct Sweep::Run {
  struct Stretch {
    std::size_t from;  ///< operations on the disk before the step
    Model before;
    const Step* step;
  };
  std::vector<Stretch> stretches;
  std::vector<Commit> history;
  std::map<std::string, Bytes> certificates;

  /// The step that was running after `cut` operations; a step that is over is durable, and the next one has begun.
  std::size_t running(std::size_t cut) const {
    const auto later = std::upper_bound(stretches.begin(), stretches.end(), cut,
                                        [](std::size_t at, const Stretch& stretch) { return at < stretch.from; });
    return static_cast<std::size_t>(later - stretches.begin()) - 1;
  }
  /// The states that a disk may show then.
  std::vector<Model> allowed(std::size_t cut) const {
    const Stretch& stretch = stretches[running(cut)];
    if (stretch.from == cut) return {stretch.before};
    return all_states(*stretch.step, stretch.before);
  }
};

Sweep::Sweep(const Script& script) : script_(script) {
  FaultDisk::install();
  FaultDisk::instance().unwatch();
  const TestIdentity& identity = test_identity();
  StoredIdentity stored{identity.certificate_path(), SecureBytes::copy_of(as_bytes("attestation key"))};
  REQUIRE(SqliteStore::create(dir_.file("store"), stored));
  World world(dir_.file("store"), script.config);
  for (const Step& step : script.setup) {
    const Result<void> done = step.run(world);
    REQUIRE_MESSAGE(static_cast<bool>(done), step.name << ": " << (done ? std::string() : done.error().detail));
    world.model = all_states(step, world.model).back();
  }
  world.close();
  prepared_model_ = world.model.after_end();
  prepared_certificates_ = world.certificates;
  prepared_ = read_folder(dir_.file("store"));
  prepared_.erase("room");
  prepared_.erase("lock");
}

Sweep::Sweep(const Script& script, const Leftover& leftover)
    : script_(script),
      prepared_(leftover.image),
      prepared_model_(leftover.model),
      prepared_certificates_(leftover.certificates) {
  prepared_model_.prepays = script.config.prepay_pin_attempts;
  FaultDisk::install();
}

World Sweep::fresh_world() {
  write_folder(dir_.file("store"), prepared_);
  World world(dir_.file("store"), script_.config);
  world.model = prepared_model_;
  world.certificates = prepared_certificates_;
  return world;
}

void Sweep::cut_power() {
  FaultDisk& disk = FaultDisk::instance();
  World world = fresh_world();
  Run run;
  disk.watch(dir_.file("store"));
  for (const Step& step : script_.steps) {
    CAPTURE(step.name);
    run.stretches.push_back({disk.log().size(), world.model, &step});
    const Result<void> done = step.run(world);
    REQUIRE_MESSAGE(static_cast<bool>(done), (done ? std::string() : done.error().detail));
    world.model = all_states(step, world.model).back();
    if (world.is_open()) REQUIRE(observe(world.engine()) == world.model.text());
  }
  run.stretches.push_back({disk.log().size(), world.model, nullptr});
  const std::vector<DiskOperation> log = disk.log();
  world.close();
  run.history = world.history();
  run.certificates = world.certificates;
  DiskModel model(disk.initial());
  disk.unwatch();
  count_.operations = log.size();

  std::mt19937 random(sweep_seed());
  for (std::size_t cut = 0; cut <= log.size(); ++cut) {
    const bool near_sync = cut > 0 && (log[cut - 1].kind != DiskOperation::Kind::write ||
                                       (cut < log.size() && log[cut].kind != DiskOperation::Kind::write));
    if (full_sweep() || near_sync || cut % kStride == 0) {
      ++count_.cut_points;
      DiskImage last;
      for (const Unsynced unsynced : {Unsynced::lost, Unsynced::kept, Unsynced::torn}) {
        CAPTURE(script_.name);
        CAPTURE(cut);
        CAPTURE(static_cast<int>(unsynced));
        CAPTURE(sweep_seed());
        DiskImage image = model.image(unsynced, random);
        if (image == last) continue;
        ++count_.disks;
        judge_cut(run, image, cut);
        last = std::move(image);
      }
    }
    if (cut < log.size()) model.apply(log[cut]);
  }
  check_intermediate_states(run);
}

// What the storage holds is compared each time. The engine is a function of it, so that each different content under
// the same expectations is enough there.
void Sweep::judge_cut(const Run& run, const DiskImage& image, std::size_t cut) {
  const std::string folder = dir_.file("disk");
  write_folder(folder, image);
  std::size_t found = run.history.size();
  {
    const Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(folder);
    CHECK_MESSAGE(static_cast<bool>(store), (store ? std::string() : store.error().detail));
    if (!store) return;
    CHECK((*store)->identity());
    const RecordingStorage::Records records = read_records(**store);
    for (std::size_t i = 0; i < run.history.size(); ++i) {
      const Commit& commit = run.history[i];
      const bool replaced = i + 1 < run.history.size() && run.history[i + 1].done <= cut;
      if (commit.asked <= cut && !replaced && commit.records == records) found = i;
    }
    CHECK_MESSAGE(found < run.history.size(), "the records are not those of the last commit or of the one in flight");
  }
  std::vector<Model> states = run.allowed(cut);
  if (!judged_.insert(std::to_string(found) + " " + joined(crash_texts(states))).second) return;
  std::transform(states.begin(), states.end(), states.begin(), [](const Model& m) { return m.after_crash(); });
  const std::optional<Model> state = match_state(folder, states, run.certificates);
  if (!state) return;
  seen_.insert(std::to_string(run.running(cut)) + " " + state->text());
  leftovers_.push_back({image, *state, run.certificates});
}

// Whoever watches the disk may cut the power when he likes what he sees. So a payment must have been there.
void Sweep::check_intermediate_states(const Run& run) {
  for (std::size_t i = 0; i + 1 < run.stretches.size(); ++i) {
    const Run::Stretch& stretch = run.stretches[i];
    CAPTURE(script_.name);
    CAPTURE(stretch.step->name);
    const std::vector<Model> states = all_states(*stretch.step, stretch.before);
    for (std::size_t state = 1; state + 1 < states.size(); ++state) {
      const std::string text = states[state].after_crash().text();
      if (text == states.front().after_crash().text()) continue;
      CHECK_MESSAGE(seen_.contains(std::to_string(i) + " " + text), "never seen\n" << text);
    }
  }
}

void Sweep::fail_operations(FaultDisk::Fault fault, FaultDisk::Duration duration) {
  bool reached = true;
  const std::size_t stride = full_sweep() ? 1 : kFailureStride;
  // Where something is left out, each call takes other operations.
  for (std::size_t n = 1 + calls_++ * 7 % stride; reached; n += stride) {
    fail_at(n, fault, duration, reached);
    if (reached) ++count_.failures;
  }
}

/// A step that met the failing disk, and what came of it.
struct Sweep::Meeting {
  World& world;
  const Step& step;
  Result<void> answer;
  std::vector<Model> states;  ///< that a death of the process may leave
};

void Sweep::fail_at(std::size_t n, FaultDisk::Fault fault, FaultDisk::Duration duration, bool& reached) {
  CAPTURE(script_.name);
  CAPTURE(n);
  CAPTURE(static_cast<int>(fault));
  CAPTURE(static_cast<int>(duration));
  FaultDisk& disk = FaultDisk::instance();
  World world = fresh_world();
  disk.watch(dir_.file("store"));
  disk.fail_at(n, fault, duration);
  reached = false;
  for (const Step& step : script_.steps) {
    CAPTURE(step.name);
    const Model before = world.model;
    Result<void> answer = step.run(world);
    reached = disk.has_failed();
    if (reached) {
      judge_failure({world, step, std::move(answer), all_states(step, before)}, duration);
      break;
    }
    REQUIRE_MESSAGE(static_cast<bool>(answer), (answer ? std::string() : answer.error().detail));
    world.model = all_states(step, world.model).back();
  }
  world.close();
  disk.unwatch();
}

void Sweep::judge_failure(Meeting meeting, FaultDisk::Duration duration) {
  World& world = meeting.world;
  const Step& step = meeting.step;
  const bool once = duration == FaultDisk::Duration::once;
  const bool may_fail = step.kind == Step::Kind::whole || step.kind == Step::Kind::in_session;
  if (!meeting.answer) CHECK_MESSAGE(meeting.answer.error().status == Status::storage, meeting.answer.error().detail);
  if (meeting.answer && may_fail) meeting.states = {meeting.states.back()};
  // A session that was aborted does not come back, unless the disk never took anything again.
  const bool aborts = step.kind == Step::Kind::abort || (step.kind == Step::Kind::in_session && !meeting.answer);
  if (aborts && once) meeting.states.clear();
  if (aborts) meeting.states.push_back(aborted(world.model));
  judge_death(world, meeting.states);

  if (world.is_open() && (once || tells_sessions(world.engine()))) take_live_state(meeting);
  if (once && step.kind == Step::Kind::whole && !meeting.answer) {
    const Result<void> again = step.run(world);
    CHECK_MESSAGE(static_cast<bool>(again), (again ? std::string() : again.error().detail));
    world.model = all_states(step, world.model).back();
    CHECK(observe(world.engine()) == world.model.text());
    judge_death(world, {world.model});
    meeting.states = {world.model};
  }
  const bool ended = world.is_open();
  world.close();
  FaultDisk::instance().unwatch();
  std::vector<Model> left;
  for (const Model& state : meeting.states) left.push_back(state.after_crash());
  if (ended && once) left.clear();
  if (ended) left.push_back(world.model.after_end());
  match_state(dir_.file("store"), left, world.certificates);
}

// What the engine shows after the failure. A session in which a call failed is gone. Spec: sks-api.md 1.6.
void Sweep::take_live_state(const Meeting& meeting) {
  World& world = meeting.world;
  const std::string text = observe(world.engine());
  std::vector<Model> possible = meeting.states;
  if (meeting.step.kind != Step::Kind::whole) possible = {meeting.states.back()};
  const auto found = std::find_if(possible.begin(), possible.end(), [&](const Model& m) { return m.text() == text; });
  CHECK_MESSAGE(found != possible.end(), "the engine shows\n" << text << "instead of\n" << possible.back().text());
  if (found != possible.end()) world.model = *found;
}

// The process dies now: with the last commit that was reported, or one that was reported to have failed since.
void Sweep::judge_death(const World& world, const std::vector<Model>& states) {
  const FaultDisk& disk = FaultDisk::instance();
  DiskModel model(disk.initial());
  for (const DiskOperation& operation : disk.log()) model.apply(operation);
  std::vector<RecordingStorage::Records> candidates;
  for (const Commit& commit : world.history()) {
    if (commit.done) candidates.clear();
    candidates.push_back(commit.records);
  }
  std::mt19937 random(sweep_seed());
  for (const Unsynced unsynced : {Unsynced::lost, Unsynced::kept, Unsynced::torn}) {
    CAPTURE(static_cast<int>(unsynced));
    CAPTURE(sweep_seed());
    write_folder(dir_.file("disk"), model.image(unsynced, random));
    const Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(dir_.file("disk"));
    CHECK_MESSAGE(static_cast<bool>(store), (store ? std::string() : store.error().detail));
    if (!store) continue;
    if (!candidates.empty())
      CHECK(std::find(candidates.begin(), candidates.end(), read_records(**store)) != candidates.end());
    check_text(**store, states);
  }
}

}  // namespace sks::test
