#include "sks-core/crypto/private_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <string>

#include "sks-core/base/library_context.h"
#include "sks-core/base/random.h"
#include "sks-core/crypto/fetch.h"
#include "sks-core/crypto/hash.h"
#include "sks-core/crypto/key_types.h"

namespace sks::crypto {
namespace {

constexpr std::size_t kMaxExponentBytes = 8;
constexpr std::uint8_t kDefaultExponent[] = {0x01, 0x00, 0x01};

// Big-endian two's complement; must be positive, odd and at least 3. Spec: sks-api.md 4.9 step 21.
Result<ossl::BigNum> parse_exponent(ByteView parameters) {
  const ByteView bytes = parameters.empty() ? ByteView(kDefaultExponent) : parameters;
  if (bytes.size() > kMaxExponentBytes || bytes[0] >= 0x80)
    return Error{Status::crypto, "RSA exponent is not positive or too long"};
  ossl::BigNum exponent(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  SKS_CHECK(exponent != nullptr);
  if (BN_is_odd(exponent.get()) == 0 || BN_is_one(exponent.get()) == 1)
    return Error{Status::crypto, "RSA exponent is even or below 3"};
  return exponent;
}

Result<ossl::PkeyCtx> generation_context(const Algorithm& algorithm) {
  if (algorithm.kind != KeyKind::ec) return new_key_context(*algorithm.kind);
  SKS_LET(const ossl::Pkey parameters, empty_ec_key(*algorithm.curve));
  return new_key_context(parameters.get());
}

Result<void> set_up_generation(EVP_PKEY_CTX* context, const Algorithm& algorithm, ByteView parameters) {
  if (algorithm.kind == KeyKind::rsa) {
    SKS_LET(const ossl::BigNum exponent, parse_exponent(parameters));
    if (EVP_PKEY_CTX_set_rsa_keygen_bits(context, algorithm.size) != 1 ||
        EVP_PKEY_CTX_set1_rsa_keygen_pubexp(context, exponent.get()) != 1)
      return ossl::take_error("RSA key generation refused");
  }
  return {};
}

// Runs a "how long, then fill" pair of OpenSSL. `run(out, size)` returns 1 on success.
template <class Buffer, class Run>
Result<Buffer> fill(const char* what, Run run) {
  std::size_t size = 0;
  if (run(nullptr, &size) != 1) return ossl::take_error(what);
  Buffer out(size);
  if (run(out.data(), &size) != 1) return ossl::take_error(what);
  if constexpr (std::is_same_v<Buffer, SecureBytes>) {
    out.truncate(size);
  } else {
    out.resize(size);
  }
  return out;
}

// For the algorithms that sign the message itself.
Result<Bytes> sign_whole(EVP_PKEY* key, ByteView message) {
  const ossl::MdCtx context(EVP_MD_CTX_new());
  SKS_CHECK(context != nullptr);
  if (EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, library_context(), nullptr, key, nullptr) != 1)
    return ossl::take_error("Key cannot sign");
  return fill<Bytes>("Signing failed", [&](std::uint8_t* out, std::size_t* size) {
    return EVP_DigestSign(context.get(), out, size, message.data(), message.size());
  });
}

Result<Bytes> sign_prepared(EVP_PKEY_CTX* context, ByteView digest) {
  const std::uint8_t nothing = 0;  // a null pointer would mean "no input" to some providers
  const std::uint8_t* const data = digest.empty() ? &nothing : digest.data();
  return fill<Bytes>("Signing failed", [&](std::uint8_t* out, std::size_t* size) {
    return EVP_PKEY_sign(context, out, size, data, digest.size());
  });
}

Result<ossl::PkeyCtx> new_ecdsa_context(EVP_PKEY* key) {
  SKS_LET(ossl::PkeyCtx context, new_key_context(key));
  if (EVP_PKEY_sign_init(context.get()) != 1) return ossl::take_error("Key cannot sign");
  return context;
}

Result<ossl::PkeyCtx> copy_of_context(const EVP_PKEY_CTX* context) {
  ossl::PkeyCtx copy(EVP_PKEY_CTX_dup(context));
  if (copy == nullptr) return ossl::take_error("Key not usable", Status::internal);
  return copy;
}

// OpenSSL computes the public half of keys of some other types while it decodes them, which can take minutes.
bool is_of_our_types(const PKCS8_PRIV_KEY_INFO* info) {
  constexpr std::array kTypes{NID_rsaEncryption, NID_X9_62_id_ecPublicKey, NID_ED25519, NID_ED448, NID_X25519,
                              NID_X448};
  const ASN1_OBJECT* type = nullptr;
  return PKCS8_pkey_get0(&type, nullptr, nullptr, nullptr, info) == 1 &&
         std::ranges::find(kTypes, OBJ_obj2nid(type)) != kTypes.end();
}

// The decoder takes any number as a scalar; only those below the order of the group are keys. EVP_PKEY_private_check
// would say the same, but does not work in a program that made an ENGINE the default for EC keys.
Result<void> check_scalar(EVP_PKEY* key) {
  BIGNUM* scalar = nullptr;
  BIGNUM* order = nullptr;
  const bool has_both = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1 &&
                        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_ORDER, &order) == 1;
  const ossl::BigNum scalar_owner(scalar);
  const ossl::BigNum order_owner(order);
  if (!has_both || BN_is_zero(scalar) == 1 || BN_is_negative(scalar) == 1 || BN_cmp(scalar, order) >= 0)
    return ossl::take_error("EC private key out of range");
  return {};
}

// The public half of a new EC key. Encoding and decoding it would take longer than making the key.
Result<PublicKey> public_half(EVP_PKEY* key, Curve curve) {
  const std::size_t field = curve_info(curve).field_bytes;
  Bytes point(1 + 2 * field);
  std::size_t size = 0;
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &size) != 1 ||
      size != point.size() || point.front() != POINT_CONVERSION_UNCOMPRESSED)
    return ossl::take_error("Public key cannot be encoded", Status::internal);
  return PublicKey::from_ec_point(curve, ByteView(point).subspan(1, field), ByteView(point).last(field));
}

