#include "tests/support/pkcs11/client.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace sks::pkcs11_client {
namespace {

/// The module takes pointers that are not const and does not write there.
CK_BYTE* in(ByteView view) { return const_cast<CK_BYTE*>(view.data()); }

Answer<CK_SESSION_HANDLE> open_session(CK_FUNCTION_LIST& functions, CK_SLOT_ID slot) {
  CK_SESSION_HANDLE handle = 0;
  SKS_TRY(check("C_OpenSession",
                functions.C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, nullptr, nullptr, &handle)));
  return handle;
}

bool is_meant(const CK_TOKEN_INFO& info, const TokenChoice& token) {
  if ((info.flags & CKF_TOKEN_INITIALIZED) == 0) return false;
  if (token.label.empty()) return ((info.flags & CKF_LOGIN_REQUIRED) != 0) == !token.pin.empty();
  std::string padded = token.label;
  padded.resize(sizeof info.label, ' ');
  return std::memcmp(info.label, padded.data(), padded.size()) == 0;
}

}  // namespace

Attributes& Attributes::add(CK_ATTRIBUTE_TYPE type, ByteView value) {
  values_.push_back({type, Bytes(value.begin(), value.end())});
  return *this;
}
Attributes& Attributes::add(CK_ATTRIBUTE_TYPE type, std::string_view text) { return add(type, as_bytes(text)); }
Attributes& Attributes::number(CK_ATTRIBUTE_TYPE type, CK_ULONG value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  values_.push_back({type, std::move(bytes)});
  return *this;
}
Attributes& Attributes::flag(CK_ATTRIBUTE_TYPE type, bool value) {
  values_.push_back({type, Bytes{value ? CK_BYTE{CK_TRUE} : CK_BYTE{CK_FALSE}}});
  return *this;
}

std::vector<CK_ATTRIBUTE> Attributes::list() {
  std::vector<CK_ATTRIBUTE> list;
  for (Value& value : values_) list.push_back({value.type, value.bytes.data(), value.bytes.size()});
  return list;
}

Answer<Module> Module::load(const std::string& file) {
  void* const library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return Refused{std::string("dlopen: ") + ::dlerror()};
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
  if (get == nullptr) return Refused{file + " is no PKCS#11 module"};
  CK_FUNCTION_LIST* functions = nullptr;
  SKS_TRY(check("C_GetFunctionList", get(&functions)));
  if (functions == nullptr) return Refused{"C_GetFunctionList gives no list"};
  return Module(functions);
}

Answer<void> Module::initialize() const {
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  return check("C_Initialize", functions_->C_Initialize(&arguments));
}

Answer<void> Module::finalize() const { return check("C_Finalize", functions_->C_Finalize(nullptr)); }

Answer<CK_SLOT_ID> Module::slot_of(const TokenChoice& token) const {
  std::array<CK_SLOT_ID, 256> slots{};
  CK_ULONG count = slots.size();
  SKS_TRY(check("C_GetSlotList", functions_->C_GetSlotList(CK_TRUE, slots.data(), &count)));
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info{};
    SKS_TRY(check("C_GetTokenInfo", functions_->C_GetTokenInfo(slots[i], &info)));
    if (is_meant(info, token)) return slots[i];
  }
  return Refused{token.label.empty() ? "any token" : "token \"" + token.label + "\"", CKR_TOKEN_NOT_PRESENT};
}

Answer<Session> Session::open_public(const Module& module, const TokenChoice& token) {
  SKS_LET(const CK_SLOT_ID slot, module.slot_of(token));
  SKS_LET(const CK_SESSION_HANDLE handle, open_session(module.functions(), slot));
  return Session(&module.functions(), handle, slot);
}

