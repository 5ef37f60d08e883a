#pragma once

#include <string>

#include "sks-core/crypto/hash.h"

/// What `sks-issuer` does for an operator about credentials that shall no longer count. Each prints what it has done,
/// and fails with not_available (there is no such credential) or not_allowed (its state does not allow it).
namespace sks::issuer {

/// `reason`: a name of RFC 5280; empty for unspecified. Fails with option on any other.
Result<void> revoke_credential(const std::string& folder, const crypto::Sha256Digest& fingerprint,
                               const std::string& reason);
Result<void> suspend_credential(const std::string& folder, const crypto::Sha256Digest& fingerprint);
Result<void> resume_credential(const std::string& folder, const crypto::Sha256Digest& fingerprint);

}  // namespace sks::issuer
