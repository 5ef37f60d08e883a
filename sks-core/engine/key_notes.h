#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "sks-core/base/bytes.h"
#include "sks-core/base/ids.h"
#include "sks-core/base/result.h"

namespace sks {

/// Tells whether a key is still as it was: a change of the key, or of one of its extensions, gives it another mark.
/// What marks are like is the storage's business; they hold over restarts.
using KeyMark = std::uint64_t;

/// A key of a closed session.
struct MarkedKey {
  KeyHandle key;
  ProvisioningHandle session;
  KeyMark mark = 0;
};

/// What a service writes down about the keys of its store, so that it need not look at each of them when it starts
/// again: notes in the store's own records, and marks that tell which of them are still right. Not part of the SKS API.
///
/// A note is a record like all others: it cannot be altered, exchanged or put back by itself. That it is right about a
/// key is known from the key's mark alone, which the writer has asked for before it looked at the key.
class KeyNotes {
 public:
  virtual ~KeyNotes() = default;

  /// All of them, in ascending order. None when the storage has no marks: then notes are of no use. Fails with storage
  /// or crypto.
  virtual Result<std::optional<std::vector<MarkedKey>>> marked_keys() = 0;
  /// None when the storage has no marks, or there is no such key. Fails as marked_keys().
  virtual Result<std::optional<KeyMark>> key_mark(KeyHandle key) = 0;

  /// Visits every note by ascending number. The visitor must not ask the key store for anything. Fails with storage or
  /// crypto.
  virtual Result<void> visit_notes(const std::function<void(std::uint32_t number, ByteView note)>& visit) = 0;
  /// Replaces notes, and erases those that are empty here; all of them or none. Fails with storage.
  virtual Result<void> write_notes(const std::map<std::uint32_t, SecureBytes>& notes) = 0;
};

}  // namespace sks
