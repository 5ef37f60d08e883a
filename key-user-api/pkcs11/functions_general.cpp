#include "key-user-api/pkcs11/calls.h"

/// The C functions for the module, slots, tokens and sessions.

using sks::ByteView;
using sks::p11::Answer;
using sks::p11::assign;
using sks::p11::Client;
using sks::p11::code_of;
using sks::p11::emit_list;
using sks::p11::guard;
using sks::p11::Rv;
using sks::p11::Session;
using sks::p11::TokenList;
using sks::p11::TokenView;
using sks::p11::view_of;
using sks::p11::with_client;
using sks::p11::with_session;

namespace {

/// A null pointer asks for the protected authentication path.
std::optional<ByteView> pin_of(const CK_UTF8CHAR* pin, CK_ULONG size) {
  return pin == nullptr ? std::nullopt : std::optional(ByteView(pin, size));
}

struct MechanismRow {
  CK_MECHANISM_TYPE type;
  CK_MECHANISM_INFO info;
};

/// What the daemon offers, and this module can carry to it. The answer of listMechanisms, spec/sksd.md 5.
Answer<std::vector<MechanismRow>> mechanisms_of(Client& client, CK_SLOT_ID slot) {
  SKS_LET(const TokenView token, client.tokens.find(slot));
  sks::p11::Request request(sks::p11::kListMechanisms);
  request.out.u32(token.slot);
  SKS_LET(sks::p11::Reply reply, client.daemon.call(std::move(request)));
  std::vector<MechanismRow> rows;
  for (std::size_t left = reply.in.u16(); left > 0 && !reply.in.failed(); --left) {
    MechanismRow row{};
    row.type = reply.in.u64();
    row.info.ulMinKeySize = reply.in.u64();
    row.info.ulMaxKeySize = reply.in.u64();
    row.info.flags = reply.in.u64();
    if (sks::p11::find_mechanism(row.type) != nullptr) rows.push_back(row);
  }
  SKS_TRY(reply.finish());
  return rows;
}

}  // namespace

extern "C" {

// General purpose

CK_RV C_Initialize(void* arguments) {
  return guard([&] { return code_of(sks::p11::initialize(static_cast<const CK_C_INITIALIZE_ARGS*>(arguments))); });
}

CK_RV C_Finalize(void* reserved) {
  if (reserved != nullptr) return CKR_ARGUMENTS_BAD;
  return guard([] { return code_of(sks::p11::finalize()); });
}

CK_RV C_GetInfo(CK_INFO* info) {
  return with_client([&](Client&) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    *info = {};
    info->cryptokiVersion = {CRYPTOKI_VERSION_MAJOR, CRYPTOKI_VERSION_MINOR};
    sks::p11::fill_text(info->manufacturerID, "OpenSKS");
    sks::p11::fill_text(info->libraryDescription, "OpenSKS PKCS#11 module");
    info->libraryVersion = {SKS_VERSION_MAJOR, SKS_VERSION_MINOR};
    return CKR_OK;
  });
}

// Slots and tokens

CK_RV C_GetSlotList(CK_BBOOL, CK_SLOT_ID* slots, CK_ULONG* count) {  // every slot has its token
  return with_client([&](Client& client) -> CK_RV {
    if (count == nullptr) return CKR_ARGUMENTS_BAD;
    const Answer<std::shared_ptr<const TokenList>> tokens = client.tokens.list();
    std::vector<CK_SLOT_ID> ids;
    // Whoever has no key store has no tokens. An error here makes p11-kit's proxy drop the modules of others too.
    if (!tokens && !tokens.error().is_unreachable) return tokens.error().code;
    if (tokens)
      for (const TokenView& token : **tokens) ids.push_back(token.slot);
    return emit_list(slots, count, std::span<const CK_SLOT_ID>(ids));
  });
}

CK_RV C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO* info) {
  return with_client([&](Client& client) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    const Answer<TokenView> token = client.tokens.find(slot);
    if (!token) return token.error().code;
    *info = slot_info(*token);
    return CKR_OK;
  });
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  return with_client([&](Client& client) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    const Answer<TokenView> token = client.tokens.find(slot);
    if (!token) return token.error().code;
    *info = token_info(*token, client.sessions.count(slot));
    return CKR_OK;
  });
}

CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID* slot, void* reserved) {
  return with_client([&](Client&) -> CK_RV {
    if (slot == nullptr || reserved != nullptr) return CKR_ARGUMENTS_BAD;
    return (flags & CKF_DONT_BLOCK) != 0 ? CKR_NO_EVENT : CKR_FUNCTION_NOT_SUPPORTED;
  });
}

CK_RV C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE* list, CK_ULONG* count) {
  return with_client([&](Client& client) -> CK_RV {
    if (count == nullptr) return CKR_ARGUMENTS_BAD;
    const Answer<std::vector<MechanismRow>> rows = mechanisms_of(client, slot);
    if (!rows) return rows.error().code;
    std::vector<CK_MECHANISM_TYPE> types;
    for (const MechanismRow& row : *rows) types.push_back(row.type);
    return emit_list(list, count, std::span<const CK_MECHANISM_TYPE>(types));
  });
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  return with_client([&](Client& client) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    const Answer<std::vector<MechanismRow>> rows = mechanisms_of(client, slot);
    if (!rows) return rows.error().code;
    for (const MechanismRow& row : *rows) {
      if (row.type != type) continue;
      *info = row.info;
      return CKR_OK;
    }
    return CKR_MECHANISM_INVALID;
  });
}

CK_RV C_InitToken(CK_SLOT_ID, CK_UTF8CHAR*, CK_ULONG, CK_UTF8CHAR*) {
  // Tokens come from issuers.
  return with_client([](Client&) -> CK_RV { return CKR_FUNCTION_NOT_SUPPORTED; });
}

CK_RV C_InitPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR* pin, CK_ULONG pin_size) {
  return with_session(session, [&](Client& client, Session& found) {
    return code_of(client.sessions.init_pin(found, pin_of(pin, pin_size)));
  });
}

CK_RV C_SetPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR* old_pin, CK_ULONG old_size, CK_UTF8CHAR* new_pin,
               CK_ULONG new_size) {
  return with_session(session, [&](Client& client, Session& found) {
    return code_of(client.sessions.change_pin(found, pin_of(old_pin, old_size), pin_of(new_pin, new_size)));
  });
}

// Sessions

CK_RV C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void*, CK_NOTIFY, CK_SESSION_HANDLE* session) {
  return with_client([&](Client& client) -> CK_RV {
    if (session == nullptr) return CKR_ARGUMENTS_BAD;
    return assign(session, client.sessions.open(slot, flags));
  });
}

CK_RV C_CloseSession(CK_SESSION_HANDLE session) {
  return with_client([&](Client& client) { return code_of(client.sessions.close(session)); });
}

CK_RV C_CloseAllSessions(CK_SLOT_ID slot) {
  return with_client([&](Client& client) { return code_of(client.sessions.close_all(slot)); });
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO* info) {
  return with_client([&](Client& client) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    return assign(info, client.sessions.info(session));
  });
}

CK_RV C_GetOperationState(CK_SESSION_HANDLE session, CK_BYTE*, CK_ULONG*) {
  return with_session(session, [](Client&, Session&) -> CK_RV { return CKR_FUNCTION_NOT_SUPPORTED; });
}

CK_RV C_SetOperationState(CK_SESSION_HANDLE session, CK_BYTE*, CK_ULONG, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE) {
  return with_session(session, [](Client&, Session&) -> CK_RV { return CKR_FUNCTION_NOT_SUPPORTED; });
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG pin_size) {
  return with_session(session, [&](Client& client, Session& found) {
    const std::optional<ByteView> typed = pin_of(pin, pin_size);
    return code_of(user == CKU_CONTEXT_SPECIFIC ? client.sessions.login_for_operation(found, typed)
                                                : client.sessions.login(found, user, typed));
  });
}

CK_RV C_Logout(CK_SESSION_HANDLE session) {
  return with_session(session, [&](Client& client, Session& found) { return code_of(client.sessions.logout(found)); });
}

// Parallel functions, which no module has had since version 2.0

CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE session) {
  return with_session(session, [](Client&, Session&) -> CK_RV { return CKR_FUNCTION_NOT_PARALLEL; });
}

CK_RV C_CancelFunction(CK_SESSION_HANDLE session) {
  return with_session(session, [](Client&, Session&) -> CK_RV { return CKR_FUNCTION_NOT_PARALLEL; });
}

}  // extern "C"
