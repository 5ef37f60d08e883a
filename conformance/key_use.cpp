#include "conformance/key_use.h"

#include <openssl/rsa.h>

#include <array>

#include "sks-core/base/byte_reader.h"
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

bool select_padding(EVP_PKEY_CTX* context, const AlgorithmUse& use) {
  if (use.algorithm.parameters != Parameters::pss) return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
  ByteReader in(use.parameters);
  const std::size_t salt = use.parameters.empty() ? crypto::digest_size(use.algorithm.hash) : in.u16();
  return in.finish() && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, static_cast<int>(salt)) == 1;
}

/// The hashes and the label of OAEP; no hash: PKCS#1 v1.5.
struct Encryption {
  const EVP_MD* hash;
  const EVP_MD* mgf_hash;
  ByteView label = {};
};

Result<Encryption> encryption_of(const AlgorithmUse& use) {
  if (use.algorithm.parameters != Parameters::oaep) {
    const EVP_MD* const md = digest_of(use.algorithm.hash);
    return Encryption{md, md};
  }
  const auto numbered = [](std::uint8_t number) -> const EVP_MD* {
    constexpr std::array kHashes{HashId::none, HashId::sha1, HashId::sha256, HashId::sha384, HashId::sha512};
    return number < kHashes.size() ? digest_of(kHashes[number]) : nullptr;
  };
  ByteReader in(use.parameters);
  const Encryption encryption{numbered(in.u8()), numbered(in.u8()), in.rest()};
  if (!in.finish() || encryption.hash == nullptr || encryption.mgf_hash == nullptr)
    return Error{Status::option, "the parameters are none of OAEP"};
  return encryption;
}

bool set_up(EVP_PKEY_CTX* context, const Encryption& with) {
  if (with.hash == nullptr) return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
  if (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(context, with.hash) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context, with.mgf_hash) != 1)
    return false;
  if (with.label.empty()) return true;
  void* const label = OPENSSL_memdup(with.label.data(), with.label.size());
  if (EVP_PKEY_CTX_set0_rsa_oaep_label(context, label, static_cast<int>(with.label.size())) == 1) return true;
  OPENSSL_free(label);
  return false;
}

}  // namespace

bool verifies(const crypto::PublicKey& key, const AlgorithmUse& use, Signed what, ByteView data, ByteView signature) {
  const Algorithm& algorithm = use.algorithm;
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
  const EVP_MD* const md = digest_of(algorithm.hash);
  if (key.kind() == KeyKind::rsa && !select_padding(context.get(), use)) return false;
  if (md != nullptr && EVP_PKEY_CTX_set_signature_md(context.get(), md) != 1) return false;
  return EVP_PKEY_verify(context.get(), encoded.data(), encoded.size(), signed_bytes.data(), signed_bytes.size()) == 1;
}

Result<Bytes> encrypt_for(const crypto::PublicKey& key, const AlgorithmUse& use, ByteView plaintext) {
  SKS_LET(const Encryption encryption, encryption_of(use));
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key.openssl(), nullptr));
  std::size_t size = 0;
  if (EVP_PKEY_encrypt_init(context.get()) != 1 || !set_up(context.get(), encryption) ||
      EVP_PKEY_encrypt(context.get(), nullptr, &size, plaintext.data(), plaintext.size()) != 1)
    return ossl::take_error("the value cannot be encrypted for the key");
  Bytes out(size);
  if (EVP_PKEY_encrypt(context.get(), out.data(), &size, plaintext.data(), plaintext.size()) != 1)
    return ossl::take_error("the value cannot be encrypted for the key");
  out.resize(size);
  return out;
}

}  // namespace sks::conformance
