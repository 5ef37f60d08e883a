#include "sks-core/crypto/algorithms.h"

#include <algorithm>
#include <array>

#include "sks-core/base/result.h"

namespace sks {
namespace {

#define SKS_ALG "https://webpki.github.io/sks/algorithm#"
#define XMLENC_ALG "http://www.w3.org/2001/04/xmlenc#"
#define DSIG_ALG "http://www.w3.org/2000/09/xmldsig#"
#define DSIGMORE_ALG "http://www.w3.org/2001/04/xmldsig-more#"
#define DSIGMORE2007_ALG "http://www.w3.org/2007/05/xmldsig-more#"
#define XMLENC11_ALG "http://www.w3.org/2009/xmlenc11#"
#define EXT_ALG "urn:sks:ext:"

constexpr Algorithm cipher(std::string_view uri, AesMode mode, IvSource iv, std::uint16_t key_bytes = 0) {
  return {.uri = uri,
          .category = Category::cipher,
          .family = KeyFamily::symmetric,
          .size = key_bytes,
          .iv = iv,
          .mode = mode};
}
constexpr Algorithm cipher(std::string_view uri, AesMode mode, Parameters parameters) {
  Algorithm row = cipher(uri, mode, IvSource::parameters);
  row.parameters = parameters;
  return row;
}
constexpr Algorithm hmac(std::string_view uri, HashId hash) {
  return {.uri = uri, .category = Category::hmac, .family = KeyFamily::symmetric, .hash = hash};
}
constexpr Algorithm decryption(std::string_view uri, HashId oaep_hash = HashId::none) {
  return {.uri = uri, .category = Category::decryption, .family = KeyFamily::rsa, .hash = oaep_hash};
}
constexpr Algorithm agreement(std::string_view uri) {
  return {.uri = uri, .category = Category::agreement, .family = KeyFamily::non_rsa};
}
constexpr Algorithm signature(std::string_view uri, KeyFamily family, HashId hash = HashId::none) {
  return {.uri = uri, .category = Category::signature, .family = family, .hash = hash};
}
constexpr Algorithm pss_signature(std::string_view uri, HashId hash) {
  Algorithm row = signature(uri, KeyFamily::rsa, hash);
  row.parameters = Parameters::pss;
  return row;
}
constexpr Algorithm oaep_decryption(std::string_view uri) {
  Algorithm row = decryption(uri);
  row.parameters = Parameters::oaep;
  return row;
}
constexpr Algorithm ec_key(std::string_view uri, Curve curve) {
  return {.uri = uri,
          .category = Category::key_generation,
          .family = KeyFamily::non_rsa,
          .kind = KeyKind::ec,
          .curve = curve};
}
constexpr Algorithm rsa_key(std::string_view uri, std::uint16_t bits, bool takes_exponent = false) {
  return {.uri = uri,
          .category = Category::key_generation,
          .family = KeyFamily::rsa,
          .size = bits,
          .kind = KeyKind::rsa,
          .takes_parameters = takes_exponent};
}
constexpr Algorithm edwards_key(std::string_view uri, KeyKind kind) {
  return {.uri = uri,
          .category = Category::key_generation,
          .family = KeyFamily::non_rsa,
          .kind = kind,
          .also_signature = true};
}
constexpr Algorithm montgomery_key(std::string_view uri, KeyKind kind) {
  return {.uri = uri, .category = Category::key_generation, .family = KeyFamily::non_rsa, .kind = kind};
}
constexpr Algorithm special(std::string_view uri) {
  return {.uri = uri, .category = Category::special, .family = KeyFamily::none};
}

constexpr KeyFamily kRsa = KeyFamily::rsa;
constexpr KeyFamily kEc = KeyFamily::non_rsa;
constexpr bool kWithExponent = true;

// An algorithm enters this table when the method that executes it exists: what getDeviceInfo announces is what runs.
constexpr auto kAlgorithms = std::to_array<Algorithm>({
    cipher(XMLENC_ALG "aes128-cbc", AesMode::cbc, IvSource::internal, 16),
    cipher(XMLENC_ALG "aes192-cbc", AesMode::cbc, IvSource::internal, 24),
    cipher(XMLENC_ALG "aes256-cbc", AesMode::cbc, IvSource::internal, 32),
    cipher(SKS_ALG "aes.ecb.nopad", AesMode::ecb, IvSource::none),
    cipher(SKS_ALG "aes.cbc", AesMode::cbc, Parameters::iv),
    hmac(DSIG_ALG "hmac-sha1", HashId::sha1),
    hmac(DSIGMORE_ALG "hmac-sha256", HashId::sha256),
    hmac(DSIGMORE_ALG "hmac-sha384", HashId::sha384),
    hmac(DSIGMORE_ALG "hmac-sha512", HashId::sha512),
    decryption(SKS_ALG "rsa.es.pkcs1_5"),
    decryption(SKS_ALG "rsa.oaep.sha1", HashId::sha1),
    decryption(SKS_ALG "rsa.oaep.sha256", HashId::sha256),
    agreement(SKS_ALG "ecdh.raw"),
    signature(DSIGMORE_ALG "rsa-sha256", kRsa, HashId::sha256),
    signature(DSIGMORE_ALG "rsa-sha384", kRsa, HashId::sha384),
    signature(DSIGMORE_ALG "rsa-sha512", kRsa, HashId::sha512),
    signature(DSIGMORE_ALG "ecdsa-sha256", kEc, HashId::sha256),
    signature(DSIGMORE_ALG "ecdsa-sha384", kEc, HashId::sha384),
    signature(DSIGMORE_ALG "ecdsa-sha512", kEc, HashId::sha512),
    signature(SKS_ALG "rsa.pkcs1.none", kRsa),
    signature(SKS_ALG "ecdsa.none", kEc),
    ec_key(SKS_ALG "ec.nist.p256", Curve::p256),
    ec_key(SKS_ALG "ec.nist.p384", Curve::p384),
    ec_key(SKS_ALG "ec.nist.p521", Curve::p521),
    rsa_key(SKS_ALG "rsa1024", 1024),
    rsa_key(SKS_ALG "rsa1024.exp", 1024, kWithExponent),
    rsa_key(SKS_ALG "rsa2048", 2048),
    rsa_key(SKS_ALG "rsa2048.exp", 2048, kWithExponent),
    edwards_key(SKS_ALG "ed25519", KeyKind::ed25519),
    rsa_key(SKS_ALG "rsa3072", 3072),
    rsa_key(SKS_ALG "rsa3072.exp", 3072, kWithExponent),
    rsa_key(SKS_ALG "rsa4096", 4096),
    rsa_key(SKS_ALG "rsa4096.exp", 4096, kWithExponent),
    ec_key(SKS_ALG "ec.brainpool.p256r1", Curve::brainpool_p256r1),
    ec_key(SKS_ALG "ec.secg.p256k1", Curve::secp256k1),
    edwards_key(SKS_ALG "ed448", KeyKind::ed448),
    montgomery_key(SKS_ALG "x25519", KeyKind::x25519),
    montgomery_key(SKS_ALG "x448", KeyKind::x448),
    special(kSessionAlgorithm),
    special(kKeyEntryAlgorithm),
    special(kNoneAlgorithm),
    // Those of sks-extensions.md.
    pss_signature(DSIGMORE2007_ALG "sha256-rsa-MGF1", HashId::sha256),
    pss_signature(DSIGMORE2007_ALG "sha384-rsa-MGF1", HashId::sha384),
    pss_signature(DSIGMORE2007_ALG "sha512-rsa-MGF1", HashId::sha512),
    oaep_decryption(XMLENC11_ALG "rsa-oaep"),
    cipher(EXT_ALG "aes.cbc.nopad", AesMode::cbc_blocks, Parameters::iv),
    cipher(EXT_ALG "aes.ctr", AesMode::ctr, Parameters::counter),
    cipher(EXT_ALG "aes.gcm", AesMode::gcm, Parameters::gcm),
    cipher(EXT_ALG "aes.kw", AesMode::wrap, Parameters::wrap_iv),
    cipher(EXT_ALG "aes.kwp", AesMode::wrap_padded, Parameters::wrap_iv_prefix),
});

constexpr auto kP256Prefix =
    std::to_array<std::uint8_t>({0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04});
constexpr auto kP384Prefix =
    std::to_array<std::uint8_t>({0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                                 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04});
constexpr auto kP521Prefix =
    std::to_array<std::uint8_t>({0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                                 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00, 0x04});
constexpr auto kBrainpoolPrefix =
    std::to_array<std::uint8_t>({0x30, 0x5a, 0x30, 0x14, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04});
constexpr auto kSecp256k1Prefix =
    std::to_array<std::uint8_t>({0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                                 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a, 0x03, 0x42, 0x00, 0x04});

constexpr auto kCurves = std::to_array<CurveInfo>({
    {Curve::p256, "P-256", 32, kP256Prefix},
    {Curve::p384, "P-384", 48, kP384Prefix},
    {Curve::p521, "P-521", 66, kP521Prefix},
    {Curve::brainpool_p256r1, "brainpoolP256r1", 32, kBrainpoolPrefix},
    {Curve::secp256k1, "secp256k1", 32, kSecp256k1Prefix},
});

}  // namespace

std::span<const Algorithm> all_algorithms() { return kAlgorithms; }

const Algorithm* find_algorithm(std::string_view uri) {
  const auto found = std::ranges::find(kAlgorithms, uri, &Algorithm::uri);
  return found == kAlgorithms.end() ? nullptr : &*found;
}

bool is_signature(const Algorithm& algorithm) {
  return algorithm.category == Category::signature || algorithm.also_signature;
}

const CurveInfo& curve_info(Curve curve) {
  const auto found = std::ranges::find(kCurves, curve, &CurveInfo::curve);
  SKS_CHECK(found != kCurves.end());
  return *found;
}

std::span<const CurveInfo> all_curves() { return kCurves; }

}  // namespace sks
