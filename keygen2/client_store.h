#pragma once

#include <map>
#include <vector>

#include "keygen2/messages.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/engine/secure_key_store.h"

/// What the client half looks up in a key store. All functions that call it fail with sks.
namespace sks::keygen2 {

/// All sessions in a state, in the order of the key store.
Outcome<std::vector<SessionInfo>> list_sessions(SecureKeyStore& store, SessionState state);

/// The keys of all closed sessions by the session that owns them, in the order of the key store.
using KeysBySession = std::map<ProvisioningHandle, std::vector<KeyHandle>>;
Outcome<KeysBySession> list_keys(SecureKeyStore& store);

/// The session with both ids, or null.
const SessionInfo* find_session(const std::vector<SessionInfo>& sessions, const SessionIds& ids);

/// Whether an open session has been waiting longer than its sessionLifeTime. Spec: keygen2.md 8.8.
bool is_expired(const SessionInfo& session, std::int64_t now);

/// Finds the keys that post operations are about. Reads the key store once, however many it finds. Spec: keygen2.md
/// 8.6.
class TargetFinder {
 public:
  explicit TargetFinder(SecureKeyStore& store) : store_(store) {}

  /// Fails with policy when there is no such key.
  Outcome<KeyHandle> find(const TargetKeyReference& target);

 private:
  using KeysByFingerPrint = std::map<crypto::Sha256Digest, KeyHandle>;

  Outcome<void> read_store();
  Outcome<const KeysByFingerPrint*> keys_of(ProvisioningHandle session);

  SecureKeyStore& store_;
  bool has_read_store_ = false;
  std::vector<SessionInfo> sessions_;
  KeysBySession keys_;
  std::map<ProvisioningHandle, KeysByFingerPrint> finger_prints_;
};

}  // namespace sks::keygen2
