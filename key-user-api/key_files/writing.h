#pragma once

#include <string>
#include <vector>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"

/// Writes the files in which private keys leave, always encrypted: with AES-256 and PBKDF2 with HMAC-SHA-256, which
/// OpenSSL, NSS, GnuTLS and Java read.
namespace sks::key_files {

/// EncryptedPrivateKeyInfo of RFC 5958, DER. Fails with option (the passphrase is empty or holds a zero byte) or
/// crypto.
Result<Bytes> write_encrypted_pkcs8(ByteView pkcs8, ByteView passphrase);

/// PKCS#12 of RFC 7292 with one key and its certificate path, which begins with the certificate of the key. `label`:
/// the friendlyName, UTF-8, or empty. Fails as above, and with crypto when the certificate is that of another key.
Result<Bytes> write_pkcs12(ByteView pkcs8, const std::vector<Bytes>& certificate_path, const std::string& label,
                           ByteView passphrase);

}  // namespace sks::key_files
