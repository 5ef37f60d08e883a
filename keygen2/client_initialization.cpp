#include "keygen2/client_run.h"
#include "keygen2/client_store.h"
#include "keygen2/time.h"

/// ProvisioningInitializationRequest: roll-over and the session. Spec: keygen2.md 1.5 C-2, 4.4, 8.2, 8.3.
namespace sks::keygen2 {
namespace {

/// Replaces keys of older generations in `sessions` by the `newer` one, the oldest first: what rolled over to a key
/// here rolls on with it.
Outcome<void> roll_over(SecureKeyStore& store, std::vector<SessionInfo>& sessions, const crypto::PublicKey& newer,
                        const std::vector<UpdatableKeyManagementKey>& older) {
  for (const UpdatableKeyManagementKey& key : older) {
    SKS_TRY(roll_over(store, sessions, *key.public_key, key.older));
    for (SessionInfo& session : sessions) {
      if (session.key_management_key != key.public_key->spki()) continue;
      SKS_TRY(from_store(store.update_key_management_key(session.handle, newer.spki(), key.authorization)));
      session.key_management_key = newer.spki();
    }
  }
  return {};
}

Outcome<void> roll_over(SecureKeyStore& store, const ProvisioningInitializationRequest& request) {
  if (request.updatable_keys.empty()) return {};
  SKS_LET(std::vector<SessionInfo> sessions, list_sessions(store, SessionState::closed));
  return roll_over(store, sessions, *request.key_management_key, request.updatable_keys);
}

SessionRequest session_request(const ClientRun& run, const ProvisioningInitializationRequest& request,
                               std::uint32_t client_time) {
  SessionRequest call;
  call.session_key_algorithm = request.session_key_algorithm;
  call.privacy_enabled = run.privacy_enabled;
  call.server_session_id = run.ids.server;
  call.server_ephemeral_key = request.server_ephemeral_key->spki();
  call.issuer_uri = run.context.issuer_uri;
  if (request.key_management_key) call.key_management_key = request.key_management_key->spki();
  call.client_time = client_time;
  call.session_life_time = request.session_life_time;
  call.session_key_limit = request.session_key_limit;
  call.server_certificate = run.context.server_certificate;
  return call;
}

}  // namespace

Outcome<std::string> on_initialization(ClientRun& run, const ProvisioningInitializationRequest& request) {
  if (request.server_session_id != run.ids.server)
    return Failure{ErrorClass::session, "the message belongs to another session"};
  const std::int64_t now = run.clock.now();
  if (!is_plausible(parse_time(request.server_time, TimeZone::utc).value(), now))
    return Failure{ErrorClass::time, "the issuer's clock differs from ours by more than a day"};
  SKS_TRY(roll_over(run.store, request));

  // The SKS and JSON get one and the same value.
  const auto client_time = static_cast<std::uint32_t>(now);
  SKS_LET(const CreatedSession made,
          from_store(run.store.create_provisioning_session(session_request(run, request, client_time))));
  run.session = made.handle;
  run.ids.client = made.client_session_id;

  ProvisioningInitializationResponse response;
  response.ids = run.ids;
  response.server_time = request.server_time;
  response.client_time = client_time;
  response.client_utc_offset = local_utc_offset(client_time);
  SKS_LET(response.client_ephemeral_key, from_store(crypto::PublicKey::from_spki(made.client_ephemeral_key)));
  if (!run.privacy_enabled) response.device_path = run.device.certificate_path;
  response.attestation = made.attestation;
  run.phase = ClientPhase::initialized;
  return response.encode();
}

}  // namespace sks::keygen2
