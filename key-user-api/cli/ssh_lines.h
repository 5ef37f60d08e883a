#pragma once

#include <ostream>
#include <string_view>

#include "sks-core/engine/secure_key_store.h"

/// Public keys as SSH servers want them.
namespace sks::cli {

/// A line of authorized_keys for each key that may sign for SSH. Fails as ssh::stored_identities.
Result<void> run_list_ssh(SecureKeyStore& store, std::ostream& out);

/// That of one key. Fails as find_key, or with option when the key cannot sign for SSH.
Result<void> run_show_ssh(std::string_view key, SecureKeyStore& store, std::ostream& out);

}  // namespace sks::cli