// A DER element of less than 64 KiB around `parts`.
SecureBytes der(std::uint8_t tag, std::initializer_list<ByteView> parts) {
  std::size_t size = 0;
  for (const ByteView part : parts) size += part.size();
  SKS_CHECK(size <= 0xFFFF);
  Bytes head{tag};
  if (size >= 0x80) head.push_back(size <= 0xFF ? 0x81 : 0x82);
  if (size > 0xFF) head.push_back(static_cast<std::uint8_t>(size >> 8));
  head.push_back(static_cast<std::uint8_t>(size));
  SecureBytes out(head.size() + size);
  std::uint8_t* at = std::ranges::copy(head, out.data()).out;
  for (const ByteView part : parts) at = std::ranges::copy(part, at).out;
  return out;
}

// publicKey of an ECPrivateKey, behind the scalar.
SecureBytes ec_public_part(ByteView point) {
  constexpr std::uint8_t kBitString = 0x03, kPublicKey = 0xA1;
  constexpr std::uint8_t kNoUnusedBits[] = {0};
  return der(kPublicKey, {der(kBitString, {kNoUnusedBits, point}).view()});
}

// PrivateKeyInfo of RFC 5208 around an ECPrivateKey of RFC 5915, with the public point unless that is empty. OpenSSL's
// encoder makes the same bytes, but takes several times as long as making the key.
SecureBytes ec_pkcs8(const CurveInfo& info, ByteView scalar, ByteView point) {
  constexpr std::uint8_t kInteger = 0x02, kOctetString = 0x04, kSequence = 0x30;
  constexpr std::uint8_t kVersion0[] = {kInteger, 1, 0};
  constexpr std::uint8_t kVersion1[] = {kInteger, 1, 1};
  // SubjectPublicKeyInfo starts with SEQUENCE { AlgorithmIdentifier, BIT STRING 00 04 ... }: the middle is what we
  // need.
  const bool long_form = info.spki_prefix[1] == 0x81;
  const ByteView after_header = info.spki_prefix.subspan(long_form ? 3 : 2);
  const ByteView algorithm = after_header.first(std::size_t{2} + after_header[1]);
  const SecureBytes secret = der(kOctetString, {scalar});
  const SecureBytes public_key = point.empty() ? SecureBytes() : ec_public_part(point);
  const SecureBytes ec_key = der(kSequence, {kVersion1, secret.view(), public_key.view()});
  return der(kSequence, {kVersion0, algorithm, der(kOctetString, {ec_key.view()}).view()});
}

