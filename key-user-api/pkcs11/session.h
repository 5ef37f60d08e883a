#pragma once

#include <unordered_map>

#include "key-user-api/pkcs11/operation.h"

namespace sks::p11 {

/// What C_FindObjects has not handed out yet. The daemon is asked for more when that is used up.
struct Search {
  SecureBytes request_template;  ///< as it travels
  std::vector<CK_OBJECT_HANDLE> found;
  std::size_t next = 0;
  std::uint64_t after = 0;
  bool more = true;
};

/// A session of the application. Calls that use it hold its lock, so that applications which share a session between
/// threads get errors and never a mess.
struct Session {
  Session(std::uint32_t of_slot, bool may_write) : slot(of_slot), read_write(may_write) {}

  const std::uint32_t slot;
  const bool read_write;

  Mutex mutex;  // of what follows
  std::unique_ptr<Search> search;
  std::unique_ptr<Operation> operations[5];
  Kind latest = Kind::encrypt;            ///< the operation that was begun last
  std::vector<CK_OBJECT_HANDLE> objects;  ///< that end with the session

  std::unique_ptr<Operation>& operation(Kind kind) { return operations[static_cast<std::size_t>(kind) - 1]; }
  /// Ends an operation early.
  void drop(Kind kind);
  /// The operation that a PIN for one operation is for: that begun last, if its key asks for one; or null.
  Operation* waiting_for_pin();
};

/// The sessions between C_Initialize and C_Finalize, and who is logged in. Thread-safe.
class Sessions {
 public:
  Sessions(Daemon& daemon, Tokens& tokens, Keys& keys) : daemon_(daemon), tokens_(tokens), keys_(keys) {}

  Answer<CK_SESSION_HANDLE> open(CK_SLOT_ID slot, CK_FLAGS flags);
  Answer<void> close(CK_SESSION_HANDLE handle);
  Answer<void> close_all(CK_SLOT_ID slot);
  /// Fails with CKR_SESSION_HANDLE_INVALID.
  Answer<std::shared_ptr<Session>> find(CK_SESSION_HANDLE handle);
  Answer<CK_SESSION_INFO> info(CK_SESSION_HANDLE handle);
  SessionCount count(CK_SLOT_ID slot);

  /// C_Login for CKU_USER and CKU_SO. No `pin`: the daemon asks for it.
  Answer<void> login(Session& session, CK_USER_TYPE user, std::optional<ByteView> pin);
  /// C_Login for CKU_CONTEXT_SPECIFIC. Takes the session's lock.
  Answer<void> login_for_operation(Session& session, std::optional<ByteView> pin);
  Answer<void> logout(Session& session);
  Answer<void> change_pin(Session& session, std::optional<ByteView> old_pin, std::optional<ByteView> new_pin);
  Answer<void> init_pin(Session& session, std::optional<ByteView> new_pin);

 private:
  struct Slot {
    SessionCount sessions;
    bool may_be_logged_in = false;
    bool is_logging_out = false;  ///< its last session is being closed
  };
  class LastSession;

  /// Takes a session out of the table. `was_last`: of those with its token, and somebody may be logged in. Until
  /// is_logging_out is reset nobody opens a session with the token.
  std::shared_ptr<Session> take(CK_SESSION_HANDLE handle, bool& was_last);
  /// Ends what the daemon has for a session that is not in the table any more.
  void end(Session& session);
  void end_login(std::uint32_t slot);
  Answer<void> send(Request request);
  /// What is known of logins, PINs and of keys that they hide may be wrong now.
  void forget();

  Daemon& daemon_;
  Tokens& tokens_;
  Keys& keys_;
  Mutex mutex_;  // of what follows
  std::unordered_map<CK_SESSION_HANDLE, std::shared_ptr<Session>> sessions_;
  Signal logged_out_;
  std::unordered_map<CK_SLOT_ID, Slot> slots_;
  CK_SESSION_HANDLE next_ = 1;
};

/// What one operation with a key with CKA_ALWAYS_AUTHENTICATE needs.
struct Ticket {
  std::uint32_t number = 0;  ///< 0: none
  Era era = 0;
};
/// Shows the PIN, or lets the daemon ask for it. Fails as loginForOperation. Spec: spec/sksd.md 5
Answer<Ticket> get_ticket(Daemon& daemon, std::uint32_t slot, CK_OBJECT_HANDLE key, std::optional<ByteView> pin);

/// Sends the request that destroys an object.
Answer<void> destroy_object(Daemon& daemon, std::uint32_t slot, CK_OBJECT_HANDLE object);

}  // namespace sks::p11
