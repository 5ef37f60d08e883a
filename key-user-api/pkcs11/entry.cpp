#include "key-user-api/dialog/pin_encoding.h"
#include "key-user-api/pkcs11/general.h"
#include "sks-core/base/random.h"

/// The C functions: they check pointers, keep exceptions inside, and call the chapter files. No logic.

using sks::ByteView;
using sks::SecureBytes;
using sks::p11::Answer;
using sks::p11::assign;
using sks::p11::code_of;
using sks::p11::emit;
using sks::p11::guard;
using sks::p11::Module;
using sks::p11::Object;
using sks::p11::Rv;
using sks::p11::Session;
using sks::p11::SessionTable;
using sks::p11::Token;

namespace {

template <class Body>
CK_RV with_module(Body&& body) noexcept {
  return guard([&] { return Module::current().run(body); });
}

template <class Body>
CK_RV with_session(CK_SESSION_HANDLE handle, Body&& body) noexcept {
  return with_module([&](SessionTable& sessions) -> CK_RV {
    const Answer<Session*> session = sessions.find(handle);
    return session ? body(sessions, **session) : session.error().code;
  });
}

template <class Body>
CK_RV with_token(CK_SLOT_ID slot, Body&& body) noexcept {
  return with_module([&](SessionTable& sessions) -> CK_RV {
    const Answer<Token*> token = sessions.token(slot);
    return token ? body(**token) : token.error().code;
  });
}

template <class Body>
CK_RV with_object(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object, Body&& body) noexcept {
  return with_session(handle, [&](SessionTable& sessions, Session& session) -> CK_RV {
    const Answer<const Object*> found = sessions.object(session, object);
    return found ? body(**found) : found.error().code;
  });
}

// What is longer than any PIN can be typed is refused before it is copied, and without costing an attempt.
constexpr CK_ULONG kMaxTypedPin = sks::p11::kMaxPin * sks::dialog::kMaxCharactersPerByte;

/// "A call to C_Sign always terminates the active signing operation unless it returns CKR_BUFFER_TOO_SMALL or is a
/// successful call to determine the length of the buffer": this includes calls that lack an argument.
CK_RV end_signature(Session& session, CK_RV why) {
  session.sign.reset();
  return why;
}

bool is_missing(const void* data, CK_ULONG size) { return data == nullptr && size != 0; }

}  // namespace

extern "C" {

// General purpose

CK_RV C_Initialize(void* arguments) {
  return guard(
      [&] { return code_of(Module::current().initialize(static_cast<const CK_C_INITIALIZE_ARGS*>(arguments))); });
}

CK_RV C_Finalize(void* reserved) {
  if (reserved != nullptr) return CKR_ARGUMENTS_BAD;
  return guard([] { return code_of(Module::current().finalize()); });
}

CK_RV C_GetInfo(CK_INFO* info) {
  return with_module([&](SessionTable&) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    *info = sks::p11::library_info({CRYPTOKI_VERSION_MAJOR, CRYPTOKI_VERSION_MINOR});
    return CKR_OK;
  });
}

// Slots and tokens

CK_RV C_GetSlotList(CK_BBOOL, CK_SLOT_ID* slots, CK_ULONG* count) {  // every slot has its token
  return with_module([&](SessionTable& sessions) -> CK_RV {
    if (count == nullptr) return CKR_ARGUMENTS_BAD;
    return emit(slots, count, sessions.tokens().size(), [&]() -> Answer<std::vector<CK_SLOT_ID>> {
      std::vector<CK_SLOT_ID> ids;
      for (const auto& token : sessions.tokens()) ids.push_back(token->slot());
      return ids;
    });
  });
}

CK_RV C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO* info) {
  return with_token(slot, [&](const Token& token) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    *info = token.slot_info();
    return CKR_OK;
  });
}

CK_RV C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO* info) {
  return with_module([&](SessionTable& sessions) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    return assign(info, sessions.token_info(slot));
  });
}

CK_RV C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID* slot, void* reserved) {
  return with_module([&](SessionTable&) -> CK_RV {
    if (slot == nullptr || reserved != nullptr) return CKR_ARGUMENTS_BAD;
    // Slots do not come and go; waiting would never end.
    return (flags & CKF_DONT_BLOCK) != 0 ? CKR_NO_EVENT : CKR_FUNCTION_NOT_SUPPORTED;
  });
}

CK_RV C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE* list, CK_ULONG* count) {
  return with_token(slot, [&](const Token& token) -> CK_RV {
    if (count == nullptr) return CKR_ARGUMENTS_BAD;
    const std::vector<CK_MECHANISM_TYPE> types = token.mechanisms();
    return emit(list, count, types.size(), [&] { return Answer<std::vector<CK_MECHANISM_TYPE>>(types); });
  });
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO* info) {
  return with_token(slot, [&](const Token& token) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    if (std::ranges::count(token.mechanisms(), type) == 0) return CKR_MECHANISM_INVALID;
    *info = sks::p11::find_mechanism(type)->info;
    return CKR_OK;
  });
}

// Sessions

CK_RV C_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void*, CK_NOTIFY, CK_SESSION_HANDLE* session) {
  return with_module([&](SessionTable& sessions) -> CK_RV {
    if (session == nullptr) return CKR_ARGUMENTS_BAD;
    return assign(session, sessions.open(slot, flags));
  });
}

CK_RV C_CloseSession(CK_SESSION_HANDLE session) {
  return with_module([&](SessionTable& sessions) { return code_of(sessions.close(session)); });
}

