#pragma once

#include <p11-kit/pkcs11.h>

#include <type_traits>

/// PKCS#11 2.40 comes from p11-kit; its header ends before the interfaces of version 3.0, which stand here in the
/// standard's own names.
extern "C" {

struct CK_INTERFACE {
  CK_UTF8CHAR* pInterfaceName;
  void* pFunctionList;
  CK_FLAGS flags;
};

/// CK_FUNCTION_LIST_3_0 repeats the 2.40 list before its own members, so it can hold that list as its first member.
struct CK_FUNCTION_LIST_3_0 {
  using Handle = CK_SESSION_HANDLE;
  using Key = CK_OBJECT_HANDLE;
  using Mechanism = CK_MECHANISM*;
  using In = CK_BYTE*;

  CK_FUNCTION_LIST base;
  CK_RV (*C_GetInterfaceList)(CK_INTERFACE*, CK_ULONG*);
  CK_RV (*C_GetInterface)(CK_UTF8CHAR*, CK_VERSION*, CK_INTERFACE**, CK_FLAGS);
  CK_RV (*C_LoginUser)(Handle, CK_USER_TYPE, CK_UTF8CHAR*, CK_ULONG, CK_UTF8CHAR*, CK_ULONG);
  CK_RV (*C_SessionCancel)(Handle, CK_FLAGS);
  CK_RV (*C_MessageEncryptInit)(Handle, Mechanism, Key);
  CK_RV (*C_EncryptMessage)(Handle, void*, CK_ULONG, In, CK_ULONG, In, CK_ULONG, CK_BYTE*, CK_ULONG*);
  CK_RV (*C_EncryptMessageBegin)(Handle, void*, CK_ULONG, In, CK_ULONG);
  CK_RV (*C_EncryptMessageNext)(Handle, void*, CK_ULONG, In, CK_ULONG, CK_BYTE*, CK_ULONG*, CK_FLAGS);
  CK_RV (*C_MessageEncryptFinal)(Handle);
  CK_RV (*C_MessageDecryptInit)(Handle, Mechanism, Key);
  CK_RV (*C_DecryptMessage)(Handle, void*, CK_ULONG, In, CK_ULONG, In, CK_ULONG, CK_BYTE*, CK_ULONG*);
  CK_RV (*C_DecryptMessageBegin)(Handle, void*, CK_ULONG, In, CK_ULONG);
  CK_RV (*C_DecryptMessageNext)(Handle, void*, CK_ULONG, In, CK_ULONG, CK_BYTE*, CK_ULONG*, CK_FLAGS);
  CK_RV (*C_MessageDecryptFinal)(Handle);
  CK_RV (*C_MessageSignInit)(Handle, Mechanism, Key);
  CK_RV (*C_SignMessage)(Handle, void*, CK_ULONG, In, CK_ULONG, CK_BYTE*, CK_ULONG*);
  CK_RV (*C_SignMessageBegin)(Handle, void*, CK_ULONG);
  CK_RV (*C_SignMessageNext)(Handle, void*, CK_ULONG, In, CK_ULONG, CK_BYTE*, CK_ULONG*);
  CK_RV (*C_MessageSignFinal)(Handle);
  CK_RV (*C_MessageVerifyInit)(Handle, Mechanism, Key);
  CK_RV (*C_VerifyMessage)(Handle, void*, CK_ULONG, In, CK_ULONG, In, CK_ULONG);
  CK_RV (*C_VerifyMessageBegin)(Handle, void*, CK_ULONG);
  CK_RV (*C_VerifyMessageNext)(Handle, void*, CK_ULONG, In, CK_ULONG, In, CK_ULONG);
  CK_RV (*C_MessageVerifyFinal)(Handle);
};

CK_RV C_GetInterfaceList(CK_INTERFACE* interfaces, CK_ULONG* count);
CK_RV C_GetInterface(CK_UTF8CHAR* name, CK_VERSION* version, CK_INTERFACE** found, CK_FLAGS flags);

}  // extern "C"

static_assert(std::is_standard_layout_v<CK_FUNCTION_LIST_3_0>);

/// The handles of the daemon have 8 bytes.
static_assert(sizeof(CK_ULONG) == 8);

/// From version 3.0, and from 2.40 what p11-kit's header leaves out.
inline constexpr CK_KEY_TYPE kCkkEcMontgomery = 0x41;
inline constexpr CK_MECHANISM_TYPE kCkmEcMontgomeryKeyPairGen = 0x1056;
inline constexpr CK_MECHANISM_TYPE kCkmAesKeyWrapKwp = 0x210B;
inline constexpr CK_ATTRIBUTE_TYPE kCkaProfileId = 0x601;
inline constexpr CK_FLAGS kCkfFindObjects = 0x40;
inline constexpr CK_RV kCkrOperationCancelFailed = 0x202;

struct CK_EDDSA_PARAMS {
  CK_BBOOL phFlag;
  CK_ULONG ulContextDataLen;
  CK_BYTE* pContextData;
};

/// CK_GCM_PARAMS as early drafts and NSS have it: without ulIvBits.
struct CK_GCM_PARAMS_WITHOUT_IV_BITS {
  CK_BYTE* pIv;
  CK_ULONG ulIvLen;
  CK_BYTE* pAAD;
  CK_ULONG ulAADLen;
  CK_ULONG ulTagBits;
};
static_assert(sizeof(CK_GCM_PARAMS_WITHOUT_IV_BITS) != sizeof(CK_GCM_PARAMS));
