#include "sks-core/crypto/der.h"

#include <openssl/objects.h>

#include <algorithm>
#include <array>

#include "sks-core/base/result.h"
#include "sks-core/crypto/ossl.h"

namespace sks::crypto::der {
namespace {

constexpr std::uint8_t kBooleanTag = 0x01;
constexpr std::size_t kShortForm = 0x80;  // lengths below it are one octet

void append_length(Bytes& out, std::size_t length) {
  if (length < kShortForm) return out.push_back(static_cast<std::uint8_t>(length));
  std::size_t octets = 0;
  for (std::size_t rest = length; rest != 0; rest >>= 8) ++octets;
  out.push_back(static_cast<std::uint8_t>(kShortForm | octets));
  for (std::size_t i = octets; i-- > 0;) out.push_back(static_cast<std::uint8_t>(length >> (8 * i) & 0xff));
}

Bytes encode_time(ASN1_TIME* made) {
  const ossl::Ptr<ASN1_TIME, ASN1_STRING_free> object(made);
  if (object == nullptr) {
    (void)ossl::take_error("");
    return {};
  }
  const ByteView text(ASN1_STRING_get0_data(object.get()), static_cast<std::size_t>(ASN1_STRING_length(object.get())));
  return element(static_cast<std::uint8_t>(ASN1_STRING_type(object.get())), {text});
}

}  // namespace

Bytes element(std::uint8_t tag, std::initializer_list<ByteView> parts) {
  std::size_t length = 0;
  for (const ByteView part : parts) length += part.size();
  constexpr std::size_t kMaxHeader = 10;
  Bytes out;
  out.reserve(length + kMaxHeader);
  out.push_back(tag);
  append_length(out, length);
  for (const ByteView part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Bytes integer(ByteView number) {
  while (number.size() > 1 && number.front() == 0) number = number.subspan(1);
  constexpr std::array<std::uint8_t, 1> kZero{0};
  const bool needs_zero = number.empty() || number.front() >= 0x80;
  return element(kIntegerTag, {needs_zero ? ByteView(kZero) : ByteView(), number});
}

Bytes integer(std::uint64_t number) {
  std::array<std::uint8_t, 8> octets{};
  for (std::size_t i = 0; i < octets.size(); ++i)
    octets[octets.size() - 1 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  return integer(ByteView(octets));
}

Bytes bit_string(ByteView content) {
  constexpr std::array<std::uint8_t, 1> kUnusedBits{0};
  return element(kBitStringTag, {kUnusedBits, content});
}

Bytes time(std::int64_t seconds) { return encode_time(ASN1_TIME_set(nullptr, seconds)); }

Bytes generalized_time(std::int64_t seconds) { return encode_time(ASN1_GENERALIZEDTIME_set(nullptr, seconds)); }

Bytes object_identifier(int nid) {
  std::uint8_t* out = nullptr;
  const int size = i2d_ASN1_OBJECT(OBJ_nid2obj(nid), &out);
  SKS_CHECK(size > 0);
  const Bytes der(out, out + size);
  OPENSSL_free(out);
  return der;
}

Bytes extension(int nid, Critical critical, ByteView value) {
  constexpr std::array<std::uint8_t, 3> kTrue{kBooleanTag, 1, 0xff};
  const bool is_critical = critical == Critical::yes;
  return sequence({object_identifier(nid), is_critical ? ByteView(kTrue) : ByteView(), octet_string(value)});
}

Piece first_piece(ByteView der) {
  constexpr int kMalformed = 0x80;
  constexpr int kIndefinite = 0x01;
  if (der.empty()) return {};
  const std::uint8_t* content = der.data();
  long size = 0;
  int number = 0;
  int tag_class = 0;
  const int form = ASN1_get_object(&content, &size, &number, &tag_class, static_cast<long>(der.size()));
  (void)ossl::take_error("");
  if ((form & (kMalformed | kIndefinite)) != 0) return {};
  const std::uint8_t* const end = content + size;
  const std::uint8_t* const last = der.data() + der.size();
  return {der.front(), {content, end}, {der.data(), end}, {end, last}};
}

}  // namespace sks::crypto::der
