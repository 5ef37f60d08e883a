#pragma once

#include <map>
#include <memory>

#include "key-user-api/pkcs11/sign.h"
#include "key-user-api/pkcs11/slot.h"

namespace sks::p11 {

/// The results of C_FindObjectsInit that C_FindObjects has not handed out yet.
struct Search {
  std::vector<CK_OBJECT_HANDLE> found;
  std::size_t next = 0;

  /// Hands out as many as fit and returns their number.
  std::size_t take(std::span<CK_OBJECT_HANDLE> out);
};

struct Session {
  Token* token;
  bool read_write;
  std::optional<Search> search;
  std::optional<SignOperation> sign;
};

/// The tokens and sessions between C_Initialize and C_Finalize. Not thread-safe: the module's lock guards it.
class SessionTable {
 public:
  SessionTable(UserApi& api, std::vector<std::unique_ptr<Token>> tokens);

  std::span<const std::unique_ptr<Token>> tokens() const { return tokens_; }
  Answer<Token*> token(CK_SLOT_ID slot) const;
  Answer<CK_TOKEN_INFO> token_info(CK_SLOT_ID slot) const;

  Answer<CK_SESSION_HANDLE> open(CK_SLOT_ID slot, CK_FLAGS flags);
  Answer<void> close(CK_SESSION_HANDLE handle);
  Answer<void> close_all(CK_SLOT_ID slot);
  Answer<Session*> find(CK_SESSION_HANDLE handle);
  Answer<CK_SESSION_INFO> info(CK_SESSION_HANDLE handle);

  Answer<void> login(CK_SESSION_HANDLE handle, CK_USER_TYPE user, const SecureBytes& typed);
  Answer<void> logout(CK_SESSION_HANDLE handle);

  Answer<const Object*> object(const Session& session, CK_OBJECT_HANDLE handle) const;

  CK_RV sign_init(Session& session, const CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key);
  /// `data` absent: the end of a signature in parts.
  CK_RV sign(Session& session, std::optional<ByteView> data, CK_BYTE* out, CK_ULONG* out_size);
  CK_RV sign_update(Session& session, ByteView part);

 private:
  CK_ULONG count(const Token& token, bool read_write_only) const;
  void logout(Token& token);
  /// Logs out where the last session is gone: login lasts as long as the application's sessions with the token.
  void forget_login_without_sessions(Token& token);
  Answer<Bytes> finish_signature(Session& session, std::optional<ByteView> data);

  UserApi& api_;
  std::vector<std::unique_ptr<Token>> tokens_;
  std::map<CK_SESSION_HANDLE, Session> sessions_;
  CK_SESSION_HANDLE next_ = 1;
};

}  // namespace sks::p11
