#include "sks-core/crypto/public_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <string>

#include "sks-core/base/library_context.h"
#include "sks-core/crypto/fetch.h"
#include "sks-core/crypto/key_types.h"

namespace sks::crypto {
namespace {

using ParamBuilder = ossl::Ptr<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;
using Params = ossl::Ptr<OSSL_PARAM, OSSL_PARAM_free>;
using EcdsaSig = ossl::Ptr<ECDSA_SIG, ECDSA_SIG_free>;

constexpr std::size_t kMaxRsaModulusBytes = 2048;  // 16,384 bits: OpenSSL's own limit for verification
constexpr std::size_t kMaxSpkiBytes = 4096;

// Raw-key types: the whole prefix before the key. Spec: sks-api.md 6.2.
struct RawKeyInfo {
  KeyKind kind;
  std::array<std::uint8_t, 12> prefix;
  std::size_t size;
};
constexpr auto kRawKeys = std::to_array<RawKeyInfo>({
    {KeyKind::ed25519, {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}, 32},
    {KeyKind::ed448, {0x30, 0x43, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71, 0x03, 0x3a, 0x00}, 57},
    {KeyKind::x25519, {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00}, 32},
    {KeyKind::x448, {0x30, 0x42, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6f, 0x03, 0x39, 0x00}, 56},
});

constexpr auto kRsaAlgorithmIdentifier = std::to_array<std::uint8_t>(
    {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00});

bool starts_with(ByteView data, ByteView prefix) {
  return data.size() >= prefix.size() && equal(data.first(prefix.size()), prefix);
}

void put_length(Bytes& out, std::size_t length) {
  if (length < 0x80) {
    out.push_back(static_cast<std::uint8_t>(length));
  } else if (length <= 0xFF) {
    out.push_back(0x81);
    out.push_back(static_cast<std::uint8_t>(length));
  } else {
    SKS_CHECK(length <= 0xFFFF);
    out.push_back(0x82);
    out.push_back(static_cast<std::uint8_t>(length >> 8));
    out.push_back(static_cast<std::uint8_t>(length & 0xFF));
  }
}

Bytes der(std::uint8_t tag, ByteView content) {
  Bytes out{tag};
  put_length(out, content.size());
  out.insert(out.end(), content.begin(), content.end());
  return out;
}

Bytes der_unsigned(ByteView number) {
  Bytes content;
  if (number[0] >= 0x80) content.push_back(0);
  content.insert(content.end(), number.begin(), number.end());
  return der(0x02, content);
}

Bytes rsa_spki(ByteView modulus, ByteView exponent) {
  const Bytes key = der(0x30, concat({der_unsigned(modulus), der_unsigned(exponent)}));
  const std::uint8_t no_unused_bits = 0;
  const Bytes bits = der(0x03, concat({ByteView(&no_unused_bits, 1), key}));
  return der(0x30, concat({kRsaAlgorithmIdentifier, bits}));
}

/// The INTEGER at the beginning of DER: not negative, of the shortest form, below 128 bytes. `value` has no leading
/// zero.
struct DerNumber {
  ByteView value;
  ByteView rest;
};
std::optional<DerNumber> first_der_number(ByteView der) {
  constexpr std::uint8_t kInteger = 0x02, kSign = 0x80;
  if (der.size() < 3 || der[0] != kInteger || der[1] == 0 || der[1] >= kSign || der[1] > der.size() - 2)
    return std::nullopt;
  ByteView value = der.subspan(2, der[1]);
  const ByteView rest = der.subspan(2 + value.size());
  if (value[0] >= kSign) return std::nullopt;
  if (value[0] == 0) {
    value = value.subspan(1);
    if (!value.empty() && value[0] < kSign) return std::nullopt;
  }
  return DerNumber{value, rest};
}

Result<Bytes> bn_parameter(EVP_PKEY* key, const char* name) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) return ossl::take_error("RSA key without its numbers");
  const ossl::BigNum owner(number);
  Bytes out(static_cast<std::size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, out.data());
  return out;
}

