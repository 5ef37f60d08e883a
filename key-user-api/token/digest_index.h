#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "key-user-api/token/object.h"
#include "sks-core/base/random.h"

namespace sks::token {

/// Stands for an attribute with its value. 64 bits of a hash whose key nobody else knows: nobody can make two values
/// that collide, and among a million attributes two do by chance once in 10^7 stores.
using Digest = std::uint64_t;

class Digester {
 public:
  static constexpr std::size_t kKeySize = 16;
  explicit Digester(const Random& random) : key_(random.bytes(kKeySize)) {}
  /// That has made digests before.
  explicit Digester(ByteView key) : key_(to_bytes(key)) { SKS_CHECK(key_.size() == kKeySize); }
  Digest operator()(CK_ATTRIBUTE_TYPE type, ByteView value) const;
  ByteView key() const { return key_; }

 private:
  Bytes key_;
};

/// Which keys have an object with an attribute: 16 bytes an entry, in order. What comes in waits in a small tree until
/// it is worth the merge.
class DigestIndex {
 public:
  struct Entry {
    Digest digest;
    KeyHandle key;
    auto operator<=>(const Entry&) const = default;
  };

  void insert(Digest digest, KeyHandle key);
  /// In any order.
  void insert_many(std::vector<Entry> entries);
  void erase(Digest digest, KeyHandle key);

  /// Ascending.
  std::vector<KeyHandle> find(Digest digest) const;

 private:
  void merge_if_worth_it();
  void merge();

  std::vector<Entry> sorted_;
  std::set<Entry> recent_;
  std::set<Entry> gone_;  ///< of sorted_
};

}  // namespace sks::token
