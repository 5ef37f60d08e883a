#include "tests/key-user-api/local_issuer/bare_openssl.h"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

namespace sks::test {
namespace {

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate decode(ByteView der) {
  const std::uint8_t* at = der.data();
  return {d2i_X509(nullptr, &at, static_cast<long>(der.size())), X509_free};
}

Bytes to_der(ByteView raw) {
  const std::size_t half = raw.size() / 2;
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(ECDSA_SIG_new(), ECDSA_SIG_free);
  BIGNUM* const r = BN_bin2bn(raw.data(), static_cast<int>(half), nullptr);
  BIGNUM* const s = BN_bin2bn(raw.data() + half, static_cast<int>(half), nullptr);
  if (ECDSA_SIG_set0(pair.get(), r, s) != 1) return {};
  std::uint8_t* encoded = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &encoded);
  const Bytes der(encoded, encoded + size);
  OPENSSL_free(encoded);
  return der;
}

std::string text_of(const X509_NAME* name) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), BIO_free);
  X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

bool verifies_with_openssl(ByteView certificate, ByteView message, ByteView signature) {
  const Certificate decoded = decode(certificate);
  EVP_PKEY* const key = decoded == nullptr ? nullptr : X509_get0_pubkey(decoded.get());
  if (key == nullptr) return false;
  const int type = EVP_PKEY_get_base_id(key);
  const bool is_ec = type == EVP_PKEY_EC;
  const bool hashes = is_ec || type == EVP_PKEY_RSA;
  const Bytes value = is_ec ? to_der(signature) : Bytes(signature.begin(), signature.end());
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return EVP_DigestVerifyInit(context.get(), nullptr, hashes ? EVP_sha256() : nullptr, nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), value.data(), value.size(), message.data(), message.size()) == 1;
}

std::string subject_of(ByteView certificate) { return text_of(X509_get_subject_name(decode(certificate).get())); }
std::string issuer_of(ByteView certificate) { return text_of(X509_get_issuer_name(decode(certificate).get())); }

}  // namespace sks::test
