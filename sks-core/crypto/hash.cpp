#include "sks-core/crypto/hash.h"

#include <array>

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
  // By key length: 16, 24, 32 bytes.
  std::array<EVP_CIPHER*, 3> aes_cbc{EVP_CIPHER_fetch(library_context(), "AES-128-CBC", nullptr),
                                     EVP_CIPHER_fetch(library_context(), "AES-192-CBC", nullptr),
                                     EVP_CIPHER_fetch(library_context(), "AES-256-CBC", nullptr)};
  std::array<EVP_CIPHER*, 3> aes_ecb{EVP_CIPHER_fetch(library_context(), "AES-128-ECB", nullptr),
                                     EVP_CIPHER_fetch(library_context(), "AES-192-ECB", nullptr),
                                     EVP_CIPHER_fetch(library_context(), "AES-256-ECB", nullptr)};
  EVP_CIPHER* aes_256_gcm = EVP_CIPHER_fetch(library_context(), "AES-256-GCM", nullptr);
};

const Fetched& fetched() {
  static const Fetched* const all = [] {
    const auto* const made = new Fetched;
    SKS_CHECK(made->sha1 && made->sha256 && made->sha384 && made->sha512 && made->hmac && made->aes_256_gcm);
    for (const auto& family : {made->aes_cbc, made->aes_ecb})
      for (const EVP_CIPHER* const cipher : family) SKS_CHECK(cipher != nullptr);
    return made;
  }();
  return *all;
}

std::size_t aes_index(std::size_t key_size) {
  SKS_CHECK(key_size == 16 || key_size == 24 || key_size == 32);
  return key_size / 8 - 2;
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
EVP_CIPHER* fetched_aes_cbc(std::size_t key_size) { return fetched().aes_cbc.at(aes_index(key_size)); }
EVP_CIPHER* fetched_aes_ecb(std::size_t key_size) { return fetched().aes_ecb.at(aes_index(key_size)); }
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
