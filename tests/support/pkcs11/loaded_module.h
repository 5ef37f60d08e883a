#pragma once

#include <string_view>
#include <vector>

#include "key-user-api/pkcs11/cryptoki.h"
#include "sks-core/base/bytes.h"

/// The module of this build, SKS_PKCS11_MODULE, loaded as applications load it, and calls that every test of it makes.
namespace sks::test {

/// A symbol of the library, or null.
void* module_symbol(const char* name);
/// The functions, through C_GetFunctionList of the loaded library.
CK_FUNCTION_LIST& functions();

CK_RV login(CK_SESSION_HANDLE session, std::string_view pin, CK_USER_TYPE user = CKU_USER);
CK_FLAGS token_flags(CK_SLOT_ID slot);
/// A whole search, `at_once` objects at a time.
std::vector<CK_OBJECT_HANDLE> find_all(CK_SESSION_HANDLE session, std::vector<CK_ATTRIBUTE> wanted,
                                       std::size_t at_once);

}  // namespace sks::test
