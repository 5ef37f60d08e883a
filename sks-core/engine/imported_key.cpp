#include "sks-core/engine/imported_key.h"

#include <openssl/core_names.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include <array>

#include "sks-core/base/library_context.h"

namespace sks::engine {
namespace {

constexpr std::size_t kMinPrivateKey = 21;
constexpr std::string_view kProbe = "Does the private key fit the certificate?";

using Pkcs8 = ossl::Ptr<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using BigNumCtx = ossl::Ptr<BN_CTX, BN_CTX_free>;

Error option(std::string_view why) { return {Status::option, std::string(why)}; }

bool has_named_curve(const PKCS8_PRIV_KEY_INFO* info) {
  const ASN1_OBJECT* type = nullptr;
  const X509_ALGOR* algorithm = nullptr;
  if (PKCS8_pkey_get0(&type, nullptr, nullptr, &algorithm, info) != 1) return false;
  int parameter_type = V_ASN1_UNDEF;
  X509_ALGOR_get0(nullptr, &parameter_type, nullptr, algorithm);
  return OBJ_obj2nid(type) == NID_X9_62_id_ecPublicKey && parameter_type == V_ASN1_OBJECT;
}

// Whether `pkcs8` is a sound EC key, only on a curve that this SKS does not know. Such a key passes step 8.
bool is_on_unknown_curve(ByteView pkcs8) {
  const std::uint8_t* at = pkcs8.data();
  const Pkcs8 info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(pkcs8.size())));
  if (info == nullptr || at != pkcs8.data() + pkcs8.size() || !has_named_curve(info.get())) return false;
  const ossl::Pkey key(EVP_PKCS82PKEY_ex(info.get(), library_context(), nullptr));
  if (key == nullptr) return false;
  const Result<crypto::PublicKey> public_key = crypto::PublicKey::from_openssl(key.get());
  return !public_key && public_key.error().status == Status::option;
}

// A factor that is longer than the modulus is none. OpenSSL would not mind, but compute with it for minutes.
Result<void> check_factors(const crypto::PrivateKey& key) {
  constexpr std::array kFactors{OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_FACTOR3,
                                OSSL_PKEY_PARAM_RSA_FACTOR4, OSSL_PKEY_PARAM_RSA_FACTOR5};
  const std::size_t longest = key.public_key().rsa_modulus_bytes();
  for (const char* const name : kFactors) {
    BIGNUM* value = nullptr;
    if (EVP_PKEY_get_bn_param(key.openssl(), name, &value) != 1) continue;  // RSA keys have two factors or more
    const ossl::BigNum factor(value);
    if (static_cast<std::size_t>(BN_num_bytes(value)) > longest)
      return Error{Status::crypto, "encryptedKey: an RSA factor is longer than the modulus"};
  }
  (void)ossl::take_error("");
  return {};
}

// Step 8, and step 11 for curves that do not decode here.
Result<crypto::PrivateKey> decode(const KeyEntry& key, ByteView pkcs8) {
  Result<crypto::PrivateKey> decoded = crypto::PrivateKey::from_pkcs8(pkcs8);
  if (!decoded) {
    const bool unknown_curve = is_on_unknown_curve(pkcs8);
    (void)ossl::take_error("");
    return unknown_curve ? option("encryptedKey: EC curve not supported") : std::move(decoded).error();
  }
  const KeyKind kind = decoded->public_key().kind();
  if (kind != KeyKind::rsa && kind != KeyKind::ec && kind != key.certificate_kind)
    return Error{Status::crypto, "encryptedKey: the key is neither an RSA nor an EC key"};
  if (kind == KeyKind::rsa) SKS_TRY(check_factors(*decoded));
  return decoded;
}

