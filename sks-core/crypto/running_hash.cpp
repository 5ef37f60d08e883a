#include "sks-core/crypto/running_hash.h"

#include "sks-core/crypto/fetch.h"

namespace sks::crypto {

RunningSha256::RunningSha256() : context_(EVP_MD_CTX_new()) {
  SKS_CHECK(context_ && EVP_DigestInit_ex(context_.get(), fetched_md(HashId::sha256), nullptr) == 1);
}

void RunningSha256::add(ByteView part) { SKS_CHECK(EVP_DigestUpdate(context_.get(), part.data(), part.size()) == 1); }

Sha256Digest RunningSha256::finish() {
  Sha256Digest out;
  SKS_CHECK(EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1);
  return out;
}

}  // namespace sks::crypto
