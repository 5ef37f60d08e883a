#pragma once

#include <string>

#include "sks-core/base/result.h"

/// What `sks-issuer` does for an operator about certificates and their keys. Each prints what it has done.
namespace sks::issuer {

/// `what`: "tls", "credential-ca" or "tls-ca".
Result<void> renew_certificate(const std::string& folder, const std::string& what, bool new_key);

/// Seals the keys of an issuer that lie there in plain PEM form, and the PIN of its token.
Result<void> seal_keys(const std::string& folder);

}  // namespace sks::issuer
