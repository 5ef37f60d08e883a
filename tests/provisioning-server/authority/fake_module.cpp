// A PKCS#11 module with one token and one P-256 key, which fails and hangs as the test tells it.
#include "tests/provisioning-server/authority/fake_module.h"

#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>

extern "C" {
__attribute__((visibility("default"))) sks::test::FakeToken fake_token;
__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list);
}

namespace {

constexpr CK_SESSION_HANDLE kSession = 1;
constexpr CK_OBJECT_HANDLE kKey = 7;

CK_RV initialize(void*) { return CKR_OK; }
CK_RV finalize(void*) { return CKR_OK; }

CK_RV get_slot_list(CK_BBOOL, CK_SLOT_ID* slots, CK_ULONG* count) {
  if (slots != nullptr && *count > 0) slots[0] = 0;
  *count = fake_token.is_there ? 1 : 0;
  return CKR_OK;
}

CK_RV get_token_info(CK_SLOT_ID, CK_TOKEN_INFO* info) {
  std::fill(std::begin(info->label), std::end(info->label), ' ');
  std::fill(std::begin(info->serialNumber), std::end(info->serialNumber), ' ');
  std::memcpy(info->label, "fake", 4);
  std::memcpy(info->serialNumber, "0815", 4);
  return CKR_OK;
}

CK_RV open_session(CK_SLOT_ID, CK_FLAGS, void*, CK_NOTIFY, CK_SESSION_HANDLE* session) {
  if (!fake_token.is_there) return CKR_TOKEN_NOT_PRESENT;
  ++fake_token.sessions;
  *session = kSession;
  return CKR_OK;
}
CK_RV close_session(CK_SESSION_HANDLE) { return CKR_OK; }

CK_RV login(CK_SESSION_HANDLE, CK_USER_TYPE user, CK_UTF8CHAR*, CK_ULONG) {
  ++(user == CKU_USER ? fake_token.logins : fake_token.pins_for_signatures);
  return fake_token.login;
}

bool already_found = false;
CK_RV find_objects_init(CK_SESSION_HANDLE, CK_ATTRIBUTE*, CK_ULONG) {
  already_found = false;
  return CKR_OK;
}
CK_RV find_objects(CK_SESSION_HANDLE, CK_OBJECT_HANDLE* objects, CK_ULONG, CK_ULONG* count) {
  *count = already_found ? 0 : 1;
  objects[0] = kKey;
  already_found = true;
  return CKR_OK;
}
CK_RV find_objects_final(CK_SESSION_HANDLE) { return CKR_OK; }

CK_RV get_attribute_value(CK_SESSION_HANDLE, CK_OBJECT_HANDLE, CK_ATTRIBUTE* attribute, CK_ULONG) {
  constexpr std::array<unsigned char, 10> kP256{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
  while (fake_token.hangs) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  if (fake_token.every_attribute != CKR_OK) return fake_token.every_attribute;
  if (attribute->type == CKA_EC_PARAMS) {
    std::memcpy(attribute->pValue, kP256.data(), kP256.size());
    attribute->ulValueLen = kP256.size();
    return CKR_OK;
  }
  if (attribute->type != CKA_ALWAYS_AUTHENTICATE) return CKR_ATTRIBUTE_TYPE_INVALID;
  *static_cast<CK_BBOOL*>(attribute->pValue) = fake_token.asks_always ? CK_TRUE : CK_FALSE;
  return CKR_OK;
}

CK_RV sign_init(CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE) { return CKR_OK; }

CK_RV sign(CK_SESSION_HANDLE, CK_BYTE* data, CK_ULONG size, CK_BYTE* out, CK_ULONG* out_size) {
  while (fake_token.hangs) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  if (const CK_RV once = fake_token.next_sign.exchange(0); once != CKR_OK) return once;
  if (fake_token.every_sign != CKR_OK) return fake_token.every_sign;
  ++fake_token.signatures;
  return fake_token.sign(data, size, out, out_size) ? CKR_OK : CKR_FUNCTION_FAILED;
}

CK_FUNCTION_LIST make_list() {
  CK_FUNCTION_LIST list{};
  list.version = {2, 40};
  list.C_Initialize = initialize;
  list.C_Finalize = finalize;
  list.C_GetSlotList = get_slot_list;
  list.C_GetTokenInfo = get_token_info;
  list.C_OpenSession = open_session;
  list.C_CloseSession = close_session;
  list.C_Login = login;
  list.C_FindObjectsInit = find_objects_init;
  list.C_FindObjects = find_objects;
  list.C_FindObjectsFinal = find_objects_final;
  list.C_GetAttributeValue = get_attribute_value;
  list.C_SignInit = sign_init;
  list.C_Sign = sign;
  return list;
}

}  // namespace

CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  static CK_FUNCTION_LIST functions = make_list();
  *list = &functions;
  return CKR_OK;
}
