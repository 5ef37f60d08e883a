#include "sks-core/engine/key_cache.h"

namespace sks::engine {

std::shared_ptr<const crypto::PrivateKey> KeyCache::find(KeyHandle handle) {
  const auto found = by_handle_.find(handle);
  if (found == by_handle_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->key;
}

std::shared_ptr<const crypto::PrivateKey> KeyCache::insert(KeyHandle handle, crypto::PrivateKey key) {
  erase(handle);
  entries_.push_front({handle, std::make_shared<const crypto::PrivateKey>(std::move(key))});
  by_handle_.emplace(handle, entries_.begin());
  const std::shared_ptr<const crypto::PrivateKey> inserted = entries_.front().key;
  if (entries_.size() > capacity_) erase(entries_.back().handle);
  return inserted;
}

void KeyCache::erase(KeyHandle handle) {
  const auto found = by_handle_.find(handle);
  if (found == by_handle_.end()) return;
  entries_.erase(found->second);
  by_handle_.erase(found);
}

}  // namespace sks::engine
