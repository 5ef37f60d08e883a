#pragma once

#include <string>
#include <vector>

#include "provisioning-server/authority/file_seal.h"

namespace sks::issuer {

/// Makes the key that signs checkpoints: a P-256 key, sealed, and its public half for those who verify.
/// Fails with storage, also when a file exists.
Result<void> make_audit_key(const std::string& key_file, const std::string& public_file, const FileSeal& seal);

/// The public keys in a PEM file ("PUBLIC KEY"): those whose checkpoints count. Fails with not_available or option.
Result<std::vector<crypto::PublicKey>> read_audit_keys(const std::string& public_file);

}  // namespace sks::issuer
