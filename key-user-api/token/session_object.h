#pragma once

#include "key-user-api/token/attributes.h"

namespace sks::token {

/// An object of a session. Immutable: a change puts another one in its place. Spec: spec/sksd.md 6.
struct SessionObject {
  Facts facts;
  std::uint32_t slot = 0;
  std::string label;
  Bytes id;
  Bytes certificate;
  Bytes spki;
  Bytes subject;
  Bytes application;
  Bytes object_id;
  Bytes start_date;
  Bytes end_date;
  std::shared_ptr<const SecureBytes> value;  ///< of secrets and data
  std::shared_ptr<const crypto::PrivateKey> private_key;
  std::shared_ptr<const KeyInUse> in_use;  ///< of keys

  /// Views into this.
  Contents contents() const;
  /// Bytes, about.
  std::size_t size() const;
};

/// Fills the attributes that are stored as they are given: those of the table that are settable, and for data its own.
/// Fails with CKR_ATTRIBUTE_VALUE_INVALID.
Outcome<void> take_given(SessionObject& object, const Template& attributes);

/// Makes `in_use` of a key out of the rest; once, when the handle is there.
void finish_key(SessionObject& object, std::optional<crypto::PublicKey> public_key);

}  // namespace sks::token
