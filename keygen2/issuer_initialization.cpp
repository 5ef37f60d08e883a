#include <algorithm>
#include <array>

#include "attestation/verifier.h"
#include "keygen2/certificate_path.h"
#include "keygen2/enumerations.h"
#include "keygen2/issuer_plan.h"
#include "keygen2/issuer_steps.h"
#include "keygen2/time.h"
#include "sks-core/crypto/algorithms.h"
#include "sks-core/crypto/private_key.h"

/// S1 and S2: the client's capabilities, then the session key. Spec: keygen2.md 1.5 I-1 and I-2, 7.3, 7.4.
namespace sks::keygen2 {
namespace {

/// Added to the number of uses of the session key that are planned.
constexpr std::size_t kSessionKeyMargin = 8;
constexpr std::string_view kEphemeralKeyAlgorithm = "https://webpki.github.io/sks/algorithm#ec.nist.p256";

/// Whether a client may answer a query in this form.
bool form_fits(const ClientCapability& answer) {
  if (answer.form == CapabilityForm::supported && !answer.supported) return true;
  constexpr std::array<CapabilityForm, 3> forms{CapabilityForm::supported, CapabilityForm::values,
                                                CapabilityForm::image_attributes};
  return answer.form == forms.at(static_cast<std::size_t>(query_kind(answer.type)));
}

/// Each query is answered once and in its form.
Outcome<void> check_answers(const std::vector<ClientCapability>& answers, const IssuerState& own) {
  if (answers.size() != own.capability_queries.size())
    return Failure{ErrorClass::value, "not every query has one answer"};
  const auto answer_to = [&](const std::string& query) {
    return std::ranges::find(answers, query, &ClientCapability::type);
  };
  for (const std::string& query : own.capability_queries)
    if (answer_to(query) == answers.end()) return Failure{ErrorClass::value, "a query has no answer"};
  if (!std::ranges::all_of(answers, form_fits)) return Failure{ErrorClass::value, "an answer has a wrong form"};
  return {};
}

/// What the plan needs is there.
Outcome<void> check_needs(const IssuerState& own) {
  for (const std::string& query : own.required_capabilities)
    if (!std::ranges::find(own.capabilities, query, &ClientCapability::type)->supported)
      return Failure{ErrorClass::policy, "the client does not support " + query};
  return {};
}

Outcome<crypto::PublicKey> decoded(ByteView spki) {
  Result<crypto::PublicKey> key = crypto::PublicKey::from_spki(spki);
  if (!key) return failure(ErrorClass::crypto, key.error());
  return std::move(key).value();
}

Outcome<std::vector<UpdatableKeyManagementKey>> updatable_keys(const std::vector<RollOver>& roll_overs) {
  std::vector<UpdatableKeyManagementKey> result;
  for (const RollOver& roll_over : roll_overs) {
    UpdatableKeyManagementKey key;
    SKS_LET(key.public_key, decoded(roll_over.key_management_key));
    key.authorization = roll_over.authorization;
    SKS_LET(key.older, updatable_keys(roll_over.older));
    result.push_back(std::move(key));
  }
  return result;
}

// The checks of I-2.

/// The checks that come before the device is trusted, and the question whether it is.
Outcome<void> check_device(StepInput in, const ProvisioningInitializationResponse& response,
                           const crypto::CertificatePath& path) {
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
  SKS_TRY(check_certificate_path(path));
  if (const auto accepted = in.decisions.accept_device(path); !accepted)
    return failure(ErrorClass::policy, accepted.error());
  return {};
}

/// Verifies the attestation with one of the issuer's certificates, and gives the session key.
Outcome<SecureBytes> agree_on_session_key(StepInput in, const ProvisioningInitializationResponse& response,
                                          const crypto::CertificatePath& device) {
  const auto& own = std::get<Initializing>(in.state.data);
  const crypto::PrivateKey& ephemeral = *own.ephemeral_key;
  const crypto::PublicKey& peer = *response.client_ephemeral_key;
  if (peer.curve() != ephemeral.public_key().curve())
    return Failure{ErrorClass::crypto, "clientEphemeralKey is on another curve"};
  Result<SecureBytes> z = ephemeral.agree(peer);
  if (!z) return failure(ErrorClass::crypto, z.error());

  attestation::SessionClaims claims;
  claims.client_session_id = response.ids.client;
  claims.server_session_id = in.state.ids.server;
  claims.issuer_uri = in.state.issuer_uri;
  if (response.device_path) claims.device_certificate = device.der().front();
  claims.session_key_algorithm = kSessionAlgorithm;
  claims.server_ephemeral_key = ephemeral.public_key().spki();
  claims.client_ephemeral_key = peer.spki();
  claims.key_management_key = own.plan.key_management_key;
  claims.client_time = response.client_time;
  claims.session_life_time = own.plan.session_life_time;
  claims.session_key_limit = own.session_key_limit;
  SecureBytes session_key = attestation::derive_session_key(z->view(), claims);
  std::optional<crypto::PublicKey> device_key;
  if (response.device_path) {
    Result<crypto::PublicKey> key = device.certificates()->front().public_key();
    if (!key) return failure(ErrorClass::crypto, key.error());
    device_key = std::move(key).value();
  }
  for (const Bytes& certificate : in.context.server_certificates) {
    claims.server_certificate = certificate;
    const Result<void> verified = device_key
                                      ? attestation::verify_session_signature(claims, *device_key, response.attestation)
                                      : attestation::verify_session_mac(claims, session_key, response.attestation);
    if (verified) return session_key;
  }
  return Failure{ErrorClass::crypto, "the session attestation does not verify"};
}

}  // namespace

Outcome<std::string> on_invocation(StepInput in, IncomingMessage& message) {
  SKS_LET(InvocationResponse response, message.decode<InvocationResponse>());
  if (response.server_session_id != in.state.ids.server)
    return Failure{ErrorClass::session, "the message belongs to another session"};
  SKS_TRY(check_answers(response.capabilities, in.state));
  in.state.capabilities = std::move(response.capabilities);
  SKS_TRY(check_needs(in.state));

  const Algorithm* const algorithm = find_algorithm(kEphemeralKeyAlgorithm);
  SKS_CHECK(algorithm != nullptr);
  Result<crypto::PrivateKey> ephemeral = crypto::PrivateKey::generate(*algorithm);
  if (!ephemeral) return failure(ErrorClass::crypto, ephemeral.error());

  Initializing next;
  next.plan = std::move(std::get<Invoking>(in.state.data).plan);
  next.server_time = format_utc_time(in.context.clock.now());
  next.session_key_limit = static_cast<std::uint16_t>(session_key_uses(next.plan) + kSessionKeyMargin);

  ProvisioningInitializationRequest request;
  request.server_session_id = in.state.ids.server;
  request.server_time = next.server_time;
  request.session_key_algorithm = kSessionAlgorithm;
  request.session_key_limit = next.session_key_limit;
  request.session_life_time = next.plan.session_life_time;
  request.server_ephemeral_key = ephemeral->public_key();
  next.ephemeral_key = std::move(ephemeral).value();
  if (!next.plan.key_management_key.empty()) {
    SKS_LET(request.key_management_key, decoded(next.plan.key_management_key));
    SKS_LET(request.updatable_keys, updatable_keys(next.plan.roll_overs));
  }
  in.state.data = std::move(next);
  in.state.phase = IssuerPhase::initialization;
  return request.encode();
}

Outcome<std::string> on_initialization(StepInput in, IncomingMessage& message) {
  SKS_LET(ProvisioningInitializationResponse response, message.decode<ProvisioningInitializationResponse>());
  const crypto::CertificatePath device(response.device_path.value_or(std::vector<Bytes>()));
  SKS_TRY(check_device(in, response, device));
  SKS_LET(SecureBytes key_value, agree_on_session_key(in, response, device));
  if (const auto fresh = in.decisions.accept_client_session(response.ids.client); !fresh)
    return failure(ErrorClass::session, fresh.error());
  const std::int64_t now = in.context.clock.now();
  if (!is_plausible(response.client_time, now))
    return Failure{ErrorClass::time, "the client's clock differs from ours by more than a day"};
  in.state.ids.client = response.ids.client;
  if (response.device_path) in.state.device_path = std::move(*response.device_path);

  auto& own = std::get<Initializing>(in.state.data);
  in.state.expires = now + own.plan.session_life_time;
  SessionKey session_key{std::move(key_value), 0, own.session_key_limit};
  IssuancePlan plan = std::move(own.plan);
  if (!plan.lookups.empty()) return begin_discovery(in, std::move(session_key), std::move(plan));
  return begin_key_creation(in, std::move(session_key), plan, plan.deferred_issuance, {});
}

}  // namespace sks::keygen2
