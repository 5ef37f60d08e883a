#pragma once

#include <memory>

#include "key-user-api/pkcs11/object.h"
#include "key-user-api/user_api.h"

namespace sks::p11 {

/// Bytes of the longest PIN that a policy allows. Spec: sks-api.md 4.8.
inline constexpr std::size_t kMaxPin = 128;

/// A PIN group of the store, or its keys without PIN. PKCS#11 has one user PIN per token, SKS one per PIN group.
class Token {
 public:
  /// `keys` share the PIN group; `device` identifies the store in the serial number.
  Token(std::optional<PinGroupHandle> group, std::vector<UserKey> keys, std::string_view device,
        CK_OBJECT_HANDLE first_object);

  /// The handle of the PIN group, which never changes and is never given to another group; 0 for keys without PIN.
  CK_SLOT_ID slot() const { return group_ ? group_->value : 0; }
  const ObjectTable& objects() const { return objects_; }
  std::span<const UserKey> keys() const { return keys_; }

  CK_SLOT_INFO slot_info() const;
  Answer<CK_TOKEN_INFO> token_info(UserApi& api, CK_ULONG sessions, CK_ULONG rw_sessions) const;
  /// What at least one key can do, in table order.
  std::vector<CK_MECHANISM_TYPE> mechanisms() const;

  bool needs_login() const { return group_.has_value(); }
  bool logged_in() const { return logged_in_; }
  /// Keys without PIN are usable by everybody.
  bool is_open() const { return logged_in_ || !needs_login(); }
  /// `typed` stands for the PIN as the policy's format says.
  Answer<void> login(UserApi& api, const SecureBytes& typed);
  void logout();
  /// Empty where there is none.
  const SecureBytes& pin() const { return pin_; }

 private:
  std::optional<PinGroupHandle> group_;
  std::vector<UserKey> keys_;
  ObjectTable objects_;
  std::string label_;
  std::string serial_;
  SecureBytes pin_;
  bool logged_in_ = false;
};

/// The tokens of a store: PIN groups in the order of their handles, then the keys without PIN. A store without keys
/// has one empty token, so that applications find a slot.
Answer<std::vector<std::unique_ptr<Token>>> load_tokens(UserApi& api);

}  // namespace sks::p11
