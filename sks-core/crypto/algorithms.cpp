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

using enum Category;

// An algorithm enters this table when the method that executes it exists: what getDeviceInfo announces is what runs.
constexpr auto kAlgorithms = std::to_array<Algorithm>({
    {.uri = DSIGMORE_ALG "rsa-sha256", .category = signature, .family = KeyFamily::rsa, .hash = HashId::sha256},
    {.uri = DSIGMORE_ALG "rsa-sha384", .category = signature, .family = KeyFamily::rsa, .hash = HashId::sha384},
    {.uri = DSIGMORE_ALG "rsa-sha512", .category = signature, .family = KeyFamily::rsa, .hash = HashId::sha512},
    {.uri = DSIGMORE_ALG "ecdsa-sha256", .category = signature, .family = KeyFamily::non_rsa, .hash = HashId::sha256},
    {.uri = DSIGMORE_ALG "ecdsa-sha384", .category = signature, .family = KeyFamily::non_rsa, .hash = HashId::sha384},
    {.uri = DSIGMORE_ALG "ecdsa-sha512", .category = signature, .family = KeyFamily::non_rsa, .hash = HashId::sha512},
    {.uri = SKS_ALG "rsa.pkcs1.none", .category = signature, .family = KeyFamily::rsa},
    {.uri = SKS_ALG "ecdsa.none", .category = signature, .family = KeyFamily::non_rsa},
    {.uri = SKS_ALG "ec.nist.p256",
     .category = key_generation,
     .family = KeyFamily::non_rsa,
     .kind = KeyKind::ec,
     .curve = Curve::p256},
    {.uri = SKS_ALG "ec.nist.p384",
     .category = key_generation,
     .family = KeyFamily::non_rsa,
     .kind = KeyKind::ec,
     .curve = Curve::p384},
    {.uri = SKS_ALG "ec.nist.p521",
     .category = key_generation,
     .family = KeyFamily::non_rsa,
     .kind = KeyKind::ec,
     .curve = Curve::p521},
    {.uri = SKS_ALG "rsa1024",
     .category = key_generation,
     .family = KeyFamily::rsa,
     .size = 1024,
     .kind = KeyKind::rsa},
    {.uri = SKS_ALG "rsa1024.exp",
     .category = key_generation,
     .family = KeyFamily::rsa,
     .size = 1024,
     .kind = KeyKind::rsa,
     .takes_parameters = true},
    {.uri = SKS_ALG "rsa2048",
     .category = key_generation,
     .family = KeyFamily::rsa,
     .size = 2048,
     .kind = KeyKind::rsa},
    {.uri = SKS_ALG "rsa2048.exp",
     .category = key_generation,
     .family = KeyFamily::rsa,
     .size = 2048,
     .kind = KeyKind::rsa,
     .takes_parameters = true},
    {.uri = SKS_ALG "ed25519",
     .category = key_generation,
     .family = KeyFamily::non_rsa,
     .kind = KeyKind::ed25519,
     .also_signature = true},
    {.uri = kSessionAlgorithm, .category = special, .family = KeyFamily::none},
    {.uri = kKeyEntryAlgorithm, .category = special, .family = KeyFamily::none},
    {.uri = kNoneAlgorithm, .category = special, .family = KeyFamily::none},
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

bool is_signature(const Algorithm& algorithm) { return algorithm.category == signature || algorithm.also_signature; }

const CurveInfo& curve_info(Curve curve) {
  const auto found = std::ranges::find(kCurves, curve, &CurveInfo::curve);
  SKS_CHECK(found != kCurves.end());
  return *found;
}

std::span<const CurveInfo> all_curves() { return kCurves; }

}  // namespace sks
