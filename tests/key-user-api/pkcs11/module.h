#pragma once

#include <string>
#include <vector>

#include "key-user-api/pkcs11_client/cryptoki.h"
#include "sks-core/base/bytes.h"
#include "tests/support/temp_dir.h"

/// The module under test, loaded as applications load it.
namespace sks::test {

/// The functions, through C_GetFunctionList of the loaded library.
CK_FUNCTION_LIST& functions();
/// A symbol of the library, or null.
void* module_symbol(const char* name);

/// A store folder that all test cases of the program share; they leave its PINs unlocked.
const std::string& shared_store();

/// The module between C_Initialize and C_Finalize, on a store folder.
class Initialized {
 public:
  explicit Initialized(const std::string& folder = shared_store());
  ~Initialized();
  Initialized(const Initialized&) = delete;
  Initialized& operator=(const Initialized&) = delete;
};

void use_store(const std::string& folder);

std::vector<CK_SLOT_ID> slots();
/// The slot whose token label starts with `label`.
CK_SLOT_ID slot_labelled(std::string_view label);
inline constexpr std::string_view kMainToken = "main.example.com";
inline constexpr std::string_view kSecondToken = "second.example.com";
inline constexpr std::string_view kOpenToken = "OpenSKS keys without PIN";

CK_SESSION_HANDLE open_session(CK_SLOT_ID slot, CK_FLAGS flags = CKF_SERIAL_SESSION);
CK_RV login(CK_SESSION_HANDLE session, std::string_view pin);
CK_FLAGS token_flags(CK_SLOT_ID slot);

/// One attribute of a template.
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, std::string_view value);
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const CK_ULONG& value);
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const CK_BBOOL& value);

std::vector<CK_OBJECT_HANDLE> find(CK_SESSION_HANDLE session, std::vector<CK_ATTRIBUTE> wanted);
/// The only object of this class and label.
CK_OBJECT_HANDLE find_one(CK_SESSION_HANDLE session, CK_OBJECT_CLASS object_class, std::string_view label);

/// The value by the two-call convention; requires that the object has it.
Bytes read(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
CK_ULONG read_number(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);
CK_RV read_failure(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type);

}  // namespace sks::test
