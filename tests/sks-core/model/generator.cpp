#include "tests/sks-core/model/generator.h"

#include <algorithm>

namespace sks::model {
namespace {

constexpr int kNobody = 1'000'000;  // a label that no call has
constexpr int kManyKeys = 14;
constexpr int kManySessions = 2;

}  // namespace

Call Generator::call(Method method) const {
  Call call;
  call.method = method;
  call.label = label_;
  return call;
}

Call Generator::choose(const std::vector<Choice>& choices) {
  unsigned total = 0;
  for (const Choice& choice : choices) total += choice.weight;
  unsigned at = below(total);
  for (const Choice& choice : choices) {
    if (at < choice.weight) return (this->*choice.make)();
    at -= choice.weight;
  }
  return {};
}

Call Generator::next(const World& world) {
  world_ = &world;
  ++label_;
  const bool has_keys = any_key(false) != 0;
  const bool has_many_keys = count_closed_keys() > kManyKeys;
  Call call = choose({{has_many_keys ? 25U : 55U, &Generator::provision},
                      {has_keys ? 45U : 1U, &Generator::use},
                      {has_many_keys ? 12U : 0U, &Generator::delete_key},
                      {has_many_keys ? 8U : 0U, &Generator::post},
                      {3, &Generator::interrupt}});
  if (chance(3)) {
    call.fault = one_of({Fault::refuse, Fault::full, Fault::kill_before, Fault::kill_after});
    const bool counts_commits = call.fault == Fault::kill_before || call.fault == Fault::kill_after;
    call.fault_at = 1 + static_cast<int>(below(counts_commits ? 3 : 8));
  }
  return call;
}

Call Generator::interrupt() { return call(chance(40) ? Method::restart : Method::kill); }

Call Generator::provision() {
  const bool has_open = any_session(true) != 0;
  const auto is_open = [](const auto& session) { return session.second.open; };
  const bool has_many_open = std::ranges::count_if(state().sessions, is_open) >= kManySessions;
  const bool has_open_key = any_key(true) != 0;
  const bool has_target = any_key(false) != 0;
  return choose({{has_many_open ? 1U
                  : has_open    ? 6U
                                : 100U,
                  &Generator::create_session},
                 {has_open ? 60U : 0U, &Generator::advance_session},
                 {has_open ? 2U : 0U, &Generator::create_puk_policy},
                 {has_open ? 3U : 0U, &Generator::create_pin_policy},
                 {has_open ? 4U : 0U, &Generator::create_key},
                 {has_open_key ? 3U : 0U, &Generator::import_symmetric},
                 {has_open_key ? 2U : 0U, &Generator::import_private},
                 {has_open_key ? 6U : 0U, &Generator::add_extension},
                 {has_target && has_open ? 30U : 0U, &Generator::post},
                 {has_open ? 4U : 0U, &Generator::switch_as_issuer},
                 {1, &Generator::close_session},
                 {1, &Generator::abort_session},
                 {2, &Generator::update_kmk},
                 {1, &Generator::get_key_handle}});
}

Call Generator::use() {
  return choose({{20, &Generator::try_pin},
                 {30, &Generator::use_key},
                 {12, &Generator::change_pin},
                 {14, &Generator::use_puk},
                 {4, &Generator::delete_key},
                 {6, &Generator::export_key},
                 {5, &Generator::set_property},
                 {6, &Generator::switch_as_user}});
}

Call Generator::create_session() {
  Call made = call(Method::create_session);
  made.id = chance(3) ? "no id" : "S-" + std::to_string(label_);
  made.privacy = chance(30);
  made.kmk = chance(80) ? 1 + static_cast<int>(below(kKmks)) : 0;
  if (chance(4)) made.op_limit = static_cast<std::uint16_t>(below(14));
  return made;
}

int Generator::count_closed_keys() const {
  const auto is_closed = [&](const auto& key) { return state().std_key(key.first) != nullptr; };
  return static_cast<int>(std::ranges::count_if(state().keys, is_closed));
}

Handle Generator::any_session(bool open) {
  std::vector<Handle> found;
  for (const auto& [handle, session] : state().sessions)
    if (session.open == open) found.push_back(handle);
  return found.empty() ? 0 : pick(found);
}

Handle Generator::any_key(bool open) {
  std::vector<Handle> found;
  for (const auto& [handle, key] : state().keys)
    if (state().sessions.at(key.session).open == open) found.push_back(handle);
  return found.empty() ? 0 : pick(found);
}

// Rather a key that issuers may manage.
Handle Generator::any_target() {
  return any_key_like([&](const Key& key) { return state().sessions.at(key.session).kmk != 0; });
}

Handle Generator::any_key_with_pin() {
  return any_key_like([](const Key& key) { return key.policy != 0; });
}

int Generator::session_label(Handle handle) {
  if (chance(1)) return kNobody;
  return handle == 0 ? kNobody : world_->session_label(handle);
}

int Generator::key_label(Handle handle) {
  if (chance(1)) return chance(50) ? kNobody : world_->key_label(any_key(chance(50)));
  return handle == 0 ? kNobody : world_->key_label(handle);
}

std::string Generator::id(const char* prefix) {
  if (below(200) == 0) return "";
  return prefix + std::to_string(chance(2) ? below(6) : static_cast<unsigned>(label_));
}

std::string Generator::any_pin() {
  static const std::vector<std::string> pins{"1234", "4711", "9999", "2580",  "13579", "1122",      "1112", "90817263",
                                             "AB12", "A3B4", "2aZ.", "azAB.", "12",    "987654321", "7",    "5544A"};
  return pick(pins);
}

}  // namespace sks::model
