#pragma once

#include "key-user-api/key_files/collection.h"

/// Private keys out of their numbers, as PKCS#8. Private to this folder.
namespace sks::key_files {

/// Non-negative, big-endian. `dp` and `dq` empty: they are computed.
struct RsaNumbers {
  ByteView n, e, d, p, q, dp, dq, qi;
};
/// Fail with option when numbers are missing, too long, or do not belong together as far as that is seen without
/// computing the whole key anew.
Result<SecureBytes> rsa_pkcs8(const RsaNumbers& numbers);
Result<SecureBytes> ec_pkcs8(Curve curve, ByteView scalar, ByteView x, ByteView y);
/// The curves of RFC 7748 and RFC 8032.
Result<SecureBytes> raw_pkcs8(KeyKind kind, ByteView private_key, ByteView public_key);

}  // namespace sks::key_files
