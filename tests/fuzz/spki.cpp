#include "sks-core/crypto/public_key.h"
#include "tests/fuzz/checks.h"

/// SubjectPublicKeyInfo from servers and issuers: what is accepted is exactly its strict form.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  const ByteView input(data, size);
  const auto key = crypto::PublicKey::from_spki(input);
  if (!key) {
    fuzz::require(key.error().status == Status::crypto || key.error().status == Status::option, "status of a bad key");
    return 0;
  }
  fuzz::require(equal(key->spki(), input), "a key is what was decoded");
  if (key->kind() == KeyKind::ec) {
    const auto again = crypto::PublicKey::from_ec_point(key->curve(), key->ec_x(), key->ec_y());
    fuzz::require(again && equal(again->spki(), input), "an EC key is its point");
  } else if (key->kind() == KeyKind::rsa) {
    const auto again = crypto::PublicKey::from_rsa(key->rsa_modulus(), key->rsa_exponent());
    fuzz::require(again && equal(again->spki(), input), "an RSA key is its numbers");
  } else {
    const auto again = crypto::PublicKey::from_raw(key->kind(), key->raw());
    fuzz::require(again && equal(again->spki(), input), "other keys are their raw bytes");
  }
  return 0;
}
