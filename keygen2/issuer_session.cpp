#include "keygen2/issuer_session.h"

#include <algorithm>
#include <array>

#include "attestation/verifier.h"
#include "keygen2/issuer_plan.h"
#include "keygen2/issuer_state.h"
#include "keygen2/key_algorithm.h"
#include "keygen2/mac_data.h"
#include "keygen2/message_common.h"
#include "keygen2/time.h"
#include "sks-core/crypto/algorithms.h"
#include "sks-core/crypto/private_key.h"

namespace sks::keygen2 {
namespace {

/// Added to the exact number of uses of the session key.
constexpr std::size_t kSessionKeyMargin = 8;
constexpr std::size_t kCloseNonceSize = 32;
constexpr std::string_view kEphemeralKeyAlgorithm = "https://webpki.github.io/sks/algorithm#ec.nist.p256";

/// Everything a step may use.
struct StepInput {
  IssuerState& state;
  IncomingMessage& message;
  IssuerDecisions& decisions;
  const IssuerContext& context;
};

Outcome<void> check_ids(const SessionIds& received, const SessionIds& own) {
  if (received == own) return {};
  return Failure{ErrorClass::session, "the message belongs to another session"};
}

/// The MACs of a session, one counter after the other.
struct MacSequence {
  const SecureBytes& session_key;
  std::uint16_t counter;

  Bytes next(std::string_view method, ByteView data) {
    return to_bytes(attestation::method_mac(session_key, method, counter++, data));
  }
};

/// Fills in the MACs of a request in the order of keygen2.md 4.8 and reserves the counters of the attestations, which
/// alternate with the MACs of the keys.
struct MacAssigner {
  MacSequence& macs;
  const KeyCreationRequest& request;
  std::vector<PendingKey> keys;

