#include "sealed-storage/tpm2/counter.h"

#include <algorithm>
#include <array>
#include <optional>

#include "sealed-storage/tpm2/storage_key.h"
#include "sks-core/base/byte_reader.h"
#include "sks-core/base/byte_writer.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/mac.h"

namespace sks::sealed {
namespace {

using tpm2::Device;
using tpm2::Handle;
using tpm2::Owned;

/// The indices that are for the owner of a TPM to give out (TCG Registry of Reserved TPM 2.0 Handles and Localities).
constexpr TPM2_HANDLE kFirstIndex = 0x01800000;
constexpr TPM2_HANDLE kLastIndex = 0x01BFFFFF;
constexpr int kMaxDraws = 16;

constexpr std::uint16_t kCounterSize = 8;
constexpr std::string_view kPurpose = "OpenSKS TPM counter";

TPMS_NV_PUBLIC public_area(TPM2_HANDLE index) {
  TPMS_NV_PUBLIC area{};
  area.nvIndex = index;
  area.nameAlg = TPM2_ALG_SHA256;
  area.attributes = TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA | TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT;
  area.dataSize = kCounterSize;
  return area;
}

/// The name that the counter has once it was incremented.
TpmName expected_name(TPM2_HANDLE index) {
  const TPMS_NV_PUBLIC area = public_area(index);
  constexpr std::uint16_t kNoPolicy = 0;
  ByteWriter out;
  out.u32(area.nvIndex).u16(area.nameAlg).u32(area.attributes | TPMA_NV_WRITTEN).u16(kNoPolicy).u16(area.dataSize);
  TpmName name{TPM2_ALG_SHA256 >> 8, TPM2_ALG_SHA256 & 0xFF};
  std::ranges::copy(crypto::sha256(out.view()), name.begin() + 2);
  return name;
}

/// What authorizes reading and incrementing. A TPM drops zeros from the end of such a value: there are none.
SecureBytes authorization(TPM2_HANDLE index, const AnchorContext& context) {
  ByteWriter info;
  info.raw(as_bytes(kPurpose)).u32(index);
  SecureBytes value = crypto::hkdf_sha256(context.key, context.store_id, info.view(), crypto::kSha256Size);
  value.data()[value.size() - 1] |= 1U;
  return value;
}

/// The value as the TPM takes it, overwritten in the end.
class TpmAuth {
 public:
  explicit TpmAuth(const SecureBytes& value) {
    SKS_CHECK(value.size() <= sizeof auth_.buffer);
    auth_.size = static_cast<UINT16>(value.size());
    std::ranges::copy(value.view(), auth_.buffer);
  }
  TpmAuth(const TpmAuth&) = delete;
  TpmAuth& operator=(const TpmAuth&) = delete;
  ~TpmAuth() { cleanse({auth_.buffer, sizeof auth_.buffer}); }

  const TPM2B_AUTH* get() const { return &auth_; }

 private:
  TPM2B_AUTH auth_{};
};

/// The object that stands for an index in this process. It takes up nothing in the TPM.
class IndexHandle {
 public:
  explicit IndexHandle(const Device& device) : esys_(device.esys()) {}
  IndexHandle(IndexHandle&& other) noexcept : esys_(other.esys_), object_(std::exchange(other.object_, ESYS_TR_NONE)) {}
  IndexHandle& operator=(IndexHandle&&) = delete;
  ~IndexHandle() {
    if (object_ != ESYS_TR_NONE) Esys_TR_Close(esys_, &object_);
  }

  ESYS_TR get() const { return object_; }
  ESYS_TR* out() { return &object_; }

 private:
  ESYS_CONTEXT* esys_;
  ESYS_TR object_ = ESYS_TR_NONE;
};

/// A counter of a TPM, ready for use. Destroyed from the end.
struct Access {
  Device device;
  IndexHandle index;
  Handle session;
};

class TpmCounter final : public Anchor {
 public:
  TpmCounter(TPM2_HANDLE index, const AnchorContext& context)
      : index_(index), authorization_(authorization(index, context)), store_(context.store) {}

