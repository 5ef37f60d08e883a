#pragma once

#include "key-user-api/key_files/collection.h"

/// Single objects in DER. Private to this folder.
namespace sks::key_files {

/// Whole objects with nothing behind them. Fail with option, or as what they add to the collection.
Result<void> read_pkcs8(ByteView der, Reading& reading);
Result<void> read_encrypted_pkcs8(ByteView der, Reading& reading);
Result<void> read_pkcs1(ByteView der, Reading& reading);
Result<void> read_sec1(ByteView der, Reading& reading);
Result<void> read_certificate(ByteView der, Reading& reading);
Result<void> read_pkcs7(ByteView der, Reading& reading);

/// A file that is one object in DER, of whatever kind.
Result<void> read_der(ByteView der, Reading& reading);

Result<SecureBytes> to_pkcs8(EVP_PKEY* key);
Result<SecureBytes> to_pkcs8(const PKCS8_PRIV_KEY_INFO* info);
/// Why a private key that crypto::PrivateKey does not take cannot be used.
Error unusable_key(ByteView pkcs8);

}  // namespace sks::key_files