// The two parts of a key in exactly the form that ec_pkcs8() writes, else none.
struct EcParts {
  ByteView scalar;
  ByteView point;
};
std::optional<EcParts> ec_parts(ByteView pkcs8, const CurveInfo& info) {
  const std::size_t field = info.field_bytes;
  const std::size_t point_size = 1 + 2 * field;
  const Bytes zeros(point_size);
  const std::size_t public_size = ec_public_part(zeros).size();
  if (pkcs8.size() < public_size + field) return std::nullopt;
  const EcParts parts{pkcs8.subspan(pkcs8.size() - public_size - field, field), pkcs8.last(point_size)};
  if (parts.point.front() != POINT_CONVERSION_UNCOMPRESSED) return std::nullopt;  // 06 and 07 stand for the same point
  if (!equal(ec_pkcs8(info, parts.scalar, parts.point).view(), pkcs8)) return std::nullopt;
  return parts;
}

// A key from its parts. OpenSSL's decoder takes many times as long as signing with the key.
Result<ossl::Pkey> import_ec(const CurveInfo& info, const EcParts& parts) {
  const ossl::BigNum scalar(BN_bin2bn(parts.scalar.data(), static_cast<int>(parts.scalar.size()), nullptr));
  SecureBytes native(parts.scalar.size());
  SKS_CHECK(scalar != nullptr && BN_bn2nativepad(scalar.get(), native.data(), static_cast<int>(native.size())) > 0);
  std::string group(info.group_name);
  Bytes point = to_bytes(parts.point);
  std::array<OSSL_PARAM, 4> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
      OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native.data(), native.size()),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end()};
  return import_key(KeyKind::ec, EVP_PKEY_KEYPAIR, parameters.data());
}

// The secret scalar in the size of the field.
Result<SecureBytes> ec_scalar(EVP_PKEY* key, const CurveInfo& info) {
  BIGNUM* scalar = nullptr;
  const bool found = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) == 1;
  const ossl::BigNum owner(scalar);
  SecureBytes out(info.field_bytes);
  if (!found || BN_bn2binpad(scalar, out.data(), info.field_bytes) != info.field_bytes)
    return ossl::take_error("Private key cannot be encoded");
  return out;
}

bool select_pkcs1(EVP_PKEY_CTX* context) {
  if (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1) return false;
  // Later versions of OpenSSL, and patched ones, answer bad padding with random bytes unless told not to. The
  // specification wants an error. Versions without the parameter ignore it.
  unsigned int no = 0;
  std::array<OSSL_PARAM, 2> parameters{OSSL_PARAM_construct_uint("implicit-rejection", &no),
                                       OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(context, parameters.data()) == 1;
}

bool select_oaep(EVP_PKEY_CTX* context, const Oaep& oaep) {
  if (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_oaep_md(context, fetched_md(oaep.hash)) != 1 ||
      EVP_PKEY_CTX_set_rsa_mgf1_md(context, fetched_md(oaep.mgf_hash)) != 1)
    return false;
  if (oaep.label.empty()) return true;
  Bytes label = to_bytes(oaep.label);
  const std::array<OSSL_PARAM, 2> parameters{
      OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL, label.data(), label.size()),
      OSSL_PARAM_construct_end()};
  return EVP_PKEY_CTX_set_params(context, parameters.data()) == 1;
}

