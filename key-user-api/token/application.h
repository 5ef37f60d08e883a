#pragma once

#include <deque>
#include <map>
#include <memory>
#include <shared_mutex>

#include "key-user-api/token/memory_pool.h"
#include "key-user-api/token/service.h"
#include "key-user-api/token/session_object.h"

namespace sks::token {

/// The running operations of one application. Defined where they are served: key-user-api/token/operations.
class OperationSet;

/// Never null. What it returns is destroyed with its application, when no request of it is served any more. What its
/// operations hold is taken of `memory`.
std::shared_ptr<OperationSet> make_operation_set(std::shared_ptr<MemoryPool> memory);

/// Who is logged in at a token.
enum class LoggedIn : std::uint8_t { nobody, user, so };

class Application {
 public:
  /// Session objects, and bytes in them about. Spec: spec/sksd.md 4.
  static constexpr std::size_t kMaxObjects = 4096;
  static constexpr std::size_t kMaxObjectBytes = std::size_t{8} << 20U;
  /// Of all applications of a service, with what their operations hold.
  static constexpr std::size_t kMaxBytesOfAll = std::size_t{128} << 20U;

  /// What the application holds is taken of `memory`.
  explicit Application(const std::shared_ptr<MemoryPool>& memory = std::make_shared<MemoryPool>(kMaxBytesOfAll));
  Application(const Application&) = delete;
  Application& operator=(const Application&) = delete;
  ~Application();

  OperationSet& operations() const { return *operations_; }

  LoggedIn logged_in(std::uint32_t slot) const;
  bool is_user(std::uint32_t slot) const { return logged_in(slot) == LoggedIn::user; }
  /// Fails with CKR_USER_ALREADY_LOGGED_IN or CKR_USER_ANOTHER_ALREADY_LOGGED_IN.
  Outcome<void> check_nobody(std::uint32_t slot, LoggedIn who) const;
  /// Keeps the PIN or PUK that `who` has shown to be right. Fails as check_nobody().
  Outcome<void> log_in(std::uint32_t slot, LoggedIn who, SecureBytes pin);
  /// Ends the login, with the tickets and the private session objects of the slot. False: nobody was logged in.
  bool log_out(std::uint32_t slot);
  /// The same, if it is the user that is logged in, and with this PIN.
  void end_login_with(std::uint32_t slot, const SecureBytes& pin);
  /// The PIN or PUK of a login. None: it is not `who` that is logged in.
  std::optional<SecureBytes> pin_of(std::uint32_t slot, LoggedIn who) const;
  /// After the user has changed the PIN.
  void replace_pin(std::uint32_t slot, SecureBytes pin);

  /// A PIN that was found right for one operation with a key until `deadline`. The oldest ticket goes when there are
  /// too many.
  std::uint32_t add_ticket(CK_OBJECT_HANDLE key, std::uint32_t slot, SecureBytes pin, std::int64_t deadline);
  /// The ticket is gone whatever this returns. None: it is not for this key, or not any more.
  std::optional<SecureBytes> take_ticket(std::uint32_t ticket, CK_OBJECT_HANDLE key, std::int64_t now);

  /// The object has its handle. Fails with CKR_USER_NOT_LOGGED_IN (a private object of a token with a PIN) or
  /// CKR_HOST_MEMORY.
  Outcome<void> add_object(std::shared_ptr<const SessionObject> object);
  /// Null: there is none.
  std::shared_ptr<const SessionObject> find_object(CK_OBJECT_HANDLE object) const;
  /// In place of `old`. False: that was not there any more. Fails with CKR_HOST_MEMORY.
  Outcome<bool> replace_object(const std::shared_ptr<const SessionObject>& old,
                               std::shared_ptr<const SessionObject> changed);
  bool erase_object(CK_OBJECT_HANDLE object);
  /// This application has deleted a stored key, and the objects beside its private one with it. The latest ones are
  /// remembered, for programs that then destroy those too.
  void note_deleted(KeyHandle key);
  bool has_deleted(KeyHandle key) const;
  /// Ascending, those above `after`.
  std::vector<std::shared_ptr<const SessionObject>> objects(std::uint32_t slot, CK_OBJECT_HANDLE after) const;

 private:
  struct Login {
    LoggedIn who;
    SecureBytes pin;
  };
  struct Ticket {
    CK_OBJECT_HANDLE key;
    std::uint32_t slot;
    SecureBytes pin;
    std::int64_t deadline;
  };
  void log_out_locked(std::uint32_t slot);
  Outcome<void> check_nobody_locked(std::uint32_t slot, LoggedIn who) const;
  /// Fails with CKR_HOST_MEMORY.
  Outcome<void> hold(std::size_t bytes);

  std::shared_ptr<OperationSet> operations_;
  mutable std::shared_mutex mutex_;
  std::map<std::uint32_t, Login> logins_;
  std::map<std::uint32_t, Ticket> tickets_;
  std::uint32_t last_ticket_ = 0;
  std::map<CK_OBJECT_HANDLE, std::shared_ptr<const SessionObject>> objects_;
  MemoryShare object_memory_;
  std::deque<KeyHandle> deleted_;
};

}  // namespace sks::token
