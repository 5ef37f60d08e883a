#include "key-user-api/key_files/jwk.h"

#include <algorithm>
#include <array>

#include "key-user-api/key_files/json_scan.h"
#include "key-user-api/key_files/raw_keys.h"
#include "sks-core/base/encoding.h"

namespace sks::key_files {
namespace {

constexpr std::string_view kWhat = "a JWK of the file";

/// Fails with option unless the member is a string of base64url that is not empty.
Result<SecureBytes> bytes_of(const JsonValue& jwk, std::string_view name) {
  const auto text = jwk.text(name);
  if (!text) return damaged(kWhat);
  auto decoded = from_base64url(*text);
  if (!decoded || decoded->empty()) return damaged(kWhat);
  SecureBytes bytes = SecureBytes::copy_of(*decoded);
  cleanse(*decoded);
  return bytes;
}

std::string label_of(const JsonValue& jwk) { return std::string(jwk.text("kid").value_or("")); }

Result<void> read_rsa(const JsonValue& jwk, Reading& reading) {
  constexpr std::array<std::string_view, 8> kNames{"n", "e", "d", "p", "q", "dp", "dq", "qi"};
  if (jwk.find("oth") != nullptr)
    return Error{Status::not_available, "the file has an RSA key of more than two primes"};
  if (jwk.find("p") == nullptr) return Error{Status::not_available, "the file has an RSA key without its primes"};
  std::array<SecureBytes, kNames.size()> numbers;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    SKS_LET(numbers.at(i), bytes_of(jwk, kNames.at(i)));
  }
  const auto& [n, e, d, p, q, dp, dq, qi] = numbers;
  SKS_LET(const SecureBytes pkcs8,
          rsa_pkcs8({n.view(), e.view(), d.view(), p.view(), q.view(), dp.view(), dq.view(), qi.view()}));
  return reading.found.add_private_key(pkcs8.view(), label_of(jwk));
}

struct JwkCurve {
  std::string_view name;
  Curve curve;
};
constexpr auto kCurves = std::to_array<JwkCurve>({
    {"P-256", Curve::p256},
    {"P-384", Curve::p384},
    {"P-521", Curve::p521},
    {"secp256k1", Curve::secp256k1},
});

Result<void> read_ec(const JsonValue& jwk, Reading& reading) {
  const auto row = std::ranges::find(kCurves, jwk.text("crv").value_or(""), &JwkCurve::name);
  if (row == kCurves.end())
    return Error{Status::not_available, "the file has a JWK on a curve that no key store holds"};
  SKS_LET(const SecureBytes x, bytes_of(jwk, "x"));
  SKS_LET(const SecureBytes y, bytes_of(jwk, "y"));
  SKS_LET(const SecureBytes d, bytes_of(jwk, "d"));
  // RFC 7518 chapter 6.2.2.1: of full length.
  if (d.size() != curve_info(row->curve).field_bytes) return damaged(kWhat);
  SKS_LET(const SecureBytes pkcs8, ec_pkcs8(row->curve, d.view(), x.view(), y.view()));
  return reading.found.add_private_key(pkcs8.view(), label_of(jwk));
}

struct RawCurve {
  std::string_view name;
  KeyKind kind;
};
constexpr auto kRawCurves = std::to_array<RawCurve>({
    {"Ed25519", KeyKind::ed25519},
    {"Ed448", KeyKind::ed448},
    {"X25519", KeyKind::x25519},
    {"X448", KeyKind::x448},
});

Result<void> read_okp(const JsonValue& jwk, Reading& reading) {
  const auto row = std::ranges::find(kRawCurves, jwk.text("crv").value_or(""), &RawCurve::name);
  if (row == kRawCurves.end())
    return Error{Status::not_available, "the file has a JWK on a curve that no key store holds"};
  SKS_LET(const SecureBytes x, bytes_of(jwk, "x"));
  SKS_LET(const SecureBytes d, bytes_of(jwk, "d"));
  SKS_LET(const SecureBytes pkcs8, raw_pkcs8(row->kind, d.view(), x.view()));
  return reading.found.add_private_key(pkcs8.view(), label_of(jwk));
}

Result<void> read_oct(const JsonValue& jwk, Reading& reading) {
  SKS_LET(SecureBytes value, bytes_of(jwk, "k"));
  return reading.found.add_symmetric_key(std::move(value), label_of(jwk));
}

struct JwkType {
  std::string_view name;
  std::string_view secret;  ///< the member without which the key is a public one
  Result<void> (*read)(const JsonValue& jwk, Reading& reading);
};
constexpr auto kTypes = std::to_array<JwkType>({
    {"RSA", "d", read_rsa},
    {"EC", "d", read_ec},
    {"OKP", "d", read_okp},
    {"oct", "k", read_oct},
});

/// RFC 7517 chapter 4.7: the ordinary alphabet of base64, with padding.
Result<void> read_certificates(const JsonValue& jwk, Reading& reading) {
  const JsonValue* const chain = jwk.find("x5c");
  if (chain == nullptr) return {};
  if (chain->type != JsonValue::Type::array) return damaged(kWhat);
  for (const JsonValue& item : chain->items) {
    std::string text;
    for (std::size_t i = 0; i < item.content.size(); ++i) {
      const char c = item.content[i];
      if (c == '\\' && item.content.substr(i, 2) == "\\/") continue;  // some escape the slash
      text += c == '+' ? '-' : c == '/' ? '_' : c;
    }
    while (text.ends_with('=')) text.pop_back();
    const auto der = from_base64url(text);
    if (!der) return damaged("a certificate");
    SKS_TRY(reading.found.add_certificate(*der));
  }
  return {};
}

Result<void> read_one(const JsonValue& jwk, Reading& reading) {
  const auto row = std::ranges::find(kTypes, jwk.text("kty").value_or(""), &JwkType::name);
  if (row == kTypes.end()) return Error{Status::option, "the file has a JWK of a type that this program does not know"};
  SKS_TRY(read_certificates(jwk, reading));
  return jwk.find(row->secret) == nullptr ? reading.found.skip() : row->read(jwk, reading);
}

}  // namespace

Result<void> read_jwk(ByteView content, Reading& reading) {
  SKS_LET(const JsonValue root, scan_json({reinterpret_cast<const char*>(content.data()), content.size()}));
  const JsonValue* const keys = root.find("keys");
  if (keys == nullptr || root.find("kty") != nullptr) return read_one(root, reading);
  if (keys->type != JsonValue::Type::array) return damaged(kWhat);
  for (const JsonValue& key : keys->items) SKS_TRY(read_one(key, reading));
  return {};
}

}  // namespace sks::key_files