CK_RV C_CloseAllSessions(CK_SLOT_ID slot) {
  return with_module([&](SessionTable& sessions) { return code_of(sessions.close_all(slot)); });
}

CK_RV C_GetSessionInfo(CK_SESSION_HANDLE session, CK_SESSION_INFO* info) {
  return with_module([&](SessionTable& sessions) -> CK_RV {
    if (info == nullptr) return CKR_ARGUMENTS_BAD;
    return assign(info, sessions.info(session));
  });
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR* pin, CK_ULONG pin_size) {
  return with_module([&](SessionTable& sessions) -> CK_RV {
    // A null PIN asks for a protected authentication path, which these tokens do not announce.
    if (pin == nullptr) return CKR_ARGUMENTS_BAD;
    if (pin_size > kMaxTypedPin) return CKR_PIN_LEN_RANGE;
    return code_of(sessions.login(session, user, SecureBytes::copy_of({pin, pin_size})));
  });
}

CK_RV C_Logout(CK_SESSION_HANDLE session) {
  return with_module([&](SessionTable& sessions) { return code_of(sessions.logout(session)); });
}

// Objects

CK_RV C_GetObjectSize(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ULONG* size) {
  return with_object(session, object, [&](const Object& found) -> CK_RV {
    if (size == nullptr) return CKR_ARGUMENTS_BAD;
    *size = object_size(found);
    return CKR_OK;
  });
}

CK_RV C_GetAttributeValue(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE* attributes,
                          CK_ULONG count) {
  return with_object(session, object, [&](const Object& found) -> CK_RV {
    if (is_missing(attributes, count)) return CKR_ARGUMENTS_BAD;
    return read_attributes(found, {attributes, count});
  });
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE* attributes, CK_ULONG count) {
  return with_session(session, [&](SessionTable&, Session& found) -> CK_RV {
    if (is_missing(attributes, count)) return CKR_ARGUMENTS_BAD;
    const std::span<const CK_ATTRIBUTE> wanted(attributes, count);
    if (!sks::p11::is_readable(wanted)) return CKR_ARGUMENTS_BAD;
    if (found.search) return CKR_OPERATION_ACTIVE;
    found.search.emplace(sks::p11::Search{found.token->objects().search(wanted, found.token->is_open()), 0});
    return CKR_OK;
  });
}

CK_RV C_FindObjects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE* objects, CK_ULONG limit, CK_ULONG* count) {
  return with_session(session, [&](SessionTable&, Session& found) -> CK_RV {
    if (count == nullptr || is_missing(objects, limit)) return CKR_ARGUMENTS_BAD;
    if (!found.search) return CKR_OPERATION_NOT_INITIALIZED;
    *count = found.search->take({objects, limit});
    return CKR_OK;
  });
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session) {
  return with_session(session, [&](SessionTable&, Session& found) -> CK_RV {
    if (!found.search) return CKR_OPERATION_NOT_INITIALIZED;
    found.search.reset();
    return CKR_OK;
  });
}

// Signatures

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM* mechanism, CK_OBJECT_HANDLE key) {
  return with_session(
      session, [&](SessionTable& sessions, Session& found) { return sessions.sign_init(found, mechanism, key); });
}

CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE* data, CK_ULONG size, CK_BYTE* signature, CK_ULONG* signature_size) {
  return with_session(session, [&](SessionTable& sessions, Session& found) -> CK_RV {
    if (signature_size == nullptr || is_missing(data, size)) return end_signature(found, CKR_ARGUMENTS_BAD);
    return sessions.sign(found, ByteView(data, size), signature, signature_size);
  });
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE session, CK_BYTE* part, CK_ULONG size) {
  return with_session(session, [&](SessionTable& sessions, Session& found) -> CK_RV {
    if (is_missing(part, size)) return end_signature(found, CKR_ARGUMENTS_BAD);
    return sessions.sign_update(found, {part, size});
  });
}

CK_RV C_SignFinal(CK_SESSION_HANDLE session, CK_BYTE* signature, CK_ULONG* signature_size) {
  return with_session(session, [&](SessionTable& sessions, Session& found) -> CK_RV {
    if (signature_size == nullptr) return end_signature(found, CKR_ARGUMENTS_BAD);
    return sessions.sign(found, std::nullopt, signature, signature_size);
  });
}

// Random numbers

CK_RV C_SeedRandom(CK_SESSION_HANDLE session, CK_BYTE* seed, CK_ULONG size) {
  return with_session(session, [&](SessionTable&, Session&) -> CK_RV {
    return is_missing(seed, size) ? CKR_ARGUMENTS_BAD : CKR_RANDOM_SEED_NOT_SUPPORTED;
  });
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE session, CK_BYTE* random, CK_ULONG size) {
  return with_session(session, [&](SessionTable&, Session&) -> CK_RV {
    if (is_missing(random, size)) return CKR_ARGUMENTS_BAD;
    sks::system_random().fill({random, size});
    return CKR_OK;
  });
}

// Parallel functions, which no module has had since version 2.0

CK_RV C_GetFunctionStatus(CK_SESSION_HANDLE session) {
  return with_session(session, [](SessionTable&, Session&) -> CK_RV { return CKR_FUNCTION_NOT_PARALLEL; });
}

CK_RV C_CancelFunction(CK_SESSION_HANDLE session) {
  return with_session(session, [](SessionTable&, Session&) -> CK_RV { return CKR_FUNCTION_NOT_PARALLEL; });
}

}  // extern "C"
