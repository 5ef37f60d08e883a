#include "sks-core/crypto/mac.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "sks-core/base/library_context.h"
#include "sks-core/crypto/fetch.h"
#include "sks-core/crypto/ossl.h"

namespace sks::crypto {

namespace {

using ossl::MacCtx;

MacCtx new_context(HashId hash) {
  MacCtx context(EVP_MAC_CTX_new(fetched_hmac()));
  SKS_CHECK(context != nullptr);
  std::string name(EVP_MD_get0_name(fetched_md(hash)));
  const std::array<OSSL_PARAM, 2> parameters{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                                             OSSL_PARAM_construct_end()};
  SKS_CHECK(EVP_MAC_CTX_set_params(context.get(), parameters.data()) == 1);
  return context;
}

/// Contexts that know their hash: setting one costs more than the MAC of a short message. They live until the process
/// ends: other threads may still use them while the process or our module goes down.
const EVP_MAC_CTX* context_for(HashId hash) {
  static const std::map<HashId, const EVP_MAC_CTX*>* const contexts = [] {
    auto* const made = new std::map<HashId, const EVP_MAC_CTX*>;
    for (const HashId each : {HashId::sha1, HashId::sha256, HashId::sha384, HashId::sha512})
      made->emplace(each, new_context(each).release());
    return made;
  }();
  return contexts->at(hash);
}

MacCtx keyed_context(HashId hash, ByteView key) {
  MacCtx context(EVP_MAC_CTX_dup(context_for(hash)));
  // OpenSSL takes a null key as "keep the last one", so an empty key still needs an address.
  const std::uint8_t no_key = 0;
  SKS_CHECK(context != nullptr &&
            EVP_MAC_init(context.get(), key.empty() ? &no_key : key.data(), key.size(), nullptr) == 1);
  return context;
}

// `out` has exactly the size of the hash.
void finish(EVP_MAC_CTX* context, ByteView data, std::span<std::uint8_t> out) {
  std::size_t size = 0;
  SKS_CHECK(EVP_MAC_update(context, data.data(), data.size()) == 1);
  SKS_CHECK(EVP_MAC_final(context, out.data(), &size, out.size()) == 1 && size == out.size());
}

void hmac_into(HashId hash, ByteView key, ByteView data, std::span<std::uint8_t> out) {
  finish(keyed_context(hash, key).get(), data, out);
}

}  // namespace

Sha256Digest hmac_sha256(std::initializer_list<ByteView> key, ByteView data) {
  std::size_t key_size = 0;
  for (const ByteView part : key) key_size += part.size();
  SecureBytes joined(key_size);
  std::uint8_t* at = joined.data();
  for (const ByteView part : key) at = std::ranges::copy(part, at).out;
  Sha256Digest out;
  hmac_into(HashId::sha256, joined.view(), data, out);
  return out;
}

Bytes hmac(HashId hash, ByteView key, ByteView data) {
  Bytes out(digest_size(hash));
  hmac_into(hash, key, data, out);
  return out;
}

SecureBytes hkdf_sha256(ByteView secret, ByteView salt, ByteView info, std::size_t size) {
  return HkdfSha256(secret, salt).expand(info, size);
}

// RFC 5869 in terms of HMAC: OpenSSL's own HKDF refuses empty inputs that the RFC allows.
HkdfSha256::HkdfSha256(ByteView secret, ByteView salt) {
  const Sha256Digest no_salt{};
  Sha256Digest pseudo_random_key = hmac_sha256(salt.empty() ? ByteView(no_salt) : salt, secret);
  keyed_ = keyed_context(HashId::sha256, pseudo_random_key);
  cleanse(pseudo_random_key);
}

SecureBytes HkdfSha256::expand(ByteView info, std::size_t size) const {
  constexpr std::size_t kMaxBlocks = 255;
  SKS_CHECK(size <= kMaxBlocks * kSha256Size);
  SecureBytes out(size);
  SecureBytes block;
  std::size_t done = 0;
  for (std::uint8_t counter = 1; done < size; ++counter) {
    SecureBytes message(block.size() + info.size() + 1);
    std::uint8_t* at = std::ranges::copy(block.view(), message.data()).out;
    at = std::ranges::copy(info, at).out;
    *at = counter;
    block = SecureBytes(kSha256Size);
    const MacCtx context(EVP_MAC_CTX_dup(keyed_.get()));
    SKS_CHECK(context != nullptr);
    finish(context.get(), message.view(), block.span());
    const std::size_t part = std::min(block.size(), size - done);
    std::copy_n(block.data(), part, out.data() + done);
    done += part;
  }
  return out;
}

}  // namespace sks::crypto
