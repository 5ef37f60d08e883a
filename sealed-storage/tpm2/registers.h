#pragma once

#include <vector>

#include "sealed-storage/tpm2/device.h"
#include "sealed-storage/tpm2/sealed_part.h"

/// The platform configuration registers of the SHA-256 bank.
namespace sks::sealed::tpm2 {

TPML_PCR_SELECTION to_tpm(PcrSelection pcrs);

/// What the registers hold, in ascending order. `session` authenticates the answers, and has the attribute audit. Fails
/// with not_available when the TPM does not keep one of them in this bank, or as tpm_error().
Result<std::vector<crypto::Sha256Digest>> read_registers(const Device& device, const Handle& session,
                                                         PcrSelection pcrs);

}  // namespace sks::sealed::tpm2
