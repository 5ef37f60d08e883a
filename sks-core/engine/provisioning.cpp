#include "sks-core/base/byte_writer.h"
#include "sks-core/crypto/mac.h"
#include "sks-core/engine/algorithm_rules.h"
#include "sks-core/engine/core.h"
#include "sks-core/engine/pin_rules.h"
#include "sks-core/engine/session_crypto.h"

/// Sessions and PIN and PUK policies: sks-api.md 4.2, 4.5, 4.7, 4.8 and 4.10.
namespace sks {
namespace engine {
namespace {

constexpr std::size_t kMaxUri = 1000;
constexpr std::uint8_t kLastInputMethod = 2;

Error out_of_range(std::string_view argument, unsigned value) {
  return {Status::option, std::string(argument) + " out of range: " + std::to_string(value)};
}

Result<void> check_range(std::string_view argument, unsigned value, unsigned lowest, unsigned highest) {
  if (value < lowest || value > highest) return out_of_range(argument, value);
  return {};
}

// Steps 1 to 8 of createProvisioningSession. Returns the server's key.
Result<crypto::PublicKey> check_request(const SessionRequest& request) {
  if (request.session_key_algorithm != kSessionAlgorithm)
    return Error{Status::option, "Algorithm not supported: " + request.session_key_algorithm};
  if (request.issuer_uri.empty() || request.issuer_uri.size() > kMaxUri)
    return Error{Status::option, "issuerUri length"};
  SKS_LET(crypto::PublicKey server_key, crypto::PublicKey::from_spki(request.server_ephemeral_key));
  if (server_key.kind() != KeyKind::ec) return Error{Status::option, "serverEphemeralKey is not an EC key"};
  SKS_TRY(check_supported(server_key, "serverEphemeralKey"));
  if (!request.key_management_key.empty()) {
    SKS_LET(const crypto::PublicKey kmk, crypto::PublicKey::from_spki(request.key_management_key));
    SKS_TRY(check_supported(kmk, "keyManagementKey"));
  }
  SKS_TRY(check_id(request.server_session_id));
  return server_key;
}

// What step 9 makes, before it is stored.
struct NewSession {
  CreatedSession created;
  SecureBytes session_key;
};

Error as_crypto(Error error) { return {Status::crypto, std::move(error.detail)}; }

Result<NewSession> agree_on_session(const EnginePorts& ports, const SessionRequest& request,
                                    const crypto::PublicKey& server_key) {
  NewSession made;
  made.created.client_session_id = random_id(ports.random);
  Result<crypto::PrivateKey> ephemeral = ports.keys.generate(*find_key_generation(server_key.curve()), {}, {});
  if (!ephemeral) return as_crypto(std::move(ephemeral).error());
  made.created.client_ephemeral_key = ephemeral->public_key().spki();
  SKS_LET(const SecureBytes shared_secret, ephemeral->agree(server_key));
  const SessionNames names{made.created.client_session_id, request.server_session_id, request.issuer_uri,
                           device_id(ports.identity, request.privacy_enabled)};
  made.session_key = derive_session_key(shared_secret.view(), names);
  const Bytes attested = session_attestation_data(request, names, made.created.client_ephemeral_key);
  if (request.privacy_enabled) {
    made.created.attestation = to_bytes(crypto::hmac_sha256(made.session_key.view(), attested));
  } else {
    SKS_LET(made.created.attestation, ports.identity.sign(attested));
  }
  return made;
}

Result<CreatedSession> create_session(Core& core, const SessionRequest& request, const crypto::PublicKey& server_key) {
  const std::lock_guard provisioning(core.locks.provisioning);
  SKS_LET(NewSession made, agree_on_session(core.ports, request, server_key));
  const std::lock_guard lock(core.locks.store);
  Change change(*core.state);
  SKS_LET(Session* const session, change.create<Session>());
  session->privacy_enabled = request.privacy_enabled;
  session->server_session_id = request.server_session_id;
  session->client_session_id = made.created.client_session_id;
  session->issuer_uri = request.issuer_uri;
  session->key_management_key = request.key_management_key;
  session->client_time = request.client_time;
  session->session_life_time = request.session_life_time;
  session->remaining_ops = request.session_key_limit;
  session->session_key = share(std::move(made.session_key));
  made.created.handle = session->handle;
  SKS_TRY(Core::commit_step(change, session->handle));
  return std::move(made.created);
}

ByteWriter puk_policy_data(const PukPolicyRequest& request) {
  ByteWriter data;
  data.text(request.id).array(request.encrypted_puk).u8(request.format).u16(request.retry_limit);
  return data;
}

Result<PukPolicyHandle> create_puk_policy(SessionCall& call, const PukPolicyRequest& request) {
  constexpr std::string_view kMethod = "createPUKPolicy";
  SKS_TRY(check_range("format", request.format, 0, kLastOfFour));
  SKS_TRY(check_range("retryLimit", request.retry_limit, 0, kMaxRetryLimit));
  SKS_LET(SecureBytes puk, next_decryption(call.session, request.encrypted_puk));
  if (puk.empty() || puk.size() > kMaxPinLength) return Error{Status::option, "PUK length"};
  const Format format = static_cast<Format>(request.format);
  if (!obeys_format(format, puk.view())) return Error{Status::option, "PUK syntax"};
  SKS_TRY(check_mac(call.session, kMethod, puk_policy_data(request).view(), request.mac));
  SKS_TRY(register_id(call.session, request.id, false));
  SKS_LET(PukPolicy* const policy, call.change.create<PukPolicy>());
  policy->session = call.session.handle;
  policy->id = request.id;
  policy->format = format;
  policy->retry_limit = request.retry_limit;
  policy->value = share(std::move(puk));
  return policy->handle;
}

Result<void> check_ranges(const PinPolicyRequest& request) {
  SKS_TRY(check_range("grouping", request.grouping, 0, kLastOfFour));
  SKS_TRY(check_range("inputMethod", request.input_method, 0, kLastInputMethod));
  SKS_TRY(check_range("format", request.format, 0, kLastOfFour));
  SKS_TRY(check_range("retryLimit", request.retry_limit, 1, kMaxRetryLimit));
  return check_range("patternRestrictions", request.pattern_restrictions, 0, kAllPatterns);
}

Result<void> check_patterns_and_lengths(const PinPolicyRequest& request) {
  const Format format = static_cast<Format>(request.format);
  if ((request.pattern_restrictions & kMissingGroup) != 0 && format != Format::alphanumeric && format != Format::string)
    return Error{Status::option, "missing-group needs an alphanumeric or string PIN"};
  if (request.min_length < 1 || request.max_length > kMaxPinLength || request.max_length < request.min_length)
    return Error{Status::option, "minLength or maxLength out of range"};
  return {};
}

// The id of the PUK policy, now marked as referenced; empty for handle 0.
Result<std::string> refer_to_puk(SessionCall& call, PukPolicyHandle handle) {
  if (!handle) return std::string();
  SKS_LET(const std::shared_ptr<const PukPolicy> puk, call.core.state->find<PukPolicy>(handle));
  if (puk == nullptr || puk->session != call.session.handle)
    return Error{Status::option, "Unknown PUK policy " + std::to_string(handle.value)};
  call.session.name_space[puk->id] = true;
  return puk->id;
}

ByteWriter pin_policy_data(const PinPolicyRequest& request, std::string_view puk_reference) {
  ByteWriter data;
  data.text(request.id).text(puk_reference).boolean(request.user_defined).boolean(request.user_modifiable);
  data.u8(request.format).u16(request.retry_limit).u8(request.grouping).u8(request.pattern_restrictions);
  data.u16(request.min_length).u16(request.max_length).u8(request.input_method);
  return data;
}

Result<PinPolicyHandle> create_pin_policy(SessionCall& call, const PinPolicyRequest& request) {
  constexpr std::string_view kMethod = "createPINPolicy";
  SKS_TRY(check_ranges(request));
  SKS_LET(const std::string puk_reference, refer_to_puk(call, request.puk_policy));
  SKS_TRY(check_patterns_and_lengths(request));
  SKS_TRY(check_mac(call.session, kMethod, pin_policy_data(request, puk_reference).view(), request.mac));
  SKS_TRY(register_id(call.session, request.id, false));
  SKS_LET(PinPolicy* const policy, call.change.create<PinPolicy>());
  policy->session = call.session.handle;
  policy->id = request.id;
  policy->puk_policy = request.puk_policy;
  policy->user_defined = request.user_defined;
  policy->user_modifiable = request.user_modifiable;
  policy->format = static_cast<Format>(request.format);
  policy->retry_limit = request.retry_limit;
  policy->grouping = static_cast<Grouping>(request.grouping);
  policy->pattern_restrictions = request.pattern_restrictions;
  policy->min_length = request.min_length;
  policy->max_length = request.max_length;
  policy->input_method = request.input_method;
  return policy->handle;
}

Result<KeyHandle> find_handle(Core& core, ProvisioningHandle session, std::string_view id) {
  const ProvisioningLock lock(core.locks);  // after a createKeyEntry that came before it
  SKS_TRY(core.open_session(session));
  SKS_TRY(core.write_out(session));
  SKS_LET(const std::shared_ptr<const KeyEntry> key, core.find_key(session, id));
  if (key == nullptr) return Error{Status::option, "no key with this id in the session"};
  return key->handle;
}

}  // namespace
}  // namespace engine

Result<CreatedSession> Engine::create_provisioning_session(const SessionRequest& request) {
  engine::Core& core = impl_->core;
  SKS_TRY(
      engine::check_decodable({request.server_ephemeral_key, request.key_management_key, request.server_certificate},
                              {request.session_key_algorithm, request.server_session_id, request.issuer_uri}));
  SKS_LET(const crypto::PublicKey server_key, engine::check_request(request));
  SKS_LET(CreatedSession created, engine::create_session(core, request, server_key));
  SKS_TRY(core.await_durable(created.handle));
  return created;
}

Result<void> Engine::abort_provisioning_session(ProvisioningHandle session) {
  engine::Core& core = impl_->core;
  const engine::ProvisioningLock lock(core.locks);
  SKS_TRY(core.open_session(session));
  core.abort(session);
  return {};
}

Result<PukPolicyHandle> Engine::create_puk_policy(ProvisioningHandle session, const PukPolicyRequest& request) {
  SKS_TRY(engine::check_decodable({request.encrypted_puk, request.mac}, {request.id}));
  return impl_->core.in_open_session(
      session, [&](engine::SessionCall& call) { return engine::create_puk_policy(call, request); });
}

Result<PinPolicyHandle> Engine::create_pin_policy(ProvisioningHandle session, const PinPolicyRequest& request) {
  SKS_TRY(engine::check_decodable({request.mac}, {request.id}));
  return impl_->core.in_open_session(
      session, [&](engine::SessionCall& call) { return engine::create_pin_policy(call, request); });
}

Result<KeyHandle> Engine::get_key_handle(ProvisioningHandle session, std::string_view id) {
  engine::Core& core = impl_->core;
  SKS_TRY(engine::check_decodable({}, {id}));
  SKS_LET(const KeyHandle key, engine::find_handle(core, session, id));
  SKS_TRY(core.await_durable({}));
  return key;
}

}  // namespace sks
