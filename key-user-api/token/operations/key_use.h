#pragma once

#include "key-user-api/token/operations/functions.h"
#include "key-user-api/token/operations/parameters.h"

/// Keys at work: those of the key store through its user methods, session keys here. Both in the terms of the key store
/// (sks-api.md 4.27 to 4.32; sks-extensions.md, Algorithms), with the codes of the function that is served.
namespace sks::token {

/// Bytes of the modulus.
std::size_t modulus_size(const crypto::PublicKey& key);

/// The mechanisms that some function takes with the key, ascending: CKA_ALLOWED_MECHANISMS. Looks at class, type and
/// usages, whether the key is stored, and what it is endorsed for.
std::vector<CK_MECHANISM_TYPE> permitted_mechanisms(const KeyInUse& key);

class KeyUse {
 public:
  /// The key that a request names, for one function of one mechanism. Fails, in this order: no such key; the mechanism
  /// works with no key of this kind (type inconsistent); this key does not permit the function or the mechanism
  /// (not permitted).
  static Outcome<KeyUse> find(Call& call, const FunctionRow& function, const Mechanism& mechanism, std::uint32_t slot,
                              CK_OBJECT_HANDLE object, std::uint32_t ticket);

  const KeyInUse& key() const { return *key_; }
  const FunctionRow& function() const { return *function_; }
  const crypto::PublicKey& public_key() const { return *key_->public_key; }

  /// Spends the ticket of a key that asks for its PIN each time; does nothing for others, which are authorized by the
  /// login whenever they are used. Fails with CKR_USER_NOT_LOGGED_IN.
  Outcome<void> spend_ticket(Call& call);

  /// Whether the key may execute the algorithm of the key store.
  bool permits(std::string_view algorithm) const;

  /// `algorithm` is one that the key permits. They fail as the methods of the key store, with the codes of function().
  Outcome<Bytes> sign_hash(Call& call, std::string_view algorithm, ByteView parameters, ByteView data) const;
  Outcome<Bytes> sign_message(Call& call, std::string_view algorithm, ByteView message) const;
  Outcome<SecureBytes> decrypt(Call& call, std::string_view algorithm, ByteView parameters, ByteView data) const;
  Outcome<SecureBytes> agree(Call& call, std::string_view algorithm, ByteView peer_spki) const;
  Outcome<SecureBytes> run_cipher(Call& call, std::string_view algorithm, CipherMode mode, ByteView parameters,
                                  ByteView data) const;
  /// Of keys of the key store.
  Outcome<Bytes> mac(Call& call, std::string_view algorithm, ByteView data) const;

 private:
  KeyUse(std::shared_ptr<const KeyInUse> key, const FunctionRow& function, std::uint32_t ticket)
      : key_(std::move(key)), function_(&function), ticket_(ticket) {}

  template <class T, class Stored, class Local>
  Outcome<T> run(Call& call, Stored stored, Local local) const;

  template <class T>
  Outcome<T> answer_of(Call& call, const Authorization& authorization, Result<T> result) const;

  std::shared_ptr<const KeyInUse> key_;
  const FunctionRow* function_;
  std::uint32_t ticket_;
  std::optional<Authorization> spent_;
};

}  // namespace sks::token
