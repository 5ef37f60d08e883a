#include "keygen2/jwk.h"

#include <algorithm>
#include <array>
#include <limits>

namespace sks::keygen2 {
namespace {

struct CurveName {
  std::string_view jose;  ///< empty: none exists
  std::string_view uri;
  KeyKind kind;
  std::optional<Curve> curve;

  std::string_view emitted() const { return jose.empty() ? uri : jose; }
};

#define SKS_ALG "https://webpki.github.io/sks/algorithm#"

constexpr auto kCurveNames = std::to_array<CurveName>({
    {"P-256", SKS_ALG "ec.nist.p256", KeyKind::ec, Curve::p256},
    {"P-384", SKS_ALG "ec.nist.p384", KeyKind::ec, Curve::p384},
    {"P-521", SKS_ALG "ec.nist.p521", KeyKind::ec, Curve::p521},
    {"", SKS_ALG "ec.secg.p256k1", KeyKind::ec, Curve::secp256k1},
    {"", SKS_ALG "ec.brainpool.p256r1", KeyKind::ec, Curve::brainpool_p256r1},
    {"Ed25519", SKS_ALG "ed25519", KeyKind::ed25519, std::nullopt},
    {"Ed448", SKS_ALG "ed448", KeyKind::ed448, std::nullopt},
    {"X25519", SKS_ALG "x25519", KeyKind::x25519, std::nullopt},
    {"X448", SKS_ALG "x448", KeyKind::x448, std::nullopt},
});

#undef SKS_ALG

enum class KeyType : std::uint8_t { rsa, ec, okp };
constexpr std::array<std::string_view, 3> kKeyTypes{"RSA", "EC", "OKP"};

struct PlaceRule {
  bool rsa;
  bool okp;
  bool uri_names;  ///< curves may be named by SKS URIs as well
  ErrorClass otherwise;
};
/// In the order of KeyPlace; EC is allowed everywhere.
constexpr std::array<PlaceRule, 4> kPlaceRules{{
    {false, false, true, ErrorClass::crypto},
    {true, false, true, ErrorClass::value},
    {true, true, true, ErrorClass::value},
    {true, false, false, ErrorClass::crypto},
}};

/// Larger than any key worth having: an RSA modulus of 16384 bits.
constexpr Range kComponentSize{1, 2048};
constexpr Range kAnySize{0, std::numeric_limits<std::int32_t>::max()};

const CurveName* read_curve(JsonReader& in, KeyType type, const PlaceRule& rule) {
  const std::string name = in.text("crv");
  const auto* const found = std::ranges::find_if(kCurveNames, [&](const CurveName& row) {
    return (rule.uri_names && name == row.uri) || (!row.jose.empty() && name == row.jose);
  });
  if (found == kCurveNames.end() || (found->kind == KeyKind::ec) != (type == KeyType::ec)) {
    in.fail(ErrorClass::value, "unknown curve of a public key");
    return nullptr;
  }
  return found;
}

std::optional<crypto::PublicKey> checked(JsonReader& in, Result<crypto::PublicKey> key) {
  if (key) return std::move(key).value();
  in.fail(ErrorClass::crypto, "malformed public key: " + key.error().detail);
  return std::nullopt;
}

std::optional<crypto::PublicKey> read_rsa(JsonReader& in) {
  const Bytes modulus = in.bytes("n", kComponentSize);
  const Bytes exponent = in.bytes("e", kComponentSize);
  if (modulus.empty() || exponent.empty()) return std::nullopt;
  return checked(in, crypto::PublicKey::from_rsa(modulus, exponent));
}

std::optional<crypto::PublicKey> read_ec(JsonReader& in, const PlaceRule& rule) {
  const CurveName* const name = read_curve(in, KeyType::ec, rule);
  const Bytes x = in.bytes("x", kAnySize);
  const Bytes y = in.bytes("y", kAnySize);
  if (name == nullptr) return std::nullopt;
  const std::size_t size = curve_info(*name->curve).field_bytes;
  if (x.size() != size || y.size() != size) {
    in.fail(ErrorClass::crypto, "a coordinate of a public key has a wrong length");
    return std::nullopt;
  }
  return checked(in, crypto::PublicKey::from_ec_point(*name->curve, x, y));
}

std::optional<crypto::PublicKey> read_okp(JsonReader& in, const PlaceRule& rule) {
  const CurveName* const name = read_curve(in, KeyType::okp, rule);
  const Bytes x = in.bytes("x", kAnySize);
  if (name == nullptr) return std::nullopt;
  return checked(in, crypto::PublicKey::from_raw(name->kind, x));
}

}  // namespace

std::optional<crypto::PublicKey> read_public_key(JsonReader& in, std::string_view name, KeyPlace place) {
  JsonReader key = in.object(name);
  const std::string type_name = key.text("kty");
  const auto* const known = std::ranges::find(kKeyTypes, type_name);
  if (known == kKeyTypes.end()) {
    in.fail(ErrorClass::value, "unknown type of a public key");
    key.skip_members();
    return std::nullopt;
  }
  const auto type = static_cast<KeyType>(known - kKeyTypes.begin());
  const PlaceRule& rule = kPlaceRules.at(static_cast<std::size_t>(place));
  if ((type == KeyType::rsa && !rule.rsa) || (type == KeyType::okp && !rule.okp))
    in.fail(rule.otherwise, "this type of key is not allowed for " + std::string(name));
  switch (type) {
    case KeyType::rsa:
      return read_rsa(key);
    case KeyType::ec:
      return read_ec(key, rule);
    case KeyType::okp:
      return read_okp(key, rule);
  }
  return std::nullopt;
}

void write_public_key(JsonWriter& out, std::string_view name, const crypto::PublicKey& key) {
  out.object(name, [&](JsonWriter& members) {
    if (key.kind() == KeyKind::rsa) {
      members.text("kty", "RSA").bytes("n", key.rsa_modulus()).bytes("e", key.rsa_exponent());
      return;
    }
    const bool ec = key.kind() == KeyKind::ec;
    const auto* const row = std::ranges::find_if(kCurveNames, [&](const CurveName& candidate) {
      return candidate.kind == key.kind() && (!ec || candidate.curve == key.curve());
    });
    SKS_CHECK(row != kCurveNames.end());
    members.text("kty", ec ? "EC" : "OKP").text("crv", row->emitted());
    if (ec)
      members.bytes("x", key.ec_x()).bytes("y", key.ec_y());
    else
      members.bytes("x", key.raw());
  });
}

}  // namespace sks::keygen2