  Outcome<void> puk(PukPolicySpecifier& puk) {
    puk.mac = macs.next(method::kCreatePukPolicy, puk_policy_data(puk));
    return {};
  }
  Outcome<void> pin(PinPolicySpecifier& pin, const PukPolicySpecifier* puk) {
    pin.mac = macs.next(method::kCreatePinPolicy, pin_policy_data(pin, puk));
    return {};
  }
  Outcome<void> key(KeyEntrySpecifier& key, const PinPolicySpecifier* pin) {
    key.mac = macs.next(method::kCreateKeyEntry, key_entry_data(key, pin, request.key_entry_algorithm));
    keys.push_back(PendingKey{key.id, key.key_algorithm, key.key_parameters, key.mac, macs.counter++});
    return {};
  }
};

// The checks of I-1.

/// Each query is answered once, in the form of a feature: this issuer asks for nothing else.
Outcome<void> check_answers(const std::vector<ClientCapability>& answers, const std::vector<std::string>& queries) {
  if (answers.size() != queries.size()) return Failure{ErrorClass::value, "not every query has one answer"};
  const auto answer_to = [&](const std::string& query) {
    return std::ranges::find(answers, query, &ClientCapability::type);
  };
  for (const std::string& query : queries)
    if (answer_to(query) == answers.end()) return Failure{ErrorClass::value, "a query has no answer"};
  for (const ClientCapability& answer : answers)
    if (answer.form != CapabilityForm::supported) return Failure{ErrorClass::value, "an answer has a wrong form"};
  for (const std::string& query : queries)
    if (!answer_to(query)->supported) return Failure{ErrorClass::policy, "the client does not support " + query};
  return {};
}

Outcome<std::string> on_invocation(StepInput in) {
  SKS_LET(const InvocationResponse response, in.message.decode<InvocationResponse>());
  if (response.server_session_id != in.state.ids.server)
    return Failure{ErrorClass::session, "the message belongs to another session"};
  SKS_TRY(check_answers(response.capabilities, in.state.capability_queries));

  const Algorithm* const algorithm = find_algorithm(kEphemeralKeyAlgorithm);
  SKS_CHECK(algorithm != nullptr);
  Result<crypto::PrivateKey> ephemeral = crypto::PrivateKey::generate(*algorithm);
  if (!ephemeral) return failure(ErrorClass::crypto, ephemeral.error());
  Result<SecureBytes> ephemeral_pkcs8 = ephemeral->to_pkcs8();
  if (!ephemeral_pkcs8) return failure(ErrorClass::crypto, ephemeral_pkcs8.error());

  Initializing next;
  next.plan = std::move(std::get<Invoking>(in.state.data).plan);
  next.server_time = format_utc_time(in.context.clock.now());
  next.session_key_limit = static_cast<std::uint16_t>(session_key_operations(next.plan) + kSessionKeyMargin);
  next.ephemeral_key = std::move(ephemeral_pkcs8).value();

  ProvisioningInitializationRequest request;
  request.server_session_id = in.state.ids.server;
  request.server_time = next.server_time;
  request.session_key_algorithm = kSessionAlgorithm;
  request.session_key_limit = next.session_key_limit;
  request.session_life_time = next.plan.session_life_time;
  request.server_ephemeral_key = ephemeral->public_key();
  if (!next.plan.key_management_key.empty()) {
    Result<crypto::PublicKey> key = crypto::PublicKey::from_spki(next.plan.key_management_key);
    if (!key) return failure(ErrorClass::crypto, key.error());
    request.key_management_key = std::move(key).value();
  }
  in.state.data = std::move(next);
  return request.encode();
}

// The checks of I-2.

/// The checks that come before the device is trusted, and the question whether it is.
Outcome<void> check_device(StepInput in, const ProvisioningInitializationResponse& response) {
  const auto& own = std::get<Initializing>(in.state.data);
  if (response.ids.server != in.state.ids.server)
    return Failure{ErrorClass::session, "the message belongs to another session"};
  if (response.server_time != own.server_time)
    return Failure{ErrorClass::value, "serverTime is not the one that was sent"};
  // Without this check a client could turn an attested session into an anonymous one.
  if (response.device_path.has_value() == in.state.privacy_enabled)
    return Failure{ErrorClass::value,
                   in.state.privacy_enabled ? "deviceId in an anonymous session" : "deviceId is missing"};
  if (!response.device_path) return {};
  if (const auto path = crypto::parse_path(*response.device_path); !path)
    return failure(ErrorClass::crypto, path.error());
  if (const auto accepted = in.decisions.accept_device(*response.device_path); !accepted)
    return failure(ErrorClass::policy, accepted.error());
  return {};
}

/// Verifies the attestation with one of the issuer's certificates, and gives the session key.
Outcome<SecureBytes> agree_on_session_key(StepInput in, const ProvisioningInitializationResponse& response) {
  const auto& own = std::get<Initializing>(in.state.data);
  Result<crypto::PrivateKey> ephemeral = crypto::PrivateKey::from_pkcs8(own.ephemeral_key.view());
  if (!ephemeral) return failure(ErrorClass::crypto, ephemeral.error());
  const crypto::PublicKey& peer = *response.client_ephemeral_key;
  if (peer.curve() != ephemeral->public_key().curve())
    return Failure{ErrorClass::crypto, "clientEphemeralKey is on another curve"};
  Result<SecureBytes> z = ephemeral->agree(peer);
  if (!z) return failure(ErrorClass::crypto, z.error());

  attestation::SessionClaims claims;
  claims.client_session_id = response.ids.client;
  claims.server_session_id = in.state.ids.server;
  claims.issuer_uri = in.state.issuer_uri;
  if (response.device_path) claims.device_certificate = response.device_path->front();
  claims.session_key_algorithm = kSessionAlgorithm;
  claims.server_ephemeral_key = ephemeral->public_key().spki();
  claims.client_ephemeral_key = peer.spki();
  claims.key_management_key = own.plan.key_management_key;
  claims.client_time = response.client_time;
  claims.session_life_time = own.plan.session_life_time;
  claims.session_key_limit = own.session_key_limit;
  SecureBytes session_key = attestation::derive_session_key(z->view(), claims);
  for (const Bytes& certificate : in.context.server_certificates) {
    claims.server_certificate = certificate;
    if (attestation::verify_session(claims, session_key, response.attestation)) return session_key;
  }
  return Failure{ErrorClass::crypto, "the session attestation does not verify"};
}

Outcome<std::string> on_initialization(StepInput in) {
  SKS_LET(ProvisioningInitializationResponse response, in.message.decode<ProvisioningInitializationResponse>());
  SKS_TRY(check_device(in, response));
  SKS_LET(SecureBytes session_key, agree_on_session_key(in, response));
  if (!is_plausible(response.client_time, in.context.clock.now()))
    return Failure{ErrorClass::time, "the client's clock differs from ours by more than a day"};
  in.state.ids.client = response.ids.client;
  if (response.device_path) in.state.device_path = std::move(*response.device_path);

  const SecureBytes secrets_key = encryption_key(session_key);
  KeyCreationRequest request =
      key_creation_request(std::get<Initializing>(in.state.data).plan,
                           [&](ByteView plaintext) { return encrypt(secrets_key, plaintext, in.context.random); });
  request.ids = in.state.ids;
  MacSequence macs{session_key, 0};
  MacAssigner assigner{macs, request, {}};
  SKS_TRY(walk(request, assigner));
  const std::uint16_t counter = macs.counter;
  in.state.data = CreatingKeys{std::move(session_key), counter, std::move(assigner.keys)};
  return request.encode();
}

// The checks of I-4.

Outcome<void> check_generated_keys(const std::vector<GeneratedKey>& generated, const CreatingKeys& own) {
  const auto same_id = [](const GeneratedKey& key, const PendingKey& pending) { return key.id == pending.id; };
  if (!std::ranges::equal(generated, own.keys, same_id))
    return Failure{ErrorClass::value, "the generated keys are not those asked for, in their order"};
  for (std::size_t i = 0; i < generated.size(); ++i) {
    const KeyAlgorithm* const algorithm = find_key_algorithm(own.keys[i].algorithm);
    if (algorithm == nullptr || !key_matches(*generated[i].public_key, *algorithm, own.keys[i].parameters))
      return Failure{ErrorClass::value, "a generated key is not of the algorithm asked for"};
  }
  for (std::size_t i = 0; i < generated.size(); ++i) {
    const Bytes data = attestation::key_attestation_data(generated[i].public_key->spki(), own.keys[i].mac);
    const auto verified = attestation::verify_device_attestation(own.session_key, own.keys[i].attestation_counter, data,
                                                                 generated[i].attestation);
    if (!verified) return failure(ErrorClass::crypto, verified.error());
  }
  std::vector<Bytes> public_keys;
  for (const GeneratedKey& key : generated) public_keys.push_back(key.public_key->spki());
  std::ranges::sort(public_keys);
  if (std::ranges::adjacent_find(public_keys) != public_keys.end())
    return Failure{ErrorClass::policy, "two entries have the same public key"};
  return {};
}

/// The path for a key, which must be well-formed and certify the key.
Outcome<std::vector<Bytes>> certify(const GeneratedKey& key, std::size_t index, IssuerDecisions& decisions) {
  Result<std::vector<Bytes>> path = decisions.certify(AttestedKey{key.id, index, *key.public_key});
  if (!path) return failure(ErrorClass::policy, path.error());
  const auto too_large = [](const Bytes& certificate) { return certificate.size() > kMaxCertificate; };
  if (path->size() > kMaxCertificatesPerPath || std::ranges::any_of(*path, too_large))
    return Failure{ErrorClass::policy, "the certificate path is larger than clients accept"};
  const auto parsed = crypto::parse_path(*path);
  if (!parsed) return failure(ErrorClass::crypto, parsed.error());
  const auto certified = parsed->front().public_key();
  if (!certified || !equal(certified->spki(), key.public_key->spki()))
    return Failure{ErrorClass::crypto, "the certificate is for another key"};
  return std::move(path).value();
}

Outcome<std::string> on_key_creation(StepInput in) {
  SKS_LET(const KeyCreationResponse response, in.message.decode<KeyCreationResponse>());
  SKS_TRY(check_ids(response.ids, in.state.ids));
  auto& own = std::get<CreatingKeys>(in.state.data);
  SKS_TRY(check_generated_keys(response.keys, own));

  MacSequence macs{own.session_key, own.mac_counter};
  ProvisioningFinalizationRequest request;
  request.ids = in.state.ids;
  for (std::size_t i = 0; i < response.keys.size(); ++i) {
    const GeneratedKey& key = response.keys[i];
    IssuedCredential credential;
    credential.id = key.id;
    SKS_LET(credential.certificate_path, certify(key, i, in.decisions));
    credential.mac = macs.next(method::kSetCertificatePath,
                               certificate_path_data(key.public_key->spki(), key.id, credential.certificate_path));
    request.credentials.push_back(std::move(credential));
  }
  request.close_nonce = in.context.random.bytes(kCloseNonceSize);
  request.close_mac =
      macs.next(method::kCloseProvisioningSession, close_data(in.state.ids, in.state.issuer_uri, request.close_nonce));
  const std::uint16_t counter = macs.counter;
  in.state.data = Finalizing{std::move(own.session_key), counter, request.close_nonce};
  return request.encode();
}

// The checks of I-5.

Outcome<std::string> on_finalization(StepInput in) {
  SKS_LET(const ProvisioningFinalizationResponse response, in.message.decode<ProvisioningFinalizationResponse>());
  SKS_TRY(check_ids(response.ids, in.state.ids));
  const auto& own = std::get<Finalizing>(in.state.data);
  const auto verified = attestation::verify_device_attestation(own.session_key, own.attestation_counter,
                                                               attestation::close_attestation_data(own.close_nonce),
                                                               response.attestation);
  if (!verified) return failure(ErrorClass::crypto, verified.error());
  in.state.data = Over{};
  return std::string();
}

struct IssuerStep {
  IssuerPhase from;
  MessageType on;
  IssuerPhase next;
  Outcome<std::string> (*run)(StepInput);
};

// keygen2.md 1.3. What is absent is refused and ends the run.
constexpr auto kIssuerSteps = std::to_array<IssuerStep>({
    {IssuerPhase::invocation, MessageType::invocation_response, IssuerPhase::initialization, on_invocation},
    {IssuerPhase::initialization, MessageType::provisioning_initialization_response, IssuerPhase::key_creation,
     on_initialization},
    {IssuerPhase::key_creation, MessageType::key_creation_response, IssuerPhase::finalization, on_key_creation},
    {IssuerPhase::finalization, MessageType::provisioning_finalization_response, IssuerPhase::done, on_finalization},
});

Outcome<std::string> dispatch(IssuerState& state, std::string_view text, IssuerDecisions& decisions,
                              const IssuerContext& context) {
  SKS_LET(IncomingMessage message, IncomingMessage::parse(text, kMaxMessageToIssuer));
  const auto* const step = std::ranges::find_if(
      kIssuerSteps, [&](const IssuerStep& row) { return row.from == state.phase && row.on == message.type(); });
  if (step == kIssuerSteps.end() || std::holds_alternative<Over>(state.data))
    return Failure{ErrorClass::state, std::string(to_string(message.type())) + " is not expected now"};
  SKS_LET(std::string reply, step->run(StepInput{state, message, decisions, context}));
  state.phase = step->next;
  return reply;
}

}  // namespace

struct IssuerSession::Impl {
  IssuerState state;
};

namespace {

/// The plan of a run that has not asked for its keys yet, else null.
const IssuancePlan* plan_of(const IssuerState& state) {
  if (const auto* const data = std::get_if<Invoking>(&state.data); data != nullptr) return &data->plan;
  if (const auto* const data = std::get_if<Initializing>(&state.data); data != nullptr) return &data->plan;
  return nullptr;
}

}  // namespace

IssuerSession::IssuerSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
IssuerSession::IssuerSession(IssuerSession&&) noexcept = default;
IssuerSession& IssuerSession::operator=(IssuerSession&&) noexcept = default;
IssuerSession::~IssuerSession() = default;

Outcome<IssuerSession> IssuerSession::start(const IssuancePlan& plan, const IssuerContext& context) {
  SKS_TRY(check_plan(plan));
  auto impl = std::make_unique<Impl>();
  impl->state.ids.server = random_id(context.random);
  impl->state.issuer_uri = plan.issuer_uri;
  impl->state.privacy_enabled = plan.privacy_enabled;
  impl->state.capability_queries = required_capabilities(plan);
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
  return request.encode();
}

Outcome<std::string> IssuerSession::receive(std::string_view message, IssuerDecisions& decisions,
                                            const IssuerContext& context) {
  // An exception ends the run as well: a step may have moved its data by then, or have issued certificates.
  struct EndUnlessDone {
    IssuerState& state;
    bool done = false;
    ~EndUnlessDone() {
      if (!done) state.data = Over{};
    }
  } guard{impl_->state};
  Outcome<std::string> reply = dispatch(impl_->state, message, decisions, context);
  guard.done = static_cast<bool>(reply);
  return reply;
}

IssuerPhase IssuerSession::phase() const { return impl_->state.phase; }
const std::string& IssuerSession::server_session_id() const { return impl_->state.ids.server; }
const std::string& IssuerSession::client_session_id() const { return impl_->state.ids.client; }
const std::vector<Bytes>& IssuerSession::device_path() const { return impl_->state.device_path; }

}  // namespace sks::keygen2
