#include "tests/sealed-storage/crash_check.h"

#include <doctest/doctest.h>

#include <memory>
#include <set>

#include "tests/sealed-storage/fault_disk.h"

namespace sks::test {
namespace {

/// One text after the other.
std::string list(const std::set<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += "--\n" + text;
  return all;
}

struct Opened {
  std::unique_ptr<SqliteStore> store;
  FakeClock clock{1700000000};
  std::unique_ptr<Engine> engine;
};

/// Opens store and engine as a program does that knows nothing of a crash. Null after a failure, which it reports.
std::unique_ptr<Opened> open_cleanly(const std::string& folder) {
  auto opened = std::make_unique<Opened>();
  Result<std::unique_ptr<SqliteStore>> store = SqliteStore::open(folder);
  CHECK_MESSAGE(static_cast<bool>(store), (store ? std::string() : store.error().detail));
  if (!store) return nullptr;
  opened->store = std::move(store).value();
  Result<std::unique_ptr<Engine>> engine =
      Engine::open({*opened->store, test_identity(), system_key_source(), system_random(), opened->clock});
  CHECK_MESSAGE(static_cast<bool>(engine), (engine ? std::string() : engine.error().detail));
  if (!engine) return nullptr;
  opened->engine = std::move(engine).value();
  return opened;
}

/// Uses the store in `folder`, if it shows `state`. Returns what went wrong.
std::string try_state(const std::string& folder, const Model& state, const std::map<std::string, Bytes>& certificates) {
  const std::unique_ptr<Opened> opened = open_cleanly(folder);
  if (opened == nullptr) return "the store does not open";
  if (const std::string text = observe(*opened->engine); text != state.text()) return "the store shows\n" + text;
  return try_everything(*opened->engine, state, certificates);
}

}  // namespace

std::vector<Model> all_states(const Step& step, const Model& before) {
  std::vector<Model> states = step.states(before);
  states.insert(states.begin(), before);
  return states;
}

std::set<std::string> crash_texts(const std::vector<Model>& states) {
  std::set<std::string> texts;
  for (const Model& state : states) texts.insert(state.after_crash().text());
  return texts;
}

std::optional<Model> match_state(const std::string& folder, const std::vector<Model>& states,
                                 const std::map<std::string, Bytes>& certificates) {
  const DiskImage image = read_folder(folder);
  std::string problems;
  for (const Model& state : states) {
    write_folder(folder, image);
    const std::string problem = try_state(folder, state, certificates);
    if (problem.empty()) return state;
    problems += problem + "\n";
  }
  std::string allowed;
  for (const Model& state : states) allowed += "--\n" + state.text();
  FAIL_CHECK(problems << "allowed\n" << allowed);
  return std::nullopt;
}

void check_text(Storage& storage, const std::vector<Model>& states) {
  const Result<std::unique_ptr<Engine>> engine = Engine::open({storage, test_identity()});
  CHECK_MESSAGE(static_cast<bool>(engine), (engine ? std::string() : engine.error().detail));
  if (!engine) return;
  const std::string text = observe(**engine);
  const std::set<std::string> allowed = crash_texts(states);
  CHECK_MESSAGE(allowed.contains(text), "found\n" << text << "allowed\n" << list(allowed));
}

}  // namespace sks::test