// `select` chooses the padding of a context. Failures come in the same words, see decrypt_rsa().
template <class Select>
Result<SecureBytes> decrypt_padded(EVP_PKEY* key, ByteView ciphertext, Select select) {
  const auto failed = [] {
    (void)ossl::take_error("");
    return Error{Status::crypto, "Decryption failed"};
  };
  // OpenSSL would take a shorter cipher text for a smaller number. Spec: RFC 8017, chapters 7.1.2 and 7.2.2.
  SecureBytes out(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
  if (ciphertext.size() != out.size()) return failed();
  SKS_LET(const ossl::PkeyCtx context, new_key_context(key));
  if (EVP_PKEY_decrypt_init(context.get()) != 1 || !select(context.get())) return failed();
  std::size_t size = out.size();
  if (EVP_PKEY_decrypt(context.get(), out.data(), &size, ciphertext.data(), ciphertext.size()) != 1) return failed();
  out.truncate(size);
  return out;
}

// How long a salt may be. Spec: RFC 8017, chapter 9.1.1: emLen - hLen - 2 bytes, emLen being that of modBits - 1 bits.
std::optional<std::size_t> pss_room(EVP_PKEY* key, std::size_t hash_size) {
  const std::size_t encoded = (static_cast<std::size_t>(EVP_PKEY_get_bits(key)) - 1 + 7) / 8;
  if (encoded < hash_size + 2) return std::nullopt;
  return encoded - hash_size - 2;
}

Error wrong_type() { return {Status::crypto, "Key type does not fit the operation"}; }

// Whether the private half brings back a number that the public half has turned into another one. OpenSSL's own check
// proves p and q to be prime as well, which takes minutes for the largest keys. Without padding: then the number is
// random, and so is what the key is applied to.
Result<bool> rsa_halves_fit(EVP_PKEY* key) {
  Bytes number = system_random().bytes(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
  number.front() = 0;  // below the modulus
  SKS_LET(const ossl::PkeyCtx context, new_key_context(key));
  std::size_t size = number.size();
  Bytes turned(size);
  if (EVP_PKEY_encrypt_init(context.get()) != 1 || EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_NO_PADDING) != 1 ||
      EVP_PKEY_encrypt(context.get(), turned.data(), &size, number.data(), number.size()) != 1)
    return ossl::take_error("Key not usable");
  Bytes back(turned.size());
  if (EVP_PKEY_decrypt_init(context.get()) != 1 || EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_NO_PADDING) != 1)
    return ossl::take_error("Key not usable");
  size = back.size();
  const bool answered = EVP_PKEY_decrypt(context.get(), back.data(), &size, turned.data(), turned.size()) == 1;
  (void)ossl::take_error("");
  return answered && equal(back, number);
}

// Whether the scalar makes the point.
Result<bool> ec_halves_fit(const PrivateKey& key) {
  if (key.public_key().kind() != KeyKind::ec) return wrong_type();
  SKS_LET(const ossl::PkeyCtx context, new_key_context(key.openssl()));
  const bool fit = EVP_PKEY_pairwise_check(context.get()) == 1;
  (void)ossl::take_error("");
  return fit;
}

}  // namespace

PrivateKey::PrivateKey(ossl::Pkey key, PublicKey public_key)
    : key_(std::move(key)), public_key_(std::move(public_key)) {}

Result<PrivateKey> PrivateKey::generate(const Algorithm& algorithm, ByteView parameters) {
  SKS_CHECK(algorithm.kind.has_value());
  SKS_LET(const ossl::PkeyCtx context, generation_context(algorithm));
  if (EVP_PKEY_keygen_init(context.get()) != 1) return ossl::take_error("Key generation refused");
  SKS_TRY(set_up_generation(context.get(), algorithm, parameters));
  EVP_PKEY* made = nullptr;
  if (EVP_PKEY_generate(context.get(), &made) != 1) return ossl::take_error("Key generation failed");
  ossl::Pkey key(made);
  SKS_LET(PublicKey public_key,
          algorithm.curve ? public_half(key.get(), *algorithm.curve) : PublicKey::from_openssl(key.get()));
  return PrivateKey(std::move(key), std::move(public_key));
}

