#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

namespace sks {

/// What a record holds. The numbers are part of the stored format (spec/sealed-record.md).
enum class RecordKind : std::uint8_t {
  counters = 1,      ///< next free handles; handle 0
  session = 2,       ///< provisioning session
  key = 3,           ///< key entry without its secret
  key_material = 4,  ///< PKCS#8 of a private key, or the bytes of a symmetric key
  pin_policy = 5,
  puk_policy = 6,  ///< with PUK value and error count
  pin_group = 7,   ///< PIN value and error count shared by the keys of one group
  extension = 8,   ///< content of one extension of a key
  directory = 9,   ///< page of rows about the objects above; handle: kind and page number
  note = 10,       ///< what a service has written down about keys: sks-core/engine/key_notes.h
};

struct RecordId {
  RecordKind kind;
  std::uint32_t handle;
  auto operator<=>(const RecordId&) const = default;
};

/// Tells a record from what it was before: each write of it gives it another mark, which nobody can foresee. Marks are
/// the same after a restart.
using RecordMark = std::uint64_t;

/// Where the engine keeps its records: a port, implemented by sealed-storage and by integrators with memory of their
/// own.
///
/// Confidentiality, integrity and atomic commits are the implementation's duty. One transaction at a time; calls come
/// from one thread at a time, but for make_durable(). Failures are storage, except where a method says otherwise.
///
/// Commits become durable in the order in which they were made: a commit that is durable has made all earlier ones so.
class Storage {
 public:
  /// A Transaction sees its own writes and hides them from others. Destroying it without commit() discards them.
  class Transaction {
   public:
    virtual ~Transaction() = default;
    virtual Result<std::optional<SecureBytes>> get(RecordId id) = 0;
    virtual Result<void> put(RecordId id, ByteView value) = 0;
    virtual Result<void> erase(RecordId id) = 0;  ///< Erasing an absent record succeeds.
    /// Visits every record of a kind in ascending handle order; stops at the first error and returns it.
    virtual Result<void> scan(RecordKind kind,
                              const std::function<Result<void>(std::uint32_t handle, ByteView value)>& visit) = 0;
    /// What this transaction writes must hold for good, such as a PIN attempt that was paid for: a storage that can
    /// tell when an earlier copy of it is put back sees to it that this is told.
    virtual void forbid_return() {}
    /// Makes all writes durable, or none of them; after begin_shared() it only makes them visible to later
    /// transactions, or none of them. After an error only destruction is allowed.
    virtual Result<void> commit() = 0;
  };

  virtual ~Storage() = default;
  virtual Result<std::unique_ptr<Transaction>> begin() = 0;
  /// As begin(), for a commit that need not be durable before make_durable(), so that several share the wait for the
  /// medium. It is told at the beginning since SQLite wants to know before a transaction. A power cut takes back the
  /// last of such commits, from some point on and each as a whole.
  virtual Result<std::unique_ptr<Transaction>> begin_shared() { return begin(); }
  /// Returns when all commits that were made before the call are durable. Any number of threads may call it at any
  /// time, also while another one is in a transaction. After a failure the medium may hold any number of them, in
  /// their order; they stay visible, and no later commit succeeds unless they have become durable after all.
  virtual Result<void> make_durable() { return {}; }
  /// Visits the mark of every record of a kind in ascending handle order, without reading the records; not while there
  /// is a transaction. False, and nothing is visited: this storage has no marks. Fails with storage or crypto.
  virtual Result<bool> visit_marks(RecordKind /*kind*/,
                                   const std::function<void(std::uint32_t handle, RecordMark mark)>& /*visit*/) {
    return false;
  }
  /// The mark of one record. None: this storage has no marks, or not this record. Fails as visit_marks().
  virtual Result<std::optional<RecordMark>> mark(RecordId /*id*/) { return std::optional<RecordMark>(); }
  /// Gives up space that was set aside for a full medium, so that a commit that only erases can go through. Returns
  /// whether there was some. An aborted session must be gone even when the disk is full.
  virtual bool make_room() { return false; }
};

}  // namespace sks
