#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "keygen2/issuer_state.h"
#include "keygen2/messages.h"
#include "tests/keygen2/enrolment.h"

// The states of the issuer half (keygen2.md 1.3), and what is kept of them between two messages.
using namespace sks;
using namespace sks::keygen2;
using namespace sks::test;

namespace {

/// A device with a managed key, and a run that goes through every state: discovery, keys, suspension.
class FullRun {
 public:
  FullRun() : run_(plan_with_key()) {
    const Bytes management_key = run_.authority.add_management_key();
    run_.plan.key_management_key = management_key;
    run_.start();
    run_.pass_all();
    const Bytes newer = run_.authority.add_management_key();
    IssuancePlan plan = plan_with_lookup(newer);
    plan.roll_overs.push_back(run_.authority.roll_over(management_key, newer));
    plan.lookups.front().filter = SearchFilter();
    plan.lookups.front().filter->subject_reg_ex = "CN=Key\\.1";
    plan.capability_queries = {"https://webpki.github.io/keygen2/clientattr#os-vendor"};
    plan.deferred_issuance = true;
    plan.session_life_time = 600;
    PukPolicySpec puk;
    puk.puk = secret("12345678");
    PinPolicySpec preset;
    preset.keys.push_back(key_spec());
    preset.keys.back().preset_pin = secret("1357");
    puk.pin_policies.push_back(std::move(preset));
    plan.puk_policies.push_back(std::move(puk));
    run_.authority.decide = [this](const std::vector<FoundKey>& found) {
      Management management;
      management.operations.remove.push_back(target_of(found.at(0), run_.plan));
      return management;
    };
    run_.start_another(std::move(plan));
  }

  /// Goes on to the next state; gives the message that led there, empty for resume().
  std::string advance() {
    if (run_.issuer->phase() == IssuerPhase::suspended) {
      REQUIRE(run_.client->terminated());
      run_.replace_client();
      REQUIRE(run_.resume_issuer());
      return {};
    }
    const std::string response = run_.pass(1);
    run_.pass(1);
    return response;
  }

  Enrolment& operator*() { return run_; }
  Enrolment* operator->() { return &run_; }

 private:
  Enrolment run_;
};

/// One state of a run: what was saved, and the response that it waits for.
struct Stop {
  IssuerPhase phase;
  SecureBytes saved;
  std::string response;  ///< empty when suspended, and at the end
};

/// A whole run, stopped in every state.
struct Stops {
  std::vector<Stop> stops;
  std::vector<std::string> messages;

  explicit Stops(FullRun& run) {
    while (run->issuer->phase() != IssuerPhase::done) {
      const IssuerPhase phase = run->issuer->phase();
      SecureBytes saved = run->issuer->save();
      stops.push_back({phase, std::move(saved), run.advance()});
    }
    stops.push_back({IssuerPhase::done, run->issuer->save(), {}});
    messages = run->messages;
    std::erase(messages, std::string());
  }
};

constexpr auto kPhases = std::to_array<IssuerPhase>({
    IssuerPhase::invocation,
    IssuerPhase::initialization,
    IssuerPhase::discovery,
    IssuerPhase::key_creation,
    IssuerPhase::suspended,
    IssuerPhase::finalization,
    IssuerPhase::done,
});

IssuerSession restored(const SecureBytes& saved) {
  auto session = IssuerSession::restore(saved);
  if (!session) FAIL(session.error().detail);
  return std::move(session).value();
}

std::string_view class_of(const Outcome<std::string>& outcome) {
  return outcome ? std::string_view() : to_string(outcome.error().error_class);
}

bool contains(const SecureBytes& saved, ByteView part) {
  const ByteView bytes = saved.view();
  return std::search(bytes.begin(), bytes.end(), part.begin(), part.end()) != bytes.end();
}

/// The session key of a state, or the ephemeral key it will come from.
Bytes secret_of(const SecureBytes& saved) {
  const auto state = decode_issuer_state(saved.view());
  REQUIRE(state);
  if (const auto* const data = std::get_if<Initializing>(&state->data))
    return to_bytes(data->ephemeral_key->to_pkcs8()->view());
  if (const auto* const data = std::get_if<Discovering>(&state->data)) return to_bytes(data->session_key.value.view());
  if (const auto* const data = std::get_if<CreatingKeys>(&state->data)) return to_bytes(data->session_key.value.view());
  if (const auto* const data = std::get_if<Suspended>(&state->data)) return to_bytes(data->session_key.value.view());
  if (const auto* const data = std::get_if<Finalizing>(&state->data)) return to_bytes(data->session_key.view());
  return {};
}

}  // namespace

