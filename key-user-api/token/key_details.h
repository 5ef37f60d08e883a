#pragma once

#include <mutex>

#include "key-user-api/token/der.h"
#include "key-user-api/token/object.h"
#include "key-user-api/user_api.h"

namespace sks::token {

/// What write_certificates() has written. None when the text is no such property or a certificate does not decode.
std::optional<std::vector<Bytes>> read_certificates(std::string_view text);

/// How a key may be deleted. Spec: sks-api.md 5.1.
enum class DeleteProtection : std::uint8_t { none, pin, puk, forbidden };

/// What the key store tells of one key. Immutable, and shared by all who look at it.
class KeyDetails {
 public:
  using Handle = KeyHandle;

  /// Key 0 stands for the device: a path without a key.
  static Result<std::shared_ptr<const KeyDetails>> read(SecureKeyStore& store, const UserApi::PinGroupOf& pin_group_of,
                                                        KeyHandle key);

  KeyHandle handle;
  std::uint32_t slot = 0;
  /// None: a secret key, or the device.
  std::optional<KeyShape> shape;
  std::uint16_t secret_bytes = 0;  ///< 0: no secret key
  std::uint16_t usages = 0;
  bool is_imported = false;
  bool is_extractable = false;
  bool always_authenticate = false;
  bool has_properties = false;
  bool is_hidden = false;           ///< no object: the manager of a PIN (spec/local-keys.md 3)
  bool has_own_certificate = true;  ///< no other certificate has taken its place
  DeleteProtection delete_protection = DeleteProtection::forbidden;

  Bytes id;
  std::string label;
  std::vector<Bytes> path;  ///< DER, end entity first
  Bytes spki;               ///< of a key pair
  std::vector<std::string> endorsed_algorithms;

  bool is_device() const { return !handle; }
  bool is_secret() const { return secret_bytes != 0; }
  CK_KEY_TYPE key_type() const;
  std::size_t cost() const;

  /// Of the object with this part. Views into this.
  Contents contents(unsigned part) const;

  /// For operations: part 1 or 2. Null when the public key does not decode.
  std::shared_ptr<const KeyInUse> in_use(unsigned part) const;

 private:
  Result<void> read_key(const KeyAttributes& attributes, const KeyProtectionInfo& protection);
  Result<void> read_properties(SecureKeyStore& store);
  std::shared_ptr<const KeyInUse> make_in_use(unsigned part) const;

  mutable std::mutex mutex_;
  mutable std::shared_ptr<const KeyInUse> secret_use_;
  mutable std::shared_ptr<const KeyInUse> public_use_;
};

/// SHA-1 of the subjectPublicKey bits, so that a key pair and its certificates find one another; empty for what is no
/// SubjectPublicKeyInfo. Spec: spec/sksd.md 6.
Bytes id_of(ByteView spki);

}  // namespace sks::token