// Tells apart what is no public key at all (crypto) from a sound key that we do not serve (option).
Error refusal_of(ByteView spki) {
  const Error malformed{Status::crypto, "Public key is malformed or not in the strict form"};
  if (spki.size() > kMaxSpkiBytes) return malformed;
  const std::uint8_t* at = spki.data();
  const ossl::Pkey key(d2i_PUBKEY_ex(nullptr, &at, static_cast<long>(spki.size()), library_context(), nullptr));
  (void)ossl::take_error("");
  if (key == nullptr || at != spki.data() + spki.size()) return malformed;
  if (EVP_PKEY_is_a(key.get(), "RSA") == 1) return malformed;
  if (EVP_PKEY_is_a(key.get(), "EC") == 1) {
    std::array<char, 64> group{};
    if (EVP_PKEY_get_group_name(key.get(), group.data(), group.size(), nullptr) != 1) return malformed;
    for (const CurveInfo& curve : all_curves())
      if (OBJ_sn2nid(group.data()) == EC_curve_nist2nid(std::string(curve.group_name).c_str()) ||
          curve.group_name == std::string_view(group.data()))
        return malformed;
    return {Status::option, "EC curve not supported"};
  }
  for (const RawKeyInfo& info : kRawKeys)
    if (EVP_PKEY_is_a(key.get(), key_type_name(info.kind)) == 1) return malformed;
  return {Status::option, "Type of public key not supported"};
}

}  // namespace

Result<ossl::PkeyCtx> new_key_context(KeyKind kind) {
  ossl::PkeyCtx context(EVP_PKEY_CTX_new_from_name(library_context(), key_type_name(kind), nullptr));
  if (context == nullptr) return ossl::take_error("Key type not available", Status::internal);
  return context;
}

Result<ossl::PkeyCtx> new_key_context(EVP_PKEY* key) {
  ossl::PkeyCtx context(EVP_PKEY_CTX_new_from_pkey(library_context(), key, nullptr));
  if (context == nullptr) return ossl::take_error("Key not usable", Status::internal);
  return context;
}

Result<ossl::Pkey> import_key(KeyKind kind, int selection, OSSL_PARAM* parameters) {
  SKS_LET(const ossl::PkeyCtx context, new_key_context(kind));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(context.get()) != 1 || EVP_PKEY_fromdata(context.get(), &key, selection, parameters) != 1)
    return ossl::take_error("Key is malformed");
  return ossl::Pkey(key);
}

Result<ossl::Pkey> empty_ec_key(Curve curve) {
  static std::mutex mutex;
  static std::map<Curve, ossl::Pkey>& originals = *new std::map<Curve, ossl::Pkey>;  // until the process ends
  const std::lock_guard lock(mutex);
  ossl::Pkey& original = originals[curve];
  if (original == nullptr) {
    std::string group(curve_info(curve).group_name);
    std::array<OSSL_PARAM, 2> parameters{OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
                                         OSSL_PARAM_construct_end()};
    SKS_LET(original, import_key(KeyKind::ec, EVP_PKEY_KEY_PARAMETERS, parameters.data()));
  }
  ossl::Pkey copy(EVP_PKEY_dup(original.get()));
  if (copy == nullptr) return ossl::take_error("EC key cannot be copied", Status::internal);
  return copy;
}

PublicKey::PublicKey(KeyKind kind, std::optional<Curve> curve, Bytes spki, ossl::Pkey key)
    : kind_(kind), curve_(curve), spki_(std::move(spki)), key_(std::move(key)) {}

PublicKey::PublicKey(const PublicKey& other) : kind_(other.kind_), curve_(other.curve_), spki_(other.spki_) {
  SKS_CHECK(EVP_PKEY_up_ref(other.key_.get()) == 1);
  key_.reset(other.key_.get());
}

PublicKey& PublicKey::operator=(const PublicKey& other) {
  if (this != &other) *this = PublicKey(other);
  return *this;
}

Result<PublicKey> PublicKey::from_spki(ByteView spki) {
  for (const CurveInfo& info : all_curves()) {
    const std::size_t field = info.field_bytes;
    if (spki.size() == info.spki_prefix.size() + 2 * field && starts_with(spki, info.spki_prefix))
      return from_ec_point(info.curve, spki.last(2 * field).first(field), spki.last(field));
  }
  for (const RawKeyInfo& info : kRawKeys)
    if (spki.size() == info.prefix.size() + info.size && starts_with(spki, info.prefix))
      return from_raw(info.kind, spki.last(info.size));

  // RSA: let OpenSSL take the numbers out, then insist that our own encoding of them is what came in.
  if (spki.size() > 4 && spki.size() <= kMaxSpkiBytes) {
    const ByteView after_header = spki.subspan(spki[1] == 0x82 ? 4 : spki[1] == 0x81 ? 3 : 2);
    if (starts_with(after_header, kRsaAlgorithmIdentifier)) {
      const std::uint8_t* at = spki.data();
      const ossl::Pkey key(d2i_PUBKEY_ex(nullptr, &at, static_cast<long>(spki.size()), library_context(), nullptr));
      if (key != nullptr && EVP_PKEY_is_a(key.get(), "RSA") == 1) {
        SKS_LET(const Bytes modulus, bn_parameter(key.get(), OSSL_PKEY_PARAM_RSA_N));
        SKS_LET(const Bytes exponent, bn_parameter(key.get(), OSSL_PKEY_PARAM_RSA_E));
        SKS_LET(PublicKey made, from_rsa(modulus, exponent));
        if (equal(made.spki(), spki)) return made;
      }
    }
  }
  return refusal_of(spki);
}

