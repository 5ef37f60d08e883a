#pragma once

#include <array>
#include <vector>

#include "sealed-storage/tpm2/pcr_selection.h"
#include "sks-core/base/bytes.h"
#include "sks-core/crypto/hash.h"

namespace sks::sealed {

/// Type and SHA-256 digest of an object's public area (TPM 2.0 part 1, chapter "Names").
inline constexpr std::size_t kTpmNameSize = 2 + crypto::kSha256Size;
using TpmName = std::array<std::uint8_t, kTpmNameSize>;

/// Provider 3's part of a master key file: what a TPM needs to open it again, and nothing secret.
/// Spec: spec/sealed-record.md chapter 2.3.
struct SealedPart {
  TpmName storage_key{};
  PcrSelection pcrs = 0;
  std::vector<crypto::Sha256Digest> pcr_values;  ///< that the key is sealed to, one for each of `pcrs`, ascending
  crypto::Sha256Digest unique{};                 ///< of the sealed object's public area
  Bytes sealed;                                  ///< its private area, 1 to kMaxSealed bytes
};
inline constexpr std::size_t kMaxSealed = 1024;

Bytes encode_sealed_part(const SealedPart& part);
/// Fails with crypto when these are not the bytes of such a part. That they are those that were written is for the TPM
/// to say.
Result<SealedPart> decode_sealed_part(ByteView bytes);

/// The policy of the sealed object: TPM2_PolicyPCR over `pcr_values` and nothing else. Empty without registers.
Bytes pcr_policy(const SealedPart& part);

/// The digest over the values one after the other, as TPM2_PolicyPCR takes it.
crypto::Sha256Digest pcr_digest(const SealedPart& part);

}  // namespace sks::sealed
