#pragma once

#include <openssl/evp.h>

#include "sks-core/crypto/algorithms.h"
#include "sks-core/crypto/ossl.h"

/// How OpenSSL calls our key types. Private to the crypto folder.
namespace sks::crypto {

/// The name under which key contexts are made: a dotted object identifier.
///
/// For the everyday names ("EC", "RSA") OpenSSL first asks whether an ENGINE wants to handle the type. A program that
/// made a PKCS#11 engine the default, and loaded our module for it, would call itself without end. Providers know the
/// identifiers, engines do not.
constexpr const char* key_type_name(KeyKind kind) {
  switch (kind) {
    case KeyKind::rsa:
      return "1.2.840.113549.1.1.1";
    case KeyKind::ec:
      return "1.2.840.10045.2.1";
    case KeyKind::ed25519:
      return "1.3.101.112";
    case KeyKind::ed448:
      return "1.3.101.113";
    case KeyKind::x25519:
      return "1.3.101.110";
    case KeyKind::x448:
      return "1.3.101.111";
  }
  return nullptr;
}

/// A context to make or import keys of a type.
Result<ossl::PkeyCtx> new_key_context(KeyKind kind);

/// A context to use a key.
Result<ossl::PkeyCtx> new_key_context(EVP_PKEY* key);

/// A key of the curve that has no point yet: for generating keys, and for importing points. It is a copy: OpenSSL takes
/// four times as long to find a curve by its name as to check a point.
Result<ossl::Pkey> empty_ec_key(Curve curve);

/// Builds a key out of parameters: `selection` is EVP_PKEY_PUBLIC_KEY or EVP_PKEY_KEYPAIR.
Result<ossl::Pkey> import_key(KeyKind kind, int selection, OSSL_PARAM* parameters);

}  // namespace sks::crypto