Result<PublicKey> PublicKey::from_ec_point(Curve curve, ByteView x, ByteView y) {
  const CurveInfo& info = curve_info(curve);
  if (x.size() != info.field_bytes || y.size() != info.field_bytes)
    return Error{Status::crypto, "EC coordinates of a wrong length"};
  Bytes spki = concat({info.spki_prefix, x, y});
  const ByteView point = ByteView(spki).last(1 + 2 * std::size_t{info.field_bytes});
  SKS_LET(ossl::Pkey key, empty_ec_key(curve));
  // Refuses a point that is not on the curve.
  if (EVP_PKEY_set1_encoded_public_key(key.get(), point.data(), point.size()) != 1)
    return ossl::take_error("Key is malformed");
  return PublicKey(KeyKind::ec, curve, std::move(spki), std::move(key));
}

Result<PublicKey> PublicKey::from_rsa(ByteView modulus, ByteView exponent) {
  const auto minimal = [](ByteView number) { return !number.empty() && number[0] != 0; };
  if (!minimal(modulus) || !minimal(exponent) || modulus.size() > kMaxRsaModulusBytes ||
      exponent.size() > modulus.size())
    return Error{Status::crypto, "RSA public key with malformed numbers"};
  const ossl::BigNum n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
  const ossl::BigNum e(BN_bin2bn(exponent.data(), static_cast<int>(exponent.size()), nullptr));
  if (BN_is_odd(n.get()) == 0 || BN_is_odd(e.get()) == 0)
    return Error{Status::crypto, "RSA public key with an even number"};
  const ParamBuilder builder(OSSL_PARAM_BLD_new());
  SKS_CHECK(builder != nullptr && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
            OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
  const Params parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  SKS_CHECK(parameters != nullptr);
  SKS_LET(ossl::Pkey key, import_key(KeyKind::rsa, EVP_PKEY_PUBLIC_KEY, parameters.get()));
  return PublicKey(KeyKind::rsa, std::nullopt, rsa_spki(modulus, exponent), std::move(key));
}

Result<PublicKey> PublicKey::from_raw(KeyKind kind, ByteView raw) {
  const auto info = std::ranges::find(kRawKeys, kind, &RawKeyInfo::kind);
  SKS_CHECK(info != kRawKeys.end());
  if (raw.size() != info->size) return Error{Status::crypto, "Raw public key of a wrong length"};
  Bytes copy = to_bytes(raw);
  std::array<OSSL_PARAM, 2> parameters{
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy.data(), copy.size()), OSSL_PARAM_construct_end()};
  SKS_LET(ossl::Pkey key, import_key(kind, EVP_PKEY_PUBLIC_KEY, parameters.data()));
  return PublicKey(kind, std::nullopt, concat({info->prefix, raw}), std::move(key));
}

Result<PublicKey> PublicKey::from_openssl(EVP_PKEY* key) {
  std::uint8_t* encoded = nullptr;
  const int size = i2d_PUBKEY(key, &encoded);
  if (size <= 0) return ossl::take_error("Public key cannot be encoded");
  const Bytes spki(encoded, encoded + size);
  OPENSSL_free(encoded);
  return from_spki(spki);
}

Curve PublicKey::curve() const {
  SKS_CHECK(curve_.has_value());
  return *curve_;
}

std::size_t PublicKey::rsa_modulus_bytes() const { return rsa_modulus().size(); }

Bytes PublicKey::rsa_modulus() const {
  SKS_CHECK(kind_ == KeyKind::rsa);
  Result<Bytes> modulus = bn_parameter(key_.get(), OSSL_PKEY_PARAM_RSA_N);
  return std::move(modulus).value();
}

