#include "key-user-api/token/operations/verification.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <array>

#include "key-user-api/token/operations/key_use.h"
#include "sks-core/base/library_context.h"

namespace sks::token {
namespace {

ossl::PkeyCtx new_context(const crypto::PublicKey& key) {
  ossl::PkeyCtx context(EVP_PKEY_CTX_new_from_pkey(library_context(), key.openssl(), nullptr));
  SKS_CHECK(context != nullptr);
  return context;
}

Refusal wrong_signature() { return {CKR_SIGNATURE_INVALID, "the signature is wrong"}; }

/// `verified` is what OpenSSL says.
Outcome<void> told(int verified) {
  (void)ossl::take_error("");
  if (verified != 1) return wrong_signature();
  return {};
}

std::size_t signature_size(const crypto::PublicKey& key) {
  if (key.kind() != KeyKind::ec) return static_cast<std::size_t>(EVP_PKEY_get_size(key.openssl()));
  return 2 * std::size_t{curve_info(key.curve()).field_bytes};
}

Outcome<void> verify_prepared(EVP_PKEY_CTX* context, ByteView content, ByteView signature) {
  const std::uint8_t nothing = 0;
  return told(EVP_PKEY_verify(context, signature.data(), signature.size(), content.empty() ? &nothing : content.data(),
                              content.size()));
}

Outcome<void> verify_rsa_pkcs1(const Verification& v) {
  const ossl::PkeyCtx context = new_context(v.key);
  if (EVP_PKEY_verify_init(context.get()) != 1 || EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1)
    return told(0);
  const ByteView digest_info = v.mechanism.hash == 0 ? ByteView() : find_hash(v.mechanism.hash)->digest_info;
  return verify_prepared(context.get(), concat({digest_info, v.content}), v.signature);
}

Outcome<void> verify_pss(const Verification& v) {
  const ossl::PkeyCtx context = new_context(v.key);
  if (EVP_PKEY_verify_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), openssl_md(*v.parameter.hash)) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), openssl_md(*v.parameter.mgf)) != 1 ||
      EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), static_cast<int>(v.parameter.number)) != 1)
    return told(0);
  return verify_prepared(context.get(), v.content, v.signature);
}

Outcome<void> verify_ecdsa(const Verification& v) {
  const Result<Bytes> der = crypto::ecdsa_raw_to_der(v.key.curve(), v.signature);
  if (!der) return wrong_signature();  // a zero r or s
  const ossl::PkeyCtx context = new_context(v.key);
  if (EVP_PKEY_verify_init(context.get()) != 1) return told(0);
  return verify_prepared(context.get(), v.content, *der);
}

Outcome<void> verify_eddsa(const Verification& v) {
  const ossl::MdCtx context(EVP_MD_CTX_new());
  SKS_CHECK(context != nullptr);
  if (EVP_DigestVerifyInit_ex(context.get(), nullptr, nullptr, library_context(), nullptr, v.key.openssl(), nullptr) !=
      1)
    return told(0);
  return told(
      EVP_DigestVerify(context.get(), v.signature.data(), v.signature.size(), v.content.data(), v.content.size()));
}

struct VerifyRow {
  Scheme scheme;
  Outcome<void> (*verify)(const Verification&);
};
constexpr auto kVerifications = std::to_array<VerifyRow>({
    {Scheme::rsa_pkcs1, verify_rsa_pkcs1},
    {Scheme::rsa_pss, verify_pss},
    {Scheme::ecdsa, verify_ecdsa},
    {Scheme::eddsa, verify_eddsa},
});

bool select_oaep(EVP_PKEY_CTX* context, const Parameter& parameter) {
  if (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(context, openssl_md(*parameter.hash)) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context, openssl_md(*parameter.mgf)) != 1)
    return false;
  Bytes label = to_bytes(oaep_label(parameter));
  if (label.empty()) return true;
  const std::array<OSSL_PARAM, 2> parameters{
      OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, label.data(), label.size()),
      OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(context, parameters.data()) == 1;
}

}  // namespace

std::size_t ecdsa_input_size(const crypto::PublicKey& key) { return curve_info(key.curve()).field_bytes; }

Outcome<void> verify_signature(const Verification& verification) {
  if (verification.signature.size() != signature_size(verification.key))
    return Refusal{CKR_SIGNATURE_LEN_RANGE, "the signature has a wrong length"};
  for (const VerifyRow& row : kVerifications)
    if (row.scheme == verification.mechanism.scheme) return row.verify(verification);
  SKS_CHECK(false);
}

Result<Bytes> encrypt_rsa(const Mechanism& mechanism, const Parameter& parameter, const crypto::PublicKey& key,
                          ByteView data) {
  const ossl::PkeyCtx context = new_context(key);
  Bytes out(modulus_size(key));
  std::size_t size = out.size();
  const std::uint8_t nothing = 0;
  const bool done =
      EVP_PKEY_encrypt_init(context.get()) == 1 &&
      (mechanism.scheme == Scheme::rsa_oaep ? select_oaep(context.get(), parameter)
                                            : EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1) &&
      EVP_PKEY_encrypt(context.get(), out.data(), &size, data.empty() ? &nothing : data.data(), data.size()) == 1;
  if (!done) return ossl::take_error("Encryption failed");
  out.resize(size);
  return out;
}

}  // namespace sks::token
