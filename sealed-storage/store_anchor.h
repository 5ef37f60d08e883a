#pragma once

#include <memory>
#include <optional>

#include "sealed-storage/anchor.h"

/// The two numbers that must not drift apart: the epoch in the root of a store, and the one that its anchor remembers.
/// Spec: spec/sealed-record.md chapter 10.
namespace sks::sealed {

/// How the epochs of a store and its anchor relate.
enum class AnchorState : std::uint8_t {
  none,         ///< the store has no anchor
  agrees,       ///< or a commit has not reached the anchor yet
  rolled_back,  ///< the anchor knows a later state of the store
  behind,       ///< the anchor was put back, or is not the one that the store knew
};

/// What a store remembers of its anchor: the record of kind 130.
struct AnchorRecord {
  std::uint64_t number = 0;  ///< of the kind
  Bytes parameters;

  bool operator==(const AnchorRecord&) const = default;
  SecureBytes encode() const;
  /// Fails with crypto.
  static Result<AnchorRecord> decode(ByteView plaintext);
};

AnchorState compare_epochs(std::uint64_t of_store, std::uint64_t remembered);

/// The anchor of an open store. Without one, nothing is ever due.
class StoreAnchor {
 public:
  StoreAnchor() = default;

  /// `key` as AnchorContext::key. Fails with crypto when the kind is not known or the parameters are malformed.
  static Result<StoreAnchor> open(const AnchorRecord& record, const StoreId& store_id, SecureBytes key,
                                  std::string store);

  explicit operator bool() const { return parts_ != nullptr; }

  /// Asks the anchor and compares. Fails with crypto when the store was put back to an earlier state or the anchor was,
  /// or as Anchor::read.
  Result<void> check(std::uint64_t epoch);
  /// The same without a judgement. Fails as Anchor::read.
  Result<AnchorState> compare(std::uint64_t epoch);

  /// Whether the next commit starts a new epoch even if nothing in it asks for that: the first one since the store was
  /// opened does.
  bool due() const { return parts_ != nullptr && !moved_; }
  /// Before a root of the epoch after `epoch` is written: brings the anchor up to `epoch`. An anchor that cannot be
  /// asked keeps the commit from being made, so that no PIN attempt is paid for that nobody will judge. Fails with
  /// storage.
  Result<void> prepare(std::uint64_t epoch);
  /// After the root of `epoch` has become durable. Fails with storage.
  Result<void> advance(std::uint64_t epoch);

  Result<void> remove() { return parts_ == nullptr ? Result<void>() : parts_->anchor->remove(); }

 private:
  Result<void> move_to(std::uint64_t epoch);

  // What the anchor refers to, at an address of its own.
  struct Parts {
    SecureBytes key;
    std::string store;
    std::unique_ptr<AnchorContext> context;
    std::unique_ptr<Anchor> anchor;
  };
  std::unique_ptr<Parts> parts_;
  bool moved_ = false;
};

}  // namespace sks::sealed
