#pragma once

#include <list>
#include <map>
#include <memory>
#include <variant>

#include "sks-core/crypto/private_key.h"
#include "sks-core/engine/records.h"

namespace sks::engine {

/// What a key works with: its private key, or the symmetric key that took its place. Never changes, so that any number
/// of threads may use one at the same time.
using KeyMaterial = std::variant<crypto::PrivateKey, SecureBytes>;
using SharedKeyMaterial = std::shared_ptr<const KeyMaterial>;

/// Whether `material` is that of `key`, as far as the key entry tells.
bool belongs_to(const KeyMaterial& material, const KeyEntry& key);

/// Reads the key material record of `key`. Fails with internal when it does not belong to that key.
Result<KeyMaterial> decode_key_material(const KeyEntry& key, SecureBytes record);

/// The key material used last, so that a signature costs no file access. Whoever holds a pointer may go on using the
/// material after it has left the cache.
class KeyCache {
 public:
  explicit KeyCache(std::size_t capacity) : capacity_(capacity) {}

  /// The material, or null.
  SharedKeyMaterial find(KeyHandle handle);
  SharedKeyMaterial insert(KeyHandle handle, KeyMaterial material);
  /// For keys that are deleted or whose material is replaced.
  void erase(KeyHandle handle);

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    KeyHandle handle;
    SharedKeyMaterial material;
  };

  std::size_t capacity_;
  std::list<Entry> entries_;  // used last comes first
  std::map<KeyHandle, std::list<Entry>::iterator> by_handle_;
};

}  // namespace sks::engine
