#include "tests/sks-core/model/world.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "sks-core/wire/client.h"

namespace sks::model {
namespace {

constexpr Handle kUnknown = 0x7FFFFFFF;

class ModelDevicePin final : public DevicePinVerifier {
 public:
  bool verify(ByteView pin) override { return equal(pin, as_bytes("1234")); }
};

std::string text_of(const std::optional<Status>& status) {
  return status ? std::string(to_string(*status)) : "success";
}

std::string difference(const View& seen, const View& expected) {
  std::string text;
  for (const auto& [name, line] : expected.lines) {
    const auto found = seen.lines.find(name);
    if (found == seen.lines.end()) {
      text += "\n  missing:    " + name + ": " + line;
    } else if (found->second != line) {
      text += "\n  expected:   " + name + ": " + line + "\n  but it is:  " + name + ": " + found->second;
    }
  }
  for (const auto& [name, line] : seen.lines)
    if (!expected.lines.contains(name)) text += "\n  unexpected: " + name + ": " + line;
  return text;
}

}  // namespace

/// Generates the key pair that a call names; other keys are new.
class World::PairSource final : public KeySource {
 public:
  Result<crypto::PrivateKey> generate(const Algorithm& algorithm, ByteView parameters, ByteView seed) const override {
    if (!next) return system_key_source().generate(algorithm, parameters, seed);
    return Supplies::get().pair(*next);
  }
  std::optional<int> next;
};

World::World(Access access)
    : access_(access), keys_(std::make_unique<PairSource>()), device_pin_(std::make_unique<ModelDevicePin>()) {
  open();
}
World::~World() = default;

void World::open() {
  EngineConfig config;
  config.biometric_support = true;
  config.device_pin = device_pin_.get();
  Result<std::unique_ptr<Engine>> opened =
      Engine::open({storage_, Supplies::get().identity(), *keys_, system_random(), clock_}, config);
  REQUIRE_MESSAGE(static_cast<bool>(opened), opened.error().detail);
  engine_ = std::move(opened).value();
  store_ = engine_.get();
  if (access_ == Access::byte_stream) {
    remote_ = std::make_unique<wire::RemoteKeyStore>(std::make_unique<wire::LocalChannel>(*engine_));
    store_ = remote_.get();
  }
  right_pins_.clear();
}

int World::label_of(const Labels& labels, Handle handle) {
  const auto found = std::ranges::find_if(labels, [&](const auto& entry) { return entry.second == handle; });
  return found == labels.end() ? 0 : found->first;
}

Request World::resolve(const Call& call) const {
  const auto look_up = [](const Labels& labels, int label) {
    if (label == 0) return Handle{0};
    const auto found = labels.find(label);
    return found == labels.end() ? kUnknown : found->second;
  };
  Request request(call);
  request.session_handle = look_up(labels_.sessions, call.session);
  request.key_handle = look_up(labels_.keys, call.key);
  request.target_handle = look_up(labels_.keys, call.target);
  request.pin_policy_handle = look_up(labels_.pins, call.pin_policy);
  request.puk_policy_handle = look_up(labels_.puks, call.puk_policy);
  return request;
}

std::optional<std::string> World::run(const Call& call) {
  last_outcome_ = "done";
  if (call.method == Method::restart) return restart(true);
  if (call.method == Method::kill) return restart(false);
  Request request = resolve(call);
  const State before = state_;
  const AllLabels labels = labels_;
  const unsigned slept = clock_.slept();
  const int commits_before = storage_.commits();
  if (call.method == Method::create_key) keys_->next = call.pair;
  storage_.plan(call.fault, call.fault_at);
  const Answer answer = send(request);
  keys_->next.reset();
  last_outcome_ = text_of(answer.status);
  request.made = answer.made;
  const Verdict verdict = state_.apply(request);
  const bool refused = storage_.has_refused();
  if (refused) {
    stale_.emplace(before, labels);
    commits_at_stale_ = storage_.commits_before_refusal();
    storage_.plan(Fault::none, 0);
    if (answer.status == Status::storage) return after_refusal(request, before, labels);
  }
  if (std::optional<std::string> wrong = check_answer(request, answer, verdict, clock_.slept() - slept)) return wrong;
  note_label(request, answer);
  note_pin(request, before);
  if (call.fault == Fault::kill_before || call.fault == Fault::kill_after)
    return after_kill(request, before, labels, commits_before);
  storage_.plan(Fault::none, 0);
  return refused ? compare() : std::nullopt;
}

std::optional<std::string> World::check_answer(const Request& request, const Answer& answer, const Verdict& verdict,
                                               unsigned naps) {
  const bool is_tolerated = verdict.status && verdict.tolerated && answer.status == verdict.tolerated;
  if (answer.status != verdict.status && !is_tolerated)
    return "expected " + text_of(verdict.status) + ", but it is " + text_of(answer.status);
  if (!answer.wrong.empty()) return answer.wrong;
  if (answer.found != verdict.found) return "expected another handle";
  if (!answer.status && answer.activation != verdict.activation)
    return "expected activation state " + std::to_string(verdict.activation) + ", but it is " +
           std::to_string(answer.activation);
  // Chapter 5.8 step 3: 1 to 10 seconds.
  if (naps < verdict.naps || naps > verdict.naps * 10) return "waited " + std::to_string(naps) + " seconds";
  if (answer.status || request.made == 0) return {};
  // Chapter 1.3: handles are not used twice.
  const auto is_known = [&](const Labels& known) { return label_of(known, request.made) != 0; };
  const bool is_used = request.method == Method::create_session      ? is_known(labels_.sessions)
                       : request.method == Method::create_key        ? is_known(labels_.keys)
                       : request.method == Method::create_pin_policy ? is_known(labels_.pins)
                                                                     : is_known(labels_.puks);
  return is_used ? std::optional<std::string>("the handle was used before") : std::nullopt;
}

void World::note_label(const Request& request, const Answer& answer) {
  if (answer.made == 0) return;
  Labels& labels = request.method == Method::create_session      ? labels_.sessions
                   : request.method == Method::create_key        ? labels_.keys
                   : request.method == Method::create_pin_policy ? labels_.pins
                                                                 : labels_.puks;
  labels[request.label] = answer.made;
}

// Calls that can have looked at a PIN and found it right.
void World::note_pin(const Request& request, const State& before) {
  if (request.authorization.empty()) return;
  for (const Handle handle : {request.key_handle, request.target_handle}) {
    const Key* const key = before.std_key(handle);
    if (key == nullptr || key->policy == 0) continue;
    const Key* const now = state_.std_key(handle);
    if (now != nullptr && now->pin_errors != 0) continue;
    for (const Handle member : before.group_of(handle)) right_pins_.insert(member);
  }
}

World::Candidate World::candidate(State state, AllLabels labels, const Request& request, const State& before) const {
  Candidate made{std::move(state), std::move(labels), 0, 0, 0, true};
  for (const Handle handle : {request.key_handle, request.target_handle}) {
    const Key* const old = before.std_key(handle);
    if (old == nullptr || old->policy == 0) continue;
    made.subject = handle;
    const Key* const now = state_.std_key(handle);
    made.fewest_pin_errors = now == nullptr ? std::uint16_t{0} : std::min(old->pin_errors, now->pin_errors);
    const PukPolicy* const puk = before.puk_of(*old);
    const PukPolicy* const puk_now = now == nullptr ? nullptr : state_.puk_of(*now);
    if (puk != nullptr && puk_now != nullptr) made.fewest_puk_errors = std::min(puk->errors, puk_now->errors);
  }
  return made;
}

// A call that the storage kept from being carried out: nothing has changed, except that an attempt may have been
// counted, and that the session of the call is gone.
std::optional<std::string> World::after_refusal(const Request& request, const State& before, const AllLabels& labels) {
  note_pin(request, before);
  Candidate unchanged = candidate(before, labels, request, before);
  unchanged.is_reopened = false;
  if (const Handle victim = before.aborts(request); victim != 0) {
    unchanged.state.abort(victim);
    unchanged.subject = 0;
  }
  return settle({std::move(unchanged)});
}

// A call takes effect with its last commit; those before it pay for attempts.
std::optional<std::string> World::after_kill(const Request& request, const State& before, const AllLabels& labels,
                                             int commits_before) {
  const int commits_after = storage_.commits();
  CrashingStorage::Snapshot durable = storage_.take_snapshot();
  if (durable.commits == commits_after) return reopen(std::move(durable), {{state_, labels_, 0, 0, 0, true}});
  if (durable.commits == commits_before) return reopen(std::move(durable), {{before, labels, 0, 0, 0, true}});
  return reopen(std::move(durable), {candidate(before, labels, request, before)});
}

std::optional<std::string> World::restart(bool in_good_order) {
  if (!in_good_order) return reopen(storage_.take_snapshot(), {{state_, labels_, 0, 0, 0, true}});
  remote_.reset();
  engine_.reset();
  open();
  return compare();
}

// A new engine with what is left of a store whose engine vanished.
std::optional<std::string> World::reopen(CrashingStorage::Snapshot durable, std::vector<Candidate> candidates) {
  if (stale_ && commits_at_stale_ == durable.commits)
    candidates.push_back({stale_->first, stale_->second, 0, 0, 0, true});
  const std::set<Handle> right_pins = right_pins_;
  remote_.reset();
  engine_.reset();
  storage_.restore(std::move(durable.records));
  open();
  right_pins_ = right_pins;
  std::optional<std::string> wrong = settle(std::move(candidates));
  right_pins_.clear();
  return wrong;
}

std::pair<std::uint16_t, std::uint16_t> World::pin_range(const Candidate& candidate, Handle handle) const {
  const std::uint16_t errors = candidate.state.keys.at(handle).pin_errors;
  const std::uint16_t limit = candidate.state.pins.at(candidate.state.keys.at(handle).policy).retry_limit;
  const auto one_more = std::min(static_cast<std::uint16_t>(errors + 1), limit);
  const std::vector<Handle> group = candidate.state.group_of(handle);
  if (candidate.subject != 0 && std::ranges::count(group, candidate.subject) != 0)
    return {candidate.fewest_pin_errors, one_more};
  const bool may_be_paid = candidate.is_reopened && errors == 0 &&
                           std::ranges::any_of(group, [&](Handle member) { return right_pins_.contains(member); });
  return {errors, may_be_paid ? one_more : errors};
}

// Takes over the counters of the store where they are within what is allowed; otherwise they will not compare equal.
bool World::adopt_counters(Candidate& candidate, const View& view) const {
  State adopted = candidate.state;
  for (const auto& [handle, key] : candidate.state.keys) {
    const auto seen = view.protection.find(handle);
    if (key.policy == 0 || seen == view.protection.end()) continue;
    const auto [fewest, most] = pin_range(candidate, handle);
    const std::uint16_t errors = seen->second.pin_error_count;
    if (errors < fewest || errors > most) return false;
    for (const Handle member : candidate.state.group_of(handle)) adopted.keys.at(member).pin_errors = errors;
    if (handle != candidate.subject || candidate.state.puk_of(key) == nullptr) continue;
    PukPolicy& puk = adopted.puks.at(candidate.state.pins.at(key.policy).puk);
    const std::uint16_t puk_errors = seen->second.puk_error_count;
    if (puk_errors >= candidate.fewest_puk_errors && puk_errors <= puk.errors + 1 && puk_errors <= puk.retry_limit)
      puk.errors = puk_errors;
  }
  candidate.state = std::move(adopted);
  return true;
}

std::optional<std::string> World::settle(std::vector<Candidate> candidates) {
  const View seen = view();
  std::string text;
  for (Candidate& candidate : candidates) {
    const bool is_possible = adopt_counters(candidate, seen);
    const std::string different = difference(seen, expected_view(candidate.state));
    if (!is_possible || !different.empty()) {
      text += "\n state that was possible:" + (different.empty() ? " but for counters" : different);
      continue;
    }
    state_ = std::move(candidate.state);
    labels_ = std::move(candidate.labels);
    if (candidate.is_reopened) stale_.reset();
    return check_hidden_keys();
  }
  return "the store is in none of the states it may be in" + text;
}

std::optional<std::string> World::compare() {
  if (stale_ && commits_at_stale_ != storage_.commits()) stale_.reset();
  const std::string different = difference(view(), expected_view(state_));
  if (!different.empty()) return "the store differs from the model:" + different;
  return check_hidden_keys();
}

// Chapter 1.5: keys of open sessions are invisible.
std::optional<std::string> World::check_hidden_keys() const {
  for (const auto& [handle, key] : state_.keys) {
    if (state_.std_key(handle) != nullptr) continue;
    const Result<KeyAttributes> attributes = store_->get_key_attributes(KeyHandle{handle});
    const Result<KeyProtectionInfo> protection = store_->get_key_protection_info(KeyHandle{handle});
    const Result<ExtensionContent> extension = store_->get_extension(KeyHandle{handle}, "urn:1");
    const bool is_hidden = !attributes && attributes.error().status == Status::no_key && !protection &&
                           protection.error().status == Status::no_key && !extension &&
                           extension.error().status == Status::no_key;
    if (!is_hidden) return "key " + std::to_string(handle) + " of an open session is visible";
  }
  return {};
}

}  // namespace sks::model
