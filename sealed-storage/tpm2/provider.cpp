#include "sealed-storage/tpm2/provider.h"

#include <algorithm>

#include "sealed-storage/record.h"
#include "sealed-storage/tpm2/registers.h"
#include "sealed-storage/tpm2/storage_key.h"

namespace sks::sealed {
namespace {

using tpm2::Device;
using tpm2::Handle;
using tpm2::Owned;
using tpm2::StorageKey;

constexpr const char* kSeal = "seal the master key with the TPM";
constexpr const char* kOpen = "open the master key with the TPM";

/// The public area of the sealed object, all but what the TPM computes. With registers there is no way to use or change
/// the object but the policy.
TPM2B_PUBLIC public_area(const SealedPart& part) {
  TPM2B_PUBLIC result{};
  TPMT_PUBLIC& area = result.publicArea;
  area.type = TPM2_ALG_KEYEDHASH;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA;
  area.objectAttributes |= part.pcrs == 0 ? TPMA_OBJECT_USERWITHAUTH : TPMA_OBJECT_ADMINWITHPOLICY;
  area.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL;
  const Bytes policy = pcr_policy(part);
  area.authPolicy.size = static_cast<UINT16>(policy.size());
  std::ranges::copy(policy, area.authPolicy.buffer);
  return result;
}

/// A session whose secret only this TPM learns.
Result<Handle> session_for(const Device& device, const StorageKey& parent, TPMA_SESSION attributes,
                           TPM2_SE type = TPM2_SE_HMAC) {
  return tpm2::start_session(device, parent.handle(), type, attributes);
}

/// The sensitive area with the master key in it, which is overwritten in the end.
class Sensitive {
 public:
  explicit Sensitive(ByteView secret) {
    SKS_CHECK(secret.size() <= sizeof area_.sensitive.data.buffer);
    area_.sensitive.data.size = static_cast<UINT16>(secret.size());
    std::ranges::copy(secret, area_.sensitive.data.buffer);
  }
  Sensitive(const Sensitive&) = delete;
  Sensitive& operator=(const Sensitive&) = delete;
  ~Sensitive() { cleanse({area_.sensitive.data.buffer, sizeof area_.sensitive.data.buffer}); }

  const TPM2B_SENSITIVE_CREATE* get() const { return &area_; }

