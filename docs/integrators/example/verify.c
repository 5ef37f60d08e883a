#include "verify.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

/* OpenSSL takes a SEQUENCE of two INTEGERs. Returns its size, or 0. */
static size_t encode_signature(const uint8_t* raw, size_t size, unsigned char** der) {
  ECDSA_SIG* const signature = ECDSA_SIG_new();
  BIGNUM* const r = BN_bin2bn(raw, (int)(size / 2), NULL);
  BIGNUM* const s = BN_bin2bn(raw + size / 2, (int)(size / 2), NULL);
  int encoded = 0;
  if (signature != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(signature, r, s) == 1) {
    encoded = i2d_ECDSA_SIG(signature, der); /* r and s are the signature's now */
  } else {
    BN_free(r);
    BN_free(s);
  }
  ECDSA_SIG_free(signature);
  return encoded > 0 ? (size_t)encoded : 0;
}

int verify_ecdsa_sha256(sks_bytes certificate, sks_bytes message, const uint8_t* signature, size_t size) {
  const unsigned char* at = certificate.data;
  unsigned char* der = NULL;
  X509* const certified = d2i_X509(NULL, &at, (long)certificate.size);
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  const size_t der_size = encode_signature(signature, size, &der);
  const int is_right = certified != NULL && context != NULL && der_size > 0 &&
                       EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, X509_get0_pubkey(certified)) == 1 &&
                       EVP_DigestVerify(context, der, der_size, message.data, message.size) == 1;
  OPENSSL_free(der);
  EVP_MD_CTX_free(context);
  X509_free(certified);
  return is_right;
}
