#include "tests/support/pkcs11/loaded_module.h"

#include <dlfcn.h>
#include <doctest/doctest.h>

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

CK_RV login(CK_SESSION_HANDLE session, std::string_view pin, CK_USER_TYPE user) {
  Bytes copy = to_bytes(as_bytes(pin));
  copy.push_back(0);  // an empty PIN has an address too
  return functions().C_Login(session, user, copy.data(), pin.size());
}

CK_FLAGS token_flags(CK_SLOT_ID slot) {
  CK_TOKEN_INFO info{};
  REQUIRE(functions().C_GetTokenInfo(slot, &info) == CKR_OK);
  return info.flags;
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
