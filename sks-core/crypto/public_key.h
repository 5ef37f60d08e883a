#pragma once

#include <optional>

#include "sks-core/base/bytes.h"
#include "sks-core/base/result.h"
#include "sks-core/crypto/algorithms.h"
#include "sks-core/crypto/ossl.h"

namespace sks::crypto {

/// A public key that went through the strict checks of sks-api.md chapter 2.4.
class PublicKey {
 public:
  /// Accepts exactly the strict SubjectPublicKeyInfo forms of sks-api.md chapter 6.2, with the point on its curve.
  /// Fails with crypto on anything malformed, with option on a well-formed key of an unsupported type or curve.
  static Result<PublicKey> from_spki(ByteView der);

  /// Coordinates of exactly the curve's field size. Fails with crypto when the point is not on the curve.
  static Result<PublicKey> from_ec_point(Curve curve, ByteView x, ByteView y);
  /// Minimal unsigned big-endian numbers. Fails with crypto.
  static Result<PublicKey> from_rsa(ByteView modulus, ByteView exponent);
  /// Raw RFC 8032 / RFC 7748 key. Fails with crypto on a wrong length.
  static Result<PublicKey> from_raw(KeyKind kind, ByteView raw);
  /// The key of an OpenSSL object, brought into the strict form. Fails with option on an unsupported type or curve.
  static Result<PublicKey> from_openssl(EVP_PKEY* key);

  PublicKey(const PublicKey& other);
  PublicKey& operator=(const PublicKey& other);
  PublicKey(PublicKey&&) noexcept = default;
  PublicKey& operator=(PublicKey&&) noexcept = default;
  ~PublicKey() = default;

  KeyKind kind() const { return kind_; }
  /// Only for KeyKind::ec.
  Curve curve() const;
  /// The strict DER form, as it enters MACs and attestations.
  const Bytes& spki() const { return spki_; }

  /// RSA: number of bytes of the modulus without leading zeros; n and e, minimal unsigned big-endian.
  std::size_t rsa_modulus_bytes() const;
  Bytes rsa_modulus() const;
  Bytes rsa_exponent() const;
  /// EC: x and y of exactly the field size. Other curves: the raw key.
  Bytes ec_x() const;
  Bytes ec_y() const;
  Bytes raw() const;

  EVP_PKEY* openssl() const { return key_.get(); }

 private:
  PublicKey(KeyKind kind, std::optional<Curve> curve, Bytes spki, ossl::Pkey key);

  KeyKind kind_;
  std::optional<Curve> curve_;
  Bytes spki_;
  ossl::Pkey key_;
};

/// Verifies a signature by the rules for session attestations and key management authorizations (sks-api.md
/// chapter 3.6): RSA = PKCS#1 v1.5 with SHA-256, EC = ECDSA with SHA-256 as raw r || s.
///
/// Fails with crypto when the encoding has a wrong length or a zero r or s, with option when it is well-formed but
/// wrong.
Result<void> verify_signature(const PublicKey& key, ByteView data, ByteView signature);

/// DER to raw r || s of `curve`, and back. Fail with crypto.
Result<Bytes> ecdsa_der_to_raw(Curve curve, ByteView der);
Result<Bytes> ecdsa_raw_to_der(Curve curve, ByteView raw);

}  // namespace sks::crypto
