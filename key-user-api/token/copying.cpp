#include <array>

#include "key-user-api/token/making.h"
#include "sks-core/base/encoding.h"

/// What is done with objects that are there. Spec: spec/sksd.md 6.
namespace sks::token {
namespace {

Refusal prohibited(std::string why) { return {CKR_ACTION_PROHIBITED, std::move(why)}; }
Refusal read_only(CK_ATTRIBUTE_TYPE type) { return {CKR_ATTRIBUTE_READ_ONLY, name_of(type) + " cannot be set"}; }
Refusal gone() { return {CKR_OBJECT_HANDLE_INVALID, "the object is gone"}; }

/// CKA_SENSITIVE may become true and CKA_EXTRACTABLE false, never back.
struct OneWay {
  CK_ATTRIBUTE_TYPE type;
  std::uint32_t flag;
  bool towards;
};
constexpr auto kOneWay =
    std::to_array<OneWay>({{CKA_SENSITIVE, flag::kSensitive, true}, {CKA_EXTRACTABLE, flag::kExtractable, false}});

/// Flags that C_CopyObject may choose anew.
struct Chosen {
  CK_ATTRIBUTE_TYPE type;
  std::uint32_t flag;
};
constexpr auto kChosenByCopy = std::to_array<Chosen>({{CKA_PRIVATE, flag::kPrivate},
                                                      {CKA_MODIFIABLE, flag::kModifiable},
                                                      {CKA_COPYABLE, flag::kCopyable},
                                                      {CKA_DESTROYABLE, flag::kDestroyable}});

void set_flag(Facts& facts, std::uint32_t flag, bool holds) {
  facts.flags = holds ? facts.flags | flag : facts.flags & ~flag;
}

/// Fails unless the attribute has this value already.
Outcome<void> check_same(const Facts& facts, const Contents& contents, const AttributeRow& row,
                         const Attribute& attribute) {
  const bool is_comparable = row.needs != Needs::attestation && is_readable(row, facts);
  if (is_comparable && equal_constant_time(compute(row, facts, contents).view(), attribute.value.view())) return {};
  return read_only(attribute.type);
}

Outcome<bool> turn_one_way(SessionObject& object, const Attribute& attribute) {
  for (const OneWay& row : kOneWay) {
    if (row.type != attribute.type) continue;
    SKS_LET(const bool wanted, read_bool(attribute));
    if (wanted != row.towards && object.facts.has(row.flag) != wanted) return read_only(attribute.type);
    set_flag(object.facts, row.flag, wanted);
    return true;
  }
  return false;
}

/// The attributes that a copy or a change sets, checked against what may be set.
Outcome<void> change_session_object(SessionObject& object, const Template& attributes, bool is_copy) {
  SKS_TRY(check_no_duplicates(attributes));
  const SessionObject before = object;
  for (const Attribute& attribute : attributes) {
    const AttributeRow* const row = find_row(object.facts.kind, attribute.type);
    if (row == nullptr) return Refusal{CKR_ATTRIBUTE_TYPE_INVALID, name_of(attribute.type) + " is none of this object"};
    if (row->later == Later::settable) continue;
    SKS_LET(const bool turned, turn_one_way(object, attribute));
    if (turned) continue;
    bool chosen = false;
    for (const Chosen& one : kChosenByCopy) {
      if (!is_copy || one.type != attribute.type) continue;
      SKS_LET(const bool wanted, read_bool(attribute));
      set_flag(object.facts, one.flag, wanted);
      chosen = true;
    }
    if (!chosen) SKS_TRY(check_same(before.facts, before.contents(), *row, attribute));
  }
  return take_given(object, attributes);
}

Outcome<void> set_session_attributes(Application& application, const std::shared_ptr<const SessionObject>& old,
                                     const Template& attributes) {
  if (!old->facts.has(flag::kModifiable)) return prohibited("the object cannot be modified");
  auto changed = std::make_shared<SessionObject>(*old);
  SKS_TRY(change_session_object(*changed, attributes, false));
  if (changed->in_use != nullptr) finish_key(*changed, old->in_use->public_key);
  SKS_LET(const bool is_done, application.replace_object(old, std::move(changed)));
  if (!is_done) return gone();
  return {};
}

Outcome<void> set_stored_attributes(Core& core, Application& application, const FoundObject& object,
                                    const Template& attributes) {
  SKS_TRY(check_no_duplicates(attributes));
  const KeyHandle key = *key_of(object.facts.handle);
  bool has_names = false;
  for (const Attribute& attribute : attributes) {
    const AttributeRow* const row = find_row(object.facts.kind, attribute.type);
    if (row == nullptr) return Refusal{CKR_ATTRIBUTE_TYPE_INVALID, name_of(attribute.type) + " is none of this object"};
    const bool is_of_key = part_of(object.facts.handle) <= kCertificatePart;
    if (is_of_key && (attribute.type == CKA_LABEL || attribute.type == CKA_ID)) {
      has_names = true;
      continue;
    }
    SKS_TRY(core.with_contents(
        object, [&](const Contents& contents) { return check_same(object.facts, contents, *row, attribute); }));
  }
  if (!has_names) return {};
  return set_names(core, application, key, attributes);
}

/// A template for the key store out of a session object and what the copy changes.
Template template_of_copy(const SessionObject& object, const Template& changes) {
  Template all;
  for (const Attribute& change : changes) all.push_back({change.type, SecureBytes::copy_of(change.value.view())});
  const auto add = [&](CK_ATTRIBUTE_TYPE type, SecureBytes value) {
    if (find_attribute(all, type) == nullptr) all.push_back({type, std::move(value)});
  };
  const Contents contents = object.contents();
  constexpr std::array kPassedOn{CKA_LABEL, CKA_ID,     CKA_EXTRACTABLE, CKA_DESTROYABLE, CKA_ENCRYPT, CKA_DECRYPT,
                                 CKA_SIGN,  CKA_VERIFY, CKA_DERIVE,      CKA_WRAP,        CKA_UNWRAP};
  for (const CK_ATTRIBUTE_TYPE type : kPassedOn)
    if (const AttributeRow* const row = find_row(object.facts.kind, type))
      add(type, compute(*row, object.facts, contents));
  return all;
}

Outcome<CK_OBJECT_HANDLE> copy_into_token(const Making& making, const SessionObject& object) {
  switch (object.facts.object_class) {
    case CKO_SECRET_KEY:
      return make_secret_key(making, object.facts.key_type, SecureBytes::copy_of(object.value->view()));
    case CKO_PRIVATE_KEY: {
      const Result<SecureBytes> pkcs8 = object.private_key->to_pkcs8();
      if (!pkcs8) return refusal_of(pkcs8.error());
      Result<crypto::PrivateKey> key = crypto::PrivateKey::from_pkcs8(pkcs8->view());
      if (!key) return refusal_of(key.error());
      return make_private_key(making, std::move(key).value());
    }
    case CKO_CERTIFICATE:
      return store_certificate(making, object.certificate);
    default:
      return Refusal{CKR_TEMPLATE_INCONSISTENT, "a key store keeps no such object"};
  }
}

}  // namespace

Outcome<void> set_attributes(Core& core, Application& application, std::uint32_t slot, CK_OBJECT_HANDLE object,
                             const Template& attributes) {
  SKS_LET(const FoundObject found, core.find_object(application, slot, object));
  if (found.session != nullptr) return set_session_attributes(application, found.session, attributes);
  return set_stored_attributes(core, application, found, attributes);
}

Outcome<CK_OBJECT_HANDLE> copy_object(Core& core, Application& application, std::uint32_t slot, CK_OBJECT_HANDLE object,
                                      const Template& attributes) {
  SKS_LET(const FoundObject found, core.find_object(application, slot, object));
  if (!found.facts.has(flag::kCopyable)) return prohibited("the object cannot be copied");
  SKS_LET(const bool for_token, is_for_token(attributes));
  if (for_token) {
    SessionObject changed = *found.session;
    Template without_token;
    for (const Attribute& attribute : attributes)
      if (attribute.type != CKA_TOKEN)
        without_token.push_back({attribute.type, SecureBytes::copy_of(attribute.value.view())});
    SKS_TRY(change_session_object(changed, without_token, true));
    const Template all = template_of_copy(*found.session, attributes);
    return copy_into_token({core, application, slot, all, Origin::brought}, changed);
  }
  SessionObject copy = *found.session;
  SKS_TRY(change_session_object(copy, attributes, true));
  const std::optional<crypto::PublicKey> public_key = copy.in_use == nullptr ? std::nullopt : copy.in_use->public_key;
  return add_session_object({core, application, slot, attributes, Origin::brought}, std::move(copy), public_key);
}

namespace {

Outcome<SecureBytes> authorization_to_delete(const Application& application, const KeyDetails& details) {
  if (details.delete_protection == DeleteProtection::none) return SecureBytes();
  std::optional<SecureBytes> pin = application.pin_of(details.slot, LoggedIn::user);
  if (!pin) return Refusal{CKR_USER_NOT_LOGGED_IN, "deleting this key takes its PIN"};
  return std::move(*pin);
}

Outcome<void> delete_stored_key(Core& core, Application& application, KeyHandle key) {
  SKS_LET(const std::shared_ptr<const KeyDetails> details, core.keys.details(key));
  SKS_LET(const SecureBytes authorization, authorization_to_delete(application, *details));
  const Result<void> deleted = core.ports.store.delete_key(key, authorization);
  if (!deleted && deleted.error().status == Status::authorization) {
    core.end_logins_with(details->slot, authorization);
    return Refusal{CKR_USER_NOT_LOGGED_IN, "the PIN has been changed, or is locked"};
  }
  if (!deleted && deleted.error().status != Status::no_key) return refusal_of(deleted.error());
  core.keys.remove(key);
  if (deleted) application.note_deleted(key);
  return deleted ? Outcome<void>() : gone();
}

}  // namespace

Outcome<void> destroy_object(Core& core, Application& application, std::uint32_t slot, CK_OBJECT_HANDLE object) {
  auto sought = core.find_object(application, slot, object);
  if (!sought) {
    // Programs destroy a pair half by half, and here both are one key.
    const std::optional<KeyHandle> key = key_of(object);
    const bool went_with_key = key && part_of(object) != kSecretPart && application.has_deleted(*key);
    return went_with_key ? Outcome<void>() : std::move(sought).error();
  }
  const FoundObject& found = *sought;
  if (!found.facts.has(flag::kDestroyable)) return prohibited("the object cannot be destroyed, or not by itself");
  if (found.session != nullptr) return application.erase_object(object) ? Outcome<void>() : gone();
  const KeyHandle key = *key_of(object);
  if (part_of(object) == kSecretPart) return delete_stored_key(core, application, key);
  // A certificate that took the place of the key's own gives it back.
  if (slot != 0 && !application.is_user(slot)) return Refusal{CKR_USER_NOT_LOGGED_IN, "the user is not logged in"};
  SKS_TRY(set_property(core, key, kPkcs11Certificates, ""));
  const Result<void> seen = core.keys.add(key);
  if (!seen) return refusal_of(seen.error());
  return {};
}

}  // namespace sks::token
