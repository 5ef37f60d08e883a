#pragma once

#include <array>

#include "key-user-api/pkcs11/mechanisms.h"
#include "key-user-api/pkcs11/tokens.h"

/// Objects as applications name them, and what the module has to know of keys.
namespace sks::p11 {

/// From here on objects belong to a session. Spec: spec/sksd.md 6.
inline constexpr CK_OBJECT_HANDLE kFirstSessionObject = CK_OBJECT_HANDLE{1} << 48;

inline bool is_session_object(CK_OBJECT_HANDLE handle) { return handle >= kFirstSessionObject; }

/// The name of an object of the daemon for the application. Those of session objects hold the era: a daemon that was
/// started anew counts from the start again, and an application must not take another key for its own.
/// Fails with CKR_DEVICE_ERROR when the daemon's handle is none.
Answer<CK_OBJECT_HANDLE> handle_for_application(std::uint64_t handle, Era era);

/// Appends `object`: a slot and a handle. For session objects the request is bound to their era, with `invalid` for
/// what is not there any more.
void write_object(Request& request, std::uint32_t slot, CK_OBJECT_HANDLE handle, Era now, CK_RV invalid);

/// What an operation asks of its key before it begins.
struct KeyFacts {
  CK_KEY_TYPE type = kAnyKey;
  CK_FLAGS uses = 0;  ///< CKF_SIGN and so on, from CKA_SIGN and so on
  bool always_authenticate = false;
  /// Of RSA keys; of the order of an elliptic curve. 0: not known.
  std::uint16_t size = 0;
};

/// Asks for the facts about keys once, and keeps them for a while. Thread-safe.
class Keys {
 public:
  Keys(Daemon& daemon, Tokens& tokens) : daemon_(daemon), tokens_(tokens) {}

  /// Fails with CKR_KEY_HANDLE_INVALID, or with CKR_USER_NOT_LOGGED_IN when the handle is that of a private key in a
  /// token that nobody is logged in to.
  Answer<KeyFacts> facts(std::uint32_t slot, CK_OBJECT_HANDLE key);
  /// Why an operation has found no key: CKR_USER_NOT_LOGGED_IN when the key was but hidden then, else
  /// CKR_KEY_HANDLE_INVALID.
  CK_RV explain_missing(std::uint32_t slot, CK_OBJECT_HANDLE key);
  void forget();

 private:
  struct Entry {
    bool is_used = false;
    std::uint32_t slot = 0;
    CK_OBJECT_HANDLE key = 0;
    Era era = 0;
    KeyFacts facts;
  };

  /// Who is logged in at a token that shows such a key after login only; none when nothing hides it.
  Answer<std::optional<LoggedIn>> may_hide(std::uint32_t slot, CK_OBJECT_HANDLE key);
  Entry& place_of(std::uint32_t slot, CK_OBJECT_HANDLE key);
  Answer<KeyFacts> ask(std::uint32_t slot, CK_OBJECT_HANDLE key, Era& era);

  Daemon& daemon_;
  Tokens& tokens_;
  Mutex mutex_;
  std::uint64_t version_ = 0;
  std::array<Entry, 64> entries_;
};

}  // namespace sks::p11
