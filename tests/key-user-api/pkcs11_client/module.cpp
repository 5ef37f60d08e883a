#include "tests/key-user-api/pkcs11_client/module.h"

#include <cstdlib>

#include "sks-core/base/result.h"

namespace sks::test {

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

CK_STATE state_of(CK_SESSION_HANDLE session) {
  CK_SESSION_INFO info{};
  REQUIRE(functions().C_GetSessionInfo(session, &info) == CKR_OK);
  return info.state;
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

}  // namespace sks::test
