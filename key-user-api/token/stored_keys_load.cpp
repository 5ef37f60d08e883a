#include <algorithm>
#include <utility>

#include "key-user-api/local_issuer/local_issuer.h"
#include "key-user-api/token/store_walk.h"
#include "key-user-api/token/stored_keys.h"

/// How stored keys come to be known: from the notes of an earlier run, or by a look at each.
namespace sks::token {

/// What a look at a key has shown.
struct StoredKeys::Looked {
  std::uint32_t slot;
  KeyRecord record;
  std::vector<Digests> authorities;
};

Result<void> StoredKeys::load() {
  SKS_LET(std::vector<MarkedKey> unknown, list_keys());
  Entries entries;
  if (notes_ != nullptr) take_noted(unknown, entries);
  unknown.insert(unknown.begin(), MarkedKey{});  // the device
  for (const MarkedKey& key : unknown) {
    SKS_LET(std::optional<Looked> looked, look_at(key));
    if (!looked) continue;
    const std::unique_lock lock(mutex_);
    insert(looked->slot, key.key, std::move(looked->record), looked->authorities, &entries);
    if (key.key) outdated_pages_.insert(page_of(key.key));
  }
  {
    const std::unique_lock lock(mutex_);
    index_.insert_many(std::move(entries));
  }
  SKS_TRY(identify_all());
  write_notes_if_many();
  return {};
}

/// With marks, or this goes on without notes.
Result<std::vector<MarkedKey>> StoredKeys::list_keys() {
  if (notes_ != nullptr) {
    SKS_LET(std::optional<std::vector<MarkedKey>> marked, notes_->marked_keys());
    if (marked) return std::move(*marked);
    notes_ = nullptr;
  }
  SKS_LET(const auto present, enumerate_all_keys(store_));
  std::vector<MarkedKey> keys;
  for (const auto& [key, session] : present) keys.push_back({key, session});
  return keys;
}

/// Takes those of the keys that are as they were when they were noted, and leaves the others.
void StoredKeys::take_noted(std::vector<MarkedKey>& keys, Entries& entries) {
  std::vector<bool> taken(keys.size());
  bool first = true;
  const auto take_page = [&](std::uint32_t number, ByteView note) {
    PageReader page(number, note);
    const std::optional<ByteView> digester_key = page.digester_key();
    // Digests of another key tell nothing.
    bool is_current = digester_key && (first || equal(digester_.key(), *digester_key));
    if (is_current && std::exchange(first, false)) digester_ = Digester(*digester_key);
    while (is_current) {
      std::optional<NotedKey> noted = page.next();
      if (!noted) break;
      const auto key = std::ranges::lower_bound(keys, noted->key, {}, &MarkedKey::key);
      if (key == keys.end() || key->key != noted->key || key->mark != noted->record.mark) {
        outdated_pages_.insert(number);
        continue;
      }
      taken[static_cast<std::size_t>(key - keys.begin())] = true;
      noted->record.session = key->session;
      insert(noted->slot, key->key, std::move(noted->record), noted->authorities, &entries);
    }
    if (!is_current) outdated_pages_.insert(number);
  };
  const std::unique_lock lock(mutex_);
  // Notes that were altered or dropped tell nothing, and keep nobody from his keys: those are looked at. The page of
  // each is written anew with them.
  static_cast<void>(notes_->visit_notes(take_page));
  std::vector<MarkedKey> left;
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (!taken[i]) left.push_back(keys[i]);
  keys = std::move(left);
}

Result<void> StoredKeys::identify_all() {
  struct Unnamed {
    std::uint32_t slot;
    KeyHandle key;
    ProvisioningHandle session;
  };
  std::vector<Unnamed> unnamed;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [slot, token] : tokens_) {
      if (!token.identity.names.label.empty()) continue;
      const auto& [key, record] = *token.keys.begin();
      unnamed.push_back({slot, key, record.session});
    }
  }
  for (const Unnamed& one : unnamed) {
    SKS_LET(TokenIdentity identity, identify(one.slot, one.key, one.session));
    const std::unique_lock lock(mutex_);
    tokens_.at(one.slot).identity = std::move(identity);
  }
  return {};
}

/// After a crash the keys without a note have to be looked at.
void StoredKeys::write_notes_if_many() {
  constexpr std::size_t kMany = 8;
  {
    const std::shared_lock lock(mutex_);
    if (outdated_pages_.size() < kMany) return;
  }
  static_cast<void>(write_notes());  // it is tried again
}

Result<void> StoredKeys::write_notes() {
  if (notes_ == nullptr) return {};
  std::map<std::uint32_t, SecureBytes> pages;
  {
    const std::unique_lock lock(mutex_);
    for (const std::uint32_t number : std::exchange(outdated_pages_, {})) pages.emplace(number, encode_page(number));
  }
  if (pages.empty()) return {};
  Result<void> written = notes_->write_notes(pages);
  if (written) return {};
  const std::unique_lock lock(mutex_);
  for (const auto& entry : pages) outdated_pages_.insert(entry.first);
  return written;
}

