#pragma once

#include "sks-core/crypto/public_key.h"

namespace sks::crypto {

/// The hashes and the label of RSAES-OAEP.
struct Oaep {
  HashId hash;
  HashId mgf_hash;
  ByteView label = {};
};

/// A private key in memory. Moves, does not copy.
class PrivateKey {
 public:
  /// Makes the key that a key generation row describes. `parameters` is the RSA exponent for rows that take one:
  /// 1-8 bytes, big-endian two's complement; not positive, even or below 3 fails with crypto. Otherwise empty.
  static Result<PrivateKey> generate(const Algorithm& algorithm, ByteView parameters = {});

  /// PKCS#8 PrivateKeyInfo, nothing after it. Fails with crypto.
  static Result<PrivateKey> from_pkcs8(ByteView der);
  /// An EC key from its secret scalar (big-endian, field size). Fails with crypto.
  static Result<PrivateKey> from_ec_scalar(Curve curve, ByteView scalar);

  /// Version-0 PrivateKeyInfo, EC keys with named curve.
  Result<SecureBytes> to_pkcs8() const;

  const PublicKey& public_key() const { return public_key_; }

  /// PKCS#1 v1.5 over the message with `hash` (DigestInfo inside), k bytes. RSA keys only, else crypto.
  Result<Bytes> sign_rsa(HashId hash, ByteView message) const;
  /// The same for a ready digest; with HashId::none `digest` is padded as it is (EMSA type 1, at most k - 11 bytes).
  Result<Bytes> sign_rsa_digest(HashId hash, ByteView digest) const;
  /// RSASSA-PSS of a ready digest: MGF1 with the same hash, a fresh salt of `salt_size` bytes. Fails with crypto: not
  /// an RSA key; with option: a salt that the key has no room for.
  Result<Bytes> sign_pss_digest(HashId hash, std::size_t salt_size, ByteView digest) const;
  /// Raw r || s. EC keys only, else crypto. A digest longer than the order is truncated as ECDSA defines.
  Result<Bytes> sign_ecdsa(HashId hash, ByteView message) const;
  Result<Bytes> sign_ecdsa_digest(ByteView digest) const;
  /// Pure EdDSA of the message. Ed25519 and Ed448 keys only, else crypto.
  Result<Bytes> sign_eddsa(ByteView message) const;

  /// Signs as verify_signature() verifies: RSA PKCS#1 v1.5 or raw ECDSA, with SHA-256.
  Result<Bytes> sign(ByteView message) const;

  /// RSA decryption of a cipher text of exactly k bytes: OAEP with `oaep_hash` (MGF1 with the same hash, empty label),
  /// or RSAES-PKCS1-v1_5 with HashId::none. Every failure is crypto in the same words: what was wrong with the padding
  /// would help those who ask a key to decrypt what others encrypted for it.
  Result<SecureBytes> decrypt_rsa(HashId oaep_hash, ByteView ciphertext) const;
  Result<SecureBytes> decrypt_rsa(const Oaep& oaep, ByteView ciphertext) const;

  /// The shared secret. EC: the x-coordinate, left-padded to the field size. X25519, X448: the value of RFC 7748. A
  /// peer of another type or on another curve, and a peer that makes an all-zero value, fail with crypto.
  Result<SecureBytes> agree(const PublicKey& peer) const;

  EVP_PKEY* openssl() const { return key_.get(); }

 private:
  PrivateKey(ossl::Pkey key, PublicKey public_key);
  static Result<PrivateKey> decoded(ossl::Pkey key, PublicKey public_key);

  ossl::Pkey key_;
  PublicKey public_key_;
  ossl::PkeyCtx ecdsa_;  // EC keys that were decoded: ready to sign, copied for every signature and never changed
};

/// Whether both halves of a key belong together. Decoding takes them as they stand, so this is for keys from files,
/// before they work for others. Signs nothing: what a CA's key signs are certificates and what tells about them. Fails
/// with option. RSA and EC keys only, else crypto.
Result<void> check_halves(const PrivateKey& key);

}  // namespace sks::crypto
