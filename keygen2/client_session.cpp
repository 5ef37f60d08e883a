#include "keygen2/client_session.h"

#include <algorithm>
#include <array>

#include "keygen2/client_run.h"

namespace sks::keygen2 {
namespace {

struct Step {
  ClientPhase from;
  MessageType on;
  Outcome<std::string> (*run)(ClientRun& run, IncomingMessage& message);
};

template <class T, Outcome<std::string> (*handle)(ClientRun&, const T&)>
Outcome<std::string> decode_and(ClientRun& run, IncomingMessage& message) {
  SKS_LET(const T decoded, message.decode<T>());
  return handle(run, decoded);
}

constexpr auto kInvocation = decode_and<InvocationRequest, on_invocation>;
constexpr auto kInitialization = decode_and<ProvisioningInitializationRequest, on_initialization>;
constexpr auto kDiscovery = decode_and<CredentialDiscoveryRequest, on_discovery>;
constexpr auto kKeyCreation = decode_and<KeyCreationRequest, on_key_creation>;
constexpr auto kFinalization = decode_and<ProvisioningFinalizationRequest, on_finalization>;
constexpr auto kResumption = decode_and<ProvisioningFinalizationRequest, on_resumption>;

// A phase and message without a row here: state. Spec: keygen2.md 1.4.
constexpr auto kSteps = std::to_array<Step>({
    {ClientPhase::start, MessageType::invocation_request, kInvocation},
    {ClientPhase::start, MessageType::provisioning_finalization_request, kResumption},
    {ClientPhase::invoked, MessageType::provisioning_initialization_request, kInitialization},
    {ClientPhase::initialized, MessageType::credential_discovery_request, kDiscovery},
    {ClientPhase::initialized, MessageType::key_creation_request, kKeyCreation},
    {ClientPhase::initialized, MessageType::provisioning_finalization_request, kFinalization},
    {ClientPhase::discovered, MessageType::key_creation_request, kKeyCreation},
    {ClientPhase::discovered, MessageType::provisioning_finalization_request, kFinalization},
    {ClientPhase::created, MessageType::provisioning_finalization_request, kFinalization},
});

Outcome<std::string> dispatch(ClientRun& run, std::string_view message) {
  SKS_LET(IncomingMessage incoming, IncomingMessage::parse(message, kMaxMessageToClient));
  const auto* const step =
      std::ranges::find_if(kSteps, [&](const Step& row) { return row.from == run.phase && row.on == incoming.type(); });
  if (step == kSteps.end())
    return Failure{ErrorClass::state, std::string(to_string(incoming.type())) + " is not expected now"};
  return step->run(run, incoming);
}

}  // namespace

void ClientRun::abort() noexcept {
  phase = ClientPhase::ended;
  const ProvisioningHandle ending = std::exchange(session, ProvisioningHandle{});
  if (!ending) return;
  // A failing provisioning call has already removed the session: no_session is no news then, and nothing else helps.
  // Nor does an exception: whoever aborts has a failure to report already, and may be a destructor.
  try {
    static_cast<void>(store.abort_provisioning_session(ending));
  } catch (...) {
    return;
  }
}

ClientSession::ClientSession(SecureKeyStore& store, UserDialog& dialog, const Clock& clock, ClientContext context)
    : run_(new ClientRun{.store = store, .dialog = dialog, .clock = clock, .context = std::move(context)}) {}

ClientSession::~ClientSession() { run_->abort(); }

Outcome<std::string> ClientSession::receive(std::string_view message) {
  // What a dialog or the key store throws ends the run as well.
  struct AbortUnlessDone {
    ClientRun& run;
    bool done = false;
    ~AbortUnlessDone() {
      if (!done) run.abort();
    }
  } guard{*run_};
  Outcome<std::string> reply = dispatch(*run_, message);
  guard.done = static_cast<bool>(reply);
  return reply;
}

Outcome<Ending> ClientSession::terminated() {
  const ClientPhase before = run_->phase;
  // What the key store keeps is all that another run needs to resume this one.
  if (before == ClientPhase::deferred) run_->session = {};
  run_->abort();
  if (before == ClientPhase::deferred) return Ending::suspended;
  if (before == ClientPhase::finished) return Ending::finished;
  return Failure{ErrorClass::state, "the issuer ended the session"};
}

bool ClientSession::committed() const { return run_->committed; }

std::size_t ClientSession::key_count() const { return run_->key_count; }

const RunSummary& ClientSession::summary() const { return run_->summary; }

void ClientSession::abort() { run_->abort(); }

}  // namespace sks::keygen2
