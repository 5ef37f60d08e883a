#pragma once

#include "sealed-storage/master_key.h"

/// Provider 3: the master key sealed by a TPM 2.0. Spec: spec/sealed-record.md chapter 2.3.
namespace sks::sealed {

/// Takes the registers of `context`. Fails with not_available or as tpm_error().
Result<SecureBytes> wrap_with_tpm(ByteView master_key, const ProviderContext& context);

/// Fails with crypto (damaged), not_available (no TPM), no_key (another TPM, or a cleared one), crypto (altered),
/// authorization (the registers differ), in this order, or as tpm_error().
Result<SecureBytes> unwrap_with_tpm(ByteView part, const ProviderContext& context);

}  // namespace sks::sealed
