#pragma once

#include <string>

#include "sks-core/crypto/ossl.h"

/// Private to the files of x509.h.
namespace sks::crypto {

/// OPENSSL_free is a macro.
inline void free_text(void* text) noexcept { OPENSSL_free(text); }

/// An object identifier in dotted decimal; empty for one of more than 586 bytes, which OpenSSL refuses to print.
std::string dotted(const ASN1_OBJECT* identifier);

}  // namespace sks::crypto
