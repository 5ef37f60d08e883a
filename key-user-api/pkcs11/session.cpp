#include "key-user-api/pkcs11/session.h"

#include <algorithm>

namespace sks::p11 {

std::size_t Search::take(std::span<CK_OBJECT_HANDLE> out) {
  const std::size_t count = std::min(out.size(), found.size() - next);
  std::copy_n(found.begin() + static_cast<std::ptrdiff_t>(next), count, out.begin());
  next += count;
  return count;
}

SessionTable::SessionTable(UserApi& api, std::vector<std::unique_ptr<Token>> tokens)
    : api_(api), tokens_(std::move(tokens)) {}

Answer<Token*> SessionTable::token(CK_SLOT_ID slot) const {
  const auto found = std::ranges::find(tokens_, slot, &Token::slot);
  if (found == tokens_.end()) return Rv{CKR_SLOT_ID_INVALID};
  return found->get();
}

Answer<CK_TOKEN_INFO> SessionTable::token_info(CK_SLOT_ID slot) const {
  SKS_LET(const Token* const found, token(slot));
  return found->token_info(api_, count(*found, false), count(*found, true));
}

CK_ULONG SessionTable::count(const Token& token, bool read_write_only) const {
  return static_cast<CK_ULONG>(std::ranges::count_if(sessions_, [&](const auto& entry) {
    return entry.second.token == &token && (entry.second.read_write || !read_write_only);
  }));
}

Answer<CK_SESSION_HANDLE> SessionTable::open(CK_SLOT_ID slot, CK_FLAGS flags) {
  SKS_LET(Token* const found, token(slot));
  if ((flags & CKF_SERIAL_SESSION) == 0) return Rv{CKR_SESSION_PARALLEL_NOT_SUPPORTED};
  const CK_SESSION_HANDLE handle = next_++;
  sessions_.emplace(handle, Session{found, (flags & CKF_RW_SESSION) != 0, std::nullopt, std::nullopt});
  return handle;
}

Answer<void> SessionTable::close(CK_SESSION_HANDLE handle) {
  SKS_LET(const Session* const session, find(handle));
  Token& token = *session->token;
  sessions_.erase(handle);
  forget_login_without_sessions(token);
  return {};
}

Answer<void> SessionTable::close_all(CK_SLOT_ID slot) {
  SKS_LET(Token* const closed, token(slot));
  std::erase_if(sessions_, [closed](const auto& entry) { return entry.second.token == closed; });
  forget_login_without_sessions(*closed);
  return {};
}

void SessionTable::forget_login_without_sessions(Token& token) {
  if (count(token, false) == 0) token.logout();
}

Answer<Session*> SessionTable::find(CK_SESSION_HANDLE handle) {
  const auto found = sessions_.find(handle);
  if (found == sessions_.end()) return Rv{CKR_SESSION_HANDLE_INVALID};
  return &found->second;
}

Answer<CK_SESSION_INFO> SessionTable::info(CK_SESSION_HANDLE handle) {
  SKS_LET(const Session* const session, find(handle));
  CK_SESSION_INFO info{};
  info.slotID = session->token->slot();
  info.flags = CKF_SERIAL_SESSION | (session->read_write ? CKF_RW_SESSION : 0);
  if (session->token->logged_in()) {
    info.state = session->read_write ? CKS_RW_USER_FUNCTIONS : CKS_RO_USER_FUNCTIONS;
  } else {
    info.state = session->read_write ? CKS_RW_PUBLIC_SESSION : CKS_RO_PUBLIC_SESSION;
  }
  return info;
}

Answer<void> SessionTable::login(CK_SESSION_HANDLE handle, CK_USER_TYPE user, const SecureBytes& typed) {
  SKS_LET(Session* const session, find(handle));
  // No key asks for its PIN before each use, so nothing waits for CKU_CONTEXT_SPECIFIC; tokens have no security
  // officer.
  if (user == CKU_CONTEXT_SPECIFIC) return Rv{CKR_OPERATION_NOT_INITIALIZED};
  if (user != CKU_USER) return Rv{CKR_USER_TYPE_INVALID};
  return session->token->login(api_, typed);
}

Answer<void> SessionTable::logout(CK_SESSION_HANDLE handle) {
  SKS_LET(const Session* const session, find(handle));
  if (!session->token->logged_in()) return Rv{CKR_USER_NOT_LOGGED_IN};
  logout(*session->token);
  return {};
}

void SessionTable::logout(Token& token) {
  token.logout();
  for (auto& entry : sessions_) {
    if (entry.second.token != &token) continue;
    entry.second.search.reset();  // it may hold private objects
    entry.second.sign.reset();
  }
}

Answer<const Object*> SessionTable::object(const Session& session, CK_OBJECT_HANDLE handle) const {
  const Object* const found = session.token->objects().find(handle, session.token->is_open());
  if (found == nullptr) return Rv{CKR_OBJECT_HANDLE_INVALID};
  return found;
}

CK_RV SessionTable::sign_init(Session& session, const CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  if (mechanism == nullptr) {  // version 3.0: ends the operation
    if (!session.sign) return CKR_ARGUMENTS_BAD;
    session.sign.reset();
    return CKR_OK;
  }
  if (session.sign) return CKR_OPERATION_ACTIVE;
  const Object* const found = session.token->objects().find(key, true);
  if (found == nullptr || found->kind == ObjectKind::certificate) return CKR_KEY_HANDLE_INVALID;
  if (class_of(found->kind) != CKO_PRIVATE_KEY) return CKR_KEY_FUNCTION_NOT_PERMITTED;
  if (!session.token->is_open()) return CKR_USER_NOT_LOGGED_IN;
  Answer<SignOperation> started = SignOperation::start(*mechanism, *found->key);
  if (!started) return started.error().code;
  session.sign.emplace(std::move(started).value());
  return CKR_OK;
}

CK_RV SessionTable::sign(Session& session, std::optional<ByteView> data, CK_BYTE* out, CK_ULONG* out_size) {
  if (!session.sign) return CKR_OPERATION_NOT_INITIALIZED;
  // C_Sign cannot end a signature in parts.
  if (data && session.sign->has_parts()) {
    session.sign.reset();
    return CKR_OPERATION_NOT_INITIALIZED;
  }
  return emit(out, out_size, session.sign->signature_size(), [&] { return finish_signature(session, data); });
}

Answer<Bytes> SessionTable::finish_signature(Session& session, std::optional<ByteView> data) {
  SignOperation operation = std::move(*session.sign);
  session.sign.reset();
  const SecureBytes& pin = session.token->pin();
  Answer<Bytes> signature = data ? operation.sign(api_, pin, *data) : operation.finish(api_, pin);
  // The PIN was right at login. It was changed or locked since then, and must not be tried a second time.
  if (!signature && signature.error().code == CKR_PIN_INCORRECT) {
    logout(*session.token);
    return Rv{CKR_USER_NOT_LOGGED_IN};
  }
  return signature;
}

CK_RV SessionTable::sign_update(Session& session, ByteView part) {
  if (!session.sign) return CKR_OPERATION_NOT_INITIALIZED;
  const CK_RV rv = code_of(session.sign->update(api_, part));
  if (rv != CKR_OK) session.sign.reset();
  return rv;
}

}  // namespace sks::p11