TEST_CASE("IssuerSession: in every state only its own message is accepted, and only a suspended run is resumed") {
  FullRun run;
  const Stops own(run);
  FullRun other_run;
  const Stops other(other_run);
  REQUIRE(other.messages.size() == kMessageTypeCount);
  REQUIRE(own.stops.size() == kPhases.size());
  for (std::size_t i = 0; i < own.stops.size(); ++i) {
    const Stop& stop = own.stops[i];
    CAPTURE(i);
    CHECK(stop.phase == kPhases.at(i));
    for (const std::string& message : other.messages) {
      const Outcome<IncomingMessage> parsed = IncomingMessage::parse(message, kMaxMessageToClient);
      REQUIRE(parsed);
      CAPTURE(to_string(parsed->type()));
      const bool expected = message == other.stops[i].response;
      IssuerSession session = restored(stop.saved);
      // The right kind of message fails only because it is of the other run.
      CHECK(class_of(session.receive(message, run->authority, {run->issuer_clock, system_random(), {}})) ==
            (expected ? "SESSION" : "STATE"));
      CHECK(session.phase() == stop.phase);
      CHECK(class_of(session.receive(stop.response, run->authority, {run->issuer_clock, system_random(), {}})) ==
            (stop.response.empty() ? "JSON" : "STATE"));
    }
    IssuerSession session = restored(stop.saved);
    const auto resumed = session.resume(run->authority, {run->issuer_clock, system_random(), {}});
    CHECK(class_of(resumed) == (stop.phase == IssuerPhase::suspended ? "" : "STATE"));
  }
}

TEST_CASE("IssuerSession: a run that goes through every state, saved and restored before each message") {
  FullRun run;
  run->saves_issuer = true;
  const Stops stops(run);
  CHECK(stops.stops.size() == kPhases.size());
  CHECK(run->client->committed());
  CHECK(run->keys().size() == 1);  // one was deleted, one is new
}

TEST_CASE("IssuerSession: what is restored is what was saved, in every state") {
  FullRun run;
  for (const Stop& stop : Stops(run).stops) {
    const IssuerSession session = restored(stop.saved);
    CHECK(session.phase() == stop.phase);
    CHECK(session.server_session_id() == run->issuer->server_session_id());
    CHECK(equal(session.save().view(), stop.saved.view()));
    const bool initialized = stop.phase > IssuerPhase::initialization;
    CHECK(session.client_session_id() == (initialized ? run->issuer->client_session_id() : std::string()));
    CHECK(session.expires() == (initialized ? kNow + 600 : 0));
    CHECK(session.device_path().empty() != initialized);
    CHECK(session.capabilities().size() == (stop.phase == IssuerPhase::invocation ? 0 : 1));
  }
}

TEST_CASE("IssuerSession: the life time of a session counts from its initialization [keygen2.md 7.1, 8.8]") {
  FullRun run;
  for (const Stop& stop : Stops(run).stops) {
    if (stop.phase == IssuerPhase::done) continue;
    for (const std::int64_t after : {600, 601}) {
      CAPTURE(static_cast<int>(stop.phase));
      CAPTURE(after);
      run->issuer_clock.set(kNow + after);
      IssuerSession session = restored(stop.saved);
      const IssuerContext context{run->issuer_clock, system_random(), run->server_certificates};
      const auto outcome = stop.phase == IssuerPhase::suspended
                               ? session.resume(run->authority, context)
                               : session.receive(stop.response, run->authority, context);
      const bool counts = stop.phase > IssuerPhase::initialization;
      CHECK(class_of(outcome) == (counts && after > 600 ? "SESSION" : ""));
      // An expired run cannot be revived by turning the clock back.
      run->issuer_clock.set(kNow);
      if (!outcome)
        CHECK(class_of(session.receive(stop.response, run->authority, context)) ==
              (stop.response.empty() ? "JSON" : "STATE"));
    }
  }
}

TEST_CASE("IssuerSession: only a complete save of this version is restored") {
  FullRun run;
  for (const Stop& stop : Stops(run).stops) {
    CAPTURE(static_cast<int>(stop.phase));
    for (std::size_t size = 0; size < stop.saved.size(); ++size) {
      const auto session = IssuerSession::restore(SecureBytes::copy_of(stop.saved.view().first(size)));
      REQUIRE_FALSE(session);
      CHECK(session.error().error_class == ErrorClass::value);
    }
    Bytes longer = to_bytes(stop.saved.view());
    longer.push_back(0);
    CHECK_FALSE(IssuerSession::restore(SecureBytes::copy_of(longer)));
    for (int version = 0; version < 256; ++version) {
      Bytes other = to_bytes(stop.saved.view());
      if (other.front() == version) continue;
      other.front() = static_cast<std::uint8_t>(version);
      CHECK_FALSE(IssuerSession::restore(SecureBytes::copy_of(other)));
    }
    // After version and length: the phase, with data of another one.
    Bytes other_phase = to_bytes(stop.saved.view());
    other_phase.at(5) = stop.phase == IssuerPhase::invocation ? 1 : 0;
    CHECK(static_cast<bool>(IssuerSession::restore(SecureBytes::copy_of(other_phase))) ==
          (stop.phase == IssuerPhase::done));
  }
}

