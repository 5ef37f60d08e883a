#pragma once

#include <map>

#include "key-user-api/pkcs11/cryptoki.h"
#include "key-user-api/user_api.h"

namespace sks::p11 {

/// The kinds of objects whose attributes differ. Bits, so that a row of the attribute table can name several.
enum class ObjectKind : unsigned {
  certificate = 1,
  rsa_public = 2,
  ec_public = 4,
  rsa_private = 8,
  ec_private = 16,
};

/// What the attributes of one object are made of.
struct ObjectSource {
  ObjectKind kind;
  bool private_object;                     ///< CKA_PRIVATE
  const UserKey* key;                      ///< null for the certificate of an authority
  const crypto::Certificate* certificate;  ///< of the key, or of the authority
};

/// All readable attributes of an object.
std::map<CK_ATTRIBUTE_TYPE, Bytes> make_attributes(const ObjectSource& source);

/// Whether objects of this kind have the attribute without ever showing it.
bool is_sensitive(ObjectKind kind, CK_ATTRIBUTE_TYPE type);

CK_OBJECT_CLASS class_of(ObjectKind kind);

/// A number as PKCS#11 attributes hold it, in the machine's own byte order.
Bytes ulong_value(CK_ULONG value);

}  // namespace sks::p11
