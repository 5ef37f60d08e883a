#include "sks-core/crypto/hash.h"

#include <openssl/core_names.h>

#include "sks-core/base/library_context.h"
#include "sks-core/crypto/fetch.h"
#include "sks-core/crypto/ossl.h"

namespace sks::crypto {
namespace {

struct Fetched {
  EVP_MD* sha1 = EVP_MD_fetch(library_context(), "SHA1", nullptr);
  EVP_MD* sha256 = EVP_MD_fetch(library_context(), "SHA256", nullptr);
  EVP_MD* sha384 = EVP_MD_fetch(library_context(), "SHA384", nullptr);
  EVP_MD* sha512 = EVP_MD_fetch(library_context(), "SHA512", nullptr);
  EVP_MAC* hmac = EVP_MAC_fetch(library_context(), "HMAC", nullptr);
  EVP_CIPHER* aes_256_cbc = EVP_CIPHER_fetch(library_context(), "AES-256-CBC", nullptr);
  EVP_CIPHER* aes_256_gcm = EVP_CIPHER_fetch(library_context(), "AES-256-GCM", nullptr);
};

const Fetched& fetched() {
  static const Fetched* const all = [] {
    const auto* const made = new Fetched;
    SKS_CHECK(made->sha1 && made->sha256 && made->sha384 && made->sha512 && made->hmac && made->aes_256_cbc &&
              made->aes_256_gcm);
    return made;
  }();
  return *all;
}

void digest_into(EVP_MD* md, ByteView data, std::uint8_t* out) {
  SKS_CHECK(EVP_Digest(data.data(), data.size(), out, nullptr, md, nullptr) == 1);
}

}  // namespace

EVP_MD* fetched_md(HashId hash) {
  switch (hash) {
    case HashId::sha1:
      return fetched().sha1;
    case HashId::sha256:
      return fetched().sha256;
    case HashId::sha384:
      return fetched().sha384;
    case HashId::sha512:
      return fetched().sha512;
    case HashId::none:
      break;
  }
  SKS_CHECK(false);
}

EVP_MAC* fetched_hmac() { return fetched().hmac; }
EVP_CIPHER* fetched_aes_256_cbc() { return fetched().aes_256_cbc; }
EVP_CIPHER* fetched_aes_256_gcm() { return fetched().aes_256_gcm; }

Sha256Digest sha256(ByteView data) {
  Sha256Digest out;
  digest_into(fetched().sha256, data, out.data());
  return out;
}

Bytes sha1(ByteView data) { return digest(HashId::sha1, data); }

Bytes digest(HashId hash, ByteView data) {
  Bytes out(digest_size(hash));
  digest_into(fetched_md(hash), data, out.data());
  return out;
}

std::size_t digest_size(HashId hash) { return static_cast<std::size_t>(EVP_MD_get_size(fetched_md(hash))); }

}  // namespace sks::crypto
