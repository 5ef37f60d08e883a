#include "keygen2/issuer_session.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "attestation/claims.h"
#include "attestation/verifier.h"
#include "keygen2/enumerations.h"
#include "keygen2/issuer_plan.h"
#include "keygen2/issuer_state.h"
#include "keygen2/issuer_steps.h"

namespace sks::keygen2 {
namespace {

struct IssuerStep {
  IssuerPhase from;
  MessageType on;
  Outcome<std::string> (*run)(StepInput, IncomingMessage&);
};

// keygen2.md 1.3. What is absent is refused and ends the run.
constexpr auto kIssuerSteps = std::to_array<IssuerStep>({
    {IssuerPhase::invocation, MessageType::invocation_response, on_invocation},
    {IssuerPhase::initialization, MessageType::provisioning_initialization_response, on_initialization},
    {IssuerPhase::discovery, MessageType::credential_discovery_response, on_discovery},
    {IssuerPhase::key_creation, MessageType::key_creation_response, on_key_creation},
    {IssuerPhase::finalization, MessageType::provisioning_finalization_response, on_finalization},
});

Outcome<void> check_life_time(const IssuerState& state, const IssuerContext& context) {
  if (state.expires == 0 || context.clock.now() <= state.expires) return {};
  return Failure{ErrorClass::session, "the life time of the session is over"};
}

Outcome<std::string> dispatch(std::string_view text, StepInput in) {
  SKS_LET(IncomingMessage message, IncomingMessage::parse(text, kMaxMessageToIssuer));
  const auto* const step = std::ranges::find_if(
      kIssuerSteps, [&](const IssuerStep& row) { return row.from == in.state.phase && row.on == message.type(); });
  if (step == kIssuerSteps.end() || std::holds_alternative<Over>(in.state.data))
    return Failure{ErrorClass::state, std::string(to_string(message.type())) + " is not expected now"};
  SKS_TRY(check_life_time(in.state, in.context));
  return step->run(in, message);
}

Outcome<std::string> go_on(StepInput in) {
  auto* const own = std::get_if<Suspended>(&in.state.data);
  if (own == nullptr) return Failure{ErrorClass::state, "the session is not suspended"};
  SKS_TRY(check_life_time(in.state, in.context));
  return begin_finalization(
      in, {std::move(own->session_key), std::move(own->keys), std::move(own->public_keys), std::move(own->operations)});
}

/// An exception ends the run as well: a step may have moved its data by then, or have issued certificates.
class EndUnlessDone {
 public:
  explicit EndUnlessDone(IssuerState& state) : state_(state) {}
  ~EndUnlessDone() {
    if (!done_) state_.data = Over{};
  }
  EndUnlessDone(const EndUnlessDone&) = delete;
  EndUnlessDone& operator=(const EndUnlessDone&) = delete;

  Outcome<std::string> settle(Outcome<std::string> reply) {
    done_ = static_cast<bool>(reply);
    return reply;
  }

 private:
  IssuerState& state_;
  bool done_ = false;
};

Error not_for_management() { return {Status::not_allowed, "this issuer manages no keys of earlier sessions"}; }

}  // namespace

Outcome<void> check_ids(const SessionIds& received, const SessionIds& own) {
  if (received == own) return {};
  return Failure{ErrorClass::session, "the message belongs to another session"};
}

Outcome<void> spend(SessionKey& key, std::size_t uses) {
  if (uses > key.remaining) return Failure{ErrorClass::value, "more than the session key limit of this session allows"};
  key.remaining = static_cast<std::uint16_t>(key.remaining - uses);
  return {};
}

Bytes next_mac(SessionKey& key, std::string_view method, ByteView data) {
  return to_bytes(attestation::method_mac(key.value, method, key.mac_counter++, data));
}

Bytes device_id_of(const IssuerState& state) {
  attestation::SessionClaims claims;
  if (!state.device_path.empty()) claims.device_certificate = state.device_path.front();
  return attestation::device_id(claims);
}

Result<void> IssuerDecisions::accept_client_session(std::string_view) { return {}; }
Result<Bytes> IssuerDecisions::sign(ByteView, ByteView) { return not_for_management(); }
Result<void> IssuerDecisions::recognize(const FoundKey&) { return not_for_management(); }
Result<Management> IssuerDecisions::manage(const std::vector<FoundKey>&) { return not_for_management(); }

struct IssuerSession::Impl {
  IssuerState state;
};

namespace {

/// The plan of a run that has not asked for its keys yet, else null.
const IssuancePlan* plan_of(const IssuerState& state) {
  if (const auto* const data = std::get_if<Invoking>(&state.data); data != nullptr) return &data->plan;
  if (const auto* const data = std::get_if<Initializing>(&state.data); data != nullptr) return &data->plan;
  if (const auto* const data = std::get_if<Discovering>(&state.data); data != nullptr) return &data->plan;
  return nullptr;
}

/// What the plan needs, then what it asks for beside.
std::vector<std::string> all_queries(const IssuancePlan& plan, std::vector<std::string> queries) {
  for (const std::string& query : plan.capability_queries)
    if (std::ranges::find(queries, query) == queries.end()) queries.push_back(query);
  return queries;
}

/// The form that keygen2.md 4.1 describes: what begins with the time is kept close together in a database.
std::string new_session_id(const IssuerContext& context) {
  constexpr std::size_t kSize = 32;
  constexpr int kHex = 16;
  std::array<char, kHex> digits{};
  const auto milliseconds = static_cast<std::uint64_t>(context.clock.now_in_milliseconds());
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), milliseconds, kHex);
  std::string id(digits.data(), end.ptr);
  id += random_id(context.random);
  id.resize(kSize);
  return id;
}

}  // namespace

