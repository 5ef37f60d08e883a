#pragma once

#include "key-user-api/pkcs11/session.h"

/// Objects: chapter "Object management functions" of the standard, key generation, wrapping and derivation. All of them
/// take the lock of the session from their caller. Spec: spec/sksd.md 6 and 7.
namespace sks::p11 {

using Template = std::span<const CK_ATTRIBUTE>;

class Objects {
 public:
  Objects(Daemon& daemon, Keys& keys) : daemon_(daemon), keys_(keys) {}

  Answer<CK_OBJECT_HANDLE> create(Session& session, Template attributes);
  Answer<CK_OBJECT_HANDLE> copy(Session& session, CK_OBJECT_HANDLE object, Template attributes);
  Answer<void> destroy(Session& session, CK_OBJECT_HANDLE object);
  /// C_GetAttributeValue: looks at every attribute, and gives the first reason why one has no value.
  CK_RV get(Session& session, CK_OBJECT_HANDLE object, std::span<CK_ATTRIBUTE> attributes);
  Answer<void> set(Session& session, CK_OBJECT_HANDLE object, Template attributes);
  /// Fails as a question for an attribute.
  Answer<void> exists(Session& session, CK_OBJECT_HANDLE object);
  /// CKA_VALUE of a secret key that may be seen. Fails with CKR_KEY_HANDLE_INVALID or CKR_KEY_INDIGESTIBLE.
  Answer<SecureBytes> secret_value(Session& session, CK_OBJECT_HANDLE key);

  Answer<void> start_search(Session& session, Template attributes);
  Answer<std::size_t> take_found(Session& session, std::span<CK_OBJECT_HANDLE> out);

  Answer<CK_OBJECT_HANDLE> generate_key(Session& session, const CK_MECHANISM& mechanism, Template attributes);
  struct Pair {
    CK_OBJECT_HANDLE public_key;
    CK_OBJECT_HANDLE private_key;
  };
  Answer<Pair> generate_pair(Session& session, const CK_MECHANISM& mechanism, Template public_key,
                             Template private_key);
  Answer<CK_OBJECT_HANDLE> derive(Session& session, const CK_MECHANISM& mechanism, CK_OBJECT_HANDLE base,
                                  Template attributes);
  Answer<SecureBytes> wrap(Session& session, const CK_MECHANISM& mechanism, CK_OBJECT_HANDLE wrapping,
                           CK_OBJECT_HANDLE key);
  Answer<CK_OBJECT_HANDLE> unwrap(Session& session, const CK_MECHANISM& mechanism, CK_OBJECT_HANDLE unwrapping,
                                  ByteView wrapped, Template attributes);

 private:
  /// Fails with CKR_SESSION_READ_ONLY when the session may not change the token, and the template or object is of it.
  static Answer<void> check_may_write(const Session& session, Template attributes);
  static Answer<void> check_may_write(const Session& session, CK_OBJECT_HANDLE object);
  void write_object(Request& request, const Session& session, CK_OBJECT_HANDLE object, CK_RV invalid) const;
  Answer<Reply> ask(Session& session, CK_OBJECT_HANDLE object, std::span<const CK_ATTRIBUTE_TYPE> types);
  /// Sends a request whose answer is a new object.
  Answer<CK_OBJECT_HANDLE> call_for_object(Session& session, Request request);
  Answer<CK_OBJECT_HANDLE> read_object(Session& session, Reply& reply);
  Answer<void> next_page(Session& session);
  CK_RV get_some(Session& session, CK_OBJECT_HANDLE object, std::span<CK_ATTRIBUTE> attributes, CK_RV so_far);
  /// Checks the key for a use beside operations, for which PKCS#11 knows no login: the daemon asks for the PIN of a key
  /// with CKA_ALWAYS_AUTHENTICATE, and the number of the ticket is returned. Fails with CKR_KEY_TYPE_INCONSISTENT,
  /// CKR_KEY_FUNCTION_NOT_PERMITTED, as Keys::facts and as get_ticket.
  Answer<std::uint32_t> check_key(const Session& session, CK_OBJECT_HANDLE key, const Mechanism& mechanism,
                                  CK_FLAGS use);

  Daemon& daemon_;
  Keys& keys_;
};

/// Whether a key may be used for `use` with the mechanism. Fails with CKR_KEY_TYPE_INCONSISTENT or
/// CKR_KEY_FUNCTION_NOT_PERMITTED.
Answer<void> check_use(const KeyFacts& key, const Mechanism& mechanism, CK_FLAGS use);

}  // namespace sks::p11
