#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sks-core/base/bytes.h"
#include "tests/support/pkcs11/answer.h"

namespace sks::pkcs11_client {

/// A token by its label and the PIN of its user, which is not used where the token asks for no login. Without a label
/// it is the first one that asks for a login, or the first one that asks for none when there is no PIN either.
struct TokenChoice {
  std::string label;
  std::string pin;
};

/// A template that owns its values.
class Attributes {
 public:
  Attributes& add(CK_ATTRIBUTE_TYPE type, ByteView value);
  Attributes& add(CK_ATTRIBUTE_TYPE type, std::string_view text);
  Attributes& number(CK_ATTRIBUTE_TYPE type, CK_ULONG value);
  Attributes& flag(CK_ATTRIBUTE_TYPE type, bool value);

  /// Valid until the next change of this object.
  std::vector<CK_ATTRIBUTE> list();

 private:
  struct Value {
    CK_ATTRIBUTE_TYPE type;
    Bytes bytes;
  };
  std::vector<Value> values_;
};

/// A loaded module, between C_Initialize and C_Finalize. It stays loaded until the process ends.
class Module {
 public:
  static Answer<Module> load(const std::string& file);

  /// C_Initialize with CKF_OS_LOCKING_OK.
  Answer<void> initialize() const;
  Answer<void> finalize() const;

  CK_FUNCTION_LIST& functions() const { return *functions_; }

  Answer<CK_SLOT_ID> slot_of(const TokenChoice& token) const;

 private:
  explicit Module(CK_FUNCTION_LIST* functions) : functions_(functions) {}
  CK_FUNCTION_LIST* functions_;
};

/// One session. Every thread has its own. Closed with the object.
class Session {
 public:
  /// A session for reading and writing; logs in if the token wants that and nobody of this process has done so.
  static Answer<Session> open(const Module& module, const TokenChoice& token);
  /// The same without login.
  static Answer<Session> open_public(const Module& module, const TokenChoice& token);

  /// A session that is open already.
  static Session adopt(const Module& module, CK_SESSION_HANDLE handle, CK_SLOT_ID slot);

  Session(Session&& other) noexcept;
  Session& operator=(Session&&) = delete;
  ~Session();

  CK_FUNCTION_LIST& functions() const { return *functions_; }
  CK_SESSION_HANDLE handle() const { return handle_; }
  CK_SLOT_ID slot() const { return slot_; }

  /// C_Login as user; logged in already is as good.
  Answer<void> login(const std::string& pin) const;

  Answer<std::vector<CK_OBJECT_HANDLE>> find(Attributes wanted) const;
  /// Fails unless there is exactly one.
  Answer<CK_OBJECT_HANDLE> find_one(Attributes wanted) const;
  Answer<Bytes> attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const;

  Answer<CK_OBJECT_HANDLE> create(Attributes wanted) const;
  Answer<void> destroy(CK_OBJECT_HANDLE object) const;

  /// C_SignInit and C_Sign into `signature`, whose size becomes that of the signature.
  Answer<void> sign(CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE mechanism, ByteView data, Bytes& signature) const;

 private:
  Session(CK_FUNCTION_LIST* functions, CK_SESSION_HANDLE handle, CK_SLOT_ID slot)
      : functions_(functions), handle_(handle), slot_(slot) {}

  CK_FUNCTION_LIST* functions_;
  CK_SESSION_HANDLE handle_;
  CK_SLOT_ID slot_;
};

}  // namespace sks::pkcs11_client
