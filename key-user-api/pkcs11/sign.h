#pragma once

#include "key-user-api/pkcs11/guard.h"
#include "key-user-api/pkcs11/hasher.h"
#include "key-user-api/pkcs11/mechanisms.h"

namespace sks::p11 {

/// A signature between C_SignInit and its end.
class SignOperation {
 public:
  /// Fails with CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID, CKR_KEY_TYPE_INCONSISTENT (mechanism of another
  /// kind of key) or CKR_KEY_FUNCTION_NOT_PERMITTED (the issuer did not endorse it). Refers to the key.
  static Answer<SignOperation> start(const CK_MECHANISM& mechanism, const UserKey& key);

  std::size_t signature_size() const;
  bool has_parts() const { return has_parts_; }

  /// The signature over data given at once.
  Answer<Bytes> sign(UserApi& api, const SecureBytes& pin, ByteView data);
  /// Where the mechanism takes its data at once, fails with CKR_DATA_LEN_RANGE if the part alone is too long for it,
  /// else with CKR_FUNCTION_NOT_SUPPORTED.
  Answer<void> update(UserApi& api, ByteView part);
  /// The signature over the parts.
  Answer<Bytes> finish(UserApi& api, const SecureBytes& pin);

 private:
  SignOperation(const UserKey& key, const Mechanism& mechanism) : key_(&key), mechanism_(&mechanism) {}

  /// What the mechanism takes at once.
  Answer<std::size_t> input_limit(UserApi& api) const;
  Answer<Bytes> sign_hash(UserApi& api, const SecureBytes& pin, HashId hash, ByteView content, ByteView digest) const;

  const UserKey* key_;
  const Mechanism* mechanism_;
  std::optional<Hasher> hasher_;
  bool has_parts_ = false;
};

}  // namespace sks::p11
