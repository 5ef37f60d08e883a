#include "sks-core/crypto/private_key.h"
#include "tests/fuzz/checks.h"

/// PKCS#8 that an issuer imports: what is accepted can be written, read again and used.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sks;
  const auto key = crypto::PrivateKey::from_pkcs8({data, size});
  if (!key) return 0;
  const auto written = key->to_pkcs8();
  fuzz::require(static_cast<bool>(written), "a key can be written");
  const auto again = crypto::PrivateKey::from_pkcs8(written->view());
  fuzz::require(again && equal(again->public_key().spki(), key->public_key().spki()), "a written key is the same key");
  const ByteView message = as_bytes("message");
  const KeyKind kind = key->public_key().kind();
  if (kind == KeyKind::ec || kind == KeyKind::rsa) {
    const auto signature = key->sign(message);
    // A modulus may be too small for a signature, or its numbers may not belong together: an error, and no more.
    if (signature) static_cast<void>(crypto::verify_signature(key->public_key(), message, *signature));
  } else if (kind == KeyKind::ed25519 || kind == KeyKind::ed448) {
    fuzz::require(static_cast<bool>(key->sign_eddsa(message)), "an EdDSA key signs");
  } else {
    static_cast<void>(key->agree(key->public_key()));
  }
  return 0;
}
