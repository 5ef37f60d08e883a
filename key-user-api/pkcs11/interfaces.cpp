#include <cstring>

#include "key-user-api/pkcs11/answer.h"
#include "key-user-api/pkcs11/functions.h"

/// The function lists, and the only three functions that other programs see by name.

#define SKS_EXPORT __attribute__((visibility("default")))

namespace sks::p11 {
namespace {

/// The answer of every function that this module does not have.
template <class... Arguments>
CK_RV not_supported(Arguments...) noexcept {
  return CKR_FUNCTION_NOT_SUPPORTED;
}

constexpr CK_FUNCTION_LIST kFunctions240 = {
    .version = {CRYPTOKI_VERSION_MAJOR, CRYPTOKI_VERSION_MINOR},
    .C_Initialize = C_Initialize,
    .C_Finalize = C_Finalize,
    .C_GetInfo = C_GetInfo,
    .C_GetFunctionList = C_GetFunctionList,
    .C_GetSlotList = C_GetSlotList,
    .C_GetSlotInfo = C_GetSlotInfo,
    .C_GetTokenInfo = C_GetTokenInfo,
    .C_GetMechanismList = C_GetMechanismList,
    .C_GetMechanismInfo = C_GetMechanismInfo,
    .C_InitToken = C_InitToken,
    .C_InitPIN = C_InitPIN,
    .C_SetPIN = C_SetPIN,
    .C_OpenSession = C_OpenSession,
    .C_CloseSession = C_CloseSession,
    .C_CloseAllSessions = C_CloseAllSessions,
    .C_GetSessionInfo = C_GetSessionInfo,
    .C_GetOperationState = C_GetOperationState,
    .C_SetOperationState = C_SetOperationState,
    .C_Login = C_Login,
    .C_Logout = C_Logout,
    .C_CreateObject = C_CreateObject,
    .C_CopyObject = C_CopyObject,
    .C_DestroyObject = C_DestroyObject,
    .C_GetObjectSize = C_GetObjectSize,
    .C_GetAttributeValue = C_GetAttributeValue,
    .C_SetAttributeValue = C_SetAttributeValue,
    .C_FindObjectsInit = C_FindObjectsInit,
    .C_FindObjects = C_FindObjects,
    .C_FindObjectsFinal = C_FindObjectsFinal,
    .C_EncryptInit = C_EncryptInit,
    .C_Encrypt = C_Encrypt,
    .C_EncryptUpdate = C_EncryptUpdate,
    .C_EncryptFinal = C_EncryptFinal,
    .C_DecryptInit = C_DecryptInit,
    .C_Decrypt = C_Decrypt,
    .C_DecryptUpdate = C_DecryptUpdate,
    .C_DecryptFinal = C_DecryptFinal,
    .C_DigestInit = C_DigestInit,
    .C_Digest = C_Digest,
    .C_DigestUpdate = C_DigestUpdate,
    .C_DigestKey = C_DigestKey,
    .C_DigestFinal = C_DigestFinal,
    .C_SignInit = C_SignInit,
    .C_Sign = C_Sign,
    .C_SignUpdate = C_SignUpdate,
    .C_SignFinal = C_SignFinal,
    .C_SignRecoverInit = not_supported,
    .C_SignRecover = not_supported,
    .C_VerifyInit = C_VerifyInit,
    .C_Verify = C_Verify,
    .C_VerifyUpdate = C_VerifyUpdate,
    .C_VerifyFinal = C_VerifyFinal,
    .C_VerifyRecoverInit = not_supported,
    .C_VerifyRecover = not_supported,
    .C_DigestEncryptUpdate = not_supported,
    .C_DecryptDigestUpdate = not_supported,
    .C_SignEncryptUpdate = not_supported,
    .C_DecryptVerifyUpdate = not_supported,
    .C_GenerateKey = C_GenerateKey,
    .C_GenerateKeyPair = C_GenerateKeyPair,
    .C_WrapKey = C_WrapKey,
    .C_UnwrapKey = C_UnwrapKey,
    .C_DeriveKey = C_DeriveKey,
    .C_SeedRandom = C_SeedRandom,
    .C_GenerateRandom = C_GenerateRandom,
    .C_GetFunctionStatus = C_GetFunctionStatus,
    .C_CancelFunction = C_CancelFunction,
    .C_WaitForSlotEvent = C_WaitForSlotEvent,
};

constexpr CK_VERSION kVersion30{3, 0};

CK_RV get_info_30(CK_INFO* info) {
  const CK_RV rv = C_GetInfo(info);
  if (rv == CKR_OK) info->cryptokiVersion = kVersion30;
  return rv;
}

constexpr CK_FUNCTION_LIST as_version_30(CK_FUNCTION_LIST functions) {
  functions.version = kVersion30;
  functions.C_GetInfo = get_info_30;
  return functions;
}

constexpr CK_FUNCTION_LIST_3_0 kFunctions30 = {
    .base = as_version_30(kFunctions240),
    .C_GetInterfaceList = C_GetInterfaceList,
    .C_GetInterface = C_GetInterface,
    .C_LoginUser = not_supported,
    .C_SessionCancel = session_cancel,
    .C_MessageEncryptInit = not_supported,
    .C_EncryptMessage = not_supported,
    .C_EncryptMessageBegin = not_supported,
    .C_EncryptMessageNext = not_supported,
    .C_MessageEncryptFinal = not_supported,
    .C_MessageDecryptInit = not_supported,
    .C_DecryptMessage = not_supported,
    .C_DecryptMessageBegin = not_supported,
    .C_DecryptMessageNext = not_supported,
    .C_MessageDecryptFinal = not_supported,
    .C_MessageSignInit = not_supported,
    .C_SignMessage = not_supported,
    .C_SignMessageBegin = not_supported,
    .C_SignMessageNext = not_supported,
    .C_MessageSignFinal = not_supported,
    .C_MessageVerifyInit = not_supported,
    .C_VerifyMessage = not_supported,
    .C_VerifyMessageBegin = not_supported,
    .C_VerifyMessageNext = not_supported,
    .C_MessageVerifyFinal = not_supported,
};

constexpr CK_UTF8CHAR kStandardName[] = "PKCS 11";

// The standard's types know no const, but nobody may write into these lists.
constinit const CK_INTERFACE kInterfaces[] = {
    {const_cast<CK_UTF8CHAR*>(kStandardName), const_cast<CK_FUNCTION_LIST_3_0*>(&kFunctions30), 0},
    {const_cast<CK_UTF8CHAR*>(kStandardName), const_cast<CK_FUNCTION_LIST*>(&kFunctions240), 0},
};

/// Every function list starts with its version.
CK_VERSION version_of(const CK_INTERFACE& interface) {
  return *static_cast<const CK_VERSION*>(interface.pFunctionList);
}

const char* text(const CK_UTF8CHAR* name) { return reinterpret_cast<const char*>(name); }

bool matches(const CK_INTERFACE& interface, const CK_UTF8CHAR* name, const CK_VERSION* version, CK_FLAGS flags) {
  if (name != nullptr && std::strcmp(text(name), text(kStandardName)) != 0) return false;
  const CK_VERSION own = version_of(interface);
  if (version != nullptr && (version->major != own.major || version->minor != own.minor)) return false;
  return (interface.flags & flags) == flags;
}

}  // namespace
}  // namespace sks::p11

extern "C" {

SKS_EXPORT CK_RV C_GetFunctionList(CK_FUNCTION_LIST** list) {
  if (list == nullptr) return CKR_ARGUMENTS_BAD;
  *list = const_cast<CK_FUNCTION_LIST*>(&sks::p11::kFunctions240);
  return CKR_OK;
}

SKS_EXPORT CK_RV C_GetInterfaceList(CK_INTERFACE* interfaces, CK_ULONG* count) {
  if (count == nullptr) return CKR_ARGUMENTS_BAD;
  return sks::p11::emit_list(interfaces, count, std::span<const CK_INTERFACE>(sks::p11::kInterfaces));
}

SKS_EXPORT CK_RV C_GetInterface(CK_UTF8CHAR* name, CK_VERSION* version, CK_INTERFACE** found, CK_FLAGS flags) {
  if (found == nullptr) return CKR_ARGUMENTS_BAD;
  for (const CK_INTERFACE& interface : sks::p11::kInterfaces) {
    if (!sks::p11::matches(interface, name, version, flags)) continue;
    *found = const_cast<CK_INTERFACE*>(&interface);
    return CKR_OK;
  }
  return CKR_ARGUMENTS_BAD;
}

}  // extern "C"