TEST_CASE("IssuerSession: a save that requires what it does not ask for is refused") {
  const std::string asked = "https://webpki.github.io/keygen2/clientattr#os-vendor";
  const std::string other = "https://webpki.github.io/keygen2/clientattr#os-version";
  struct Case {
    const char* name;
    std::vector<std::string> required;
    bool restored;
  };
  FullRun run;
  for (const Stop& stop : Stops(run).stops) {
    CAPTURE(static_cast<int>(stop.phase));
    for (const Case& c :
         {Case{"nothing", {}, true}, Case{"what is asked for", {asked}, true}, Case{"something else", {other}, false},
          Case{"more", {asked, other}, false}, Case{"the same twice", {asked, asked}, false}}) {
      CAPTURE(c.name);
      auto state = decode_issuer_state(stop.saved.view());
      REQUIRE(state);
      REQUIRE(state->capability_queries == std::vector<std::string>{asked});
      state->required_capabilities = c.required;
      const auto session = IssuerSession::restore(encode(*state));
      CHECK(static_cast<bool>(session) == c.restored);
      if (!session) CHECK(session.error().error_class == ErrorClass::value);
    }
  }
}

TEST_CASE("IssuerSession: a damaged save is refused, or gives a run that fails or goes on") {
  FullRun run;
  for (const Stop& stop : Stops(run).stops) {
    const Bytes saved = to_bytes(stop.saved.view());
    for (std::size_t at = 0; at < saved.size(); ++at) {
      CAPTURE(static_cast<int>(stop.phase));
      CAPTURE(at);
      Bytes damaged = saved;
      damaged[at] = static_cast<std::uint8_t>(damaged[at] ^ (at % 3 == 0 ? 0xFF : 1U << (at % 8)));
      auto session = IssuerSession::restore(SecureBytes::copy_of(damaged));
      if (!session) continue;
      CHECK(equal(session->save().view(), damaged));
      const IssuerContext context{run->issuer_clock, system_random(), run->server_certificates};
      if (stop.phase == IssuerPhase::suspended)
        CHECK_NOTHROW(static_cast<void>(session->resume(run->authority, context)));
      else
        CHECK_NOTHROW(static_cast<void>(session->receive(stop.response, run->authority, context)));
    }
  }
}

TEST_CASE("IssuerSession: a save with an ephemeral key that cannot agree is refused") {
  FullRun run;
  for (const Stop& stop : Stops(run).stops) {
    if (stop.phase != IssuerPhase::initialization) continue;
    for (const char* algorithm : {"https://webpki.github.io/sks/algorithm#ed25519", kRsa2048}) {
      CAPTURE(algorithm);
      auto state = decode_issuer_state(stop.saved.view());
      REQUIRE(state);
      std::get<Initializing>(state->data).ephemeral_key =
          crypto::PrivateKey::generate(*find_algorithm(algorithm)).value();
      const auto refused = IssuerSession::restore(encode(*state));
      REQUIRE_FALSE(refused);
      CHECK(refused.error().error_class == ErrorClass::value);
    }
    return;
  }
  FAIL("no run waits for its initialization");
}

TEST_CASE("IssuerSession: a run that failed or finished holds no secret, also after restoring it") {
  FullRun run;
  for (const Stop& stop : Stops(run).stops) {
    CAPTURE(static_cast<int>(stop.phase));
    const Bytes key = secret_of(stop.saved);
    CHECK(key.empty() == (stop.phase == IssuerPhase::invocation || stop.phase == IssuerPhase::done));
    if (!key.empty()) CHECK(contains(stop.saved, key));
    IssuerSession session = restored(stop.saved);
    const IssuerContext context{run->issuer_clock, system_random(), run->server_certificates};
    CHECK(class_of(session.receive("{}", run->authority, context)) == "JSON");
    const SecureBytes after = session.save();
    if (!key.empty()) CHECK_FALSE(contains(after, key));
    CHECK_FALSE(contains(after, as_bytes("12345678")));  // the PUK of the plan
    IssuerSession again = restored(after);
    CHECK(again.phase() == stop.phase);
    if (!stop.response.empty()) CHECK(class_of(again.receive(stop.response, run->authority, context)) == "STATE");
    CHECK(class_of(again.resume(run->authority, context)) == "STATE");
  }
}

TEST_CASE("IssuerSession: the ephemeral key is gone when the session key is there [keygen2.md 7.1]") {
  FullRun run;
  const Stops stops(run);
  const Bytes ephemeral = secret_of(stops.stops.at(1).saved);
  const Bytes session_key = secret_of(stops.stops.at(2).saved);
  CHECK(session_key.size() == 32);
  CHECK_FALSE(contains(stops.stops.at(2).saved, ephemeral));
  CHECK(contains(stops.stops.at(4).saved, session_key));
  CHECK_FALSE(contains(stops.stops.at(6).saved, session_key));
}

TEST_CASE("IssuerSession: an exception ends the run like any failure") {
  Enrolment run(plan_with_key());
  run.start();
  const std::string response = run.pass(5);
  run.authority.runs_out_of_memory = true;
  CHECK_THROWS_AS(static_cast<void>(run.to_issuer(response)), std::bad_alloc);
  run.authority.runs_out_of_memory = false;
  CHECK(class_of(run.to_issuer(response)) == "STATE");
}
