#include "sealed-storage/store_anchor.h"

#include "sealed-storage/cbor.h"

namespace sks::sealed {
namespace {

constexpr std::uint64_t kNumberKey = 1;
constexpr std::uint64_t kParametersKey = 2;
constexpr std::size_t kHeads = 32;

/// A commit that cannot reach the anchor has failed like one that cannot reach the disk.
Error cannot_move(const Error& error) {
  return Error{Status::storage, "the anchor cannot be moved on: " + error.detail};
}

}  // namespace

SecureBytes AnchorRecord::encode() const {
  CborWriter out(kHeads + parameters.size());
  out.map(2).uint(kNumberKey).uint(number).uint(kParametersKey).bytes(parameters);
  return std::move(out).take();
}

Result<AnchorRecord> AnchorRecord::decode(ByteView plaintext) {
  CborReader in(plaintext);
  AnchorRecord record;
  in.expect_map(2);
  in.expect_uint(kNumberKey);
  record.number = in.uint();
  in.expect_uint(kParametersKey);
  const ByteView parameters = in.bytes();
  if (!in.finish() || parameters.size() > kMaxAnchorParameters)
    return Error{Status::crypto, "what the key store remembers of its anchor is malformed"};
  record.parameters = to_bytes(parameters);
  return record;
}

AnchorState compare_epochs(std::uint64_t of_store, std::uint64_t remembered) {
  // A commit becomes durable in the store first: a crash can keep one from the anchor, and never more.
  if (of_store == remembered || of_store - 1 == remembered) return AnchorState::agrees;
  return of_store < remembered ? AnchorState::rolled_back : AnchorState::behind;
}

Result<StoreAnchor> StoreAnchor::open(const AnchorRecord& record, const StoreId& store_id, SecureBytes key,
                                      std::string store) {
  const AnchorKind* const kind = find_anchor_kind(record.number);
  if (kind == nullptr)
    return Error{Status::crypto,
                 "the key store in " + store + " has an anchor of a kind that this program does not know"};
  StoreAnchor opened;
  opened.parts_ = std::unique_ptr<Parts>(new Parts{std::move(key), std::move(store), nullptr, nullptr});
  Parts& parts = *opened.parts_;
  parts.context.reset(new AnchorContext{store_id, parts.key.view(), parts.store});
  SKS_LET(parts.anchor, kind->open(record.parameters, *parts.context));
  return opened;
}

Result<AnchorState> StoreAnchor::compare(std::uint64_t epoch) {
  if (parts_ == nullptr) return AnchorState::none;
  SKS_LET(const std::uint64_t remembered, parts_->anchor->read());
  return compare_epochs(epoch, remembered);
}

Result<void> StoreAnchor::check(std::uint64_t epoch) {
  if (parts_ == nullptr) return {};
  SKS_LET(const std::uint64_t remembered, parts_->anchor->read());
  switch (compare_epochs(epoch, remembered)) {
    case AnchorState::none:
    case AnchorState::agrees:
      return {};
    case AnchorState::rolled_back:
      return Error{Status::crypto, "the key store in " + parts_->store +
                                       " was put back to an earlier state: it is at epoch " + std::to_string(epoch) +
                                       ", and its anchor remembers epoch " + std::to_string(remembered)};
    case AnchorState::behind:
      return Error{Status::crypto, "the anchor of the key store in " + parts_->store +
                                       " was put back: it remembers epoch " + std::to_string(remembered) +
                                       ", and the store is at epoch " + std::to_string(epoch)};
  }
  SKS_CHECK(false);
}

Result<void> StoreAnchor::prepare(std::uint64_t epoch) {
  const Result<std::uint64_t> now = parts_->anchor->read();
  if (!now) return cannot_move(now.error());
  if (*now == epoch) return {};
  if (*now + 1 == epoch) return move_to(epoch);
  return cannot_move({Status::storage, "something else than this key store has changed it"});
}

Result<void> StoreAnchor::advance(std::uint64_t epoch) {
  SKS_TRY(move_to(epoch));
  moved_ = true;
  return {};
}

Result<void> StoreAnchor::move_to(std::uint64_t epoch) {
  if (Result<void> moved = parts_->anchor->advance(epoch); !moved) {
    moved_ = false;  // the next commit of any kind makes up for it
    return cannot_move(moved.error());
  }
  return {};
}

}  // namespace sks::sealed