SecureBytes StoredKeys::encode_page(std::uint32_t number) const {
  PageWriter page(digester_);
  for (auto at = slots_.lower_bound(KeyHandle{number * kKeysPerPage});
       at != slots_.end() && page_of(at->first) == number; ++at) {
    const Token& token = tokens_.at(at->second);
    const KeyRecord& record = token.keys.at(at->first);
    if (record.mark == 0) continue;
    std::vector<const Digests*> authorities;
    for (const Digest authority : record.authorities) authorities.push_back(&token.authorities.at(authority).digests);
    page.add(at->first, at->second, record, authorities);
  }
  return std::move(page).take();
}

Result<void> StoredKeys::refresh() {
  const std::lock_guard turn(refreshing_);
  std::map<KeyHandle, ProvisioningHandle> known;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [slot, token] : tokens_)
      for (const auto& [key, record] : token.keys) known.emplace(key, record.session);
  }
  known.erase(KeyHandle{});  // the device
  // A key that was made after `known` was written down is in neither list, or in the second one alone.
  SKS_LET(const auto present, enumerate_all_keys(store_));
  for (const auto& entry : known)
    if (!present.contains(entry.first)) remove(entry.first);
  for (const auto& entry : present) {
    const auto old = known.find(entry.first);
    if (old == known.end() || (old->second && old->second != entry.second)) {
      SKS_TRY(take(entry.first, entry.second));
    } else if (!old->second) {
      note_session(entry.first, entry.second);
    }
  }
  return {};
}

void StoredKeys::note_session(KeyHandle key, ProvisioningHandle session) {
  const std::unique_lock lock(mutex_);
  const auto slot = slots_.find(key);
  if (slot != slots_.end()) tokens_.at(slot->second).keys.at(key).session = session;
}

Result<void> StoredKeys::add(KeyHandle key) {
  SKS_TRY(take(key, ProvisioningHandle{}));
  write_notes_if_many();
  // A key that joins a PIN brings all others into its session. Spec: sks-api.md 7.6.
  const std::unique_lock lock(mutex_);
  const auto slot = slots_.find(key);
  if (slot == slots_.end() || slot->second == 0) return {};
  for (auto& entry : tokens_.at(slot->second).keys) entry.second.session = {};
  return {};
}

Result<void> StoredKeys::look_again(KeyHandle key) {
  ProvisioningHandle session;
  {
    const std::shared_lock lock(mutex_);
    const auto slot = slots_.find(key);
    if (slot != slots_.end()) session = tokens_.at(slot->second).keys.at(key).session;
  }
  return take(key, session);
}

/// Nothing can be done with a key of an unknown kind, nor with one that is gone: none.
Result<std::optional<StoredKeys::Looked>> StoredKeys::look_at(const MarkedKey& key) {
  const auto details = KeyDetails::read(store_, pin_group_of_, key.key);
  if (!details && details.error().status == Status::no_key) return std::optional<Looked>();
  if (!details) return details.error();
  const KeyDetails& found = **details;
  if (!found.is_device() && !found.is_secret() && !found.shape) return std::optional<Looked>();
  Looked looked{found.slot, record_of(found), {}};
  looked.record.session = key.session;
  looked.record.mark = key.mark;
  for (std::size_t i = 0; i < looked.record.authorities.size(); ++i) {
    const unsigned part = kFirstAuthorityPart + static_cast<unsigned>(i);
    looked.authorities.push_back(digests_of(Kind::certificate, found.contents(part)));
  }
  return std::optional(std::move(looked));
}

/// Takes a key as it is now, or that it is gone.
Result<void> StoredKeys::take(KeyHandle key, ProvisioningHandle session) {
  const std::lock_guard turn(loading_);
  MarkedKey marked{key, session};
  if (notes_ != nullptr) {  // before the look, so that a change after it counts
    SKS_LET(const std::optional<KeyMark> mark, notes_->key_mark(key));
    marked.mark = mark.value_or(0);
  }
  SKS_LET(std::optional<Looked> looked, look_at(marked));
  if (!looked) {
    remove(key);
    return {};
  }
  std::optional<TokenIdentity> identity = token(looked->slot);
  if (!identity) {
    SKS_LET(identity, identify(looked->slot, key, session));
  }
  {
    const std::unique_lock lock(mutex_);
    erase(key);
    insert(looked->slot, key, std::move(looked->record), looked->authorities);
    Token& token = tokens_.at(looked->slot);
    if (token.identity.names.label.empty()) token.identity = std::move(*identity);
    outdated_pages_.insert(page_of(key));
  }
  // Somebody may have deleted it before it was here to be removed.
  SKS_LET(const bool is_there, has_key(store_, key));
  if (!is_there) remove(key);
  return {};
}

Result<TokenIdentity> StoredKeys::identify(std::uint32_t slot, KeyHandle key, ProvisioningHandle session) {
  if (!session) {
    SKS_LET(const auto keys, enumerate_all_keys(store_));
    if (const auto found = keys.find(key); found != keys.end()) session = found->second;
  }
  SKS_LET(const std::optional<SessionInfo> info, find_closed_session(store_, session));
  TokenIdentity identity;
  identity.slot = slot;
  identity.any_key = key;
  const std::string issuer = info ? info->issuer_uri : "";
  identity.names = token_names(slot, issuer, device_certificate_);
  identity.is_local = issuer == kLocalIssuerUri;
  return identity;
}

}  // namespace sks::token
