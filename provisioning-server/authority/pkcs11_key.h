#pragma once

#include <memory>
#include <string>

#include "sks-core/base/bytes.h"
#include "sks-core/crypto/public_key.h"

namespace sks::issuer {

/// Which key of which token. Of label and serial number of the token, and of label and identifier of the key, those
/// that are empty do not matter; what is given must name exactly one. With `spki` it is the key whose public key object
/// holds that SubjectPublicKeyInfo, whatever its label is.
struct Pkcs11Location {
  std::string module;  ///< file of the PKCS#11 library
  std::string token_label;
  std::string token_serial;
  std::string key_label;
  Bytes key_id;
  Bytes spki = {};
};

/// A private key behind a PKCS#11 module: connects when it is first used, and again after the token has lost its
/// session. One thread at a time.
class Pkcs11Key {
 public:
  /// `pin` is empty for a token that asks for none. Nothing is loaded yet.
  Pkcs11Key(Pkcs11Location location, SecureBytes pin);
  ~Pkcs11Key();
  Pkcs11Key(const Pkcs11Key&) = delete;
  Pkcs11Key& operator=(const Pkcs11Key&) = delete;

  /// As crypto::Signer::sign() returns it, for `key`, the public half. Fails with option (module, token or key is not
  /// there, or not one of it), not_allowed (the PIN was refused: it is not tried again, since wrong tries lock a
  /// token), or not_available (the device fails; the next call connects anew).
  Result<Bytes> sign(const crypto::PublicKey& key, ByteView message);

  /// Whether the token answers and the private key of `key` is there, by what its object says about the public half;
  /// signs nothing. Fails as sign(), and with crypto when the object is one of another key.
  Result<void> check(const crypto::PublicKey& key);

  /// From the public key object beside the private key. Fails as sign(), and with option when there is none or when it
  /// is neither RSA nor on P-256, P-384 or P-521.
  Result<crypto::PublicKey> public_key();

 private:
  struct Connection;
  template <class Run>
  auto with_connection(Run run) -> decltype(run(std::declval<Connection&>()));

  Pkcs11Location location_;
  SecureBytes pin_;
  bool pin_refused_ = false;
  std::unique_ptr<Connection> connection_;
};

}  // namespace sks::issuer
