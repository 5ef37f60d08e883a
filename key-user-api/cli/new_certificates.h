#pragma once

#include <ostream>
#include <vector>

#include "key-user-api/cli/commands.h"
#include "sks-core/engine/secure_key_store.h"

namespace sks::cli {

/// Gives certificates (DER) to the keys of the store that they certify, with their issuers as far as those are there.
/// PKCS#11 applications then see them in place of the ones that the keys had. Spec: spec/local-keys.md 2.
///
/// Before anything happens it fails with option (`file`, its name, has no certificate of any key; a path is too long)
/// or not_allowed (the issuer of a key has given it another certificate); then as the methods of the key store.
Result<void> bring_certificates(const std::vector<Bytes>& certificates, const std::string& file, Format format,
                                SecureKeyStore& store, std::ostream& out);

}  // namespace sks::cli
