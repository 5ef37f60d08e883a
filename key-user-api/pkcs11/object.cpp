#include "key-user-api/pkcs11/object.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

namespace sks::p11 {
namespace {

/// What applications search by. Only these are indexed: the others do not tell objects apart.
constexpr std::array kIndexed{CKA_CLASS, CKA_ID, CKA_LABEL};

bool is_indexed(CK_ATTRIBUTE_TYPE type) { return std::ranges::find(kIndexed, type) != kIndexed.end(); }

ByteView value_of(const CK_ATTRIBUTE& attribute) {
  return {static_cast<const std::uint8_t*>(attribute.pValue), attribute.ulValueLen};
}

bool has(const Object& object, const CK_ATTRIBUTE& wanted) {
  const auto found = object.attributes.find(wanted.type);
  return found != object.attributes.end() && equal(found->second, value_of(wanted));
}

CK_RV read_attribute(const Object& object, CK_ATTRIBUTE& attribute) {
  const auto found = object.attributes.find(attribute.type);
  if (found == object.attributes.end()) {
    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return is_sensitive(object.kind, attribute.type) ? CKR_ATTRIBUTE_SENSITIVE : CKR_ATTRIBUTE_TYPE_INVALID;
  }
  const Bytes& value = found->second;
  if (attribute.pValue == nullptr) {
    attribute.ulValueLen = value.size();
    return CKR_OK;
  }
  if (attribute.ulValueLen < value.size()) {
    attribute.ulValueLen = CK_UNAVAILABLE_INFORMATION;
    return CKR_BUFFER_TOO_SMALL;
  }
  if (!value.empty()) std::memcpy(attribute.pValue, value.data(), value.size());
  attribute.ulValueLen = value.size();
  return CKR_OK;
}

}  // namespace

ObjectTable::ObjectTable(std::span<const UserKey> keys, bool private_keys_need_login, CK_OBJECT_HANDLE first_handle)
    : first_handle_(first_handle) {
  for (const UserKey& key : keys) add_key(key, private_keys_need_login);
  std::set<std::string> authorities;  // keys of one issuer share their authorities
  for (const UserKey& key : keys)
    for (auto certificate = key.path.begin() + 1; certificate != key.path.end(); ++certificate)
      if (authorities.insert(to_string(certificate->der())).second)
        add({ObjectKind::certificate, false, nullptr, &*certificate});
}

void ObjectTable::add_key(const UserKey& key, bool private_key_needs_login) {
  const bool rsa = key.public_key.kind() == KeyKind::rsa;
  const crypto::Certificate* const certificate = &key.path.front();
  add({ObjectKind::certificate, false, &key, certificate});
  add({rsa ? ObjectKind::rsa_public : ObjectKind::ec_public, false, &key, certificate});
  add({rsa ? ObjectKind::rsa_private : ObjectKind::ec_private, private_key_needs_login, &key, certificate});
}

void ObjectTable::add(const ObjectSource& source) {
  const CK_OBJECT_HANDLE handle = end_handle();
  objects_.push_back({source.kind, source.private_object, source.key, make_attributes(source)});
  for (const auto& [type, value] : objects_.back().attributes)
    if (is_indexed(type)) index_[{type, to_string(value)}].push_back(handle);
}

const Object* ObjectTable::find(CK_OBJECT_HANDLE handle, bool logged_in) const {
  if (handle < first_handle_ || handle >= end_handle()) return nullptr;
  const Object& object = objects_[handle - first_handle_];
  return object.private_object && !logged_in ? nullptr : &object;
}

std::vector<CK_OBJECT_HANDLE> ObjectTable::search(std::span<const CK_ATTRIBUTE> wanted, bool logged_in) const {
  std::vector<CK_OBJECT_HANDLE> found = candidates(wanted);
  std::erase_if(found, [&](CK_OBJECT_HANDLE handle) {
    const Object* const object = find(handle, logged_in);
    return object == nullptr ||
           !std::ranges::all_of(wanted, [&](const CK_ATTRIBUTE& attribute) { return has(*object, attribute); });
  });
  return found;
}

/// The shortest list that the index has for one of the wanted attributes; everything if none is indexed.
std::vector<CK_OBJECT_HANDLE> ObjectTable::candidates(std::span<const CK_ATTRIBUTE> wanted) const {
  const std::vector<CK_OBJECT_HANDLE>* shortest = nullptr;
  for (const CK_ATTRIBUTE& attribute : wanted) {
    if (!is_indexed(attribute.type)) continue;
    const auto found = index_.find({attribute.type, to_string(value_of(attribute))});
    if (found == index_.end()) return {};
    if (shortest == nullptr || found->second.size() < shortest->size()) shortest = &found->second;
  }
  if (shortest != nullptr) return *shortest;
  std::vector<CK_OBJECT_HANDLE> all(objects_.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = first_handle_ + i;
  return all;
}

bool is_readable(std::span<const CK_ATTRIBUTE> attributes) {
  return std::ranges::all_of(attributes, [](const CK_ATTRIBUTE& attribute) {
    return attribute.pValue != nullptr || attribute.ulValueLen == 0;
  });
}

CK_RV read_attributes(const Object& object, std::span<CK_ATTRIBUTE> attributes) {
  // "If more than one of the above cases applies, any of the codes may be returned": the first one is.
  CK_RV first_failure = CKR_OK;
  for (CK_ATTRIBUTE& attribute : attributes)
    if (const CK_RV rv = read_attribute(object, attribute); first_failure == CKR_OK) first_failure = rv;
  return first_failure;
}

CK_ULONG object_size(const Object& object) {
  CK_ULONG size = 0;
  for (const auto& [type, value] : object.attributes) size += value.size();
  return size;
}

}  // namespace sks::p11
