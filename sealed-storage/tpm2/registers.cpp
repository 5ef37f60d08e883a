#include "sealed-storage/tpm2/registers.h"

#include <algorithm>

namespace sks::sealed::tpm2 {
namespace {

/// One register: a TPM answers with as many as it likes, and with none that it does not keep.
Result<crypto::Sha256Digest> read_register(const Device& device, const Handle& session, unsigned number) {
  const TPML_PCR_SELECTION wanted = to_tpm(PcrSelection{1} << number);
  TPML_DIGEST* raw = nullptr;
  const TSS2_RC code = run([&] {
    return Esys_PCR_Read(device.esys(), session.get(), ESYS_TR_NONE, ESYS_TR_NONE, &wanted, nullptr, nullptr, &raw);
  });
  if (code != TSS2_RC_SUCCESS) return tpm_error("read the registers of the TPM", code);
  const Owned<TPML_DIGEST> values(raw);
  crypto::Sha256Digest value{};
  if (values->count != 1 || values->digests[0].size != value.size()) {
    return Error{Status::not_available, "the TPM keeps no PCR " + std::to_string(number) + " with SHA-256"};
  }
  std::copy_n(values->digests[0].buffer, value.size(), value.begin());
  return value;
}

}  // namespace

TPML_PCR_SELECTION to_tpm(PcrSelection pcrs) {
  TPML_PCR_SELECTION list{};
  list.count = 1;
  TPMS_PCR_SELECTION& bank = list.pcrSelections[0];
  bank.hash = TPM2_ALG_SHA256;
  bank.sizeofSelect = kPcrCount / 8;
  for (const unsigned number : pcrs_of(pcrs))
    bank.pcrSelect[number / 8] = static_cast<BYTE>(bank.pcrSelect[number / 8] | 1U << (number % 8));
  return list;
}

Result<std::vector<crypto::Sha256Digest>> read_registers(const Device& device, const Handle& session,
                                                         PcrSelection pcrs) {
  std::vector<crypto::Sha256Digest> values;
  for (const unsigned number : pcrs_of(pcrs)) {
    SKS_LET(const crypto::Sha256Digest value, read_register(device, session, number));
    values.push_back(value);
  }
  return values;
}

}  // namespace sks::sealed::tpm2
