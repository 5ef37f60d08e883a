#pragma once

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string_view>

#include "sks-core/base/result.h"

/// Owners of OpenSSL objects, and the only reader of its error queue.
namespace sks::ossl {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const noexcept {
    Free(p);
  }
};
template <class T, auto Free>
using Ptr = std::unique_ptr<T, Deleter<Free>>;

using MacCtx = Ptr<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using Pkey = Ptr<EVP_PKEY, EVP_PKEY_free>;
using PkeyCtx = Ptr<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using MdCtx = Ptr<EVP_MD_CTX, EVP_MD_CTX_free>;
using CipherCtx = Ptr<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using BigNum = Ptr<BIGNUM, BN_clear_free>;
using Cert = Ptr<X509, X509_free>;
using Bio = Ptr<BIO, BIO_free_all>;

/// An Error with `what` and OpenSSL's own reason, if it has one. Empties the error queue of this thread.
Error take_error(std::string_view what, Status status = Status::crypto);

}  // namespace sks::ossl
