#pragma once

#include <openssl/evp.h>
#include <p11-kit/pkcs11.h>

#include <array>

#include "sks-core/base/bytes.h"
#include "sks-core/crypto/algorithms.h"
#include "sks-core/crypto/ossl.h"

/// The hash functions of mechanisms.
namespace sks::token {

/// A hash under all the names that it has.
struct Hash {
  CK_MECHANISM_TYPE type;  ///< CKM_SHA256: digest mechanism, and hashAlg in parameters
  CK_ULONG mgf;            ///< CKG_MGF1_SHA256
  CK_ULONG kdf;            ///< CKD_SHA256_KDF
  const char* name;        ///< OpenSSL's
  HashId id;               ///< of the key store; none: it does not know this hash
  std::size_t size;
  ByteView digest_info;  ///< what stands before the digest in a PKCS#1 block; RFC 8017, chapter 9.2
};

/// The row of the digest mechanism, or null.
const Hash* find_hash(CK_MECHANISM_TYPE type);
const Hash* find_hash_of_mgf(CK_ULONG mgf);
const Hash* find_hash_of_kdf(CK_ULONG kdf);

/// Lives until the process ends.
EVP_MD* openssl_md(const Hash& hash);

struct Digest {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> bytes;
  std::size_t size = 0;
  ByteView view() const { return ByteView(bytes).first(size); }
};

Digest digest_of(const Hash& hash, ByteView data);

/// A hash over data that comes in parts.
class RunningHash {
 public:
  explicit RunningHash(const Hash& hash);
  void add(ByteView part);
  /// Once.
  Digest finish();

 private:
  ossl::MdCtx context_;
};

/// An HMAC over data that comes in parts. `key` may have any length.
class RunningMac {
 public:
  RunningMac(const Hash& hash, ByteView key);
  void add(ByteView part);
  /// Once.
  Digest finish();

 private:
  ossl::MacCtx context_;
};

}  // namespace sks::token
