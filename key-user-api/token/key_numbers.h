#pragma once

#include "key-user-api/token/template.h"
#include "sks-core/crypto/private_key.h"

/// Keys out of the numbers that templates give them. Spec: PKCS#11, chapters on RSA and elliptic curves.
namespace sks::token {

/// The key generation algorithm that CKA_EC_PARAMS names: an object identifier, or for the curves of RFC 7748 and
/// RFC 8032 also the printable name of PKCS#11 3.0. Null: a curve that SKS does not know.
const Algorithm* find_curve(ByteView ec_params);

/// The key generation algorithm for RSA keys of this size with the default exponent, or one that takes the exponent.
/// Null: a size that SKS does not know.
const Algorithm* find_rsa(std::uint64_t bits, bool takes_exponent);

/// They fail with CKR_TEMPLATE_INCOMPLETE, CKR_ATTRIBUTE_VALUE_INVALID, CKR_CURVE_NOT_SUPPORTED, or
/// CKR_TEMPLATE_INCONSISTENT when the key type is none that they know.
Outcome<crypto::PublicKey> public_key_of(CK_KEY_TYPE type, const Template& attributes);
Outcome<crypto::PrivateKey> private_key_of(CK_KEY_TYPE type, const Template& attributes);

}  // namespace sks::token
