#include <algorithm>
#include <set>

#include "sks-core/base/byte_writer.h"
#include "sks-core/engine/algorithm_rules.h"
#include "sks-core/engine/post_operations.h"
#include "sks-core/engine/session_crypto.h"

/// closeProvisioningSession: sks-api.md 4.3. Every check comes before the first modification.
namespace sks {
namespace engine {
namespace {

constexpr std::size_t kMaxNonce = 32;  // Spec: appendix E2

// Step 4.
Result<void> check_references(const Session& session) {
  for (const auto& [id, referenced] : session.name_space)
    if (!referenced) return Error{Status::option, "id never referenced: " + id};
  return {};
}

// Steps 5b and 5c. Keys are compared in their strict forms, which are equal exactly when the keys are. A certified key
// of a type that this SKS does not know is not tested.
Result<void> check_key_pair(const KeyEntry& key) {
  const Error mismatch{Status::option, "Key pair mismatch: " + key.id};
  if ((key.certificate_kind == KeyKind::rsa) != (key.kind == KeyKind::rsa)) return mismatch;
  if (!key.certificate_kind) return {};
  if (key.certificate_kind == KeyKind::ec && key.kind != KeyKind::ec)
    return Error{Status::crypto, "Key pair mismatch: " + key.id};
  if (key.certificate_public_key != key.public_key) return mismatch;
  return {};
}

// Keys that this close replaces or deletes, so that their certificates are free for new keys.
std::set<KeyHandle> vanishing_keys(const Session& session) {
  std::set<KeyHandle> vanishing;
  for (const PostOperation& operation : session.post_operations)
    if (operation.action == PostAction::update || operation.action == PostAction::delete_key)
      vanishing.insert(operation.target);
  return vanishing;
}

// Step 5d.
Result<void> check_unique(const StoreState& state, const KeyEntry& key, const std::set<KeyHandle>& vanishing) {
  for (const KeyHandle handle : state.linked<KeysOfCertificate>(key.row().certificate)) {
    if (handle == key.handle || vanishing.contains(handle)) continue;
    SKS_LET(const std::shared_ptr<const KeyEntry> other, state.get<KeyEntry>(handle));
    if (other->certificate_path.front() == key.certificate_path.front())
      return Error{Status::option, "Certificate already in use: " + key.id};
  }
  return {};
}

// Step 5.
Result<void> check_key(const StoreState& state, const KeyEntry& key, const std::set<KeyHandle>& vanishing) {
  if (!key.has_certificate()) return Error{Status::option, "Certificate path missing: " + key.id};
  SKS_TRY(check_key_pair(key));
  SKS_TRY(check_unique(state, key, vanishing));
  return check_endorsed_fit(key);
}

// Step 9. The session key is of no use any more and leaves the record.
void settle(SessionCall& call) {
  call.change.forbid_return();  // what the issuer had deleted, replaced or suspended is not to come back
  if (!call.change.any_linked<KeysOfSession>(call.session.handle)) {
    call.change.erase<Session>(call.session.handle);
    return;
  }
  call.session.state = SessionState::closed;
  call.session.session_key.reset();
  call.session.name_space.clear();
  call.session.post_operations.clear();
  call.session.mac_sequence_counter = 0;
  call.session.remaining_ops = 0;
}

Result<Bytes> close(SessionCall& call, ByteView nonce, ByteView mac) {
  constexpr std::string_view kMethod = "closeProvisioningSession";
  Session& session = call.session;
  const StoreState& state = *call.core.state;
  if (nonce.empty() || nonce.size() > kMaxNonce) return Error{Status::option, "nonce length"};
  ByteWriter data;
  data.text(session.client_session_id).text(session.server_session_id).text(session.issuer_uri).array(nonce);
  SKS_TRY(check_mac(session, kMethod, data.view(), mac));
  ByteWriter attested;
  attested.array(nonce);
  SKS_LET(Bytes attestation, next_attestation(session, attested.view()));
  SKS_TRY(check_references(session));
  const std::set<KeyHandle> vanishing = vanishing_keys(session);
  for (const KeyHandle handle : state.linked<KeysOfSession>(session.handle)) {
    SKS_LET(const std::shared_ptr<const KeyEntry> key, state.get<KeyEntry>(handle));
    SKS_TRY(check_key(state, *key, vanishing));
  }
  SKS_TRY(check_targets(call.core, session));
  call.touches_others = !session.post_operations.empty();
  SKS_TRY(perform_operations(call));
  settle(call);
  return attestation;
}

}  // namespace
}  // namespace engine

Result<Bytes> Engine::close_provisioning_session(ProvisioningHandle session, ByteView nonce, ByteView mac) {
  SKS_TRY(engine::check_decodable({nonce, mac}, {}));
  engine::Core& core = impl_->core;
  std::set<KeyHandle> vanished;
  SKS_LET(Bytes attestation, core.end_open_session(session, [&](engine::SessionCall& call) {
    vanished = engine::vanishing_keys(call.session);
    return engine::close(call, nonce, mac);
  }));
  if (vanished.empty()) return attestation;
  const std::lock_guard lock(core.locks.store);
  for (const KeyHandle key : vanished) core.key_cache.erase(key);
  return attestation;
}

}  // namespace sks
