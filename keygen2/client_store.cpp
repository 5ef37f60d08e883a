#include "keygen2/client_store.h"

#include <algorithm>

#include "keygen2/client_run.h"

namespace sks::keygen2 {

Outcome<std::vector<SessionInfo>> list_sessions(SecureKeyStore& store, SessionState state) {
  std::vector<SessionInfo> sessions;
  for (;;) {
    const ProvisioningHandle previous = sessions.empty() ? ProvisioningHandle{} : sessions.back().handle;
    SKS_LET(std::optional<SessionInfo> next, from_store(store.enumerate_provisioning_sessions(previous, state)));
    if (!next) return sessions;
    sessions.push_back(std::move(*next));
  }
}

Outcome<KeysBySession> list_keys(SecureKeyStore& store) {
  KeysBySession keys;
  KeyHandle previous;
  for (;;) {
    SKS_LET(const std::optional<EnumeratedKey> next, from_store(store.enumerate_keys(previous)));
    if (!next) return keys;
    keys[next->session].push_back(next->handle);
    previous = next->handle;
  }
}

const SessionInfo* find_session(const std::vector<SessionInfo>& sessions, const SessionIds& ids) {
  const auto found = std::ranges::find_if(sessions, [&](const SessionInfo& session) {
    return session.server_session_id == ids.server && session.client_session_id == ids.client;
  });
  return found == sessions.end() ? nullptr : &*found;
}

bool is_expired(const SessionInfo& session, std::int64_t now) {
  return now > std::int64_t{session.client_time} + std::int64_t{session.session_life_time};
}

Outcome<void> TargetFinder::read_store() {
  if (has_read_store_) return {};
  SKS_LET(sessions_, list_sessions(store_, SessionState::closed));
  SKS_LET(keys_, list_keys(store_));
  has_read_store_ = true;
  return {};
}

Outcome<const TargetFinder::KeysByFingerPrint*> TargetFinder::keys_of(ProvisioningHandle session) {
  const auto known = finger_prints_.find(session);
  if (known != finger_prints_.end()) return &known->second;
  KeysByFingerPrint keys;
  for (const KeyHandle key : keys_[session]) {
    SKS_LET(const KeyAttributes attributes, from_store(store_.get_key_attributes(key)));
    if (!attributes.certificate_path.empty()) keys.emplace(crypto::sha256(attributes.certificate_path.front()), key);
  }
  return &finger_prints_.emplace(session, std::move(keys)).first->second;
}

Outcome<KeyHandle> TargetFinder::find(const TargetKeyReference& target) {
  const Failure missing{ErrorClass::policy, "a key that the issuer wants to manage is not here"};
  SKS_TRY(read_store());
  const SessionInfo* const owner = find_session(sessions_, target.owner);
  if (owner == nullptr) return missing;
  SKS_LET(const KeysByFingerPrint* const keys, keys_of(owner->handle));
  crypto::Sha256Digest finger_print{};
  if (target.finger_print.size() != finger_print.size()) return missing;
  std::ranges::copy(target.finger_print, finger_print.begin());
  const auto found = keys->find(finger_print);
  if (found == keys->end()) return missing;
  return found->second;
}

}  // namespace sks::keygen2
