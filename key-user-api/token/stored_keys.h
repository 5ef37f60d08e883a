#pragma once

#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "key-user-api/token/attributes.h"
#include "key-user-api/token/key_page.h"
#include "key-user-api/token_names.h"
#include "sks-core/engine/object_cache.h"

namespace sks::token {

/// What does not change about a token while it is there.
struct TokenIdentity {
  std::uint32_t slot = 0;
  TokenNames names;
  bool is_local = false;  ///< its issuer is the local one
  KeyHandle any_key;      ///< of a PIN group
};

/// A stored object with what is known of it.
struct StoredObject {
  Facts facts;
  std::shared_ptr<const KeyDetails> details;

  Contents contents() const { return details->contents(part_of(facts.handle)); }
};

/// The keys of the store as tokens and objects. Spec: spec/sksd.md 5 and 6. Thread-safe. Nobody waits for the key store
/// here unless the answer needs it.
class StoredKeys {
 public:
  /// `notes`: of the store, or null. `device_certificate`: the first of the device's path, DER.
  StoredKeys(SecureKeyStore& store, UserApi::PinGroupOf pin_group_of, KeyNotes* notes, const Random& random,
             Bytes device_certificate);

  /// Takes all keys of the store, those that have not changed since write_notes() without looking at them. Call it once
  /// and first. Fails as the key store does.
  Result<void> load();
  /// Writes down what is known of the keys, as far as that has changed. Fails as the key store does; what is missing
  /// then is looked at by the next load().
  Result<void> write_notes();

  /// Looks again at what the store holds: takes keys that are new, that went, or that another session owns now.
  Result<void> refresh();
  /// Takes one key that was made, or changed.
  Result<void> add(KeyHandle key);
  /// The same for one whose owner is what it was.
  Result<void> look_again(KeyHandle key);
  void remove(KeyHandle key);

  /// Those that are listed: the slot without PIN only when it has keys, or when there is no other.
  std::vector<TokenIdentity> tokens() const;
  std::optional<TokenIdentity> token(std::uint32_t slot) const;
  /// The slot of a key. None: there is no such key.
  std::optional<std::uint32_t> token_of(KeyHandle key) const;
  std::vector<KeyHandle> keys_of(std::uint32_t slot) const;

  enum class Sees : std::uint8_t { public_objects, everything };
  struct Query {
    std::uint32_t slot;
    const Template& wanted;
    Sees sees;
    CK_OBJECT_HANDLE after;
    std::size_t limit;
  };
  /// At most `limit` + 1 handles above `after`, ascending. Fails when the key store does.
  Outcome<std::vector<CK_OBJECT_HANDLE>> find(const Query& query);

  /// CKR_OBJECT_HANDLE_INVALID: there is none that this caller sees.
  Outcome<Facts> facts(std::uint32_t slot, CK_OBJECT_HANDLE object, Sees sees) const;
  Outcome<std::shared_ptr<const KeyDetails>> details(KeyHandle key);

  /// The key pair of a slot with this public key.
  Outcome<std::optional<KeyHandle>> pair_of(std::uint32_t slot, ByteView spki);
  /// Those whose certificate another one has taken the place of.
  std::vector<KeyHandle> pairs_with_other_certificates(std::uint32_t slot) const;

 private:
  struct Authority {
    Digests digests{};
    std::set<CK_OBJECT_HANDLE> objects;  ///< the first one is found, for all
  };
  struct Token {
    TokenIdentity identity;
    std::map<KeyHandle, KeyRecord> keys;
    std::map<Digest, Authority> authorities;
  };
  struct Wanted;

  struct Looked;
  using Entries = std::vector<DigestIndex::Entry>;

  Result<std::vector<MarkedKey>> list_keys();
  void take_noted(std::vector<MarkedKey>& keys, Entries& entries);
  void write_notes_if_many();
  Result<void> identify_all();
  Result<std::optional<Looked>> look_at(const MarkedKey& key);
  Result<void> take(KeyHandle key, ProvisioningHandle session);
  Result<TokenIdentity> identify(std::uint32_t slot, KeyHandle key, ProvisioningHandle session);
  void note_session(KeyHandle key, ProvisioningHandle session);
  KeyRecord record_of(const KeyDetails& details) const;
  Digests digests_of(Kind kind, const Contents& contents) const;

  // With mutex_ held. `entries` takes what the index is to get; null: the index.
  void insert(std::uint32_t slot, KeyHandle key, KeyRecord record, const std::vector<Digests>& authorities,
              Entries* entries = nullptr);
  void erase(KeyHandle key);
  void insert_objects(Token& token, KeyHandle key, const std::vector<Digests>& authorities, Entries* entries);
  SecureBytes encode_page(std::uint32_t number) const;
  void erase_objects(Token& token, KeyHandle key);
  const KeyRecord* find_record(std::uint32_t slot, KeyHandle key) const;
  std::vector<CK_OBJECT_HANDLE> candidates(const Token& token, const Query& query,
                                           const std::vector<Wanted>& wanted) const;
  std::vector<CK_OBJECT_HANDLE> objects_of(const Token& token, KeyHandle key, const KeyRecord& record) const;
  std::optional<Facts> facts_of(const Token& token, CK_OBJECT_HANDLE object) const;
  bool matches(const Token& token, const Facts& facts, const Wanted& wanted) const;
  const Digests& digests_at(const Token& token, CK_OBJECT_HANDLE object) const;

  Outcome<bool> matches_contents(const Facts& facts, const std::vector<Wanted>& wanted);

  SecureKeyStore& store_;
  UserApi::PinGroupOf pin_group_of_;
  KeyNotes* notes_;
  Digester digester_;
  Bytes device_certificate_;

  std::mutex refreshing_;
  std::mutex loading_;  ///< what was read last is taken last
  mutable std::shared_mutex mutex_;
  std::map<std::uint32_t, Token> tokens_;
  std::map<KeyHandle, std::uint32_t> slots_;
  DigestIndex index_;
  std::set<std::uint32_t> outdated_pages_;  ///< of the notes

  std::mutex cache_mutex_;
  engine::ObjectCache<KeyDetails> cache_;
  std::uint64_t cache_version_ = 0;
};

}  // namespace sks::token
