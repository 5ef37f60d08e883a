#include "key-user-api/token/der.h"

#include <algorithm>
#include <array>

namespace sks::token {
namespace {

constexpr std::uint8_t kInteger = 0x02;
constexpr std::uint8_t kBitString = 0x03;
constexpr std::uint8_t kOctetString = 0x04;
constexpr std::uint8_t kUtcTime = 0x17;
constexpr std::uint8_t kGeneralizedTime = 0x18;
constexpr std::uint8_t kSequence = 0x30;
constexpr std::uint8_t kVersion = 0xA0;
constexpr std::uint8_t kHighTagNumber = 0x1F;
constexpr std::uint8_t kLongForm = 0x80;

constexpr auto kRsaEncryption =
    std::to_array<std::uint8_t>({0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01});

struct Rfc8410Row {
  std::uint8_t last_byte;  ///< of the object identifier 1.3.101.x
  KeyKind kind;
  std::uint16_t bits;
};
constexpr auto kRfc8410 = std::to_array<Rfc8410Row>({
    {0x6e, KeyKind::x25519, 255},
    {0x6f, KeyKind::x448, 448},
    {0x70, KeyKind::ed25519, 255},
    {0x71, KeyKind::ed448, 448},
});
constexpr auto kRfc8410Prefix = std::to_array<std::uint8_t>({0x06, 0x03, 0x2b, 0x65});

constexpr std::uint16_t field_bits(Curve curve, std::uint16_t field_bytes) {
  constexpr std::uint16_t kP521Bits = 521;
  return curve == Curve::p521 ? kP521Bits : static_cast<std::uint16_t>(8 * field_bytes);
}

/// The content of the element at the front when it has this tag.
std::optional<DerElement> take(ByteView& der, std::uint8_t tag) {
  ByteView rest = der;
  const std::optional<DerElement> element = take_element(rest);
  if (!element || element->tag != tag) return std::nullopt;
  der = rest;
  return element;
}

ByteView unsigned_number(ByteView integer) {
  while (integer.size() > 1 && integer.front() == 0) integer = integer.subspan(1);
  return integer;
}

std::uint16_t count_bits(ByteView number) {
  std::size_t bits = number.size() * 8;
  for (unsigned bit = 0x80; !number.empty() && bit != 0 && (number.front() & bit) == 0; bit >>= 1U) --bits;
  return static_cast<std::uint16_t>(bits);
}

}  // namespace

std::optional<DerElement> take_element(ByteView& der) {
  constexpr std::size_t kShortHeader = 2;
  if (der.size() < kShortHeader || (der[0] & kHighTagNumber) == kHighTagNumber) return std::nullopt;
  std::size_t header = kShortHeader;
  std::size_t length = der[1];
  if (length >= kLongForm) {
    const std::size_t count = length - kLongForm;
    if (count == 0 || count > sizeof(std::uint32_t) || der.size() < header + count) return std::nullopt;
    length = 0;
    for (std::size_t i = 0; i < count; ++i) length = length << 8U | der[header + i];
    header += count;
  }
  if (der.size() - header < length) return std::nullopt;
  const DerElement element{der[0], der.first(header + length), der.subspan(header, length)};
  der = der.subspan(header + length);
  return element;
}

std::optional<CertificateFields> split_certificate(ByteView der) {
  const std::optional<DerElement> outer = take(der, kSequence);
  if (!outer) return std::nullopt;
  ByteView rest = outer->content;
  const std::optional<DerElement> signed_part = take(rest, kSequence);
  if (!signed_part) return std::nullopt;
  rest = signed_part->content;
  static_cast<void>(take(rest, kVersion));
  const auto serial = take(rest, kInteger);
  const auto algorithm = take(rest, kSequence);
  const auto issuer = take(rest, kSequence);
  const auto validity = take(rest, kSequence);
  const auto subject = take(rest, kSequence);
  const auto spki = take(rest, kSequence);
  if (!serial || !algorithm || !issuer || !validity || !subject || !spki) return std::nullopt;
  ByteView times = validity->content;
  const auto not_before = take_element(times);
  const auto not_after = take_element(times);
  if (!not_before || !not_after) return std::nullopt;
  return CertificateFields{serial->all, issuer->all, not_before->all, not_after->all, subject->all, spki->all};
}

std::optional<SpkiFields> split_spki(ByteView der) {
  const auto outer = take(der, kSequence);
  if (!outer) return std::nullopt;
  ByteView rest = outer->content;
  const auto algorithm = take(rest, kSequence);
  const auto bits = take(rest, kBitString);
  if (!algorithm || !bits || bits->content.empty()) return std::nullopt;
  ByteView inner = algorithm->content;
  const auto identifier = take_element(inner);
  if (!identifier) return std::nullopt;
  return SpkiFields{identifier->all, inner, bits->content.subspan(1)};
}

std::optional<KeyShape> shape_of(ByteView spki) {
  const std::optional<SpkiFields> fields = split_spki(spki);
  if (!fields) return std::nullopt;
  if (equal(fields->algorithm, kRsaEncryption)) {
    const std::optional<RsaNumbers> numbers = rsa_numbers(spki);
    if (!numbers) return std::nullopt;
    return KeyShape{KeyKind::rsa, std::nullopt, count_bits(numbers->modulus)};
  }
  for (const Rfc8410Row& row : kRfc8410)
    if (equal(fields->algorithm, concat({kRfc8410Prefix, ByteView(&row.last_byte, 1)})))
      return KeyShape{row.kind, std::nullopt, row.bits};
  for (const CurveInfo& info : all_curves())
    if (spki.size() > info.spki_prefix.size() && equal(spki.first(info.spki_prefix.size()), info.spki_prefix))
      return KeyShape{KeyKind::ec, info.curve, field_bits(info.curve, info.field_bytes)};
  return std::nullopt;
}

std::optional<RsaNumbers> rsa_numbers(ByteView spki) {
  const std::optional<SpkiFields> fields = split_spki(spki);
  if (!fields) return std::nullopt;
  ByteView bits = fields->key_bits;
  const auto outer = take(bits, kSequence);
  if (!outer) return std::nullopt;
  ByteView rest = outer->content;
  const auto modulus = take(rest, kInteger);
  const auto exponent = take(rest, kInteger);
  if (!modulus || !exponent) return std::nullopt;
  return RsaNumbers{unsigned_number(modulus->content), unsigned_number(exponent->content)};
}

Bytes date_of(ByteView time) {
  constexpr std::size_t kShortDate = 6;
  constexpr std::size_t kDate = 8;
  constexpr std::uint8_t kFirstYearOf1900s = '5';  // RFC 5280: two digits below 50 are of this century
  const std::optional<DerElement> element = take_element(time);
  if (!element) return {};
  const ByteView digits = element->content;
  if (element->tag == kGeneralizedTime && digits.size() >= kDate) return to_bytes(digits.first(kDate));
  if (element->tag != kUtcTime || digits.size() < kShortDate) return {};
  return concat({as_bytes(digits[0] >= kFirstYearOf1900s ? "19" : "20"), digits.first(kShortDate)});
}

Bytes der_octet_string(ByteView content) {
  constexpr std::size_t kOneByte = 0x100;
  constexpr std::size_t kTwoBytes = 0x10000;
  Bytes der{kOctetString};
  const std::size_t size = content.size();
  SKS_CHECK(size < kTwoBytes);
  if (size >= kOneByte) {
    der.push_back(0x82);
    der.push_back(static_cast<std::uint8_t>(size >> 8));
  } else if (size >= kLongForm) {
    der.push_back(0x81);
  }
  der.push_back(static_cast<std::uint8_t>(size & 0xFF));
  der.insert(der.end(), content.begin(), content.end());
  return der;
}

}  // namespace sks::token
