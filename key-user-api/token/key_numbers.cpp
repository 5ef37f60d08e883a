#include "key-user-api/token/key_numbers.h"

#include <algorithm>
#include <array>

#include "key-user-api/token/der.h"
#include "key-user-api/token/object.h"

namespace sks::token {
namespace {

constexpr std::uint8_t kInteger = 0x02;
constexpr std::uint8_t kOctetString = 0x04;
constexpr std::uint8_t kSequence = 0x30;
constexpr std::uint8_t kUncompressed = 0x04;

constexpr auto kVersionZero = std::to_array<std::uint8_t>({0x02, 0x01, 0x00});
/// AlgorithmIdentifier of rsaEncryption.
constexpr auto kRsaAlgorithm = std::to_array<std::uint8_t>(
    {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00});

struct RawCurve {
  KeyKind kind;
  std::array<std::uint8_t, 5> identifier;  ///< DER
  std::string_view name;                   ///< PKCS#11 3.0
  std::size_t key_bytes;
};
constexpr auto kRawCurves = std::to_array<RawCurve>({
    {KeyKind::x25519, {0x06, 0x03, 0x2b, 0x65, 0x6e}, "curve25519", 32},
    {KeyKind::x448, {0x06, 0x03, 0x2b, 0x65, 0x6f}, "curve448", 56},
    {KeyKind::ed25519, {0x06, 0x03, 0x2b, 0x65, 0x70}, "edwards25519", 32},
    {KeyKind::ed448, {0x06, 0x03, 0x2b, 0x65, 0x71}, "edwards448", 57},
});

Refusal invalid(std::string why) { return {CKR_ATTRIBUTE_VALUE_INVALID, std::move(why)}; }
Refusal invalid(const Error& error) { return invalid(error.detail); }

/// The named curve in the AlgorithmIdentifier of a curve.
ByteView parameters_of(const CurveInfo& info) {
  constexpr std::uint8_t kLongForm = 0x80;
  const ByteView prefix = info.spki_prefix;
  ByteView rest = prefix.subspan(prefix[1] > kLongForm ? 3 : 2);
  const auto algorithm = take_element(rest);
  SKS_CHECK(algorithm.has_value());
  ByteView inner = algorithm->content;
  SKS_CHECK(take_element(inner).has_value());
  return inner;
}

bool names(ByteView ec_params, const RawCurve& curve) {
  constexpr std::uint8_t kPrintableString = 0x13;
  if (equal(ec_params, curve.identifier)) return true;
  const std::array<std::uint8_t, 2> header{kPrintableString, static_cast<std::uint8_t>(curve.name.size())};
  return equal(ec_params, concat({header, as_bytes(curve.name)}));
}

const RawCurve* find_raw_curve(KeyKind kind) {
  const auto found = std::ranges::find(kRawCurves, kind, &RawCurve::kind);
  return found == kRawCurves.end() ? nullptr : &*found;
}

const Algorithm* find_generator(KeyKind kind, std::optional<Curve> curve) {
  for (const Algorithm& row : all_algorithms())
    if (row.kind == kind && row.curve == curve) return &row;
  return nullptr;
}

/// CKA_EC_PARAMS of a key of this type.
Outcome<const Algorithm*> curve_of(CK_KEY_TYPE type, const Template& attributes) {
  SKS_LET(const ByteView params, required_value(attributes, CKA_EC_PARAMS));
  const Algorithm* const found = find_curve(params);
  if (found == nullptr) return Refusal{CKR_CURVE_NOT_SUPPORTED, "a curve that key stores do not know"};
  if (key_type_of(*found->kind) != type)
    return Refusal{CKR_TEMPLATE_INCONSISTENT, "the curve is for another type of key"};
  return found;
}

/// DER of an element around `parts`, which may be secret.
SecureBytes der(std::uint8_t tag, std::initializer_list<ByteView> parts) {
  constexpr std::size_t kShortForm = 0x80;
  constexpr std::size_t kOneByte = 0x100;
  std::size_t size = 0;
  for (const ByteView part : parts) size += part.size();
  Bytes header{tag};
  if (size >= kOneByte) {
    header.insert(header.end(), {0x82, static_cast<std::uint8_t>(size >> 8)});
  } else if (size >= kShortForm) {
    header.push_back(0x81);
  }
  header.push_back(static_cast<std::uint8_t>(size & 0xFF));
  SecureBytes out(header.size() + size);
  auto at = std::ranges::copy(header, out.data()).out;
  for (const ByteView part : parts) at = std::ranges::copy(part, at).out;
  return out;
}

ByteView minimal(ByteView number) {
  while (!number.empty() && number.front() == 0) number = number.subspan(1);
  return number;
}

SecureBytes der_integer(ByteView number) {
  constexpr std::uint8_t kSign = 0x80;
  static constexpr std::uint8_t kZero = 0;
  number = minimal(number);
  const bool needs_zero = number.empty() || (number.front() & kSign) != 0;
  return der(kInteger, {ByteView(&kZero, needs_zero ? 1 : 0), number});
}

Outcome<crypto::PublicKey> rsa_public_key(const Template& attributes) {
  SKS_LET(const ByteView modulus, required_value(attributes, CKA_MODULUS));
  SKS_LET(const ByteView exponent, required_value(attributes, CKA_PUBLIC_EXPONENT));
  Result<crypto::PublicKey> key = crypto::PublicKey::from_rsa(minimal(modulus), minimal(exponent));
  if (!key) return invalid(key.error());
  return std::move(key).value();
}

/// The content of an OCTET STRING of the expected size, or what is the point itself as some write it.
ByteView point_of(ByteView value, std::size_t size) {
  if (value.size() == size) return value;
  ByteView rest = value;
  const auto element = take_element(rest);
  const bool is_wrapped = element && element->tag == kOctetString && rest.empty() && element->content.size() == size;
  return is_wrapped ? element->content : ByteView();
}

Outcome<crypto::PublicKey> curve_public_key(CK_KEY_TYPE type, const Template& attributes) {
  SKS_LET(const Algorithm* const algorithm, curve_of(type, attributes));
  SKS_LET(const ByteView value, required_value(attributes, CKA_EC_POINT));
  if (const RawCurve* const raw = find_raw_curve(*algorithm->kind)) {
    Result<crypto::PublicKey> key = crypto::PublicKey::from_raw(raw->kind, point_of(value, raw->key_bytes));
    if (!key) return invalid(key.error());
    return std::move(key).value();
  }
  const std::size_t field = curve_info(*algorithm->curve).field_bytes;
  const ByteView point = point_of(value, 1 + 2 * field);
  if (point.empty() || point.front() != kUncompressed) return invalid("CKA_EC_POINT is no uncompressed point");
  Result<crypto::PublicKey> key =
      crypto::PublicKey::from_ec_point(*algorithm->curve, point.subspan(1, field), point.subspan(1 + field));
  if (!key) return invalid(key.error());
  return std::move(key).value();
}

Outcome<crypto::PrivateKey> from_pkcs8(const SecureBytes& pkcs8) {
  Result<crypto::PrivateKey> key = crypto::PrivateKey::from_pkcs8(pkcs8.view());
  if (!key) return invalid(key.error());
  return std::move(key).value();
}

Outcome<crypto::PrivateKey> rsa_private_key(const Template& attributes) {
  constexpr std::array kNumbers{CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
                                CKA_PRIME_2, CKA_EXPONENT_1,      CKA_EXPONENT_2,       CKA_COEFFICIENT};
  std::array<SecureBytes, kNumbers.size()> numbers;
  for (std::size_t i = 0; i < kNumbers.size(); ++i) {
    SKS_LET(const ByteView value, required_value(attributes, kNumbers.at(i)));
    numbers.at(i) = der_integer(value);
  }
  const SecureBytes key =
      der(kSequence, {kVersionZero, numbers[0].view(), numbers[1].view(), numbers[2].view(), numbers[3].view(),
                      numbers[4].view(), numbers[5].view(), numbers[6].view(), numbers[7].view()});
  const SecureBytes wrapped = der(kOctetString, {key.view()});
  return from_pkcs8(der(kSequence, {kVersionZero, kRsaAlgorithm, wrapped.view()}));
}

Outcome<crypto::PrivateKey> curve_private_key(CK_KEY_TYPE type, const Template& attributes) {
  SKS_LET(const Algorithm* const algorithm, curve_of(type, attributes));
  SKS_LET(const ByteView value, required_value(attributes, CKA_VALUE));
  if (const RawCurve* const raw = find_raw_curve(*algorithm->kind)) {
    if (value.size() != raw->key_bytes) return invalid("CKA_VALUE has the wrong length");
    const SecureBytes inner = der(kOctetString, {value});
    const SecureBytes wrapped = der(kOctetString, {inner.view()});
    const SecureBytes identifier = der(kSequence, {raw->identifier});
    return from_pkcs8(der(kSequence, {kVersionZero, identifier.view(), wrapped.view()}));
  }
  const std::size_t field = curve_info(*algorithm->curve).field_bytes;
  const ByteView number = minimal(value);
  if (number.empty() || number.size() > field) return invalid("CKA_VALUE has the wrong length");
  SecureBytes scalar(field);
  std::ranges::fill(scalar.span(), std::uint8_t{0});
  std::ranges::copy(number, scalar.data() + (field - number.size()));
  Result<crypto::PrivateKey> key = crypto::PrivateKey::from_ec_scalar(*algorithm->curve, scalar.view());
  if (!key) return invalid(key.error());
  return std::move(key).value();
}

struct TypeRow {
  CK_KEY_TYPE type;
  bool has_curve;
};
constexpr auto kTypes =
    std::to_array<TypeRow>({{CKK_RSA, false}, {CKK_EC, true}, {CKK_EC_EDWARDS, true}, {kCkkEcMontgomery, true}});

Outcome<bool> has_curve(CK_KEY_TYPE type) {
  const auto row = std::ranges::find(kTypes, type, &TypeRow::type);
  if (row == kTypes.end()) return Refusal{CKR_TEMPLATE_INCONSISTENT, "no key pair has this CKA_KEY_TYPE"};
  return row->has_curve;
}

}  // namespace

const Algorithm* find_curve(ByteView ec_params) {
  for (const CurveInfo& info : all_curves())
    if (equal(ec_params, parameters_of(info))) return find_generator(KeyKind::ec, info.curve);
  for (const RawCurve& curve : kRawCurves)
    if (names(ec_params, curve)) return find_generator(curve.kind, std::nullopt);
  return nullptr;
}

const Algorithm* find_rsa(std::uint64_t bits, bool takes_exponent) {
  for (const Algorithm& row : all_algorithms())
    if (row.kind == KeyKind::rsa && row.size == bits && row.takes_parameters == takes_exponent) return &row;
  return nullptr;
}

Outcome<crypto::PublicKey> public_key_of(CK_KEY_TYPE type, const Template& attributes) {
  SKS_LET(const bool is_curve, has_curve(type));
  return is_curve ? curve_public_key(type, attributes) : rsa_public_key(attributes);
}

Outcome<crypto::PrivateKey> private_key_of(CK_KEY_TYPE type, const Template& attributes) {
  SKS_LET(const bool is_curve, has_curve(type));
  return is_curve ? curve_private_key(type, attributes) : rsa_private_key(attributes);
}

}  // namespace sks::token
