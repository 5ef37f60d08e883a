#include "provisioning-server/key_manager.h"

#include <algorithm>

#include "keygen2/mac_data.h"
#include "keygen2/message_common.h"

namespace sks::issuer {

Result<KeyManager> KeyManager::from_keys(std::vector<crypto::PrivateKey> keys) {
  SKS_CHECK(!keys.empty());
  KeyManager manager;
  for (crypto::PrivateKey& key : keys) {
    SKS_TRY(crypto::check_halves(key));
    const Bytes& public_key = key.public_key().spki();
    for (const Entry& older : manager.keys_)
      if (older.public_key == public_key)
        return Error{Status::option, "two generations of key management keys are the same key"};
    Bytes copy = public_key;
    manager.keys_.push_back({std::move(key), std::move(copy)});
  }
  SKS_TRY(manager.authorize());
  return manager;
}

/// Each key authorizes the one behind it. The newest ones stand outermost. Spec: keygen2.md 7.10
Result<void> KeyManager::authorize() {
  const std::size_t first = keys_.size() - std::min(keys_.size(), keygen2::kMaxUpdatableKeyDepth + 1);
  std::vector<keygen2::RollOver> older;
  for (std::size_t i = first; i + 1 < keys_.size(); ++i) {
    keygen2::RollOver made;
    made.key_management_key = keys_[i].public_key;
    SKS_LET(made.authorization, keys_[i].key.sign(keygen2::roll_over_data(keys_[i + 1].public_key)));
    made.older = std::move(older);
    older.clear();
    older.push_back(std::move(made));
  }
  roll_overs_ = std::move(older);
  return {};
}

Bytes KeyManager::public_key_of(std::int64_t generation) const {
  if (generation < 1 || generation > this->generation()) return {};
  return keys_[static_cast<std::size_t>(generation - 1)].public_key;
}

Result<Bytes> KeyManager::sign(ByteView public_key, ByteView data) const {
  const auto found =
      std::ranges::find_if(keys_, [&](const Entry& entry) { return equal(entry.public_key, public_key); });
  if (found == keys_.end())
    return Error{Status::not_available, "this process has not read the key management key of that generation"};
  return found->key.sign(data);
}

std::size_t LookupGenerations::count() const {
  if (lookups == 0) return 0;
  return std::min(static_cast<std::size_t>(newest), std::max<std::size_t>(1, keygen2::kMaxLookups / lookups));
}

void add_generations(keygen2::IssuancePlan& plan, const KeyManager& manager) {
  plan.roll_overs = manager.roll_overs();
  const std::vector<keygen2::LookupSpec> newest = plan.lookups;
  const LookupGenerations generations{manager.generation(), newest.size()};
  for (std::size_t i = newest.size(); i < generations.count() * newest.size(); ++i)
    plan.lookups.push_back(
        {manager.public_key_of(generations.generation_of(i)), newest[generations.lookup_of(i)].filter});
}

}  // namespace sks::issuer
