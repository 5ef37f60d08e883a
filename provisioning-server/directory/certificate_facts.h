#pragma once

#include <string>

#include "sks-core/crypto/x509.h"

namespace sks::issuer {

/// Credential::serial of a certificate: hexadecimal, as its bytes are encoded but without a leading zero byte. That is
/// what other programs print, apart from capital letters.
std::string serial_of(const crypto::Certificate& certificate);

}  // namespace sks::issuer
