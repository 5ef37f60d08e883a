#include "sealed-storage/tpm2/sealed_part.h"

#include <algorithm>

#include "sks-core/base/byte_writer.h"

namespace sks::sealed {
namespace {

constexpr std::uint8_t kPartVersion = 1;
constexpr std::uint16_t kSha256 = 0x000B;         // TPM_ALG_SHA256
constexpr std::uint32_t kPolicyPcr = 0x0000017F;  // TPM_CC_PolicyPCR
constexpr std::uint8_t kSelectionSize = kPcrCount / 8;

/// Takes bytes from the front. Too few are no mistake of the caller: `failed` says so.
class Front {
 public:
  explicit Front(ByteView bytes) : rest_(bytes) {}

  template <std::size_t Size>
  std::array<std::uint8_t, Size> take() {
    std::array<std::uint8_t, Size> out{};
    failed_ = failed_ || rest_.size() < Size;
    if (failed_) return out;
    std::ranges::copy(rest_.first(Size), out.begin());
    rest_ = rest_.subspan(Size);
    return out;
  }
  ByteView rest() const { return rest_; }
  bool failed() const { return failed_; }

 private:
  ByteView rest_;
  bool failed_ = false;
};

/// pcrSelect of TPMS_PCR_SELECTION: register n is bit n mod 8 of byte n div 8.
std::array<std::uint8_t, kSelectionSize> bitmap(PcrSelection pcrs) {
  return {static_cast<std::uint8_t>(pcrs), static_cast<std::uint8_t>(pcrs >> 8), static_cast<std::uint8_t>(pcrs >> 16)};
}

PcrSelection selection(const std::array<std::uint8_t, kSelectionSize>& bits) {
  return bits[0] | PcrSelection{bits[1]} << 8 | PcrSelection{bits[2]} << 16;
}

}  // namespace

Bytes encode_sealed_part(const SealedPart& part) {
  SKS_CHECK(part.pcr_values.size() == pcrs_of(part.pcrs).size());
  SKS_CHECK(!part.sealed.empty() && part.sealed.size() <= kMaxSealed);
  ByteWriter out;
  out.u8(kPartVersion).raw(part.storage_key).raw(bitmap(part.pcrs));
  for (const crypto::Sha256Digest& value : part.pcr_values) out.raw(value);
  return out.raw(part.unique).raw(part.sealed).take();
}

Result<SealedPart> decode_sealed_part(ByteView bytes) {
  const Error malformed{Status::crypto, "the sealed key is malformed"};
  Front front(bytes);
  if (front.take<1>()[0] != kPartVersion) return malformed;
  SealedPart part;
  part.storage_key = front.take<kTpmNameSize>();
  part.pcrs = selection(front.take<kSelectionSize>());
  for (std::size_t count = pcrs_of(part.pcrs).size(); count > 0; --count)
    part.pcr_values.push_back(front.take<crypto::kSha256Size>());
  part.unique = front.take<crypto::kSha256Size>();
  if (front.failed() || front.rest().empty() || front.rest().size() > kMaxSealed) return malformed;
  part.sealed = to_bytes(front.rest());
  return part;
}

crypto::Sha256Digest pcr_digest(const SealedPart& part) {
  ByteWriter values;
  for (const crypto::Sha256Digest& value : part.pcr_values) values.raw(value);
  return crypto::sha256(values.view());
}

Bytes pcr_policy(const SealedPart& part) {
  if (part.pcrs == 0) return {};
  const crypto::Sha256Digest no_policy_before{};
  ByteWriter policy;
  policy.raw(no_policy_before).u32(kPolicyPcr);
  policy.u32(1).u16(kSha256).u8(kSelectionSize).raw(bitmap(part.pcrs));  // TPML_PCR_SELECTION of one bank
  const crypto::Sha256Digest digest = crypto::sha256(policy.raw(pcr_digest(part)).view());
  return to_bytes(digest);
}

}  // namespace sks::sealed