  /// Makes the counter in the TPM. False when the index is taken.
  Result<bool> define() const;
  /// The first increment, without which a counter has no value; gives that.
  Result<std::uint64_t> start() const;

  Result<std::uint64_t> read() override;
  Result<void> advance(std::uint64_t epoch) override;
  Result<void> remove() override;

 private:
  std::string name() const { return "the TPM's counter of the key store in " + store_; }
  Error foreign() const { return {Status::crypto, name() + " was replaced by another one"}; }
  Error failure(const std::string& what, TSS2_RC code) const;

  Result<std::optional<Access>> find() const;
  Result<Access> open() const;
  Result<void> increment(const Access& access) const;
  Result<std::uint64_t> value(const Access& access) const;

  TPM2_HANDLE index_;
  SecureBytes authorization_;
  std::string store_;
};

Result<bool> TpmCounter::define() const {
  SKS_LET(const Device device, Device::open());
  SKS_LET(const tpm2::StorageKey key, tpm2::StorageKey::create(device));
  SKS_LET(const Handle session, tpm2::start_session(device, key.handle(), TPM2_SE_HMAC, TPMA_SESSION_DECRYPT));
  TPM2B_NV_PUBLIC area{};
  area.nvPublic = public_area(index_);
  const TpmAuth secret(authorization_);
  IndexHandle made(device);
  const TSS2_RC code = tpm2::run([&] {
    return Esys_NV_DefineSpace(device.esys(), ESYS_TR_RH_OWNER, session.get(), ESYS_TR_NONE, ESYS_TR_NONE, secret.get(),
                               &area, made.out());
  });
  if (code == TPM2_RC_NV_DEFINED) return false;
  if (code != TSS2_RC_SUCCESS) return tpm2::tpm_error("make a counter in the TPM", code);
  return true;
}

Result<std::uint64_t> TpmCounter::start() const {
  SKS_LET(const std::optional<Access> access, find());
  if (!access) return Error{Status::storage, name() + " went away while it was made"};
  SKS_TRY(increment(*access));
  return value(*access);
}

Result<std::uint64_t> TpmCounter::read() {
  SKS_LET(const Access access, open());
  return value(access);
}

Result<void> TpmCounter::advance(std::uint64_t epoch) {
  SKS_LET(const Access access, open());
  // An increment whose answer was lost has been made, and a second one could not be taken back.
  SKS_LET(std::uint64_t now, value(access));
  if (now + 1 == epoch) {
    SKS_TRY(increment(access));
    SKS_LET(now, value(access));
  }
  if (now == epoch) return {};
  return Error{Status::crypto, name() + " is at " + std::to_string(now) + " and not at " + std::to_string(epoch)};
}

Result<void> TpmCounter::remove() {
  SKS_LET(const std::optional<Access> access, find());
  if (!access) return {};
  const Result<std::uint64_t> own = value(*access);
  if (!own && own.error().status == Status::crypto) return {};  // somebody else's, and not ours to remove
  const ESYS_TR index = access->index.get();
  const TSS2_RC code = tpm2::run([&] {
    return Esys_NV_UndefineSpace(access->device.esys(), ESYS_TR_RH_OWNER, index, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                 ESYS_TR_NONE);
  });
  if (code != TSS2_RC_SUCCESS) return tpm2::tpm_error("remove the key store's counter from the TPM", code);
  return {};
}

/// Whoever may define indices can put one of the same name there, but does not know the authorization.
Error TpmCounter::failure(const std::string& what, TSS2_RC code) const {
  const TSS2_RC kind = tpm2::kind_of(code);
  if (kind == TPM2_RC_BAD_AUTH || kind == TPM2_RC_AUTH_FAIL) return foreign();
  return tpm2::tpm_error(what + " " + name(), code);
}

/// Nothing when the TPM has no such index.
Result<std::optional<Access>> TpmCounter::find() const {
  SKS_LET(Device device, Device::open());
  IndexHandle index(device);
  const TSS2_RC code = tpm2::run([&] {
    return Esys_TR_FromTPMPublic(device.esys(), index_, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, index.out());
  });
  if (tpm2::kind_of(code) == TPM2_RC_HANDLE) return std::optional<Access>();
  if (code != TSS2_RC_SUCCESS) return failure("find", code);
  const TpmAuth secret(authorization_);
  if (const TSS2_RC set = Esys_TR_SetAuth(device.esys(), index.get(), secret.get()); set != TSS2_RC_SUCCESS)
    return failure("use", set);
  SKS_LET(Handle session, tpm2::start_session(device, ESYS_TR_NONE, TPM2_SE_HMAC, 0));
  return std::optional<Access>(Access{std::move(device), std::move(index), std::move(session)});
}

Result<Access> TpmCounter::open() const {
  SKS_LET(std::optional<Access> access, find());
  if (!access) {
    return Error{Status::not_available,
                 name() + " is not there: it was removed, or this is another TPM, or the TPM was cleared"};
  }
  SKS_LET(const TpmName found, tpm2::name_of(access->device, access->index.get()));
  if (found != expected_name(index_)) return foreign();
  return std::move(*access);
}

Result<void> TpmCounter::increment(const Access& access) const {
  const TSS2_RC code = tpm2::run([&] {
    return Esys_NV_Increment(access.device.esys(), access.index.get(), access.index.get(), access.session.get(),
                             ESYS_TR_NONE, ESYS_TR_NONE);
  });
  if (code != TSS2_RC_SUCCESS) return failure("increment", code);
  return {};
}

Result<std::uint64_t> TpmCounter::value(const Access& access) const {
  TPM2B_MAX_NV_BUFFER* raw = nullptr;
  const TSS2_RC code = tpm2::run([&] {
    return Esys_NV_Read(access.device.esys(), access.index.get(), access.index.get(), access.session.get(),
                        ESYS_TR_NONE, ESYS_TR_NONE, kCounterSize, 0, &raw);
  });
  if (code != TSS2_RC_SUCCESS) return failure("read", code);
  const Owned<TPM2B_MAX_NV_BUFFER> data(raw);
  ByteReader reader({data->buffer, data->size});
  const std::uint64_t number = reader.u64();
  if (!reader.finish()) return foreign();
  return number;
}

/// An index out of the owner's range that is free as far as anybody knows.
TPM2_HANDLE draw_index() {
  std::array<std::uint8_t, 4> bytes{};
  system_random().fill(bytes);
  const std::uint32_t number = ByteReader(bytes).u32();
  return kFirstIndex + number % (kLastIndex - kFirstIndex + 1);
}

}  // namespace

Result<NewAnchor> create_tpm_counter(const std::string& /*place*/, const AnchorContext& context) {
  for (int draws = 0; draws < kMaxDraws; ++draws) {
    const TPM2_HANDLE index = draw_index();
    TpmCounter counter(index, context);
    SKS_LET(const bool defined, counter.define());
    if (!defined) continue;
    Result<std::uint64_t> epoch = counter.start();
    if (epoch) return NewAnchor{ByteWriter().u32(index).take(), *epoch};
    static_cast<void>(counter.remove());
    return std::move(epoch).error();
  }
  return Error{Status::storage, "cannot make a counter in the TPM: it has no free index"};
}

Result<std::unique_ptr<Anchor>> open_tpm_counter(ByteView parameters, const AnchorContext& context) {
  ByteReader reader(parameters);
  const std::uint32_t index = reader.u32();
  if (!reader.finish() || index < kFirstIndex || index > kLastIndex)
    return Error{Status::crypto,
                 "the key store in " + context.store + " names its counter in the TPM in an unknown form"};
  return std::unique_ptr<Anchor>(std::make_unique<TpmCounter>(index, context));
}

}  // namespace sks::sealed
