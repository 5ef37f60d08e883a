#include "conformance/kit/jwk.h"

#include <algorithm>
#include <array>

#include "conformance/node.h"
#include "sks-core/base/encoding.h"

namespace sks::conformance {
namespace {

struct CurveName {
  Curve curve;
  const char* name;
};
constexpr auto kCurves = std::to_array<CurveName>({
    {Curve::p256, "P-256"},
    {Curve::p384, "P-384"},
    {Curve::p521, "P-521"},
    {Curve::secp256k1, "https://webpki.github.io/sks/algorithm#ec.secg.p256k1"},
    {Curve::brainpool_p256r1, "https://webpki.github.io/sks/algorithm#ec.brainpool.p256r1"},
});

struct KindName {
  KeyKind kind;
  const char* name;
};
constexpr auto kKinds = std::to_array<KindName>({
    {KeyKind::ed25519, "Ed25519"},
    {KeyKind::ed448, "Ed448"},
    {KeyKind::x25519, "X25519"},
    {KeyKind::x448, "X448"},
});

}  // namespace

Json to_jwk(const crypto::PublicKey& key) {
  if (key.kind() == KeyKind::rsa)
    return {{"kty", "RSA"}, {"n", to_base64url(key.rsa_modulus())}, {"e", to_base64url(key.rsa_exponent())}};
  if (key.kind() == KeyKind::ec)
    return {{"kty", "EC"},
            {"crv", std::ranges::find(kCurves, key.curve(), &CurveName::curve)->name},
            {"x", to_base64url(key.ec_x())},
            {"y", to_base64url(key.ec_y())}};
  return {{"kty", "OKP"},
          {"crv", std::ranges::find(kKinds, key.kind(), &KindName::kind)->name},
          {"x", to_base64url(key.raw())}};
}

Result<Bytes> spki_of_any_point(const Json& jwk) {
  Findings unreadable;
  const Bytes spki = Node(jwk, {}, unreadable).public_key();
  if (unreadable.empty()) return spki;
  const Error none{Status::option, "no public key: " + jwk.dump()};
  const Node key(jwk, {}, unreadable);
  const auto* const curve = std::ranges::find(kCurves, key["crv"].optional_text(), &CurveName::name);
  if (curve == kCurves.end()) return none;
  const CurveInfo& info = curve_info(curve->curve);
  const Bytes point = concat({key["x"].base64url(), key["y"].base64url()});
  if (point.size() != 2 * info.field_bytes) return none;
  return concat({info.spki_prefix, point});
}

}  // namespace sks::conformance