Answer<Session> Session::open(const Module& module, const TokenChoice& token) {
  SKS_LET(Session session, open_public(module, token));
  CK_TOKEN_INFO info{};
  SKS_TRY(check("C_GetTokenInfo", module.functions().C_GetTokenInfo(session.slot_, &info)));
  if ((info.flags & CKF_LOGIN_REQUIRED) != 0) SKS_TRY(session.login(token.pin));
  return session;
}

Session Session::adopt(const Module& module, CK_SESSION_HANDLE handle, CK_SLOT_ID slot) {
  return Session(&module.functions(), handle, slot);
}

Session::Session(Session&& other) noexcept
    : functions_(other.functions_), handle_(std::exchange(other.handle_, CK_INVALID_HANDLE)), slot_(other.slot_) {}

Session::~Session() {
  if (handle_ != CK_INVALID_HANDLE) functions_->C_CloseSession(handle_);
}

Answer<void> Session::login(const std::string& pin) const {
  const CK_RV code = functions_->C_Login(handle_, CKU_USER, in(as_bytes(pin)), pin.size());
  return check("C_Login", code == CKR_USER_ALREADY_LOGGED_IN ? CKR_OK : code);
}

Answer<std::vector<CK_OBJECT_HANDLE>> Session::find(Attributes wanted) const {
  std::vector<CK_ATTRIBUTE> list = wanted.list();
  SKS_TRY(check("C_FindObjectsInit", functions_->C_FindObjectsInit(handle_, list.data(), list.size())));
  std::vector<CK_OBJECT_HANDLE> found;
  std::array<CK_OBJECT_HANDLE, 256> some{};
  CK_ULONG count = 0;
  CK_RV code = CKR_OK;
  do {
    code = functions_->C_FindObjects(handle_, some.data(), some.size(), &count);
    if (code != CKR_OK) break;
    found.insert(found.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count));
  } while (count == some.size());
  const CK_RV end = functions_->C_FindObjectsFinal(handle_);
  SKS_TRY(check("C_FindObjects", code));
  SKS_TRY(check("C_FindObjectsFinal", end));
  return found;
}

Answer<CK_OBJECT_HANDLE> Session::find_one(Attributes wanted) const {
  SKS_LET(const std::vector<CK_OBJECT_HANDLE> found, find(std::move(wanted)));
  if (found.size() != 1) return Refused{"C_FindObjects finds " + std::to_string(found.size()) + " objects, not one"};
  return found.front();
}

Answer<Bytes> Session::attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) const {
  CK_ATTRIBUTE wanted{type, nullptr, 0};
  SKS_TRY(check("C_GetAttributeValue", functions_->C_GetAttributeValue(handle_, object, &wanted, 1)));
  Bytes value(wanted.ulValueLen);
  wanted.pValue = value.data();
  SKS_TRY(check("C_GetAttributeValue", functions_->C_GetAttributeValue(handle_, object, &wanted, 1)));
  value.resize(wanted.ulValueLen);
  return value;
}

Answer<CK_OBJECT_HANDLE> Session::create(Attributes wanted) const {
  std::vector<CK_ATTRIBUTE> list = wanted.list();
  CK_OBJECT_HANDLE object = 0;
  SKS_TRY(check("C_CreateObject", functions_->C_CreateObject(handle_, list.data(), list.size(), &object)));
  return object;
}

Answer<void> Session::destroy(CK_OBJECT_HANDLE object) const {
  return check("C_DestroyObject", functions_->C_DestroyObject(handle_, object));
}

Answer<void> Session::sign(CK_OBJECT_HANDLE key, CK_MECHANISM_TYPE mechanism, ByteView data, Bytes& signature) const {
  CK_MECHANISM how{mechanism, nullptr, 0};
  SKS_TRY(check("C_SignInit", functions_->C_SignInit(handle_, &how, key)));
  signature.resize(512);
  CK_ULONG size = signature.size();
  SKS_TRY(check("C_Sign", functions_->C_Sign(handle_, in(data), data.size(), signature.data(), &size)));
  signature.resize(size);
  return {};
}

}  // namespace sks::pkcs11_client
