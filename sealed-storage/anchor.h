#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "sealed-storage/record.h"

/// What remembers outside of a store's folder how far the store has come, so that an older copy of the whole store is
/// noticed. Spec: spec/sealed-record.md chapter 10.
namespace sks::sealed {

/// The anchor of one store: a number that only grows.
class Anchor {
 public:
  virtual ~Anchor() = default;

  /// The epoch that is remembered. Fails with not_available when the place is out of reach or holds nothing, crypto
  /// when what it holds is damaged or of another store.
  virtual Result<std::uint64_t> read() = 0;

  /// Remembers `epoch`, which is one above the epoch so far; durable when this returns. Fails as read(), or with
  /// storage.
  virtual Result<void> advance(std::uint64_t epoch) = 0;

  /// Removes from the place what was made for this store. Nothing to remove is no failure.
  virtual Result<void> remove() = 0;
};

/// What an anchor knows of its store.
struct AnchorContext {
  StoreId store_id;
  ByteView key;              ///< kAnchorKeySize bytes that only this store can derive
  const std::string& store;  ///< the store's folder, for messages
  // For a new anchor of a store that is there already:
  std::uint64_t generation = 0;  ///< above every epoch that the store has had
  std::uint64_t epoch = 0;       ///< that it has now
  ByteView parameters = {};      ///< of its anchor so far, when that is of the same kind
};

/// An anchor that was just made.
struct NewAnchor {
  Bytes parameters;     ///< for open(); the store keeps them sealed; at most kMaxAnchorParameters
  std::uint64_t epoch;  ///< that it remembers, at least 1, and above every epoch that the store has had
};
inline constexpr std::size_t kMaxAnchorParameters = 4096;

/// A way to anchor a store: a row of the table of anchors. Another way is another row.
struct AnchorKind {
  std::uint8_t number;    ///< in the store
  std::string_view name;  ///< as people choose it
  bool takes_place;       ///< whether people say where: "name:PLACE"
  /// Makes one. `place` is empty unless takes_place. Fails with option (an unusable place), not_available or storage.
  Result<NewAnchor> (*create)(const std::string& place, const AnchorContext& context);
  /// Fails with crypto when the parameters are malformed. The context must outlive the anchor.
  Result<std::unique_ptr<Anchor>> (*open)(ByteView parameters, const AnchorContext& context);
};

std::span<const AnchorKind> anchor_kinds();
/// Null when there is none of this number.
const AnchorKind* find_anchor_kind(std::uint64_t number);

/// What somebody chose for a store.
struct AnchorChoice {
  const AnchorKind* kind = nullptr;  ///< null: no anchor
  std::string place;
};
/// "none", the name of a kind, or "name:PLACE" for one that takes a place. Fails with option.
Result<AnchorChoice> parse_anchor(std::string_view text);
/// The same backwards, for people.
std::string to_string(const AnchorChoice& choice);

}  // namespace sks::sealed
