#include "key-user-api/token/store_walk.h"

#include <algorithm>

namespace sks::token {
namespace {

constexpr int kTries = 10;

Result<std::optional<SessionInfo>> try_to_find(SecureKeyStore& store, ProvisioningHandle session) {
  ProvisioningHandle previous;
  while (true) {
    SKS_LET(std::optional<SessionInfo> next, store.enumerate_provisioning_sessions(previous, SessionState::closed));
    if (!next || next->handle == session) return next;
    previous = next->handle;
  }
}

/// The session after the closest one below it that is there. Enumerating from the first one reads all of them.
Result<std::optional<SessionInfo>> find_after_neighbour(SecureKeyStore& store, ProvisioningHandle session) {
  constexpr std::uint32_t kFarthest = 64;
  for (std::uint32_t gap = 1; gap <= std::min(kFarthest, session.value); ++gap) {
    SKS_LET(std::optional<SessionInfo> next,
            store.enumerate_provisioning_sessions(ProvisioningHandle{session.value - gap}, SessionState::closed));
    if (next && next->handle == session) return next;
    if (next) break;
  }
  return std::optional<SessionInfo>();
}

}  // namespace

Result<bool> has_key(SecureKeyStore& store, KeyHandle key) {
  const Result<KeyProtectionInfo> info = store.get_key_protection_info(key);
  if (info) return true;
  if (info.error().status == Status::no_key) return false;
  return info.error();
}

Result<std::map<KeyHandle, ProvisioningHandle>> enumerate_all_keys(SecureKeyStore& store) {
  std::map<KeyHandle, ProvisioningHandle> keys;
  KeyHandle previous;
  while (true) {
    SKS_LET(const std::optional<EnumeratedKey> next, store.enumerate_keys(previous));
    if (next) {
      keys.emplace_hint(keys.end(), next->handle, next->session);
      previous = next->handle;
      continue;
    }
    if (!previous) return keys;
    SKS_LET(const bool is_there, has_key(store, previous));
    if (is_there) return keys;
    keys.erase(previous);
    previous = keys.empty() ? KeyHandle{} : keys.rbegin()->first;
  }
}

Result<std::optional<SessionInfo>> find_closed_session(SecureKeyStore& store, ProvisioningHandle session) {
  SKS_LET(std::optional<SessionInfo> neighbour, find_after_neighbour(store, session));
  if (neighbour) return neighbour;
  for (int i = 0; i < kTries; ++i) {
    SKS_LET(std::optional<SessionInfo> found, try_to_find(store, session));
    if (found) return found;
  }
  return std::optional<SessionInfo>();
}

}  // namespace sks::token
