#include "key-user-api/token/operations/mechanisms.h"

#include <algorithm>
#include <array>

#include "key-user-api/token/standard.h"

namespace sks::token {
namespace {

#define SKS_ALG "https://webpki.github.io/sks/algorithm#"
#define DSIG_ALG "http://www.w3.org/2000/09/xmldsig#"
#define DSIGMORE_ALG "http://www.w3.org/2001/04/xmldsig-more#"
#define DSIGMORE2007_ALG "http://www.w3.org/2007/05/xmldsig-more#"
#define XMLENC11_ALG "http://www.w3.org/2009/xmlenc11#"
#define EXT_ALG "urn:sks:ext:"

// Raw signatures come first: they take what every application gives. A key that is endorsed for one hash still signs
// such hashes.
constexpr std::array kRsaPkcs{
    SksAlgorithm{SKS_ALG "rsa.pkcs1.none"}, SksAlgorithm{DSIGMORE_ALG "rsa-sha256", HashId::sha256},
    SksAlgorithm{DSIGMORE_ALG "rsa-sha384", HashId::sha384}, SksAlgorithm{DSIGMORE_ALG "rsa-sha512", HashId::sha512}};
constexpr std::array kRsaPss{SksAlgorithm{DSIGMORE2007_ALG "sha256-rsa-MGF1", HashId::sha256},
                             SksAlgorithm{DSIGMORE2007_ALG "sha384-rsa-MGF1", HashId::sha384},
                             SksAlgorithm{DSIGMORE2007_ALG "sha512-rsa-MGF1", HashId::sha512}};
constexpr std::array kEcdsa{SksAlgorithm{SKS_ALG "ecdsa.none"},
                            SksAlgorithm{DSIGMORE_ALG "ecdsa-sha256", HashId::sha256},
                            SksAlgorithm{DSIGMORE_ALG "ecdsa-sha384", HashId::sha384},
                            SksAlgorithm{DSIGMORE_ALG "ecdsa-sha512", HashId::sha512}};
constexpr std::array kEddsa{SksAlgorithm{SKS_ALG "ed25519"}, SksAlgorithm{SKS_ALG "ed448"}};
constexpr std::array kRsaDecryption{SksAlgorithm{SKS_ALG "rsa.es.pkcs1_5"}};
// With SHA-1 and SHA-256 throughout and no label the first ones do too. The hash is that of the label.
constexpr std::array kRsaOaep{SksAlgorithm{XMLENC11_ALG "rsa-oaep"},
                              SksAlgorithm{SKS_ALG "rsa.oaep.sha1", HashId::sha1},
                              SksAlgorithm{SKS_ALG "rsa.oaep.sha256", HashId::sha256}};
constexpr std::array kEcdh{SksAlgorithm{SKS_ALG "ecdh.raw"}};
constexpr std::array kEcb{SksAlgorithm{SKS_ALG "aes.ecb.nopad"}};
constexpr std::array kCbc{SksAlgorithm{EXT_ALG "aes.cbc.nopad"}};
constexpr std::array kCbcPad{SksAlgorithm{SKS_ALG "aes.cbc"}};
constexpr std::array kCtr{SksAlgorithm{EXT_ALG "aes.ctr"}};
constexpr std::array kGcm{SksAlgorithm{EXT_ALG "aes.gcm"}};
constexpr std::array kKw{SksAlgorithm{EXT_ALG "aes.kw"}};
constexpr std::array kKwp{SksAlgorithm{EXT_ALG "aes.kwp"}};
constexpr std::array kHmacSha1{SksAlgorithm{DSIG_ALG "hmac-sha1", HashId::sha1}};
constexpr std::array kHmacSha256{SksAlgorithm{DSIGMORE_ALG "hmac-sha256", HashId::sha256}};
constexpr std::array kHmacSha384{SksAlgorithm{DSIGMORE_ALG "hmac-sha384", HashId::sha384}};
constexpr std::array kHmacSha512{SksAlgorithm{DSIGMORE_ALG "hmac-sha512", HashId::sha512}};

using Algorithms = std::span<const SksAlgorithm>;

constexpr CK_FLAGS kSigns = CKF_SIGN | CKF_VERIFY;
constexpr CK_FLAGS kEncrypts = CKF_ENCRYPT | CKF_DECRYPT;
constexpr CK_FLAGS kWraps = CKF_WRAP | CKF_UNWRAP;
constexpr CK_FLAGS kCurve = CKF_EC_F_P | CKF_EC_NAMEDCURVE | CKF_EC_UNCOMPRESS;

constexpr CK_ULONG kMinRsa = 1024, kMaxRsa = 4096;    // bits
constexpr CK_ULONG kMinEc = 256, kMaxEc = 521;        // bits
constexpr CK_ULONG kMinRaw = 255, kMaxRaw = 448;      // bits: Edwards and Montgomery curves
constexpr CK_ULONG kMinAes = 16, kMaxAes = 32;        // bytes
constexpr CK_ULONG kMinSecret = 1, kMaxSecret = 128;  // bytes

constexpr Mechanism generation(CK_MECHANISM_TYPE type, CK_FLAGS flags, CK_ULONG min, CK_ULONG max) {
  return {type, Scheme::generation, Keys::none, flags, min, max};
}
constexpr Mechanism hashing(CK_MECHANISM_TYPE type) {
  return {.type = type,
          .scheme = Scheme::digest,
          .keys = Keys::none,
          .functions = CKF_DIGEST,
          .min_key_size = 0,
          .max_key_size = 0,
          .hash = type,
          .parts = Parts::hashed};
}
/// `hash` 0: the application hashes.
constexpr Mechanism rsa_signature(CK_MECHANISM_TYPE type, Scheme scheme, CK_MECHANISM_TYPE hash) {
  const bool pss = scheme == Scheme::rsa_pss;
  return {.type = type,
          .scheme = scheme,
          .keys = Keys::rsa,
          .functions = kSigns,
          .min_key_size = kMinRsa,
          .max_key_size = kMaxRsa,
          .parameter = pss ? Shape::pss : Shape::none,
          .hash = hash,
          .parts = hash == 0 ? Parts::collected : Parts::hashed,
          .algorithms = pss ? Algorithms(kRsaPss) : Algorithms(kRsaPkcs)};
}
constexpr Mechanism rsa_pkcs() {
  Mechanism row = rsa_signature(CKM_RSA_PKCS, Scheme::rsa_pkcs1, 0);
  row.functions |= kEncrypts | kWraps;
  row.wraps = Wraps::secret_keys;
  row.decryption_algorithms = kRsaDecryption;
  return row;
}
constexpr Mechanism rsa_oaep() {
  return {.type = CKM_RSA_PKCS_OAEP,
          .scheme = Scheme::rsa_oaep,
          .keys = Keys::rsa,
          .functions = kEncrypts | kWraps,
          .min_key_size = kMinRsa,
          .max_key_size = kMaxRsa,
          .parameter = Shape::oaep,
          .wraps = Wraps::secret_keys,
          .algorithms = kRsaOaep};
}
constexpr Mechanism ecdsa(CK_MECHANISM_TYPE type, CK_MECHANISM_TYPE hash) {
  return {.type = type,
          .scheme = Scheme::ecdsa,
          .keys = Keys::ec,
          .functions = kSigns | kCurve,
          .min_key_size = kMinEc,
          .max_key_size = kMaxEc,
          .hash = hash,
          .parts = hash == 0 ? Parts::collected : Parts::hashed,
          .algorithms = kEcdsa};
}
constexpr Mechanism eddsa() {
  return {.type = CKM_EDDSA,
          .scheme = Scheme::eddsa,
          .keys = Keys::edwards,
          .functions = kSigns | kCurve,
          .min_key_size = kMinRaw,
          .max_key_size = kMaxRaw,
          .algorithms = kEddsa};
}
constexpr Mechanism agreement(CK_MECHANISM_TYPE type) {
  return {.type = type,
          .scheme = Scheme::agreement,
          .keys = Keys::agreement,
          .functions = CKF_DERIVE | kCurve,
          .min_key_size = kMinRaw,
          .max_key_size = kMaxEc,
          .parameter = Shape::agreement,
          .algorithms = kEcdh};
}
constexpr Mechanism aes(CK_MECHANISM_TYPE type, Shape parameter, Parts parts, Wraps wraps, Algorithms algorithms) {
  return {.type = type,
          .scheme = Scheme::aes,
          .keys = Keys::aes,
          .functions = kEncrypts | (wraps == Wraps::nothing ? 0 : kWraps),
          .min_key_size = kMinAes,
          .max_key_size = kMaxAes,
          .parameter = parameter,
          .parts = parts,
          .wraps = wraps,
          .algorithms = algorithms};
}
constexpr Mechanism hmac(CK_MECHANISM_TYPE type, CK_MECHANISM_TYPE hash, Algorithms algorithms) {
  return {.type = type,
          .scheme = Scheme::hmac,
          .keys = Keys::secret,
          .functions = kSigns,
          .min_key_size = kMinSecret,
          .max_key_size = kMaxSecret,
          .hash = hash,
          .algorithms = algorithms};
}
constexpr Mechanism hmac_general(CK_MECHANISM_TYPE type, CK_MECHANISM_TYPE hash, Algorithms algorithms) {
  Mechanism row = hmac(type, hash, algorithms);
  row.parameter = Shape::mac_length;
  return row;
}

constexpr auto kMechanisms = std::to_array<Mechanism>({
    generation(CKM_RSA_PKCS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR, kMinGeneratedRsaBits, kMaxRsa),
    rsa_pkcs(),
    rsa_signature(CKM_SHA1_RSA_PKCS, Scheme::rsa_pkcs1, CKM_SHA_1),
    rsa_oaep(),
    rsa_signature(CKM_RSA_PKCS_PSS, Scheme::rsa_pss, 0),
    rsa_signature(CKM_SHA256_RSA_PKCS, Scheme::rsa_pkcs1, CKM_SHA256),
    rsa_signature(CKM_SHA384_RSA_PKCS, Scheme::rsa_pkcs1, CKM_SHA384),
    rsa_signature(CKM_SHA512_RSA_PKCS, Scheme::rsa_pkcs1, CKM_SHA512),
    rsa_signature(CKM_SHA256_RSA_PKCS_PSS, Scheme::rsa_pss, CKM_SHA256),
    rsa_signature(CKM_SHA384_RSA_PKCS_PSS, Scheme::rsa_pss, CKM_SHA384),
    rsa_signature(CKM_SHA512_RSA_PKCS_PSS, Scheme::rsa_pss, CKM_SHA512),
    rsa_signature(CKM_SHA224_RSA_PKCS, Scheme::rsa_pkcs1, CKM_SHA224),
    hashing(CKM_SHA_1),
    hmac(CKM_SHA_1_HMAC, CKM_SHA_1, kHmacSha1),
    hmac_general(CKM_SHA_1_HMAC_GENERAL, CKM_SHA_1, kHmacSha1),
    hashing(CKM_SHA256),
    hmac(CKM_SHA256_HMAC, CKM_SHA256, kHmacSha256),
    hmac_general(CKM_SHA256_HMAC_GENERAL, CKM_SHA256, kHmacSha256),
    hashing(CKM_SHA224),
    hmac(CKM_SHA224_HMAC, CKM_SHA224, {}),
    hmac_general(CKM_SHA224_HMAC_GENERAL, CKM_SHA224, {}),
    hashing(CKM_SHA384),
    hmac(CKM_SHA384_HMAC, CKM_SHA384, kHmacSha384),
    hmac_general(CKM_SHA384_HMAC_GENERAL, CKM_SHA384, kHmacSha384),
    hashing(CKM_SHA512),
    hmac(CKM_SHA512_HMAC, CKM_SHA512, kHmacSha512),
    hmac_general(CKM_SHA512_HMAC_GENERAL, CKM_SHA512, kHmacSha512),
    generation(CKM_GENERIC_SECRET_KEY_GEN, CKF_GENERATE, 8 * kMinSecret, 8 * kMaxSecret),  // bits
    generation(CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR | kCurve, kMinEc, kMaxEc),
    ecdsa(CKM_ECDSA, 0),
    ecdsa(CKM_ECDSA_SHA1, CKM_SHA_1),
    ecdsa(CKM_ECDSA_SHA224, CKM_SHA224),
    ecdsa(CKM_ECDSA_SHA256, CKM_SHA256),
    ecdsa(CKM_ECDSA_SHA384, CKM_SHA384),
    ecdsa(CKM_ECDSA_SHA512, CKM_SHA512),
    agreement(CKM_ECDH1_DERIVE),
    agreement(CKM_ECDH1_COFACTOR_DERIVE),  // every curve here has the cofactor 1, or an agreement that includes it
    generation(CKM_EC_EDWARDS_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR | kCurve, kMinRaw, kMaxRaw),
    generation(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR | kCurve, kMinRaw, kMaxRaw),
    eddsa(),
    generation(CKM_AES_KEY_GEN, CKF_GENERATE, kMinAes, kMaxAes),
    aes(CKM_AES_ECB, Shape::none, Parts::blocks, Wraps::nothing, kEcb),
    aes(CKM_AES_CBC, Shape::iv, Parts::blocks, Wraps::nothing, kCbc),
    aes(CKM_AES_CBC_PAD, Shape::iv, Parts::padded_blocks, Wraps::all_keys, kCbcPad),
    aes(CKM_AES_CTR, Shape::counter, Parts::blocks, Wraps::nothing, kCtr),
    aes(CKM_AES_GCM, Shape::gcm, Parts::collected, Wraps::nothing, kGcm),
    aes(CKM_AES_KEY_WRAP, Shape::wrap_iv, Parts::collected, Wraps::secret_keys, kKw),
    aes(CKM_AES_KEY_WRAP_PAD, Shape::wrap_iv_prefix, Parts::collected, Wraps::all_keys, kKwp),
    aes(CKM_AES_KEY_WRAP_KWP, Shape::wrap_iv_prefix, Parts::collected, Wraps::all_keys, kKwp),
});
static_assert(std::ranges::is_sorted(kMechanisms, {}, &Mechanism::type), "kMechanisms is searched by type");

}  // namespace

const Mechanism* find_mechanism(CK_MECHANISM_TYPE type) {
  const auto found = std::ranges::lower_bound(kMechanisms, type, {}, &Mechanism::type);
  return found == kMechanisms.end() || found->type != type ? nullptr : &*found;
}

std::span<const Mechanism> mechanism_table() { return kMechanisms; }

}  // namespace sks::token
