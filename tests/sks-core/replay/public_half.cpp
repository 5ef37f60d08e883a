#include "tests/sks-core/replay/public_half.h"

#include <doctest/doctest.h>

#include "sks-core/base/encoding.h"

namespace sks::test {
namespace {

Bytes der(std::uint8_t tag, ByteView content) {
  const auto size = static_cast<std::uint8_t>(content.size());
  const auto high = static_cast<std::uint8_t>(content.size() >> 8U);
  if (content.size() < 0x80) return concat({Bytes{tag, size}, content});
  if (content.size() < 0x100) return concat({Bytes{tag, 0x81, size}, content});
  return concat({Bytes{tag, 0x82, high, size}, content});
}

Bytes integer(ByteView number) {
  const Bytes sign(number.empty() || number[0] >= 0x80 ? 1 : 0, 0);
  return der(0x02, concat({sign, number}));
}

Bytes number_of(const crypto::PrivateKey& key, const char* name) {
  BIGNUM* found = nullptr;
  REQUIRE(EVP_PKEY_get_bn_param(key.openssl(), name, &found) == 1);
  const ossl::BigNum number(found);
  Bytes out(static_cast<std::size_t>(BN_num_bytes(found)));
  BN_bn2bin(found, out.data());
  return out;
}

// Version-0 PrivateKeyInfo (RFC 5208) of an ecPublicKey on prime256v1: ECPrivateKey (RFC 5915) with scalar 1.
Bytes ec_key(const crypto::PublicKey& key) {
  REQUIRE(key.curve() == Curve::p256);
  Bytes scalar(32, 0);
  scalar.back() = 1;
  return concat({from_hex("308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420").value(), scalar,
                 from_hex("a14403420004").value(), key.ec_x(), key.ec_y()});
}

// RSAPrivateKey (RFC 8017) with the secret numbers of another key of 2048 bits.
Bytes rsa_key(const crypto::PublicKey& key) {
  static const crypto::PrivateKey other =
      crypto::PrivateKey::generate(*find_algorithm("https://webpki.github.io/sks/algorithm#rsa2048")).value();
  Bytes numbers = concat({integer({}), integer(key.rsa_modulus()), integer(key.rsa_exponent())});
  for (const char* const name :
       {"d", "rsa-factor1", "rsa-factor2", "rsa-exponent1", "rsa-exponent2", "rsa-coefficient1"})
    numbers = concat({numbers, integer(number_of(other, name))});
  const Bytes algorithm = from_hex("300d06092a864886f70d0101010500").value();
  return der(0x30, concat({integer({}), algorithm, der(0x04, der(0x30, numbers))}));
}

}  // namespace

crypto::PrivateKey key_with_public_half(ByteView spki) {
  const crypto::PublicKey key = crypto::PublicKey::from_spki(spki).value();
  crypto::PrivateKey made =
      crypto::PrivateKey::from_pkcs8(key.kind() == KeyKind::rsa ? rsa_key(key) : ec_key(key)).value();
  REQUIRE(made.public_key().spki() == key.spki());
  return made;
}

}  // namespace sks::test
