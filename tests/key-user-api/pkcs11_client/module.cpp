#include "tests/key-user-api/pkcs11_client/module.h"

#include <dlfcn.h>

#include <cstdlib>

#include "sks-core/base/result.h"

namespace sks::test {
namespace {

void* library() {
  static void* const handle = [] {
    void* const opened = ::dlopen(SKS_PKCS11_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (opened == nullptr) MESSAGE(::dlerror());
    SKS_CHECK(opened != nullptr);
    return opened;
  }();
  return handle;
}

}  // namespace

void* module_symbol(const char* name) { return ::dlsym(library(), name); }

CK_FUNCTION_LIST& functions() {
  static CK_FUNCTION_LIST* const list = [] {
    CK_FUNCTION_LIST* got = nullptr;
    const auto get = reinterpret_cast<CK_C_GetFunctionList>(module_symbol("C_GetFunctionList"));
    SKS_CHECK(get != nullptr && get(&got) == CKR_OK && got != nullptr);
    return got;
  }();
  return *list;
}

CK_FUNCTION_LIST_3_0& functions30() {
  static CK_FUNCTION_LIST_3_0* const list = [] {
    CK_INTERFACE* got = nullptr;
    const auto get = reinterpret_cast<decltype(&C_GetInterface)>(module_symbol("C_GetInterface"));
    CK_VERSION version{3, 0};
    SKS_CHECK(get != nullptr && get(nullptr, &version, &got, 0) == CKR_OK && got != nullptr);
    return static_cast<CK_FUNCTION_LIST_3_0*>(got->pFunctionList);
  }();
  return *list;
}

Lab::Lab() : daemon(folder.file("sock")) {
  ::setenv("SKS_SOCKET", folder.file("sock").c_str(), 1);
  REQUIRE(functions().C_Initialize(nullptr) == CKR_OK);
}

Lab::~Lab() { CHECK(functions().C_Finalize(nullptr) == CKR_OK); }

CK_SESSION_HANDLE Lab::open(CK_SLOT_ID slot, CK_FLAGS flags) {
  CK_SESSION_HANDLE session = 0;
  REQUIRE(functions().C_OpenSession(slot, flags, nullptr, nullptr, &session) == CKR_OK);
  return session;
}

CK_SESSION_HANDLE Lab::logged_in() {
  const CK_SESSION_HANDLE session = open(kPinSlot);
  REQUIRE(login(session, kPin) == CKR_OK);
  return session;
}

CK_RV login(CK_SESSION_HANDLE session, std::string_view pin, CK_USER_TYPE user) {
  Bytes copy = to_bytes(as_bytes(pin));
  copy.push_back(0);  // an empty PIN has an address too
  return functions().C_Login(session, user, copy.data(), pin.size());
}

CK_STATE state_of(CK_SESSION_HANDLE session) {
  CK_SESSION_INFO info{};
  REQUIRE(functions().C_GetSessionInfo(session, &info) == CKR_OK);
  return info.state;
}

CK_FLAGS token_flags(CK_SLOT_ID slot) {
  CK_TOKEN_INFO info{};
  REQUIRE(functions().C_GetTokenInfo(slot, &info) == CKR_OK);
  return info.flags;
}

CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key) {
  CK_MECHANISM mechanism{type, nullptr, 0};
  return functions().C_SignInit(session, &mechanism, key);
}

CK_RV sign(CK_SESSION_HANDLE session, Bytes* signature) {
  Bytes data(32, 0x11);
  Bytes out(512);
  CK_ULONG size = out.size();
  const CK_RV code = functions().C_Sign(session, data.data(), data.size(), out.data(), &size);
  if (code == CKR_OK && signature != nullptr) {
    out.resize(size);
    *signature = out;
  }
  return code;
}

std::vector<CK_OBJECT_HANDLE> find_all(CK_SESSION_HANDLE session, std::vector<CK_ATTRIBUTE> wanted,
                                       std::size_t at_once) {
  REQUIRE(functions().C_FindObjectsInit(session, wanted.data(), wanted.size()) == CKR_OK);
  std::vector<CK_OBJECT_HANDLE> found;
  for (;;) {
    std::vector<CK_OBJECT_HANDLE> some(at_once);
    CK_ULONG count = 0;
    REQUIRE(functions().C_FindObjects(session, some.data(), some.size(), &count) == CKR_OK);
    if (count == 0) break;
    found.insert(found.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count));
  }
  REQUIRE(functions().C_FindObjectsFinal(session) == CKR_OK);
  return found;
}

}  // namespace sks::test
