#include "sks-core/crypto/hash.h"

#include <array>
#include <string>

#include "sks-core/base/library_context.h"
#include "sks-core/crypto/fetch.h"
#include "sks-core/crypto/ossl.h"

namespace sks::crypto {
namespace {

constexpr std::size_t kAesModes = 7;
constexpr std::size_t kAesKeySizes = 3;  // 16, 24 and 32 bytes
using AesCiphers = std::array<std::array<EVP_CIPHER*, kAesKeySizes>, kAesModes>;

constexpr std::size_t index_of(AesMode mode) { return static_cast<std::size_t>(mode); }

std::string_view openssl_name(AesMode mode) {
  switch (mode) {
    case AesMode::cbc:
    case AesMode::cbc_blocks:
      return "CBC";
    case AesMode::ecb:
      return "ECB";
    case AesMode::ctr:
      return "CTR";
    case AesMode::gcm:
      return "GCM";
    case AesMode::wrap:
      return "WRAP";
    case AesMode::wrap_padded:
      return "WRAP-PAD";
  }
  SKS_CHECK(false);
}

AesCiphers fetch_aes() {
  AesCiphers all{};
  for (std::size_t mode = 0; mode < kAesModes; ++mode)
    for (std::size_t size = 0; size < kAesKeySizes; ++size) {
      const std::string name =
          "AES-" + std::to_string(128 + 64 * size) + '-' + std::string(openssl_name(static_cast<AesMode>(mode)));
      all[mode][size] = EVP_CIPHER_fetch(library_context(), name.c_str(), nullptr);
      SKS_CHECK(all[mode][size] != nullptr);
    }
  return all;
}
static_assert(index_of(AesMode::wrap_padded) + 1 == kAesModes);

struct Fetched {
  EVP_MD* sha1 = EVP_MD_fetch(library_context(), "SHA1", nullptr);
  EVP_MD* sha256 = EVP_MD_fetch(library_context(), "SHA256", nullptr);
  EVP_MD* sha384 = EVP_MD_fetch(library_context(), "SHA384", nullptr);
  EVP_MD* sha512 = EVP_MD_fetch(library_context(), "SHA512", nullptr);
  EVP_MAC* hmac = EVP_MAC_fetch(library_context(), "HMAC", nullptr);
  AesCiphers aes = fetch_aes();
};

const Fetched& fetched() {
  static const Fetched* const all = [] {
    const auto* const made = new Fetched;
    SKS_CHECK(made->sha1 && made->sha256 && made->sha384 && made->sha512 && made->hmac);
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

EVP_CIPHER* fetched_aes(AesMode mode, std::size_t key_size) {
  SKS_CHECK(key_size == 16 || key_size == 24 || key_size == 32);
  return fetched().aes.at(index_of(mode)).at(key_size / 8 - 2);
}

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
