#include "key-user-api/token/operations/hashes.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <string>

#include "sks-core/base/library_context.h"
#include "sks-core/crypto/fetch.h"

namespace sks::token {
namespace {

constexpr auto kSha1Info = std::to_array<std::uint8_t>(
    {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14});

/// The hashes of SHA-2 differ in the last part of their identifier and in their size.
constexpr std::array<std::uint8_t, 19> sha2_info(std::uint8_t identifier, std::uint8_t size) {
  const auto inner = static_cast<std::uint8_t>(0x11 + size);
  return {0x30, inner, 0x30, 0x0d, 0x06,       0x09, 0x60, 0x86, 0x48, 0x01,
          0x65, 0x03,  0x04, 0x02, identifier, 0x05, 0x00, 0x04, size};
}
constexpr auto kSha224Info = sha2_info(4, 28);
constexpr auto kSha256Info = sha2_info(1, 32);
constexpr auto kSha384Info = sha2_info(2, 48);
constexpr auto kSha512Info = sha2_info(3, 64);

constexpr auto kHashes = std::to_array<Hash>({
    {CKM_SHA_1, CKG_MGF1_SHA1, CKD_SHA1_KDF, "SHA1", HashId::sha1, 20, kSha1Info},
    {CKM_SHA224, CKG_MGF1_SHA224, CKD_SHA224_KDF, "SHA224", HashId::none, 28, kSha224Info},
    {CKM_SHA256, CKG_MGF1_SHA256, CKD_SHA256_KDF, "SHA256", HashId::sha256, 32, kSha256Info},
    {CKM_SHA384, CKG_MGF1_SHA384, CKD_SHA384_KDF, "SHA384", HashId::sha384, 48, kSha384Info},
    {CKM_SHA512, CKG_MGF1_SHA512, CKD_SHA512_KDF, "SHA512", HashId::sha512, 64, kSha512Info},
});

const Hash* find(CK_ULONG value, CK_ULONG Hash::*column) {
  const auto found = std::ranges::find(kHashes, value, column);
  return found == kHashes.end() ? nullptr : &*found;
}

EVP_MD* sha224() {
  static EVP_MD* const fetched = EVP_MD_fetch(library_context(), "SHA224", nullptr);
  SKS_CHECK(fetched != nullptr);
  return fetched;
}

}  // namespace

const Hash* find_hash(CK_MECHANISM_TYPE type) { return find(type, &Hash::type); }
const Hash* find_hash_of_mgf(CK_ULONG mgf) { return find(mgf, &Hash::mgf); }
const Hash* find_hash_of_kdf(CK_ULONG kdf) { return find(kdf, &Hash::kdf); }

EVP_MD* openssl_md(const Hash& hash) { return hash.id == HashId::none ? sha224() : crypto::fetched_md(hash.id); }

Digest digest_of(const Hash& hash, ByteView data) {
  Digest out;
  SKS_CHECK(EVP_Digest(data.data(), data.size(), out.bytes.data(), nullptr, openssl_md(hash), nullptr) == 1);
  out.size = hash.size;
  return out;
}

RunningHash::RunningHash(const Hash& hash) : context_(EVP_MD_CTX_new()) {
  SKS_CHECK(context_ != nullptr && EVP_DigestInit_ex2(context_.get(), openssl_md(hash), nullptr) == 1);
}

void RunningHash::add(ByteView part) { SKS_CHECK(EVP_DigestUpdate(context_.get(), part.data(), part.size()) == 1); }

Digest RunningHash::finish() {
  Digest out;
  unsigned int size = 0;
  SKS_CHECK(EVP_DigestFinal_ex(context_.get(), out.bytes.data(), &size) == 1);
  out.size = size;
  return out;
}

RunningMac::RunningMac(const Hash& hash, ByteView key) : context_(EVP_MAC_CTX_new(crypto::fetched_hmac())) {
  std::string name(hash.name);
  const std::array<OSSL_PARAM, 2> parameters{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                                             OSSL_PARAM_construct_end()};
  const std::uint8_t no_key = 0;  // a null key would mean the last one
  SKS_CHECK(context_ != nullptr &&
            EVP_MAC_init(context_.get(), key.empty() ? &no_key : key.data(), key.size(), parameters.data()) == 1);
}

void RunningMac::add(ByteView part) { SKS_CHECK(EVP_MAC_update(context_.get(), part.data(), part.size()) == 1); }

Digest RunningMac::finish() {
  Digest out;
  SKS_CHECK(EVP_MAC_final(context_.get(), out.bytes.data(), &out.size, out.bytes.size()) == 1);
  return out;
}

}  // namespace sks::token
