#pragma once

#include <vector>

#include "key-user-api/cli/commands.h"
#include "key-user-api/local_issuer/local_keys.h"

/// What the commands have in common that bring or make keys.
namespace sks::cli {

/// Makes or imports the keys under the PIN that the options say, asking for it where they leave it open. Keys that may
/// leave the store, and get a new PIN, leave by that PIN.
Result<std::vector<LocalKey>> provision_with_pin(std::vector<LocalKeyRequest> requests, PinOptions options,
                                                 SecureKeyStore& store, const PinAskers& askers, const Clock& clock);

/// One row or object for each key.
Result<void> show_new_keys(const std::vector<LocalKey>& keys, std::string_view title, Format format,
                           SecureKeyStore& store, std::ostream& out);

}  // namespace sks::cli