Result<PrivateKey> PrivateKey::from_pkcs8(ByteView der) {
  for (const CurveInfo& info : all_curves()) {
    const std::optional<EcParts> parts = ec_parts(der, info);
    if (!parts) continue;
    // What is wrong with such a key is left to the decoder below to find.
    Result<ossl::Pkey> key = import_ec(info, *parts);
    const std::size_t field = info.field_bytes;
    Result<PublicKey> public_key =
        PublicKey::from_ec_point(info.curve, parts->point.subspan(1, field), parts->point.last(field));
    if (key && public_key && check_scalar(key->get()))
      return decoded(std::move(key).value(), std::move(public_key).value());
  }
  const std::uint8_t* at = der.data();
  const ossl::Ptr<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  if (info == nullptr || at != der.data() + der.size()) return ossl::take_error("PKCS#8 key is malformed");
  if (!is_of_our_types(info.get())) return Error{Status::crypto, "PKCS#8 key of a type that is not supported"};
  ossl::Pkey key(EVP_PKCS82PKEY_ex(info.get(), library_context(), nullptr));
  if (key == nullptr) return ossl::take_error("PKCS#8 key is malformed");
  Result<PublicKey> public_key = PublicKey::from_openssl(key.get());
  if (!public_key) return Error{Status::crypto, std::move(public_key).error().detail};
  if (public_key->kind() == KeyKind::ec) SKS_TRY(check_scalar(key.get()));
  return decoded(std::move(key), std::move(public_key).value());
}

// Stored keys sign more than once: copying a context saves a tenth of the time of a P-256 signature.
Result<PrivateKey> PrivateKey::decoded(ossl::Pkey key, PublicKey public_key) {
  PrivateKey result(std::move(key), std::move(public_key));
  if (result.public_key_.kind() == KeyKind::ec) {
    SKS_LET(result.ecdsa_, new_ecdsa_context(result.key_.get()));
  }
  return result;
}

Result<PrivateKey> PrivateKey::from_ec_scalar(Curve curve, ByteView scalar) {
  const CurveInfo& info = curve_info(curve);
  if (scalar.size() != info.field_bytes) return Error{Status::crypto, "EC scalar of a wrong length"};
  // Without its public half: OpenSSL computes the point while decoding.
  return from_pkcs8(ec_pkcs8(info, scalar, {}).view());
}

Result<SecureBytes> PrivateKey::to_pkcs8() const {
  if (public_key_.kind() == KeyKind::ec) {
    const CurveInfo& info = curve_info(public_key_.curve());
    SKS_LET(const SecureBytes scalar, ec_scalar(key_.get(), info));
    // An uncompressed point: 04 and two coordinates.
    const ByteView point = ByteView(public_key_.spki()).last(1 + 2 * std::size_t{info.field_bytes});
    return ec_pkcs8(info, scalar.view(), point);
  }
  const ossl::Ptr<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free> info(EVP_PKEY2PKCS8(key_.get()));
  if (info == nullptr) return ossl::take_error("Private key cannot be encoded");
  std::uint8_t* encoded = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), &encoded);
  if (size <= 0) return ossl::take_error("Private key cannot be encoded");
  SecureBytes out = SecureBytes::copy_of({encoded, static_cast<std::size_t>(size)});
  OPENSSL_clear_free(encoded, static_cast<std::size_t>(size));
  return out;
}

Result<Bytes> PrivateKey::sign_rsa(HashId hash, ByteView message) const {
  if (public_key_.kind() != KeyKind::rsa) return wrong_type();
  return sign_rsa_digest(hash, digest(hash, message));
}

Result<Bytes> PrivateKey::sign_rsa_digest(HashId hash, ByteView digest) const {
  if (public_key_.kind() != KeyKind::rsa) return wrong_type();
  SKS_LET(const ossl::PkeyCtx context, new_key_context(key_.get()));
  if (EVP_PKEY_sign_init(context.get()) != 1 || EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) != 1)
    return ossl::take_error("Key cannot sign");
  if (hash != HashId::none && EVP_PKEY_CTX_set_signature_md(context.get(), fetched_md(hash)) != 1)
    return ossl::take_error("Key cannot sign");
  return sign_prepared(context.get(), digest);
}