 private:
  TPM2B_SENSITIVE_CREATE area_{};
};

/// Fills in what the TPM makes of the master key.
Result<void> create_object(const Device& device, const StorageKey& parent, ByteView master_key, SealedPart& part) {
  SKS_LET(const Handle session, session_for(device, parent, TPMA_SESSION_DECRYPT));
  const Sensitive sensitive(master_key);
  const TPM2B_PUBLIC wanted = public_area(part);
  const TPM2B_DATA nothing_outside{};
  const TPML_PCR_SELECTION no_pcrs{};
  TPM2B_PRIVATE* raw_private = nullptr;
  TPM2B_PUBLIC* raw_public = nullptr;
  const TSS2_RC code = tpm2::run([&] {
    return Esys_Create(device.esys(), parent.handle(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, sensitive.get(),
                       &wanted, &nothing_outside, &no_pcrs, &raw_private, &raw_public, nullptr, nullptr, nullptr);
  });
  if (code != TSS2_RC_SUCCESS) return tpm2::tpm_error(kSeal, code);
  const Owned<TPM2B_PRIVATE> made(raw_private);
  const Owned<TPM2B_PUBLIC> area(raw_public);
  const TPM2B_DIGEST& unique = area->publicArea.unique.keyedHash;
  if (unique.size != part.unique.size() || made->size == 0 || made->size > kMaxSealed)
    return Error{Status::not_available, std::string("cannot ") + kSeal + ": what it makes of it has an unknown form"};
  std::copy_n(unique.buffer, part.unique.size(), part.unique.begin());
  part.sealed.assign(made->buffer, made->buffer + made->size);
  return {};
}

Error differ(const ProviderContext& context, PcrSelection pcrs) {
  return {Status::authorization,
          "the state of the machine is not the one that the key store in " + context.store +
              " is sealed to: " + (pcrs == 0 ? std::string("it has just changed") : pcr_names(pcrs) + " changed")};
}

/// Which registers hold something else now.
Result<void> compare_registers(const Device& device, const StorageKey& parent, const SealedPart& part,
                               const ProviderContext& context) {
  if (part.pcrs == 0) return {};
  SKS_LET(const Handle session, session_for(device, parent, TPMA_SESSION_AUDIT));
  SKS_LET(const std::vector<crypto::Sha256Digest> now, tpm2::read_registers(device, session, part.pcrs));
  PcrSelection changed = 0;
  std::size_t at = 0;
  for (const unsigned number : pcrs_of(part.pcrs)) {
    if (now[at] != part.pcr_values[at]) changed |= PcrSelection{1} << number;
    ++at;
  }
  if (changed != 0) return differ(context, changed);
  return {};
}

/// The sealed object in the TPM, which has found it to be made of these bytes by itself.
Result<Handle> load_object(const Device& device, const StorageKey& parent, const SealedPart& part,
                           const ProviderContext& context) {
  SKS_LET(const Handle session, session_for(device, parent, 0));
  TPM2B_PUBLIC area = public_area(part);
  area.publicArea.unique.keyedHash.size = static_cast<UINT16>(part.unique.size());
  std::ranges::copy(part.unique, area.publicArea.unique.keyedHash.buffer);
  TPM2B_PRIVATE content{};
  SKS_CHECK(part.sealed.size() <= sizeof content.buffer);
  content.size = static_cast<UINT16>(part.sealed.size());
  std::ranges::copy(part.sealed, content.buffer);
  Handle object(device);
  const TSS2_RC code = tpm2::run([&] {
    return Esys_Load(device.esys(), parent.handle(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &content, &area,
                     object.out());
  });
  if (code == TSS2_RC_SUCCESS) return object;
  if (tpm2::refuses_argument(code)) return Error{Status::crypto, context.path + " was altered"};
  return tpm2::tpm_error(kOpen, code);
}

/// A session that may open the object.
Result<Handle> authorize(const Device& device, const StorageKey& parent, const SealedPart& part,
                         const ProviderContext& context) {
  if (part.pcrs == 0) return session_for(device, parent, TPMA_SESSION_ENCRYPT);
  SKS_LET(Handle session, session_for(device, parent, TPMA_SESSION_ENCRYPT, TPM2_SE_POLICY));
  TPM2B_DIGEST expected{};
  const crypto::Sha256Digest digest = pcr_digest(part);
  expected.size = static_cast<UINT16>(digest.size());
  std::ranges::copy(digest, expected.buffer);
  const TPML_PCR_SELECTION selection = tpm2::to_tpm(part.pcrs);
  const TSS2_RC code = tpm2::run([&] {
    return Esys_PolicyPCR(device.esys(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &expected,
                          &selection);
  });
  if (code == TSS2_RC_SUCCESS) return session;
  if (tpm2::kind_of(code) == TPM2_RC_VALUE) return differ(context, 0);
  return tpm2::tpm_error(kOpen, code);
}

Result<SecureBytes> open_object(const Device& device, const Handle& object, const Handle& session,
                                const ProviderContext& context) {
  TPM2B_SENSITIVE_DATA* raw = nullptr;
  const TSS2_RC code = tpm2::run(
      [&] { return Esys_Unseal(device.esys(), object.get(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &raw); });
  if (code == TPM2_RC_PCR_CHANGED || tpm2::kind_of(code) == TPM2_RC_POLICY_FAIL) return differ(context, 0);
  if (code != TSS2_RC_SUCCESS) return tpm2::tpm_error(kOpen, code);
  const Owned<TPM2B_SENSITIVE_DATA> data(raw);
  SecureBytes secret = SecureBytes::copy_of({data->buffer, data->size});
  cleanse({data->buffer, data->size});
  if (secret.size() != kMasterKeySize) return Error{Status::crypto, context.path + " was altered"};
  return secret;
}

Result<SecureBytes> open_part(const Device& device, const StorageKey& parent, const SealedPart& part,
                              const ProviderContext& context) {
  SKS_LET(const Handle object, load_object(device, parent, part, context));
  SKS_TRY(compare_registers(device, parent, part, context));
  SKS_LET(const Handle session, authorize(device, parent, part, context));
  return open_object(device, object, session, context);
}

}  // namespace

Result<SecureBytes> wrap_with_tpm(ByteView master_key, const ProviderContext& context) {
  SKS_LET(const Device device, Device::open());
  SKS_LET(const StorageKey parent, StorageKey::create(device));
  SealedPart part;
  part.storage_key = parent.name();
  part.pcrs = context.pcrs;
  if (part.pcrs != 0) {
    SKS_LET(const Handle session, session_for(device, parent, TPMA_SESSION_AUDIT));
    SKS_LET(part.pcr_values, tpm2::read_registers(device, session, part.pcrs));
  }
  SKS_TRY(create_object(device, parent, master_key, part));
  // What does not open must not take the place of what does.
  SKS_LET(const SecureBytes opened, open_part(device, parent, part, context));
  if (!equal_constant_time(opened.view(), master_key))
    return Error{Status::not_available, std::string("cannot ") + kSeal + ": it gives another one back"};
  return SecureBytes::copy_of(encode_sealed_part(part));
}

Result<SecureBytes> unwrap_with_tpm(ByteView bytes, const ProviderContext& context) {
  const Result<SealedPart> part = decode_sealed_part(bytes);
  if (!part) return Error{Status::crypto, context.path + " is damaged"};
  SKS_LET(const Device device, Device::open());
  SKS_LET(const StorageKey parent, StorageKey::create(device));
  if (parent.name() != part->storage_key) {
    return Error{Status::no_key,
                 "the TPM is not the one that the key store in " + context.store + " is sealed to, or was cleared"};
  }
  return open_part(device, parent, *part, context);
}

}  // namespace sks::sealed
