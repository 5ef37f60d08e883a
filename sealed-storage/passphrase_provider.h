#pragma once

#include "sealed-storage/master_key.h"

/// Provider 2: the master key wrapped under a key from a passphrase. Spec: spec/sealed-record.md chapter 2.2.
namespace sks::sealed {

Result<SecureBytes> wrap_with_passphrase(ByteView master_key, const ProviderContext& context);
Result<SecureBytes> unwrap_with_passphrase(ByteView part, const ProviderContext& context);

}  // namespace sks::sealed
