#include "sealed-storage/tpm2/storage_key.h"

#include <algorithm>

namespace sks::sealed::tpm2 {
namespace {

TPM2B_PUBLIC storage_template() {
  TPM2B_PUBLIC result{};
  TPMT_PUBLIC& area = result.publicArea;
  area.type = TPM2_ALG_ECC;
  area.nameAlg = TPM2_ALG_SHA256;
  area.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
                          TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
  TPMS_ECC_PARMS& parameters = area.parameters.eccDetail;
  parameters.symmetric.algorithm = TPM2_ALG_AES;
  parameters.symmetric.keyBits.aes = 128;
  parameters.symmetric.mode.aes = TPM2_ALG_CFB;
  parameters.scheme.scheme = TPM2_ALG_NULL;
  parameters.curveID = TPM2_ECC_NIST_P256;
  parameters.kdf.scheme = TPM2_ALG_NULL;
  return result;
}

}  // namespace

Result<StorageKey> StorageKey::create(const Device& device) {
  const std::string what = "make the TPM's storage key";
  const TPM2B_PUBLIC wanted = storage_template();
  const TPM2B_SENSITIVE_CREATE no_secret{};
  const TPM2B_DATA nothing_outside{};
  const TPML_PCR_SELECTION no_pcrs{};
  Handle handle(device);
  const TSS2_RC code = run([&] {
    return Esys_CreatePrimary(device.esys(), ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_secret,
                              &wanted, &nothing_outside, &no_pcrs, handle.out(), nullptr, nullptr, nullptr, nullptr);
  });
  if (code != TSS2_RC_SUCCESS) return tpm_error(what, code);
  SKS_LET(const TpmName name, name_of(device, handle.get()));
  return StorageKey(std::move(handle), name);
}

Result<TpmName> name_of(const Device& device, ESYS_TR object) {
  TPM2B_NAME* raw = nullptr;
  const TSS2_RC code = Esys_TR_GetName(device.esys(), object, &raw);
  if (code != TSS2_RC_SUCCESS) return tpm_error("learn the name of an object of the TPM", code);
  const Owned<TPM2B_NAME> found(raw);
  TpmName name{};
  if (found->size != name.size()) return tpm_error("learn the name of an object of the TPM", TPM2_RC_HASH);
  std::copy_n(found->name, name.size(), name.begin());
  return name;
}

}  // namespace sks::sealed::tpm2
