#include "conformance/key_use.h"

#include <openssl/rsa.h>

#include "sks-core/crypto/hash.h"

namespace sks::conformance {
namespace {

const EVP_MD* digest_of(HashId hash) {
  switch (hash) {
    case HashId::none:
      return nullptr;
    case HashId::sha1:
      return EVP_sha1();
    case HashId::sha256:
      return EVP_sha256();
    case HashId::sha384:
      return EVP_sha384();
    case HashId::sha512:
      return EVP_sha512();
  }
  return nullptr;
}

bool verifies_edwards(const crypto::PublicKey& key, ByteView message, ByteView signature) {
  const ossl::MdCtx context(EVP_MD_CTX_new());
  return EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.openssl()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

}  // namespace

bool verifies(const crypto::PublicKey& key, const Algorithm& algorithm, Signed what, ByteView data,
              ByteView signature) {
  if (algorithm.also_signature) return what == Signed::message && verifies_edwards(key, data, signature);
  Bytes encoded = to_bytes(signature);
  if (key.kind() == KeyKind::ec) {
    auto der = crypto::ecdsa_raw_to_der(key.curve(), signature);
    if (!der) return false;
    encoded = std::move(der).value();
  }
  const bool hash_it = what == Signed::message && algorithm.hash != HashId::none;
  const Bytes signed_bytes = hash_it ? crypto::digest(algorithm.hash, data) : to_bytes(data);
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  if (EVP_PKEY_verify_init(context.get()) != 1) return false;
  if (key.kind() == KeyKind::rsa && EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1) return false;
  const EVP_MD* const md = digest_of(algorithm.hash);
  if (md != nullptr && EVP_PKEY_CTX_set_signature_md(context.get(), md) != 1) return false;
  return EVP_PKEY_verify(context.get(), encoded.data(), encoded.size(), signed_bytes.data(), signed_bytes.size()) == 1;
}

Result<Bytes> encrypt_for(const crypto::PublicKey& key, const Algorithm& algorithm, ByteView plaintext) {
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  const EVP_MD* const md = digest_of(algorithm.hash);
  const int padding = md == nullptr ? RSA_PKCS1_PADDING : RSA_PKCS1_OAEP_PADDING;
  std::size_t size = 0;
  if (EVP_PKEY_encrypt_init(context.get()) != 1 || EVP_PKEY_CTX_set_rsa_padding(context.get(), padding) != 1 ||
      (md != nullptr && EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), md) != 1) ||
      EVP_PKEY_encrypt(context.get(), nullptr, &size, plaintext.data(), plaintext.size()) != 1)
    return ossl::take_error("the value cannot be encrypted for the key");
  Bytes out(size);
  if (EVP_PKEY_encrypt(context.get(), out.data(), &size, plaintext.data(), plaintext.size()) != 1)
    return ossl::take_error("the value cannot be encrypted for the key");
  out.resize(size);
  return out;
}

}  // namespace sks::conformance
