#pragma once

#include <memory>

#include "sks-core/crypto/private_key.h"

namespace sks::crypto {

/// A key that signs certificates, wherever it lives. Safe for several threads.
///
/// What it signs is hashed by the size of the key: SHA-384 and SHA-512 with P-384 and P-521, SHA-256 otherwise.
class Signer {
 public:
  virtual ~Signer() = default;
  virtual const PublicKey& public_key() const = 0;
  /// The signature as X.509 carries it: RSASSA-PKCS1-v1_5, or ECDSA as SEQUENCE { r, s }. Fails with crypto, or as the
  /// key's home does: not_available when it cannot be reached now.
  virtual Result<Bytes> sign(ByteView message) const = 0;
  /// Whether the key is there for sign(), as far as can be told without a signature: what such a key signs is the word
  /// of its owner, whatever it was meant for. Fails as the key's home does.
  virtual Result<void> check() const = 0;
};

/// A private key in memory.
class KeySigner final : public Signer {
 public:
  explicit KeySigner(PrivateKey key) : key_(std::make_shared<const PrivateKey>(std::move(key))) {}
  /// Borrows `key`, which has to outlive the signer.
  static KeySigner borrow(const PrivateKey& key) {
    return KeySigner(std::shared_ptr<const PrivateKey>(&key, [](auto*) {}));
  }

  const PublicKey& public_key() const override { return key_->public_key(); }
  Result<Bytes> sign(ByteView message) const override;
  Result<void> check() const override { return {}; }

 private:
  explicit KeySigner(std::shared_ptr<const PrivateKey> key) : key_(std::move(key)) {}

  std::shared_ptr<const PrivateKey> key_;
};

/// The hash of the signatures of `key`.
HashId signature_hash(const PublicKey& key);
/// AlgorithmIdentifier of them. Fails with option when the key is not an RSA key or one on P-256, P-384 or P-521.
Result<Bytes> signature_algorithm(const PublicKey& key);
/// SEQUENCE { `signed_part`, AlgorithmIdentifier, signature }: how certificates and revocation lists are signed.
/// Fails as signature_algorithm() and sign().
Result<Bytes> signed_sequence(ByteView signed_part, const Signer& signer);

/// Content of the BIT STRING of the key's SubjectPublicKeyInfo, without the number of unused bits. Borrows from `key`.
ByteView subject_public_key(const PublicKey& key);
/// SHA-1 of it: method 1 of RFC 5280, 4.2.1.2.
Bytes key_identifier(const PublicKey& key);

}  // namespace sks::crypto
