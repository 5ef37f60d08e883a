#pragma once

#include <cstdint>
#include <initializer_list>

#include "sks-core/base/bytes.h"

/// Writing DER, for objects that are put together from parts that are encoded already: certificates, revocation lists.
namespace sks::crypto::der {

/// Identifier octets. Context tags are kContext | number, constructed ones kConstructed besides.
inline constexpr std::uint8_t kIntegerTag = 0x02;
inline constexpr std::uint8_t kBitStringTag = 0x03;
inline constexpr std::uint8_t kOctetStringTag = 0x04;
inline constexpr std::uint8_t kUriTag = 0x86;  // uniformResourceIdentifier of GeneralName
inline constexpr std::uint8_t kEnumeratedTag = 0x0a;
inline constexpr std::uint8_t kSequenceTag = 0x30;
inline constexpr std::uint8_t kContext = 0x80;
inline constexpr std::uint8_t kConstructed = 0x20;

/// Tag, length and `parts` one after the other.
Bytes element(std::uint8_t tag, std::initializer_list<ByteView> parts);
inline Bytes sequence(std::initializer_list<ByteView> parts) { return element(kSequenceTag, parts); }
/// INTEGER of an unsigned big-endian number; needless leading zeros are dropped.
Bytes integer(ByteView number);
Bytes integer(std::uint64_t number);
inline Bytes octet_string(ByteView content) { return element(kOctetStringTag, {content}); }
/// Whole octets: no unused bits.
Bytes bit_string(ByteView content);
/// UTCTime through 2049, then GeneralizedTime. RFC 5280, 4.1.2.5. `seconds` since 1970; empty when it is outside of
/// what both can say.
Bytes time(std::int64_t seconds);
/// GeneralizedTime, as OCSP has it; empty in the same case.
Bytes generalized_time(std::int64_t seconds);
/// Extension of RFC 5280; `nid` is OpenSSL's number of its identifier, `value` the DER inside of extnValue.
enum class Critical : bool { no, yes };
Bytes extension(int nid, Critical critical, ByteView value);
/// OBJECT IDENTIFIER by OpenSSL's number.
Bytes object_identifier(int nid);

/// What stands behind tag and length of the element at the front of `der`, and what follows that element. `tag` 0 after
/// anything that is not one definite-length element.
struct Piece {
  std::uint8_t tag = 0;
  ByteView content;
  ByteView whole;  ///< with tag and length
  ByteView rest;
};
Piece first_piece(ByteView der);

}  // namespace sks::crypto::der