IssuerSession::IssuerSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
IssuerSession::IssuerSession(IssuerSession&&) noexcept = default;
IssuerSession& IssuerSession::operator=(IssuerSession&&) noexcept = default;
IssuerSession::~IssuerSession() = default;

Outcome<IssuerSession> IssuerSession::start(const IssuancePlan& plan, const IssuerContext& context) {
  SKS_TRY(check_plan(plan));
  auto impl = std::make_unique<Impl>();
  impl->state.ids.server = new_session_id(context);
  impl->state.issuer_uri = plan.issuer_uri;
  impl->state.privacy_enabled = plan.privacy_enabled;
  impl->state.manageable = !plan.key_management_key.empty();
  impl->state.required_capabilities = required_capabilities(plan);
  impl->state.capability_queries = all_queries(plan, impl->state.required_capabilities);
  impl->state.data = Invoking{copy_of(plan)};
  return IssuerSession(std::move(impl));
}

Outcome<IssuerSession> IssuerSession::restore(const SecureBytes& saved) {
  auto impl = std::make_unique<Impl>();
  SKS_LET(impl->state, decode_issuer_state(saved.view()));
  if (const IssuancePlan* const plan = plan_of(impl->state); plan != nullptr) SKS_TRY(check_plan(*plan));
  return IssuerSession(std::move(impl));
}

SecureBytes IssuerSession::save() const { return encode(impl_->state); }

std::string IssuerSession::invocation_request() const {
  InvocationRequest request;
  request.server_session_id = impl_->state.ids.server;
  request.privacy_enabled = impl_->state.privacy_enabled;
  request.capability_queries = impl_->state.capability_queries;
  if (const auto* const own = std::get_if<Invoking>(&impl_->state.data); own != nullptr) {
    request.action = own->plan.action;
    request.preferred_languages = own->plan.preferred_languages;
    request.target_key_containers = own->plan.target_key_containers;
  }
  return request.encode();
}

Outcome<std::string> IssuerSession::receive(std::string_view message, IssuerDecisions& decisions,
                                            const IssuerContext& context) {
  EndUnlessDone guard(impl_->state);
  return guard.settle(dispatch(message, {impl_->state, decisions, context}));
}

Outcome<std::string> IssuerSession::resume(IssuerDecisions& decisions, const IssuerContext& context) {
  EndUnlessDone guard(impl_->state);
  return guard.settle(go_on({impl_->state, decisions, context}));
}

IssuerPhase IssuerSession::phase() const { return impl_->state.phase; }
std::int64_t IssuerSession::expires() const { return impl_->state.expires; }
const std::vector<ClientCapability>& IssuerSession::capabilities() const { return impl_->state.capabilities; }
const std::string& IssuerSession::server_session_id() const { return impl_->state.ids.server; }
const std::string& IssuerSession::client_session_id() const { return impl_->state.ids.client; }
const std::vector<Bytes>& IssuerSession::device_path() const { return impl_->state.device_path; }

}  // namespace sks::keygen2
