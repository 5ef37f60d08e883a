#pragma once

#include "keygen2/failure.h"
#include "sks-core/crypto/x509.h"

namespace sks::keygen2 {

/// A path as messages carry it, DER, end entity first. Fails with crypto when its links are broken, and when the
/// text of an issuer's name is not exactly that of the next subject: X.509 folds case and spaces, 5.4 does not.
Outcome<void> check_certificate_path(const crypto::CertificatePath& path);

}  // namespace sks::keygen2
