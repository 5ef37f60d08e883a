#include "sks-core/engine/key_cache.h"

namespace sks::engine {

bool belongs_to(const KeyMaterial& material, const KeyEntry& key) {
  if (const auto* const private_key = std::get_if<crypto::PrivateKey>(&material))
    return !key.symmetric_key_length && private_key->public_key().spki() == key.public_key;
  const SecureBytes& symmetric_key = std::get<SecureBytes>(material);
  // An empty key cannot be imported. Spec: sks-api.md 4.31, appendix E4.
  return !symmetric_key.empty() && key.symmetric_key_length == symmetric_key.size();
}

Result<KeyMaterial> decode_key_material(const KeyEntry& key, SecureBytes record) {
  const Error damaged{Status::internal, "the stored secret of key " + std::to_string(key.handle.value) + " is damaged"};
  if (key.symmetric_key_length) {
    KeyMaterial material(std::move(record));
    if (!belongs_to(material, key)) return damaged;
    return material;
  }
  Result<crypto::PrivateKey> private_key = crypto::PrivateKey::from_pkcs8(record.view());
  if (!private_key) return damaged;
  KeyMaterial material(std::move(private_key).value());
  if (!belongs_to(material, key)) return damaged;
  return material;
}

SharedKeyMaterial KeyCache::find(KeyHandle handle) {
  const auto found = by_handle_.find(handle);
  if (found == by_handle_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->material;
}

SharedKeyMaterial KeyCache::insert(KeyHandle handle, KeyMaterial material) {
  erase(handle);
  entries_.push_front({handle, std::make_shared<const KeyMaterial>(std::move(material))});
  by_handle_.emplace(handle, entries_.begin());
  SharedKeyMaterial inserted = entries_.front().material;
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
