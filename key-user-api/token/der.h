#pragma once

#include <optional>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"
#include "sks-core/crypto/algorithms.h"

/// The parts of certificates and public keys that attributes are made of, as views into their DER. OpenSSL takes a
/// hundred times as long, and a token may have ten thousand certificates that nobody reads.
namespace sks::token {

struct DerElement {
  std::uint8_t tag;
  ByteView all;
  ByteView content;
};

/// Takes the element at the front. None, and nothing taken, when there is no whole one with a one-byte tag and a
/// definite length.
std::optional<DerElement> take_element(ByteView& der);

struct CertificateFields {
  ByteView serial_number;  ///< DER, as are the names
  ByteView issuer;
  ByteView not_before;  ///< DER of the time
  ByteView not_after;
  ByteView subject;
  ByteView spki;
};
/// None when the outline is not that of a certificate.
std::optional<CertificateFields> split_certificate(ByteView der);

struct SpkiFields {
  ByteView algorithm;   ///< DER of its object identifier
  ByteView parameters;  ///< DER, empty if absent
  ByteView key_bits;    ///< content of subjectPublicKey
};
std::optional<SpkiFields> split_spki(ByteView der);

/// What kind of key a SubjectPublicKeyInfo holds. None for those that SKS does not know.
struct KeyShape {
  KeyKind kind;
  std::optional<Curve> curve;  ///< only for KeyKind::ec
  std::uint16_t bits;          ///< of the modulus, or of the field
};
std::optional<KeyShape> shape_of(ByteView spki);

/// n and e of an RSA key, minimal unsigned big-endian.
struct RsaNumbers {
  ByteView modulus;
  ByteView exponent;
};
std::optional<RsaNumbers> rsa_numbers(ByteView spki);

/// "YYYYMMDD" of a UTCTime or GeneralizedTime, empty if it is neither.
Bytes date_of(ByteView time);

Bytes der_octet_string(ByteView content);

}  // namespace sks::token
