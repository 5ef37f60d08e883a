#pragma once

#include <openssl/x509.h>

#include "key-user-api/key_files/collection.h"

/// How files are encrypted with passphrases. Private to this folder.
namespace sks::key_files {

/// The library context that can decrypt by `algorithm`: that of this project, or one with OpenSSL's legacy algorithms.
/// Fails with option (unknown, or more work than a passphrase is worth) or not_available (a legacy algorithm that
/// OpenSSL has not here).
Result<OSSL_LIB_CTX*> prepare_decryption(const X509_ALGOR* algorithm, Passphrase& passphrase);

const char* as_text(ByteView bytes);

}  // namespace sks::key_files
