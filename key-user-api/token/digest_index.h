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
  explicit Digester(const Random& random) : key_(random.bytes(kKeySize)) {}
  Digest operator()(CK_ATTRIBUTE_TYPE type, ByteView value) const;

 private:
  static constexpr std::size_t kKeySize = 16;
  Bytes key_;
};

/// Which objects have an attribute: 16 bytes an entry, in order. What comes in waits in a small tree until it is worth
/// the merge.
class DigestIndex {
 public:
  void insert(Digest digest, CK_OBJECT_HANDLE object);
  void erase(Digest digest, CK_OBJECT_HANDLE object);

  /// Ascending.
  std::vector<CK_OBJECT_HANDLE> find(Digest digest) const;

 private:
  struct Entry {
    Digest digest;
    CK_OBJECT_HANDLE object;
    auto operator<=>(const Entry&) const = default;
  };

  void merge_if_worth_it();

  std::vector<Entry> sorted_;
  std::set<Entry> recent_;
  std::set<Entry> gone_;  ///< of sorted_
};

}  // namespace sks::token
