#include "key-user-api/pkcs11/mechanisms.h"

#include <array>
#include <cstring>

namespace sks::p11 {
namespace {

constexpr CK_FLAGS kSigns = CKF_SIGN | CKF_VERIFY;
constexpr CK_FLAGS kCrypts = CKF_ENCRYPT | CKF_DECRYPT;
constexpr CK_FLAGS kWraps = CKF_WRAP | CKF_UNWRAP;

constexpr std::array<CK_KEY_TYPE, 3> only(CK_KEY_TYPE key) { return {key, key, key}; }
constexpr auto kRsa = only(CKK_RSA);
constexpr auto kEc = only(CKK_EC);
constexpr auto kAes = only(CKK_AES);
constexpr auto kAny = only(kAnyKey);

constexpr Mechanism rsa_hash(CK_MECHANISM_TYPE type) {
  return {type, Parameter::none, kSigns, Output::modulus, 0, true, kRsa};
}
constexpr Mechanism pss_hash(CK_MECHANISM_TYPE type) {
  return {type, Parameter::pss, kSigns, Output::modulus, 0, true, kRsa};
}
constexpr Mechanism ecdsa_hash(CK_MECHANISM_TYPE type) {
  return {type, Parameter::none, kSigns, Output::ec_signature, 0, true, kEc};
}
constexpr Mechanism hmac(CK_MECHANISM_TYPE type, std::uint16_t size, CK_KEY_TYPE own) {
  return {type, Parameter::none, kSigns, Output::fixed, size, true, {CKK_GENERIC_SECRET, own, CKK_AES}};
}
constexpr Mechanism hmac_general(CK_MECHANISM_TYPE type, CK_KEY_TYPE own) {
  return {type, Parameter::mac_length, kSigns, Output::chosen, 0, true, {CKK_GENERIC_SECRET, own, CKK_AES}};
}
constexpr Mechanism digest(CK_MECHANISM_TYPE type, std::uint16_t size) {
  return {type, Parameter::none, CKF_DIGEST, Output::fixed, size, true, kAny};
}
constexpr Mechanism generates(CK_MECHANISM_TYPE type, CK_FLAGS use) {
  return {type, Parameter::none, use, Output::nothing, 0, false, kAny};
}
constexpr Mechanism aes(CK_MECHANISM_TYPE type, Parameter parameter, Output output) {
  return {type, parameter, kCrypts | (output == Output::padded ? kWraps : 0), output, 0, true, kAes};
}
constexpr Mechanism key_wrap(CK_MECHANISM_TYPE type) {
  // At most eight bytes of padding and eight in front.
  return {type, Parameter::wrap_iv, kCrypts | kWraps, Output::padded, 0, false, kAes};
}

/// Ascending by type.
constexpr auto kMechanisms = std::to_array<Mechanism>({
    generates(CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
    {CKM_RSA_PKCS, Parameter::none, kSigns | kCrypts | kWraps, Output::modulus, 0, false, kRsa},
    rsa_hash(CKM_SHA1_RSA_PKCS),
    {CKM_RSA_PKCS_OAEP, Parameter::oaep, kCrypts | kWraps, Output::modulus, 0, false, kRsa},
    {CKM_RSA_PKCS_PSS, Parameter::pss, kSigns, Output::modulus, 0, false, kRsa},
    rsa_hash(CKM_SHA256_RSA_PKCS),
    rsa_hash(CKM_SHA384_RSA_PKCS),
    rsa_hash(CKM_SHA512_RSA_PKCS),
    pss_hash(CKM_SHA256_RSA_PKCS_PSS),
    pss_hash(CKM_SHA384_RSA_PKCS_PSS),
    pss_hash(CKM_SHA512_RSA_PKCS_PSS),
    rsa_hash(CKM_SHA224_RSA_PKCS),
    digest(CKM_SHA_1, 20),
    hmac(CKM_SHA_1_HMAC, 20, CKK_SHA_1_HMAC),
    hmac_general(CKM_SHA_1_HMAC_GENERAL, CKK_SHA_1_HMAC),
    digest(CKM_SHA256, 32),
    hmac(CKM_SHA256_HMAC, 32, CKK_SHA256_HMAC),
    hmac_general(CKM_SHA256_HMAC_GENERAL, CKK_SHA256_HMAC),
    digest(CKM_SHA224, 28),
    hmac(CKM_SHA224_HMAC, 28, CKK_SHA224_HMAC),
    hmac_general(CKM_SHA224_HMAC_GENERAL, CKK_SHA224_HMAC),
    digest(CKM_SHA384, 48),
    hmac(CKM_SHA384_HMAC, 48, CKK_SHA384_HMAC),
    hmac_general(CKM_SHA384_HMAC_GENERAL, CKK_SHA384_HMAC),
    digest(CKM_SHA512, 64),
    hmac(CKM_SHA512_HMAC, 64, CKK_SHA512_HMAC),
    hmac_general(CKM_SHA512_HMAC_GENERAL, CKK_SHA512_HMAC),
    generates(CKM_GENERIC_SECRET_KEY_GEN, CKF_GENERATE),
    generates(CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
    {CKM_ECDSA, Parameter::none, kSigns, Output::ec_signature, 0, false, kEc},
    ecdsa_hash(CKM_ECDSA_SHA1),
    ecdsa_hash(CKM_ECDSA_SHA224),
    ecdsa_hash(CKM_ECDSA_SHA256),
    ecdsa_hash(CKM_ECDSA_SHA384),
    ecdsa_hash(CKM_ECDSA_SHA512),
    {CKM_ECDH1_DERIVE,
     Parameter::ecdh,
     CKF_DERIVE,
     Output::nothing,
     0,
     false,
     {CKK_EC, kCkkEcMontgomery, kCkkEcMontgomery}},
    {CKM_ECDH1_COFACTOR_DERIVE, Parameter::ecdh, CKF_DERIVE, Output::nothing, 0, false, kEc},
    generates(CKM_EC_EDWARDS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR),
    generates(kCkmEcMontgomeryKeyPairGen, CKF_GENERATE_KEY_PAIR),
    {CKM_EDDSA, Parameter::eddsa, kSigns, Output::eddsa_signature, 0, false, only(CKK_EC_EDWARDS)},
    generates(CKM_AES_KEY_GEN, CKF_GENERATE),
    aes(CKM_AES_ECB, Parameter::none, Output::same),
    aes(CKM_AES_CBC, Parameter::iv, Output::same),
    aes(CKM_AES_CBC_PAD, Parameter::iv, Output::padded),
    aes(CKM_AES_CTR, Parameter::counter, Output::same),
    aes(CKM_AES_GCM, Parameter::gcm, Output::tagged),
    key_wrap(CKM_AES_KEY_WRAP),
    key_wrap(CKM_AES_KEY_WRAP_PAD),
    key_wrap(kCkmAesKeyWrapKwp),
});
static_assert(std::is_sorted(kMechanisms.begin(), kMechanisms.end(),
                             [](const Mechanism& a, const Mechanism& b) { return a.type < b.type; }),
              "kMechanisms is searched by type");

constexpr std::size_t kBlock = 16;
/// Of everything with a length in a parameter: additional data, labels, points.
constexpr CK_ULONG kMostParameter = 65'536;
constexpr CK_ULONG kMostTagBits = 128;
constexpr CK_ULONG kMostMac = 64;

/// Reads the structure behind a parameter. The application's memory may not be aligned.
template <class T>
bool take(const CK_MECHANISM& mechanism, T& value) {
  if (mechanism.pParameter == nullptr || mechanism.ulParameterLen != sizeof value) return false;
  std::memcpy(&value, mechanism.pParameter, sizeof value);
  return true;
}

bool write_blob(wire::BodyWriter& out, const void* data, CK_ULONG size) {
  if (is_missing(data, size) || size > kMostParameter) return false;
  out.blob({static_cast<const std::uint8_t*>(data), size});
  return true;
}

/// Appends bytes without a length in front.
void write_plain(wire::BodyWriter& out, ByteView bytes) {
  for (const std::uint8_t byte : bytes) out.u8(byte);
}

bool is_empty(const CK_MECHANISM& mechanism) { return mechanism.ulParameterLen == 0; }

bool encode_none(const CK_MECHANISM& mechanism, wire::BodyWriter&, std::size_t&) { return is_empty(mechanism); }

bool encode_pss(const CK_MECHANISM& mechanism, wire::BodyWriter& out, std::size_t&) {
  CK_RSA_PKCS_PSS_PARAMS value{};
  if (!take(mechanism, value)) return false;
  out.u64(value.hashAlg);
  out.u64(value.mgf);
  out.u64(value.sLen);
  return true;
}

bool encode_oaep(const CK_MECHANISM& mechanism, wire::BodyWriter& out, std::size_t&) {
  CK_RSA_PKCS_OAEP_PARAMS value{};
  if (!take(mechanism, value)) return false;
  // Without a label some leave out where it comes from.
  if (value.source != CKZ_DATA_SPECIFIED && (value.source != 0 || value.ulSourceDataLen != 0)) return false;
  out.u64(value.hashAlg);
  out.u64(value.mgf);
  return write_blob(out, value.pSourceData, value.ulSourceDataLen);
}

bool encode_ecdh(const CK_MECHANISM& mechanism, wire::BodyWriter& out, std::size_t&) {
  CK_ECDH1_DERIVE_PARAMS value{};
  if (!take(mechanism, value)) return false;
  out.u64(value.kdf);
  return write_blob(out, value.pSharedData, value.ulSharedDataLen) && value.ulPublicDataLen != 0 &&
         write_blob(out, value.pPublicData, value.ulPublicDataLen);
}

bool encode_iv(const CK_MECHANISM& mechanism, wire::BodyWriter& out, std::size_t&) {
  std::array<std::uint8_t, kBlock> iv{};
  if (!take(mechanism, iv)) return false;
  write_plain(out, iv);
  return true;
}

bool encode_counter(const CK_MECHANISM& mechanism, wire::BodyWriter& out, std::size_t&) {
  CK_AES_CTR_PARAMS value{};
  if (!take(mechanism, value)) return false;
  out.u64(value.ulCounterBits);
  write_plain(out, value.cb);
  return true;
}

bool encode_gcm(const CK_MECHANISM& mechanism, wire::BodyWriter& out, std::size_t& tag_size) {
  CK_GCM_PARAMS value{};
  if (!take(mechanism, value)) {
    CK_GCM_PARAMS_WITHOUT_IV_BITS shorter{};
    if (!take(mechanism, shorter)) return false;
    value.pIv = shorter.pIv;
    value.ulIvLen = shorter.ulIvLen;
    value.pAAD = shorter.pAAD;
    value.ulAADLen = shorter.ulAADLen;
    value.ulTagBits = shorter.ulTagBits;
  }
  if (value.ulTagBits > kMostTagBits || value.ulTagBits % 8 != 0) return false;
  tag_size = value.ulTagBits / 8;
  if (value.ulIvLen == 0 || !write_blob(out, value.pIv, value.ulIvLen) || !write_blob(out, value.pAAD, value.ulAADLen))
    return false;
  out.u64(value.ulTagBits);
  return true;
}

bool encode_wrap_iv(const CK_MECHANISM& mechanism, wire::BodyWriter& out, std::size_t&) {
  if (is_empty(mechanism)) return true;
  if (mechanism.pParameter == nullptr || mechanism.ulParameterLen > kBlock) return false;
  write_plain(out, {static_cast<const std::uint8_t*>(mechanism.pParameter), mechanism.ulParameterLen});
  return true;
}

bool encode_eddsa(const CK_MECHANISM& mechanism, wire::BodyWriter&, std::size_t&) {
  if (is_empty(mechanism)) return true;
  CK_EDDSA_PARAMS value{};
  // Neither the variant that hashes first nor contexts exist in the key store.
  return take(mechanism, value) && value.phFlag == CK_FALSE && value.ulContextDataLen == 0;
}

bool encode_mac_length(const CK_MECHANISM& mechanism, wire::BodyWriter& out, std::size_t& tag_size) {
  CK_ULONG length = 0;
  if (!take(mechanism, length) || length == 0 || length > kMostMac) return false;
  tag_size = length;
  out.u64(length);
  return true;
}

using Encoder = bool (*)(const CK_MECHANISM&, wire::BodyWriter&, std::size_t& tag_size);
struct ParameterRow {
  Parameter parameter;
  Encoder encode;
};
constexpr ParameterRow kParameters[] = {
    {Parameter::none, encode_none},   {Parameter::pss, encode_pss},
    {Parameter::oaep, encode_oaep},   {Parameter::ecdh, encode_ecdh},
    {Parameter::iv, encode_iv},       {Parameter::counter, encode_counter},
    {Parameter::gcm, encode_gcm},     {Parameter::wrap_iv, encode_wrap_iv},
    {Parameter::eddsa, encode_eddsa}, {Parameter::mac_length, encode_mac_length},
};

constexpr Encoder encoder_of(Parameter parameter) {
  for (const ParameterRow& row : kParameters)
    if (row.parameter == parameter) return row.encode;
  return nullptr;
}
static_assert(std::all_of(kMechanisms.begin(), kMechanisms.end(),
                          [](const Mechanism& row) { return encoder_of(row.parameter) != nullptr; }));

}  // namespace

const Mechanism* find_mechanism(CK_MECHANISM_TYPE type) {
  const auto row = std::lower_bound(kMechanisms.begin(), kMechanisms.end(), type,
                                    [](const Mechanism& a, CK_MECHANISM_TYPE b) { return a.type < b; });
  return row != kMechanisms.end() && row->type == type ? &*row : nullptr;
}

bool suits(const Mechanism& mechanism, CK_KEY_TYPE key) {
  return mechanism.keys[0] == kAnyKey ||
         std::find(std::begin(mechanism.keys), std::end(mechanism.keys), key) != std::end(mechanism.keys);
}

void EncodedMechanism::write(wire::BodyWriter& out) const {
  out.u64(row->type);
  out.blob(parameter.view());
}

Answer<EncodedMechanism> encode_mechanism(const CK_MECHANISM& mechanism, CK_FLAGS uses) {
  const Mechanism* const row = find_mechanism(mechanism.mechanism);
  if (row == nullptr || (row->uses & uses) == 0) return Rv{CKR_MECHANISM_INVALID};
  if (is_missing(mechanism.pParameter, mechanism.ulParameterLen)) return Rv{CKR_MECHANISM_PARAM_INVALID};
  EncodedMechanism encoded{row, {}, 0};
  wire::BodyWriter out(0);
  if (!encoder_of(row->parameter)(mechanism, out, encoded.tag_size) || out.failed())
    return Rv{CKR_MECHANISM_PARAM_INVALID};
  encoded.parameter = out.take();
  return encoded;
}

}  // namespace sks::p11