Bytes PublicKey::rsa_exponent() const {
  SKS_CHECK(kind_ == KeyKind::rsa);
  Result<Bytes> exponent = bn_parameter(key_.get(), OSSL_PKEY_PARAM_RSA_E);
  return std::move(exponent).value();
}

Bytes PublicKey::ec_x() const {
  const std::size_t field = curve_info(curve()).field_bytes;
  return to_bytes(ByteView(spki_).last(2 * field).first(field));
}

Bytes PublicKey::ec_y() const { return to_bytes(ByteView(spki_).last(curve_info(curve()).field_bytes)); }

Bytes PublicKey::raw() const {
  const auto info = std::ranges::find(kRawKeys, kind_, &RawKeyInfo::kind);
  SKS_CHECK(info != kRawKeys.end());
  return to_bytes(ByteView(spki_).last(info->size));
}

Result<Bytes> ecdsa_der_to_raw(Curve curve, ByteView der_signature) {
  constexpr std::uint8_t kSequence = 0x30, kLongForm = 0x81;
  const Error malformed{Status::crypto, "ECDSA signature is malformed"};
  const std::size_t field = curve_info(curve).field_bytes;
  const bool is_long = der_signature.size() > 1 && der_signature[1] == kLongForm;
  const std::size_t head = is_long ? 3 : 2;
  if (der_signature.size() < head || der_signature[0] != kSequence) return malformed;
  const ByteView content = der_signature.subspan(head);
  if (der_signature[head - 1] != content.size() || is_long != (content.size() >= 0x80)) return malformed;
  const std::optional<DerNumber> r = first_der_number(content);
  const std::optional<DerNumber> s = r ? first_der_number(r->rest) : std::nullopt;
  if (!s || !s->rest.empty()) return malformed;
  if (r->value.size() > field || s->value.size() > field)
    return Error{Status::crypto, "ECDSA signature too large for its curve"};
  Bytes raw(2 * field);
  std::ranges::copy(r->value, raw.data() + field - r->value.size());
  std::ranges::copy(s->value, raw.data() + 2 * field - s->value.size());
  return raw;
}

Result<Bytes> ecdsa_raw_to_der(Curve curve, ByteView raw) {
  const std::size_t field = curve_info(curve).field_bytes;
  if (raw.size() != 2 * field) return Error{Status::crypto, "ECDSA signature of a wrong length"};
  ossl::BigNum r(BN_bin2bn(raw.data(), static_cast<int>(field), nullptr));
  ossl::BigNum s(BN_bin2bn(raw.data() + field, static_cast<int>(field), nullptr));
  SKS_CHECK(r != nullptr && s != nullptr);
  if (BN_is_zero(r.get()) == 1 || BN_is_zero(s.get()) == 1)
    return Error{Status::crypto, "ECDSA signature with a zero number"};
  const EcdsaSig signature(ECDSA_SIG_new());
  SKS_CHECK(signature != nullptr && ECDSA_SIG_set0(signature.get(), r.get(), s.get()) == 1);
  r.release();
  s.release();
  std::uint8_t* encoded = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &encoded);
  SKS_CHECK(size > 0);
  Bytes out(encoded, encoded + size);
  OPENSSL_free(encoded);
  return out;
}

Result<void> verify_signature(const PublicKey& key, ByteView data, ByteView signature) {
  Bytes encoded;
  switch (key.kind()) {
    case KeyKind::rsa:
      if (signature.size() != key.rsa_modulus_bytes()) return Error{Status::crypto, "RSA signature of a wrong length"};
      encoded = to_bytes(signature);
      break;
    case KeyKind::ec: {
      SKS_LET(encoded, ecdsa_raw_to_der(key.curve(), signature));
      break;
    }
    case KeyKind::ed25519:
    case KeyKind::ed448:
    case KeyKind::x25519:
    case KeyKind::x448:
      return Error{Status::crypto, "Key type cannot verify an attestation"};
  }
  const ossl::MdCtx context(EVP_MD_CTX_new());
  SKS_CHECK(context != nullptr);
  if (EVP_DigestVerifyInit_ex(context.get(), nullptr, "SHA256", library_context(), nullptr, key.openssl(), nullptr) !=
      1)
    return ossl::take_error("Verification not possible");
  const bool valid = EVP_DigestVerify(context.get(), encoded.data(), encoded.size(), data.data(), data.size()) == 1;
  (void)ossl::take_error("");
  if (!valid) return Error{Status::option, "Signature is not valid"};
  return {};
}

}  // namespace sks::crypto