Result<ossl::BigNum> number(const crypto::PrivateKey& key, const char* name) {
  BIGNUM* value = nullptr;
  if (EVP_PKEY_get_bn_param(key.openssl(), name, &value) != 1) return ossl::take_error("Private key lacks a number");
  BN_set_flags(value, BN_FLG_CONSTTIME);
  return ossl::BigNum(value);
}

// 2^(e·d) mod n = 2, which is the specification's 2^(e·d-1) mod n = 1 because n is odd.
Result<bool> exponents_belong_together(const crypto::PrivateKey& key) {
  SKS_LET(const ossl::BigNum n, number(key, OSSL_PKEY_PARAM_RSA_N));
  SKS_LET(const ossl::BigNum e, number(key, OSSL_PKEY_PARAM_RSA_E));
  SKS_LET(const ossl::BigNum d, number(key, OSSL_PKEY_PARAM_RSA_D));
  const BigNumCtx context(BN_CTX_secure_new());
  const ossl::BigNum value(BN_secure_new());
  SKS_CHECK(context != nullptr && value != nullptr && BN_set_word(value.get(), 2) == 1);
  for (const BIGNUM* const exponent : {d.get(), e.get()})
    if (BN_mod_exp_mont_consttime(value.get(), value.get(), exponent, n.get(), context.get(), nullptr) != 1) {
      (void)ossl::take_error("");
      return false;
    }
  return BN_is_word(value.get(), 2) == 1;
}

// Step 10. The probe shows that the other numbers of the key, with which OpenSSL computes, are sound as well.
Result<crypto::PrivateKey> check_rsa(const crypto::PublicKey& certified, crypto::PrivateKey imported) {
  if (imported.public_key().spki() != certified.spki())
    return option("encryptedKey: the key does not fit the certificate");
  SKS_LET(const bool fitting, exponents_belong_together(imported));
  if (!fitting) return option("encryptedKey: the exponents do not belong together");
  SKS_LET(const Bytes signature, imported.sign(as_bytes(kProbe)));
  SKS_TRY(crypto::verify_signature(certified, as_bytes(kProbe), signature));
  return imported;
}

// The public key inside a PKCS#8 key need not be that of its private key.
Result<crypto::PrivateKey> with_computed_point(const crypto::PrivateKey& imported) {
  SKS_LET(const ossl::BigNum scalar, number(imported, OSSL_PKEY_PARAM_PRIV_KEY));
  const Curve curve = imported.public_key().curve();
  SecureBytes bytes(curve_info(curve).field_bytes);
  const int size = static_cast<int>(bytes.size());
  if (BN_bn2binpad(scalar.get(), bytes.data(), size) != size)
    return Error{Status::crypto, "encryptedKey: EC private key out of range"};
  SKS_LET(crypto::PrivateKey made, crypto::PrivateKey::from_ec_scalar(curve, bytes.view()));
  // Those who get it from exportKey may want to find the point in it.
  constexpr int kInclude = 1;
  if (EVP_PKEY_set_int_param(made.openssl(), OSSL_PKEY_PARAM_EC_INCLUDE_PUBLIC, kInclude) != 1)
    return ossl::take_error("Private key cannot be encoded");
  return made;
}

}  // namespace

Result<crypto::PrivateKey> read_imported_key(const KeyEntry& key, ByteView pkcs8) {
  if (pkcs8.size() < kMinPrivateKey) return Error{Status::internal, "encryptedKey is too short"};
  SKS_LET(crypto::PrivateKey imported, decode(key, pkcs8));
  const KeyKind kind = imported.public_key().kind();
  if ((kind == KeyKind::rsa) != (key.certificate_kind == KeyKind::rsa))
    return option("encryptedKey: the key does not fit the certificate");
  if (kind == KeyKind::ec) return with_computed_point(imported);
  if (kind != KeyKind::rsa) return imported;
  SKS_LET(const crypto::PublicKey certified, crypto::PublicKey::from_spki(key.certificate_public_key));
  return check_rsa(certified, std::move(imported));
}

}  // namespace sks::engine
