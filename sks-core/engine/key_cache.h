#pragma once

#include <list>
#include <map>
#include <memory>

#include "sks-core/base/ids.h"
#include "sks-core/crypto/private_key.h"

namespace sks::engine {

/// The private keys used last, so that a signature costs no file access. Whoever holds a pointer may go on using the
/// key after it has left the cache.
class KeyCache {
 public:
  explicit KeyCache(std::size_t capacity) : capacity_(capacity) {}

  /// The key, or null.
  std::shared_ptr<const crypto::PrivateKey> find(KeyHandle handle);
  std::shared_ptr<const crypto::PrivateKey> insert(KeyHandle handle, crypto::PrivateKey key);
  /// For keys that are deleted or whose private key is replaced.
  void erase(KeyHandle handle);

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    KeyHandle handle;
    std::shared_ptr<const crypto::PrivateKey> key;
  };

  std::size_t capacity_;
  std::list<Entry> entries_;  // used last comes first
  std::map<KeyHandle, std::list<Entry>::iterator> by_handle_;
};

}  // namespace sks::engine
