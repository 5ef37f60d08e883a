#include "key-user-api/token/stored_keys.h"

#include <algorithm>

namespace sks::token {
namespace {

constexpr std::size_t kCacheBudget = std::size_t{2} << 20U;  // bytes

struct IndexedRow {
  Indexed attribute;
  CK_ATTRIBUTE_TYPE type;
  bool tells_apart;  ///< worth an index of its own
};
// The one that tells objects apart best comes first.
constexpr auto kIndexed = std::to_array<IndexedRow>({
    {Indexed::value, CKA_VALUE, true},
    {Indexed::serial_number, CKA_SERIAL_NUMBER, true},
    {Indexed::ec_point, CKA_EC_POINT, true},
    {Indexed::modulus, CKA_MODULUS, true},
    {Indexed::id, CKA_ID, true},
    {Indexed::label, CKA_LABEL, true},
    {Indexed::subject, CKA_SUBJECT, true},
    {Indexed::issuer, CKA_ISSUER, false},
});

constexpr std::size_t index_of(Indexed attribute) { return static_cast<std::size_t>(attribute); }

const IndexedRow* find_indexed(CK_ATTRIBUTE_TYPE type) {
  const auto found = std::ranges::find(kIndexed, type, &IndexedRow::type);
  return found == kIndexed.end() ? nullptr : &*found;
}

/// The row of an attribute whose values can be told by their digests; else null.
const AttributeRow* find_digested(Kind kind, CK_ATTRIBUTE_TYPE type) {
  const AttributeRow* const row = find_row(kind, type);
  return row == nullptr || row->is_secret || row->needs == Needs::attestation ? nullptr : row;
}

bool is_authority(unsigned part) { return part >= kFirstAuthorityPart && part < kAttestationPart; }

Kind kind_of(const KeyRecord& record, unsigned part) {
  if (part == kAttestationPart) return Kind::attestation;
  if (part >= kCertificatePart) return Kind::certificate;
  if (!record.kind) return Kind::secret;
  return part == kSecretPart ? private_kind_of(*record.kind) : public_kind_of(*record.kind);
}

bool has_part(const KeyRecord& record, unsigned part) {
  if (is_authority(part)) return part - kFirstAuthorityPart < record.authorities.size();
  if (!record.has_objects) return false;
  if (part == kSecretPart || part == kAttestationPart) return true;
  return record.kind && (part == kPublicPart || part == kCertificatePart);
}

std::uint32_t flag_if(bool holds, std::uint32_t flag) { return holds ? flag : 0; }

// The user of a token has its PIN, not its PUK.
bool may_be_deleted(DeleteProtection protection) {
  return protection == DeleteProtection::none || protection == DeleteProtection::pin;
}

std::uint32_t secret_flags(const KeyRecord& record, bool needs_login) {
  return flag::kToken | flag::kSensitive | flag_if(needs_login, flag::kPrivate) |
         flag_if(record.has_properties, flag::kModifiable) |
         flag_if(may_be_deleted(record.delete_protection), flag::kDestroyable) |
         flag_if(record.is_extractable, flag::kExtractable) |
         flag_if(!record.is_extractable && !record.is_imported, flag::kNeverExtractable) |
         flag_if(!record.is_imported, flag::kLocal | flag::kAlwaysSensitive) |
         flag_if(record.always_authenticate, flag::kAlwaysAuthenticate) |
         std::uint32_t{record.usages} << flag::kUsageShift;
}

std::uint32_t public_flags(const KeyRecord& record) {
  return flag::kToken | flag_if(record.has_properties, flag::kModifiable) | flag_if(!record.is_imported, flag::kLocal) |
         std::uint32_t{usages_of_public(record.usages)} << flag::kUsageShift;
}

Facts make_facts(CK_OBJECT_HANDLE object, const KeyRecord& record, bool needs_login) {
  const unsigned part = part_of(object);
  Facts facts;
  facts.handle = object;
  facts.kind = kind_of(record, part);
  facts.key_type = record.key_type;
  facts.size = record.size;
  if (record.kind && !record.is_imported) facts.made_by = generator_of(*record.kind);
  switch (part) {
    case kSecretPart:
      facts.object_class = record.kind ? CKO_PRIVATE_KEY : CKO_SECRET_KEY;
      facts.flags = secret_flags(record, needs_login);
      return facts;
    case kPublicPart:
      facts.object_class = CKO_PUBLIC_KEY;
      facts.flags = public_flags(record);
      return facts;
    case kAttestationPart:
      facts.object_class = CKO_DATA;
      facts.flags = flag::kToken;
      return facts;
    default:
      facts.object_class = CKO_CERTIFICATE;
      facts.flags = flag::kToken;
      facts.category = part == kCertificatePart ? kCertificateCategoryTokenUser : kCertificateCategoryAuthority;
      if (part == kCertificatePart)
        facts.flags |= flag_if(record.has_properties, flag::kModifiable) |
                       flag_if(!record.has_own_certificate, flag::kDestroyable);
      return facts;
  }
}

Refusal no_object() { return {CKR_OBJECT_HANDLE_INVALID, "there is no such object"}; }

Refusal store_failed(const Error& error) { return {CKR_DEVICE_ERROR, error.detail}; }

}  // namespace

/// An attribute that is searched for.
struct StoredKeys::Wanted {
  const Attribute* attribute;
  const IndexedRow* row;  ///< null: not indexed
  Digest digest;
};

StoredKeys::StoredKeys(SecureKeyStore& store, UserApi::PinGroupOf pin_group_of, KeyNotes* notes, const Random& random,
                       Bytes device_certificate)
    : store_(store),
      pin_group_of_(std::move(pin_group_of)),
      notes_(notes),
      digester_(random),
      device_certificate_(std::move(device_certificate)),
      cache_(kCacheBudget) {
  tokens_[0].identity.names = token_names(0, {}, device_certificate_);
}

KeyRecord StoredKeys::record_of(const KeyDetails& details) const {
  KeyRecord record;
  record.has_objects = !details.is_device() && !details.is_hidden;
  const std::size_t authorities =
      details.path.empty() || details.is_secret() || details.is_hidden ? 0 : details.path.size() - 1;
  for (std::size_t i = 0; i < std::min(authorities, kMaxAuthorities); ++i)
    record.authorities.push_back(digester_(CKA_VALUE, details.path[i + 1]));
  if (!record.has_objects) return record;
  if (details.shape) record.kind = details.shape->kind;
  record.size = details.shape ? details.shape->bits : details.secret_bytes;
  record.key_type = details.key_type();
  record.usages = details.usages;
  record.is_imported = details.is_imported || details.is_secret();  // SKS makes no secret keys
  record.is_extractable = details.is_extractable;
  record.always_authenticate = details.always_authenticate;
  record.has_properties = details.has_properties;
  record.has_own_certificate = details.has_own_certificate;
  record.delete_protection = details.delete_protection;
  for (const unsigned part : {kSecretPart, kPublicPart, kCertificatePart}) {
    if (!has_part(record, part)) continue;
    const Digests digests = digests_of(kind_of(record, part), details.contents(part));
    for (std::size_t i = 0; i < digests.size(); ++i)
      if (digests[i] != 0) record.digests[i] = digests[i];
  }
  return record;
}

// Attributes that several objects of a key have are the same for all of them.
Digests StoredKeys::digests_of(Kind kind, const Contents& contents) const {
  Digests digests{};
  for (const IndexedRow& row : kIndexed) {
    const AttributeRow* const attribute = find_digested(kind, row.type);
    if (attribute == nullptr) continue;
    digests[index_of(row.attribute)] = digester_(row.type, compute(*attribute, Facts(), contents).view());
  }
  return digests;
}

void StoredKeys::insert(std::uint32_t slot, KeyHandle key, KeyRecord record, const std::vector<Digests>& authorities,
                        Entries* entries) {
  Token& token = tokens_[slot];
  token.keys.insert_or_assign(token.keys.end(), key, std::move(record));
  slots_.insert_or_assign(slots_.end(), key, slot);
  insert_objects(token, key, authorities, entries);
}

void StoredKeys::insert_objects(Token& token, KeyHandle key, const std::vector<Digests>& authorities,
                                Entries* entries) {
  const KeyRecord& record = token.keys.at(key);
  const auto insert_all = [&](const Digests& digests) {
    for (const IndexedRow& row : kIndexed) {
      const Digest digest = digests[index_of(row.attribute)];
      if (!row.tells_apart || digest == 0) continue;
      if (entries != nullptr)
        entries->push_back({digest, key});
      else
        index_.insert(digest, key);
    }
  };
  insert_all(record.digests);
  for (std::size_t i = 0; i < authorities.size(); ++i) {
    Authority& authority = token.authorities[record.authorities[i]];
    authority.digests = authorities[i];
    authority.objects.insert(object_of(key, kFirstAuthorityPart + static_cast<unsigned>(i)));
    insert_all(authority.digests);
  }
}

void StoredKeys::erase_objects(Token& token, KeyHandle key) {
  const KeyRecord& record = token.keys.at(key);
  const auto erase_all = [&](const Digests& digests) {
    for (const Digest digest : digests) index_.erase(digest, key);
  };
  erase_all(record.digests);
  for (std::size_t i = 0; i < record.authorities.size(); ++i) {
    const CK_OBJECT_HANDLE object = object_of(key, kFirstAuthorityPart + static_cast<unsigned>(i));
    const auto authority = token.authorities.find(record.authorities[i]);
    if (authority == token.authorities.end()) continue;
    erase_all(authority->second.digests);
    authority->second.objects.erase(object);
    if (authority->second.objects.empty()) token.authorities.erase(authority);
  }
}

void StoredKeys::erase(KeyHandle key) {
  const auto slot = slots_.find(key);
  if (slot == slots_.end()) return;
  const auto token = tokens_.find(slot->second);
  erase_objects(token->second, key);
  token->second.keys.erase(key);
  if (token->second.keys.empty() && token->first != 0) {
    tokens_.erase(token);
  } else if (token->second.identity.any_key == key) {
    token->second.identity.any_key = token->second.keys.empty() ? KeyHandle{} : token->second.keys.begin()->first;
  }
  slots_.erase(slot);
  if (key) outdated_pages_.insert(page_of(key));
  const std::lock_guard cache_lock(cache_mutex_);
  cache_.erase(key);
  ++cache_version_;
}

void StoredKeys::remove(KeyHandle key) {
  const std::unique_lock lock(mutex_);
  erase(key);
}

std::vector<TokenIdentity> StoredKeys::tokens() const {
  const std::shared_lock lock(mutex_);
  std::vector<TokenIdentity> all;
  for (const auto& [slot, token] : tokens_) {
    // Programs that look for the only token log in there unasked, and to an empty one nobody means to.
    const bool is_empty = slot == 0 && token.keys.upper_bound(KeyHandle()) == token.keys.end();  // 0: the device
    if (!is_empty || tokens_.size() == 1) all.push_back(token.identity);
  }
  return all;
}

std::optional<TokenIdentity> StoredKeys::token(std::uint32_t slot) const {
  const std::shared_lock lock(mutex_);
  const auto found = tokens_.find(slot);
  if (found == tokens_.end()) return std::nullopt;
  return found->second.identity;
}

std::optional<std::uint32_t> StoredKeys::token_of(KeyHandle key) const {
  const std::shared_lock lock(mutex_);
  const auto found = slots_.find(key);
  if (found == slots_.end()) return std::nullopt;
  return found->second;
}

std::vector<KeyHandle> StoredKeys::keys_of(std::uint32_t slot) const {
  const std::shared_lock lock(mutex_);
  std::vector<KeyHandle> keys;
  const auto token = tokens_.find(slot);
  if (token == tokens_.end()) return keys;
  for (const auto& entry : token->second.keys)
    if (entry.first) keys.push_back(entry.first);
  return keys;
}

std::optional<Facts> StoredKeys::facts_of(const Token& token, CK_OBJECT_HANDLE object) const {
  const std::optional<KeyHandle> key = key_of(object);
  if (!key) return std::nullopt;
  const auto record = token.keys.find(*key);
  if (record == token.keys.end() || !has_part(record->second, part_of(object))) return std::nullopt;
  return make_facts(object, record->second, token.identity.slot != 0);
}

Outcome<Facts> StoredKeys::facts(std::uint32_t slot, CK_OBJECT_HANDLE object, Sees sees) const {
  const std::shared_lock lock(mutex_);
  const auto token = tokens_.find(slot);
  if (token == tokens_.end()) return no_object();
  const std::optional<Facts> found = facts_of(token->second, object);
  if (!found || (found->has(flag::kPrivate) && sees == Sees::public_objects)) return no_object();
  return *found;
}

Outcome<std::shared_ptr<const KeyDetails>> StoredKeys::details(KeyHandle key) {
  std::uint64_t version = 0;
  {
    const std::lock_guard lock(cache_mutex_);
    if (auto cached = cache_.find(key)) return cached;
    version = cache_version_;
  }
  {
    const std::shared_lock lock(mutex_);
    if (!slots_.contains(key)) return no_object();
  }
  auto read = KeyDetails::read(store_, pin_group_of_, key);
  if (!read && read.error().status == Status::no_key) {
    remove(key);
    return no_object();
  }
  if (!read) return store_failed(read.error());
  const std::lock_guard lock(cache_mutex_);
  // What was read before a change is good for this caller alone.
  if (version == cache_version_) cache_.insert(key, *read, (*read)->cost());
  return std::move(read).value();
}

Outcome<std::optional<KeyHandle>> StoredKeys::pair_of(std::uint32_t slot, ByteView spki) {
  const std::optional<KeyShape> shape = shape_of(spki);
  if (!shape) return std::optional<KeyHandle>();
  Contents contents;
  contents.spki = spki;
  const CK_ATTRIBUTE_TYPE type = shape->kind == KeyKind::rsa ? CKA_MODULUS : CKA_EC_POINT;
  const AttributeRow* const row = find_row(public_kind_of(shape->kind), type);
  const Digest digest = digester_(type, compute(*row, Facts(), contents).view());
  std::vector<KeyHandle> keys;
  {
    const std::shared_lock lock(mutex_);
    for (const KeyHandle key : index_.find(digest)) {
      const auto found = slots_.find(key);
      if (found != slots_.end() && found->second == slot) keys.push_back(key);
    }
  }
  for (const KeyHandle key : keys) {
    SKS_LET(const std::shared_ptr<const KeyDetails> found, details(key));
    if (equal(found->spki, spki)) return std::optional(key);
  }
  return std::optional<KeyHandle>();
}

std::vector<KeyHandle> StoredKeys::pairs_with_other_certificates(std::uint32_t slot) const {
  const std::shared_lock lock(mutex_);
  std::vector<KeyHandle> keys;
  const auto token = tokens_.find(slot);
  if (token == tokens_.end()) return keys;
  for (const auto& entry : token->second.keys)
    if (!entry.second.has_own_certificate) keys.push_back(entry.first);
  return keys;
}

std::vector<CK_OBJECT_HANDLE> StoredKeys::objects_of(const Token& token, KeyHandle key, const KeyRecord& record) const {
  std::vector<CK_OBJECT_HANDLE> objects;
  for (const unsigned part : {kSecretPart, kPublicPart, kCertificatePart})
    if (has_part(record, part)) objects.push_back(object_of(key, part));
  for (std::size_t i = 0; i < record.authorities.size(); ++i)
    objects.push_back(object_of(key, kFirstAuthorityPart + static_cast<unsigned>(i)));
  if (has_part(record, kAttestationPart)) objects.push_back(object_of(key, kAttestationPart));
  // Keys of one issuer share their authorities.
  std::erase_if(objects, [&](CK_OBJECT_HANDLE object) {
    if (!is_authority(part_of(object))) return false;
    const Digest value = record.authorities[part_of(object) - kFirstAuthorityPart];
    return *token.authorities.at(value).objects.begin() != object;
  });
  return objects;
}

const Digests& StoredKeys::digests_at(const Token& token, CK_OBJECT_HANDLE object) const {
  const KeyRecord& record = token.keys.at(*key_of(object));
  const unsigned part = part_of(object);
  if (!is_authority(part)) return record.digests;
  return token.authorities.at(record.authorities[part - kFirstAuthorityPart]).digests;
}

// Attributes that need more than a record are left for later.
bool StoredKeys::matches(const Token& token, const Facts& facts, const Wanted& wanted) const {
  const AttributeRow* const row = find_digested(facts.kind, wanted.attribute->type);
  if (row == nullptr) return false;
  if (wanted.row != nullptr) return digests_at(token, facts.handle)[index_of(wanted.row->attribute)] == wanted.digest;
  if (row->needs == Needs::contents) return true;
  return equal(compute(*row, facts, Contents()).view(), wanted.attribute->value.view());
}

std::vector<CK_OBJECT_HANDLE> StoredKeys::candidates(const Token& token, const Query& query,
                                                     const std::vector<Wanted>& wanted) const {
  const auto indexed =
      std::ranges::find_if(wanted, [](const Wanted& one) { return one.row != nullptr && one.row->tells_apart; });
  std::vector<CK_OBJECT_HANDLE> found;
  const auto take = [&](CK_OBJECT_HANDLE object) {
    if (object <= query.after) return;
    const std::optional<Facts> facts = facts_of(token, object);
    if (!facts || (facts->has(flag::kPrivate) && query.sees == Sees::public_objects)) return;
    const bool fits = std::ranges::all_of(wanted, [&](const Wanted& one) { return matches(token, *facts, one); });
    if (fits) found.push_back(object);
  };
  const bool is_final = std::ranges::all_of(
      wanted, [](const Wanted& one) { return one.row != nullptr || !needs_contents(one.attribute->type); });
  const auto is_enough = [&] { return is_final && found.size() > query.limit; };
  if (indexed == wanted.end()) {
    const KeyHandle first = key_of(query.after).value_or(KeyHandle{UINT32_MAX});
    for (auto at = token.keys.lower_bound(first); at != token.keys.end() && !is_enough(); ++at)
      for (const CK_OBJECT_HANDLE object : objects_of(token, at->first, at->second)) take(object);
    return found;
  }
  for (const KeyHandle handle : index_.find(indexed->digest)) {
    if (is_enough()) break;
    const auto key = token.keys.find(handle);
    if (key == token.keys.end()) continue;
    for (const CK_OBJECT_HANDLE object : objects_of(token, key->first, key->second)) take(object);
  }
  return found;
}

Outcome<std::vector<CK_OBJECT_HANDLE>> StoredKeys::find(const Query& query) {
  std::vector<Wanted> wanted;
  for (const Attribute& attribute : query.wanted) {
    const IndexedRow* const row = find_indexed(attribute.type);
    wanted.push_back({&attribute, row, row == nullptr ? 0 : digester_(attribute.type, attribute.value.view())});
  }
  std::ranges::sort(wanted, {},
                    [](const Wanted& one) { return one.row == nullptr ? kIndexed.data() + kIndexed.size() : one.row; });
  std::vector<CK_OBJECT_HANDLE> found;
  std::vector<Facts> facts;
  {
    const std::shared_lock lock(mutex_);
    const auto token = tokens_.find(query.slot);
    if (token == tokens_.end()) return Refusal{CKR_SLOT_ID_INVALID, "there is no such slot"};
    for (const CK_OBJECT_HANDLE object : candidates(token->second, query, wanted))
      facts.push_back(*facts_of(token->second, object));
  }
  for (const Facts& one : facts) {
    if (found.size() > query.limit) break;
    SKS_LET(const bool fits, matches_contents(one, wanted));
    if (fits) found.push_back(one.handle);
  }
  return found;
}

Outcome<bool> StoredKeys::matches_contents(const Facts& facts, const std::vector<Wanted>& wanted) {
  std::shared_ptr<const KeyDetails> details_of_key;
  Contents contents;
  for (const Wanted& one : wanted) {
    if (one.row != nullptr) continue;
    const AttributeRow* const row = find_row(facts.kind, one.attribute->type);
    if (row == nullptr || row->needs != Needs::contents) continue;
    if (details_of_key == nullptr) {
      auto found = details(*key_of(facts.handle));
      if (!found && found.error().code == CKR_OBJECT_HANDLE_INVALID) return false;
      if (!found) return std::move(found).error();
      details_of_key = *found;
      contents = details_of_key->contents(part_of(facts.handle));
    }
    if (!equal(compute(*row, facts, contents).view(), one.attribute->value.view())) return false;
  }
  return true;
}

}  // namespace sks::token
