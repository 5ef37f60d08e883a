#include "tests/support/pkcs11/keys.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <array>

namespace sks::pkcs11_client {
namespace {

// OBJECT IDENTIFIER prime256v1 in DER: CKA_EC_PARAMS of P-256.
constexpr auto kP256Parameters =
    std::to_array<std::uint8_t>({0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07});
constexpr auto kExponent65537 = std::to_array<std::uint8_t>({0x01, 0x00, 0x01});
constexpr std::size_t kUncompressedPoint = 65;

Answer<KeyPair> generate(const Session& session, CK_MECHANISM_TYPE mechanism, Attributes public_key,
                         Attributes private_key) {
  std::vector<CK_ATTRIBUTE> public_list = public_key.list();
  std::vector<CK_ATTRIBUTE> private_list = private_key.list();
  CK_MECHANISM how{mechanism, nullptr, 0};
  KeyPair pair;
  SKS_TRY(check("C_GenerateKeyPair",
                session.functions().C_GenerateKeyPair(session.handle(), &how, public_list.data(), public_list.size(),
                                                      private_list.data(), private_list.size(), &pair.public_key,
                                                      &pair.private_key)));
  return pair;
}

Attributes private_template(Lifetime lifetime, ByteView id, const std::string& label) {
  Attributes wanted;
  wanted.flag(CKA_TOKEN, lifetime == Lifetime::token).flag(CKA_PRIVATE, true).flag(CKA_SENSITIVE, true);
  wanted.flag(CKA_EXTRACTABLE, false).flag(CKA_SIGN, true).add(CKA_ID, id).add(CKA_LABEL, label);
  return wanted;
}

Attributes public_template(Lifetime lifetime, ByteView id, const std::string& label) {
  Attributes wanted;
  wanted.flag(CKA_TOKEN, lifetime == Lifetime::token).flag(CKA_PRIVATE, false).flag(CKA_VERIFY, true);
  wanted.add(CKA_ID, id).add(CKA_LABEL, label);
  return wanted;
}

Attributes secret_template(CK_KEY_TYPE type, const std::string& label) {
  Attributes wanted;
  wanted.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, type).flag(CKA_TOKEN, true).flag(CKA_PRIVATE, true);
  wanted.flag(CKA_SENSITIVE, true).flag(CKA_EXTRACTABLE, false).add(CKA_LABEL, label);
  return wanted;
}

Bytes random_key() {
  Bytes value(32);
  SKS_CHECK(RAND_bytes(value.data(), static_cast<int>(value.size())) == 1);
  return value;
}

}  // namespace

Answer<KeyPair> generate_p256(const Session& session, Lifetime lifetime, ByteView id, const std::string& label) {
  Attributes public_key = public_template(lifetime, id, label);
  public_key.add(CKA_EC_PARAMS, ByteView(kP256Parameters));
  return generate(session, CKM_EC_KEY_PAIR_GEN, std::move(public_key), private_template(lifetime, id, label));
}

Answer<KeyPair> generate_rsa2048(const Session& session, ByteView id, const std::string& label) {
  Attributes public_key = public_template(Lifetime::token, id, label);
  public_key.number(CKA_MODULUS_BITS, 2048).add(CKA_PUBLIC_EXPONENT, ByteView(kExponent65537));
  return generate(session, CKM_RSA_PKCS_KEY_PAIR_GEN, std::move(public_key),
                  private_template(Lifetime::token, id, label));
}

Answer<CK_OBJECT_HANDLE> make_aes256(const Session& session, const std::string& label) {
  Attributes wanted = secret_template(CKK_AES, label);
  wanted.flag(CKA_ENCRYPT, true).flag(CKA_DECRYPT, true);
  Attributes with_value = wanted;
  auto created = session.create(with_value.add(CKA_VALUE, random_key()));
  if (created) return created;
  std::vector<CK_ATTRIBUTE> list = wanted.number(CKA_VALUE_LEN, 32).list();
  CK_MECHANISM how{CKM_AES_KEY_GEN, nullptr, 0};
  CK_OBJECT_HANDLE key = 0;
  SKS_TRY(check("C_GenerateKey",
                session.functions().C_GenerateKey(session.handle(), &how, list.data(), list.size(), &key)));
  return key;
}

Answer<CK_OBJECT_HANDLE> make_hmac_key(const Session& session, const std::string& label) {
  Attributes wanted = secret_template(CKK_GENERIC_SECRET, label);
  return session.create(wanted.flag(CKA_SIGN, true).flag(CKA_VERIFY, true).add(CKA_VALUE, random_key()));
}

Answer<ossl::Pkey> p256_public_key(const Session& session, CK_OBJECT_HANDLE object) {
  SKS_LET(const Bytes der, session.attribute(object, CKA_EC_POINT));
  // OCTET STRING with an uncompressed point.
  if (der.size() != kUncompressedPoint + 2 || der[0] != 0x04 || der[1] != kUncompressedPoint)
    return Refused{"CKA_EC_POINT is no point of P-256"};
  std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, const_cast<char*>("P-256"), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, const_cast<std::uint8_t*>(der.data() + 2),
                                        kUncompressedPoint),
      OSSL_PARAM_construct_end()};
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.data()) != 1)
    return Refused{"CKA_EC_POINT is not on the curve"};
  return ossl::Pkey(key);
}

bool is_p256_signature(EVP_PKEY* key, ByteView hash, ByteView signature) {
  if (signature.size() != 64) return false;
  const ossl::Ptr<ECDSA_SIG, ECDSA_SIG_free> pair(ECDSA_SIG_new());
  SKS_CHECK(ECDSA_SIG_set0(pair.get(), BN_bin2bn(signature.data(), 32, nullptr),
                           BN_bin2bn(signature.data() + 32, 32, nullptr)) == 1);
  std::array<unsigned char, 80> der{};
  unsigned char* end = der.data();
  const int size = i2d_ECDSA_SIG(pair.get(), &end);
  SKS_CHECK(size > 0 && static_cast<std::size_t>(size) <= der.size());
  const ossl::PkeyCtx context(EVP_PKEY_CTX_new(key, nullptr));
  return EVP_PKEY_verify_init(context.get()) == 1 &&
         EVP_PKEY_verify(context.get(), der.data(), static_cast<std::size_t>(size), hash.data(), hash.size()) == 1;
}

Bytes test_hash(std::uint64_t number) {
  std::array<std::uint8_t, sizeof number> bytes{};
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(number);
    number >>= 8;
  }
  Bytes hash(SHA256_DIGEST_LENGTH);
  SHA256(bytes.data(), bytes.size(), hash.data());
  return hash;
}

}  // namespace sks::pkcs11_client
