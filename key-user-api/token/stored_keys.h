#pragma once

#include <array>
#include <map>
#include <mutex>
#include <set>
#include <shared_mutex>

#include "key-user-api/token/attributes.h"
#include "key-user-api/token/digest_index.h"
#include "key-user-api/token/key_details.h"
#include "key-user-api/token_names.h"
#include "sks-core/engine/object_cache.h"

namespace sks::token {

/// Attributes by which objects are found without looking into the key store.
enum class Indexed : std::uint8_t { id, label, subject, issuer, serial_number, value, modulus, ec_point, count };
using Digests = std::array<Digest, static_cast<std::size_t>(Indexed::count)>;

/// A key as far as finding it and its yes-or-no attributes take. There may be many.
struct KeyRecord {
  /// That owns it: another one may have put another key under this handle. 0: not known yet.
  ProvisioningHandle session;
  std::optional<KeyKind> kind;
  std::uint32_t size = 0;  ///< bits of a modulus, bytes of a secret
  CK_KEY_TYPE key_type = 0;
  std::uint16_t usages = 0;
  bool has_objects = true;  ///< besides authorities
  bool is_imported = false;
  bool is_extractable = false;
  bool always_authenticate = false;
  bool has_properties = false;
  bool has_own_certificate = true;
  DeleteProtection delete_protection = DeleteProtection::forbidden;
  Digests digests{};
  std::vector<Digest> authorities;  ///< of CKA_VALUE, from part 4 on
};

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
  /// `device_certificate`: the first of the device's path, DER.
  StoredKeys(SecureKeyStore& store, UserApi::PinGroupOf pin_group_of, const Random& random, Bytes device_certificate);

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

  Result<void> load(KeyHandle key, ProvisioningHandle session);
  Result<TokenIdentity> identify(std::uint32_t slot, KeyHandle key, ProvisioningHandle session);
  void note_session(KeyHandle key, ProvisioningHandle session);
  KeyRecord record_of(const KeyDetails& details, ProvisioningHandle session) const;
  Digests digests_of(Kind kind, const Contents& contents) const;

  // With mutex_ held.
  void insert(const TokenIdentity& identity, KeyHandle key, KeyRecord record, const std::vector<Digests>& authorities);
  void erase(KeyHandle key);
  void insert_objects(Token& token, KeyHandle key, const std::vector<Digests>& authorities);
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
  Digester digester_;
  Bytes device_certificate_;

  std::mutex refreshing_;
  std::mutex loading_;  ///< what was read last is taken last
  mutable std::shared_mutex mutex_;
  std::map<std::uint32_t, Token> tokens_;
  std::map<KeyHandle, std::uint32_t> slots_;
  DigestIndex index_;

  std::mutex cache_mutex_;
  engine::ObjectCache<KeyDetails> cache_;
  std::uint64_t cache_version_ = 0;
};

}  // namespace sks::token