Result<Bytes> PrivateKey::sign_pss_digest(HashId hash, std::size_t salt_size, ByteView digest) const {
  if (public_key_.kind() != KeyKind::rsa) return wrong_type();
  const std::optional<std::size_t> room = pss_room(key_.get(), digest_size(hash));
  if (!room || salt_size > *room) return Error{Status::option, "the RSA key has no room for a salt of this length"};
  SKS_LET(const ossl::PkeyCtx context, new_key_context(key_.get()));
  if (EVP_PKEY_sign_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PSS_PADDING) != 1 ||
      EVP_PKEY_CTX_set_signature_md(context.get(), fetched_md(hash)) != 1 ||
      EVP_PKEY_CTX_set_rsa_pss_saltlen(context.get(), static_cast<int>(salt_size)) != 1)
    return ossl::take_error("Key cannot sign");
  return sign_prepared(context.get(), digest);
}

Result<Bytes> PrivateKey::sign_ecdsa(HashId hash, ByteView message) const {
  if (public_key_.kind() != KeyKind::ec) return wrong_type();
  // Not EVP_DigestSign, which looks the hash up by name for every signature.
  return sign_ecdsa_digest(digest(hash, message));
}

Result<Bytes> PrivateKey::sign_ecdsa_digest(ByteView digest) const {
  if (public_key_.kind() != KeyKind::ec) return wrong_type();
  SKS_LET(const ossl::PkeyCtx context,
          ecdsa_ == nullptr ? new_ecdsa_context(key_.get()) : copy_of_context(ecdsa_.get()));
  SKS_LET(const Bytes der, sign_prepared(context.get(), digest));
  return ecdsa_der_to_raw(public_key_.curve(), der);
}

Result<Bytes> PrivateKey::sign_eddsa(ByteView message) const {
  if (public_key_.kind() != KeyKind::ed25519 && public_key_.kind() != KeyKind::ed448) return wrong_type();
  return sign_whole(key_.get(), message);
}

Result<Bytes> PrivateKey::sign(ByteView message) const {
  if (public_key_.kind() == KeyKind::rsa) return sign_rsa(HashId::sha256, message);
  return sign_ecdsa(HashId::sha256, message);
}

Result<SecureBytes> PrivateKey::decrypt_rsa(HashId oaep_hash, ByteView ciphertext) const {
  if (public_key_.kind() != KeyKind::rsa) return wrong_type();
  if (oaep_hash != HashId::none) return decrypt_rsa(Oaep{oaep_hash, oaep_hash}, ciphertext);
  return decrypt_padded(key_.get(), ciphertext, select_pkcs1);
}

Result<SecureBytes> PrivateKey::decrypt_rsa(const Oaep& oaep, ByteView ciphertext) const {
  if (public_key_.kind() != KeyKind::rsa) return wrong_type();
  return decrypt_padded(key_.get(), ciphertext, [&](EVP_PKEY_CTX* context) { return select_oaep(context, oaep); });
}

Result<SecureBytes> PrivateKey::agree(const PublicKey& peer) const {
  const bool same_type = peer.kind() == public_key_.kind();
  if (!same_type || (peer.kind() == KeyKind::ec && peer.curve() != public_key_.curve()))
    return Error{Status::crypto, "Public key does not fit the private key"};
  SKS_LET(const ossl::PkeyCtx context, new_key_context(key_.get()));
  if (EVP_PKEY_derive_init(context.get()) != 1) return ossl::take_error("Key cannot agree");
  // PublicKey has checked the point already, so OpenSSL need not do it a second time.
  constexpr int kNoValidation = 0;
  if (EVP_PKEY_derive_set_peer_ex(context.get(), peer.openssl(), kNoValidation) != 1)
    return ossl::take_error("Public key does not fit the private key");
  return fill<SecureBytes>("Key agreement failed", [&](std::uint8_t* out, std::size_t* size) {
    return EVP_PKEY_derive(context.get(), out, size);
  });
}

Result<void> check_halves(const PrivateKey& key) {
  SKS_LET(const bool fit, key.public_key().kind() == KeyKind::rsa ? rsa_halves_fit(key.openssl()) : ec_halves_fit(key));
  if (fit) return {};
  return Error{Status::option, "the private key does not belong to its own public key"};
}

}  // namespace sks::crypto
