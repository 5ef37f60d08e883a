#include "key-user-api/pkcs11/hasher.h"

#include "sks-core/crypto/fetch.h"
#include "sks-core/crypto/hash.h"

namespace sks::p11 {

Result<Hasher> Hasher::create(HashId hash) {
  ossl::MdCtx context(EVP_MD_CTX_new());
  if (context == nullptr || EVP_DigestInit_ex2(context.get(), crypto::fetched_md(hash), nullptr) != 1)
    return ossl::take_error("the hash cannot be started");
  return Hasher(std::move(context));
}

Result<void> Hasher::update(ByteView part) {
  if (EVP_DigestUpdate(context_.get(), part.data(), part.size()) != 1) return ossl::take_error("hashing failed");
  return {};
}

Result<Bytes> Hasher::finish() {
  Bytes digest(static_cast<std::size_t>(EVP_MD_CTX_get_size(context_.get())));
  if (EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) != 1) return ossl::take_error("hashing failed");
  return digest;
}

}  // namespace sks::p11
