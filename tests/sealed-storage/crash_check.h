#pragma once

#include "tests/sealed-storage/crash_world.h"

/// What is judged about a store after a crash.
namespace sks::test {

/// The states of a step, before it and in the order of its commits.
std::vector<Model> all_states(const Step& step, const Model& before);

/// The texts of these states after the process died in them.
std::set<std::string> crash_texts(const std::vector<Model>& states);

/// The one of `states` that the store in `folder` is in, with everything in it used. Changes the store. States can
/// differ in nothing but the PIN, so each is tried on the folder as it was. Reports a failure of the test when there is
/// none.
std::optional<Model> match_state(const std::string& folder, const std::vector<Model>& states,
                                 const std::map<std::string, Bytes>& certificates);

/// The state that an engine on the store shows is one of `states` after a crash.
void check_text(Storage& storage, const std::vector<Model>& states);

}  // namespace sks::test
