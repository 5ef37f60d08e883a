#pragma once

#include <array>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"
#include "sks-core/crypto/mac.h"

/// The sealed record, without I/O. Spec: spec/sealed-record.md chapters 3 to 7.
namespace sks::sealed {

inline constexpr std::uint32_t kFormatVersion = 3;
inline constexpr std::uint8_t kIdentityKind = 128;
inline constexpr std::uint8_t kRootKind = 129;
inline constexpr std::uint8_t kAnchorKind = 130;
inline constexpr std::size_t kMaxValue = std::size_t{4} << 20;
inline constexpr std::size_t kMaxIdentityPart = 16384;
inline constexpr std::size_t kMaxPathLength = 10;

inline constexpr std::size_t kStoreIdSize = 16;
inline constexpr std::size_t kMasterKeySize = 32;
inline constexpr std::size_t kKeyCheckSize = 32;
inline constexpr std::size_t kTreeKeySize = 32;
inline constexpr std::size_t kAnchorKeySize = 32;
using StoreId = std::array<std::uint8_t, kStoreIdSize>;

/// Where a record belongs: what its seal is bound to, beside the store.
struct RecordLabel {
  std::uint8_t kind;
  std::uint32_t handle;
  std::uint64_t generation;
};

/// Seals and opens the records of one store.
class RecordSealer {
 public:
  /// `master_key` has kMasterKeySize bytes. Records of another format version do not open.
  RecordSealer(ByteView master_key, StoreId store_id, std::uint32_t version = kFormatVersion);

  /// What tells this master key from others: chapter 3.
  SecureBytes key_check() const;
  /// The key of the tree over all seals, 32 bytes: chapter 8.
  SecureBytes tree_key() const;
  /// What an anchor knows this store by, 32 bytes: chapter 10.
  SecureBytes anchor_key() const;

  /// `nonce` is fresh random, 12 bytes.
  Bytes seal(RecordLabel label, ByteView nonce, ByteView plaintext) const;

  /// Fails with crypto when the record was altered or belongs elsewhere; the sentence names the record.
  Result<SecureBytes> open(RecordLabel label, ByteView sealed) const;

 private:
  SecureBytes record_key(RecordLabel label) const;

  crypto::HkdfSha256 keys_;  ///< of the master key and the store's id
  StoreId store_id_;
  std::uint32_t version_;
};

/// The plaintext of the engine's kinds. The value has at most kMaxValue bytes.
SecureBytes encode_value(ByteView value);
/// A view into `plaintext`. Fails with crypto.
Result<ByteView> decode_value(ByteView plaintext);

struct IdentityView {
  std::vector<ByteView> certificate_path;
  ByteView private_key;
};

/// The plaintext of the device identity. Fails with option when a part is missing or too large.
Result<SecureBytes> encode_identity(const IdentityView& identity);
/// Views into `plaintext`. Fails with crypto.
Result<IdentityView> decode_identity(ByteView plaintext);

}  // namespace sks::sealed
