#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "key-user-api/token/outcome.h"
#include "key-user-api/token/service.h"
#include "sks-core/crypto/private_key.h"
#include "sks-core/crypto/public_key.h"
#include "sks-core/engine/secure_key_store.h"

/// What operations (spec/sksd.md 7) need to know of objects and logins (chapters 5 and 6), and nothing else.
namespace sks::token {

/// One attribute of a template, in the form of spec/sksd.md 2.
struct Attribute {
  CK_ATTRIBUTE_TYPE type = 0;
  SecureBytes value;
};
using Template = std::vector<Attribute>;

/// What an operation may be done with a key: CKA_ENCRYPT, CKA_DECRYPT and so on, as bits.
enum class Usage : std::uint16_t {
  encrypt = 0x01,
  decrypt = 0x02,
  sign = 0x04,
  verify = 0x08,
  derive = 0x10,
  wrap = 0x20,
  unwrap = 0x40,
};

/// A key as an operation sees it. Immutable, and shared by all who use it at the same time.
struct KeyInUse {
  CK_OBJECT_HANDLE object = 0;
  CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;  ///< CKO_PRIVATE_KEY, CKO_PUBLIC_KEY or CKO_SECRET_KEY
  CK_KEY_TYPE key_type = CKK_EC;
  std::uint32_t slot = 0;
  std::uint16_t usages = 0;  ///< bits of Usage that the object allows

  /// In the key store: private and secret keys that do not belong to a session.
  std::optional<KeyHandle> stored;
  /// Of a stored key, ascending; empty: not restricted.
  std::vector<std::string> endorsed_algorithms;
  bool always_authenticate = false;

  /// Of public keys and of private keys.
  std::optional<crypto::PublicKey> public_key;
  /// Session keys alone.
  std::shared_ptr<const crypto::PrivateKey> private_key;
  std::shared_ptr<const SecureBytes> secret;
  bool extractable = false;

  bool allows(Usage usage) const { return (usages & static_cast<std::uint16_t>(usage)) != 0; }
};

/// Thread-safe.
class KeyAccess {
 public:
  virtual ~KeyAccess() = default;

  /// CKR_OBJECT_HANDLE_INVALID: no such object in this slot for this application (private and secret keys need a login
  /// where their token has a PIN), or it is no key. Operations turn that into CKR_KEY_HANDLE_INVALID.
  virtual Outcome<std::shared_ptr<const KeyInUse>> find_key(Application& application, std::uint32_t slot,
                                                            CK_OBJECT_HANDLE object) = 0;

  /// What a user method of the key store needs for one operation with a stored key: the PIN of the login, or that of
  /// the ticket, which is spent by this. Fails with CKR_USER_NOT_LOGGED_IN: nobody is logged in, or the key asks for
  /// the PIN each time and the ticket is none. Stored keys only.
  virtual Outcome<Authorization> authorize(Application& application, const KeyInUse& key, std::uint32_t ticket) = 0;

  /// The key store did not take `pin`, which authorize() returned (Status::authorization): the PIN has been changed
  /// elsewhere. Every login with it ends, so that a PIN that was right once does not use up the attempts that are left.
  virtual void authorization_failed(const KeyInUse& key, const SecureBytes& pin) = 0;

  /// Makes a secret key or, for CKO_PRIVATE_KEY (unwrapped PKCS#8), a private key out of `value`, in the session or in
  /// the token as the template says (CKA_TOKEN). Fails as C_CreateObject.
  virtual Outcome<CK_OBJECT_HANDLE> make_key(Application& application, std::uint32_t slot, SecureBytes value,
                                             Template attributes) = 0;
};

}  // namespace sks::token
