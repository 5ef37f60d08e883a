#include "key-user-api/token/making.h"

#include <array>

#include "sks-core/base/encoding.h"
#include "sks-core/crypto/x509.h"

namespace sks::token {
namespace {

constexpr std::size_t kMaxLabel = 1024;           // bytes
constexpr std::size_t kMaxId = 256;               // bytes
constexpr std::size_t kMaxLabelCharacters = 100;  // of a new key, sks-api.md appendix E1

struct UsageRow {
  CK_ATTRIBUTE_TYPE type;
  Usage usage;
};
constexpr auto kUsages = std::to_array<UsageRow>({
    {CKA_ENCRYPT, Usage::encrypt},
    {CKA_DECRYPT, Usage::decrypt},
    {CKA_SIGN, Usage::sign},
    {CKA_VERIFY, Usage::verify},
    {CKA_DERIVE, Usage::derive},
    {CKA_WRAP, Usage::wrap},
    {CKA_UNWRAP, Usage::unwrap},
});

struct FlagRow {
  CK_ATTRIBUTE_TYPE type;
  std::uint32_t flag;
  bool otherwise;
  bool of_secrets_alone;
};
constexpr auto kFlags = std::to_array<FlagRow>({
    {CKA_PRIVATE, flag::kPrivate, false, false},
    {CKA_MODIFIABLE, flag::kModifiable, true, false},
    {CKA_COPYABLE, flag::kCopyable, true, false},
    {CKA_DESTROYABLE, flag::kDestroyable, true, false},
    {CKA_SENSITIVE, flag::kSensitive, true, true},
    {CKA_EXTRACTABLE, flag::kExtractable, false, true},
});

bool is_secret(Kind kind) { return kind == Kind::secret || kind == Kind::rsa_private || kind == Kind::ec_private; }

}  // namespace

Outcome<bool> is_for_token(const Template& attributes) { return bool_or(attributes, CKA_TOKEN, false); }

Outcome<void> check_is(const Template& attributes, CK_OBJECT_CLASS object_class, std::optional<CK_KEY_TYPE> key_type) {
  SKS_LET(const auto given_class, optional_ulong(attributes, CKA_CLASS));
  if (given_class && *given_class != object_class)
    return Refusal{CKR_TEMPLATE_INCONSISTENT, "CKA_CLASS is that of another object"};
  SKS_LET(const auto given_type, optional_ulong(attributes, CKA_KEY_TYPE));
  if (key_type && given_type && *given_type != *key_type)
    return Refusal{CKR_TEMPLATE_INCONSISTENT, "CKA_KEY_TYPE is that of another key"};
  return {};
}

Outcome<std::uint16_t> wanted_usages(const Template& attributes, std::uint16_t possible) {
  unsigned usages = possible;
  for (const UsageRow& row : kUsages) {
    SKS_LET(const bool wanted, bool_or(attributes, row.type, true));
    if (!wanted) usages &= ~unsigned{static_cast<std::uint16_t>(row.usage)};
  }
  return static_cast<std::uint16_t>(usages);
}

Outcome<SessionObject> start_session_object(const Making& making, Kind kind, CK_OBJECT_CLASS object_class) {
  SessionObject object;
  object.slot = making.slot;
  object.facts.kind = kind;
  object.facts.object_class = object_class;
  for (const FlagRow& row : kFlags) {
    if (row.of_secrets_alone && !is_secret(kind)) continue;
    SKS_LET(const bool holds, bool_or(making.attributes, row.type, row.otherwise));
    if (holds) object.facts.flags |= row.flag;
  }
  if (making.origin == Origin::made_here) {
    object.facts.flags |= flag::kLocal;
    if (object.facts.has(flag::kSensitive)) object.facts.flags |= flag::kAlwaysSensitive;
    if (is_secret(kind) && !object.facts.has(flag::kExtractable)) object.facts.flags |= flag::kNeverExtractable;
  }
  SKS_TRY(take_given(object, making.attributes));
  return object;
}

Outcome<CK_OBJECT_HANDLE> add_session_object(const Making& making, SessionObject object,
                                             std::optional<crypto::PublicKey> public_key) {
  auto shared = std::make_shared<SessionObject>(std::move(object));
  shared->facts.handle = making.core.next_session_object();
  finish_key(*shared, std::move(public_key));
  const CK_OBJECT_HANDLE handle = shared->facts.handle;
  SKS_TRY(making.application.add_object(std::move(shared)));
  return handle;
}

namespace {

void describe_pair(SessionObject& object, const Making& making, const crypto::PublicKey& key, std::uint16_t usages) {
  object.facts.key_type = key_type_of(key.kind());
  object.facts.flags |= std::uint32_t{usages} << flag::kUsageShift;
  object.spki = key.spki();
  if (const auto shape = shape_of(object.spki)) object.facts.size = shape->bits;
  if (making.origin == Origin::made_here) object.facts.made_by = generator_of(key.kind());
  if (object.id.empty()) object.id = id_of(object.spki);
}

}  // namespace

Outcome<CK_OBJECT_HANDLE> add_session_private(const Making& making, crypto::PrivateKey key) {
  const crypto::PublicKey public_key = key.public_key();
  SKS_LET(SessionObject object, start_session_object(making, private_kind_of(public_key.kind()), CKO_PRIVATE_KEY));
  SKS_LET(const std::uint16_t usages, wanted_usages(making.attributes, usages_of_key(public_key.kind(), {})));
  describe_pair(object, making, public_key, usages);
  object.private_key = std::make_shared<const crypto::PrivateKey>(std::move(key));
  return add_session_object(making, std::move(object), public_key);
}

Outcome<CK_OBJECT_HANDLE> add_session_public(const Making& making, const crypto::PublicKey& key) {
  SKS_LET(SessionObject object, start_session_object(making, public_kind_of(key.kind()), CKO_PUBLIC_KEY));
  SKS_LET(const std::uint16_t usages,
          wanted_usages(making.attributes, usages_of_public(usages_of_key(key.kind(), {}))));
  describe_pair(object, making, key, usages);
  return add_session_object(making, std::move(object), key);
}

Outcome<void> check_storable(const Template& attributes) {
  SKS_LET(const bool modifiable, bool_or(attributes, CKA_MODIFIABLE, true));
  if (!modifiable) return Refusal{CKR_ATTRIBUTE_VALUE_INVALID, "the names of a key in the token can be changed"};
  return {};
}

Outcome<LocalKeySpec> local_spec(const Template& attributes, std::optional<KeyKind> kind, std::size_t secret_bytes,
                                 std::uint16_t possible_usages) {
  LocalKeySpec spec;
  SKS_TRY(check_storable(attributes));
  SKS_LET(spec.label, text_or_empty(attributes, CKA_LABEL));
  if (count_code_points(spec.label) > kMaxLabelCharacters)
    return Refusal{CKR_ATTRIBUTE_VALUE_INVALID, "CKA_LABEL is too long"};
  spec.pkcs11_id = to_bytes(value_or_empty(attributes, CKA_ID));
  if (spec.pkcs11_id.size() > kMaxId) return Refusal{CKR_ATTRIBUTE_VALUE_INVALID, "CKA_ID is too long"};
  SKS_LET(const std::uint16_t usages, wanted_usages(attributes, possible_usages));
  spec.endorsed_algorithms = endorsed_for(kind, secret_bytes, usages);
  SKS_LET(const bool extractable, bool_or(attributes, CKA_EXTRACTABLE, false));
  spec.export_protection = extractable ? Protection::none : Protection::forbidden;
  SKS_LET(const bool destroyable, bool_or(attributes, CKA_DESTROYABLE, true));
  if (!destroyable) spec.delete_protection = Protection::forbidden;
  return spec;
}

Refusal refused_key(const Making& making, const LocalPin& pin, const Error& error) {
  const auto* const shared = std::get_if<SharedPin>(&pin);
  if (error.status == Status::authorization && shared != nullptr) {
    making.core.end_logins_with(making.slot, shared->pin);
    return {CKR_USER_NOT_LOGGED_IN, "the PIN has been changed, or is locked"};
  }
  if (error.status == Status::crypto) return {CKR_ATTRIBUTE_VALUE_INVALID, error.detail};
  return refusal_of(error);
}

Outcome<void> set_property(Core& core, KeyHandle key, std::string_view name, std::string_view value) {
  const Result<void> set = core.ports.store.set_property(key, kPkcs11ExtensionType, name, value);
  if (set) return {};
  const Status status = set.error().status;
  if (status == Status::option || status == Status::not_allowed)
    return Refusal{CKR_ATTRIBUTE_READ_ONLY, set.error().detail};
  return refusal_of(set.error());
}

Outcome<void> set_names(Core& core, const Application& application, KeyHandle key, const Template& attributes) {
  SKS_LET(const std::shared_ptr<const KeyDetails> details, core.keys.details(key));
  const Attribute* label = find_attribute(attributes, CKA_LABEL);
  const Attribute* id = find_attribute(attributes, CKA_ID);
  if (label != nullptr && equal(label->value.view(), as_bytes(details->label))) label = nullptr;
  if (id != nullptr && equal(id->value.view(), details->id)) id = nullptr;
  if (label == nullptr && id == nullptr) return {};
  if (!details->has_properties)
    return Refusal{CKR_ATTRIBUTE_READ_ONLY, "the issuer of this key has fixed its attributes"};
  if (details->slot != 0 && !application.is_user(details->slot))
    return Refusal{CKR_USER_NOT_LOGGED_IN, "the user is not logged in"};
  SKS_TRY(text_or_empty(attributes, CKA_LABEL));
  if ((label != nullptr && label->value.size() > kMaxLabel) || (id != nullptr && id->value.size() > kMaxId))
    return Refusal{CKR_ATTRIBUTE_VALUE_INVALID, "the value is too long"};
  Outcome<void> set;
  if (id != nullptr) set = set_property(core, key, kPkcs11Id, to_hex(id->value.view()));
  if (set && label != nullptr) set = set_property(core, key, kPkcs11Label, to_string(label->value.view()));
  const Result<void> seen = core.keys.add(key);  // half of it may be done
  SKS_TRY(set);
  if (!seen) return refusal_of(seen.error());
  return {};
}

namespace {

Outcome<CK_OBJECT_HANDLE> store_path(const Making& making, KeyHandle key, const KeyDetails& details,
                                     std::vector<Bytes> path) {
  if (details.slot != 0 && !making.application.is_user(details.slot))
    return Refusal{CKR_USER_NOT_LOGGED_IN, "the user is not logged in"};
  if (!details.has_properties)
    return Refusal{CKR_TOKEN_WRITE_PROTECTED, "the issuer of this key has given it its certificate"};
  const std::string text = write_certificates(path);
  if (text.size() > kMaxCertificatesText) return Refusal{CKR_DEVICE_MEMORY, "the path of certificates is too long"};
  SKS_TRY(set_property(making.core, key, kPkcs11Certificates, text));
  const Result<void> seen = making.core.keys.add(key);
  if (!seen) return refusal_of(seen.error());
  return object_of(key, kCertificatePart + static_cast<unsigned>(path.size() - 1));
}

}  // namespace

Outcome<CK_OBJECT_HANDLE> store_certificate(const Making& making, ByteView certificate) {
  Result<crypto::Certificate> decoded = crypto::Certificate::from_der(certificate);
  if (!decoded) return refusal_of(decoded.error());
  StoredKeys& keys = making.core.keys;
  SKS_LET(const std::optional<KeyHandle> pair, keys.pair_of(making.slot, decoded->spki()));
  if (pair) {
    SKS_LET(const std::shared_ptr<const KeyDetails> details, keys.details(*pair));
    if (equal(details->path.front(), certificate)) return object_of(*pair, kCertificatePart);
    SKS_LET(const CK_OBJECT_HANDLE object, store_path(making, *pair, *details, {to_bytes(certificate)}));
    SKS_TRY(set_names(making.core, making.application, *pair, making.attributes));
    return object;
  }
  std::optional<CK_OBJECT_HANDLE> made;
  for (const KeyHandle key : keys.pairs_with_other_certificates(making.slot)) {
    SKS_LET(const std::shared_ptr<const KeyDetails> details, keys.details(key));
    std::vector<Bytes> path = details->path;
    const auto same = std::find(path.begin(), path.end(), to_bytes(certificate));
    if (same != path.end()) {
      made = object_of(key, kCertificatePart + static_cast<unsigned>(same - path.begin()));
      continue;
    }
    const Result<crypto::Certificate> last = crypto::Certificate::from_der(path.back());
    if (!last || !last->is_issued_by(*decoded) || path.size() > kMaxAuthorities) continue;
    path.push_back(to_bytes(certificate));
    SKS_LET(made, store_path(making, key, *details, std::move(path)));
  }
  if (made) return *made;
  return Refusal{CKR_TEMPLATE_INCONSISTENT, "a key store keeps certificates of its keys, and of those who issued them"};
}

}  // namespace sks::token
