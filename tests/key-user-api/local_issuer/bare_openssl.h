#pragma once

#include <string>

#include "sks-core/base/bytes.h"

/// What somebody with nothing but OpenSSL makes of keys and signatures of a key store.
namespace sks::test {

/// Whether `signature` over `message` verifies with the key of the certificate: RSA PKCS#1 v1.5 or ECDSA (raw r || s)
/// with SHA-256, or EdDSA.
bool verifies_with_openssl(ByteView certificate, ByteView message, ByteView signature);

/// RFC 2253 text of the names of a certificate.
std::string subject_of(ByteView certificate);
std::string issuer_of(ByteView certificate);

}  // namespace sks::test
