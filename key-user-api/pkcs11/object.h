#pragma once

#include <span>
#include <vector>

#include "key-user-api/pkcs11/attributes.h"
#include "key-user-api/pkcs11/guard.h"

namespace sks::p11 {

struct Object {
  ObjectKind kind;
  bool private_object;
  const UserKey* key;  ///< null for the certificate of an authority
  std::map<CK_ATTRIBUTE_TYPE, Bytes> attributes;
};

/// The objects of one token. They do not change while the token is there; private ones exist only for a user who is
/// logged in.
class ObjectTable {
 public:
  /// Makes the objects of all keys. Refers to the keys. `first_handle` is not 0, and the handles ascend from there.
  ObjectTable(std::span<const UserKey> keys, bool private_keys_need_login, CK_OBJECT_HANDLE first_handle);

  CK_OBJECT_HANDLE end_handle() const { return first_handle_ + objects_.size(); }

  /// Null if there is none with this handle, or none for a user who is not logged in.
  const Object* find(CK_OBJECT_HANDLE handle, bool logged_in) const;

  /// The handles of all objects that have every attribute of the template with exactly that value.
  std::vector<CK_OBJECT_HANDLE> search(std::span<const CK_ATTRIBUTE> wanted, bool logged_in) const;

 private:
  using IndexKey = std::pair<CK_ATTRIBUTE_TYPE, std::string>;

  void add(const ObjectSource& source);
  void add_key(const UserKey& key, bool private_key_needs_login);
  std::vector<CK_OBJECT_HANDLE> candidates(std::span<const CK_ATTRIBUTE> wanted) const;

  CK_OBJECT_HANDLE first_handle_;
  std::vector<Object> objects_;
  std::map<IndexKey, std::vector<CK_OBJECT_HANDLE>> index_;
};

/// Whether every attribute of a template can be read at all: no value pointer missing.
bool is_readable(std::span<const CK_ATTRIBUTE> attributes);

/// C_GetAttributeValue: fills what can be filled and marks the rest, as the standard says for several attributes.
CK_RV read_attributes(const Object& object, std::span<CK_ATTRIBUTE> attributes);

/// Sum of the sizes of the readable attributes.
CK_ULONG object_size(const Object& object);

}  // namespace sks::p11
