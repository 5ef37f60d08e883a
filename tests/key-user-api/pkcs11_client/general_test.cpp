#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

#include "tests/key-user-api/pkcs11_client/module.h"

/// C_Initialize, interfaces, functions that are not supported, slots, tokens. Expected values: PKCS#11 2.40 and 3.0.
namespace sks::test {
namespace {

template <class... Arguments>
CK_RV call_with_zeros(CK_RV (*function)(Arguments...)) {
  return function(Arguments{}...);
}

CK_RV do_nothing_1(void**) { return CKR_OK; }
CK_RV do_nothing_2(void*) { return CKR_OK; }

TEST_CASE("Only the three functions of the standard are visible") {
  CHECK(module_symbol("C_GetFunctionList") != nullptr);
  CHECK(module_symbol("C_GetInterface") != nullptr);
  CHECK(module_symbol("C_GetInterfaceList") != nullptr);
  for (const char* name : {"C_Initialize", "C_Sign", "SSL_new", "EVP_PKEY_new", "_ZTVSt9exception"}) {
    CAPTURE(name);
    void* const visible = module_symbol(name);
    Dl_info place{};
    // A name of a library that this test links itself is found in that one.
    if (visible != nullptr && ::dladdr(visible, &place) != 0)
      CHECK(std::strstr(place.dli_fname, "sks-pkcs11") == nullptr);
  }
}

TEST_CASE("Two interfaces, of which 3.0 comes first") {
  const auto get_list = reinterpret_cast<decltype(&C_GetInterfaceList)>(module_symbol("C_GetInterfaceList"));
  const auto get = reinterpret_cast<decltype(&C_GetInterface)>(module_symbol("C_GetInterface"));
  CK_ULONG count = 0;
  CHECK(get_list(nullptr, nullptr) == CKR_ARGUMENTS_BAD);
  REQUIRE(get_list(nullptr, &count) == CKR_OK);
  REQUIRE(count == 2);
  std::vector<CK_INTERFACE> list(count);
  count = 1;
  CHECK(get_list(list.data(), &count) == CKR_BUFFER_TOO_SMALL);
  CHECK(count == 2);
  REQUIRE(get_list(list.data(), &count) == CKR_OK);
  CHECK(static_cast<CK_VERSION*>(list[0].pFunctionList)->major == 3);
  CHECK(static_cast<CK_VERSION*>(list[1].pFunctionList)->minor == 40);

  CK_INTERFACE* found = nullptr;
  REQUIRE(get(nullptr, nullptr, &found, 0) == CKR_OK);
  CHECK(static_cast<CK_VERSION*>(found->pFunctionList)->major == 3);
  CK_UTF8CHAR vendor[] = "Vendor X";
  CHECK(get(vendor, nullptr, &found, 0) == CKR_ARGUMENTS_BAD);
  CK_VERSION none{2, 20};
  CHECK(get(nullptr, &none, &found, 0) == CKR_ARGUMENTS_BAD);
  CHECK(get(nullptr, nullptr, nullptr, 0) == CKR_ARGUMENTS_BAD);
}

TEST_CASE("Every function of both lists is there, and wants C_Initialize first") {
  CK_FUNCTION_LIST& f = functions();
  // All pointers of the lists, which hold nothing else behind the version.
  const auto check_all = [](const void* list, std::size_t size) {
    const auto* pointers = static_cast<void* const*>(list);
    for (std::size_t i = 1; i < size / sizeof(void*); ++i) CHECK(pointers[i] != nullptr);
  };
  check_all(&f, sizeof f);
  check_all(&functions30(), sizeof functions30());

#define WANTS_INITIALIZE(name) CHECK_MESSAGE(call_with_zeros(f.name) == CKR_CRYPTOKI_NOT_INITIALIZED, #name)
  WANTS_INITIALIZE(C_Finalize);
  WANTS_INITIALIZE(C_GetInfo);
  WANTS_INITIALIZE(C_GetSlotList);
  WANTS_INITIALIZE(C_GetSlotInfo);
  WANTS_INITIALIZE(C_GetTokenInfo);
  WANTS_INITIALIZE(C_GetMechanismList);
  WANTS_INITIALIZE(C_GetMechanismInfo);
  WANTS_INITIALIZE(C_InitToken);
  WANTS_INITIALIZE(C_InitPIN);
  WANTS_INITIALIZE(C_SetPIN);
  WANTS_INITIALIZE(C_OpenSession);
  WANTS_INITIALIZE(C_CloseSession);
  WANTS_INITIALIZE(C_CloseAllSessions);
  WANTS_INITIALIZE(C_GetSessionInfo);
  WANTS_INITIALIZE(C_GetOperationState);
  WANTS_INITIALIZE(C_SetOperationState);
  WANTS_INITIALIZE(C_Login);
  WANTS_INITIALIZE(C_Logout);
  WANTS_INITIALIZE(C_CreateObject);
  WANTS_INITIALIZE(C_CopyObject);
  WANTS_INITIALIZE(C_DestroyObject);
  WANTS_INITIALIZE(C_GetObjectSize);
  WANTS_INITIALIZE(C_GetAttributeValue);
  WANTS_INITIALIZE(C_SetAttributeValue);
  WANTS_INITIALIZE(C_FindObjectsInit);
  WANTS_INITIALIZE(C_FindObjects);
  WANTS_INITIALIZE(C_FindObjectsFinal);
  WANTS_INITIALIZE(C_EncryptInit);
  WANTS_INITIALIZE(C_Encrypt);
  WANTS_INITIALIZE(C_EncryptUpdate);
  WANTS_INITIALIZE(C_EncryptFinal);
  WANTS_INITIALIZE(C_DecryptInit);
  WANTS_INITIALIZE(C_Decrypt);
  WANTS_INITIALIZE(C_DecryptUpdate);
  WANTS_INITIALIZE(C_DecryptFinal);
  WANTS_INITIALIZE(C_DigestInit);
  WANTS_INITIALIZE(C_Digest);
  WANTS_INITIALIZE(C_DigestUpdate);
  WANTS_INITIALIZE(C_DigestKey);
  WANTS_INITIALIZE(C_DigestFinal);
  WANTS_INITIALIZE(C_SignInit);
  WANTS_INITIALIZE(C_Sign);
  WANTS_INITIALIZE(C_SignUpdate);
  WANTS_INITIALIZE(C_SignFinal);
  WANTS_INITIALIZE(C_VerifyInit);
  WANTS_INITIALIZE(C_Verify);
  WANTS_INITIALIZE(C_VerifyUpdate);
  WANTS_INITIALIZE(C_VerifyFinal);
  WANTS_INITIALIZE(C_GenerateKey);
  WANTS_INITIALIZE(C_GenerateKeyPair);
  WANTS_INITIALIZE(C_WrapKey);
  WANTS_INITIALIZE(C_UnwrapKey);
  WANTS_INITIALIZE(C_DeriveKey);
  WANTS_INITIALIZE(C_SeedRandom);
  WANTS_INITIALIZE(C_GenerateRandom);
  WANTS_INITIALIZE(C_GetFunctionStatus);
  WANTS_INITIALIZE(C_CancelFunction);
  WANTS_INITIALIZE(C_WaitForSlotEvent);
#undef WANTS_INITIALIZE
}

TEST_CASE("What is not supported says so") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  CHECK(f.C_GetOperationState(session, nullptr, nullptr) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(f.C_SetOperationState(session, nullptr, 0, 0, 0) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(f.C_InitToken) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(f.C_SignRecoverInit) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(f.C_SignRecover) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(f.C_VerifyRecoverInit) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(f.C_VerifyRecover) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(f.C_DigestEncryptUpdate) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(f.C_DecryptDigestUpdate) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(f.C_SignEncryptUpdate) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(f.C_DecryptVerifyUpdate) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(f.C_GetFunctionStatus(session) == CKR_FUNCTION_NOT_PARALLEL);
  CHECK(f.C_CancelFunction(session) == CKR_FUNCTION_NOT_PARALLEL);
  CK_BYTE seed[4]{};
  CHECK(f.C_SeedRandom(session, seed, sizeof seed) == CKR_RANDOM_SEED_NOT_SUPPORTED);
  CK_SLOT_ID slot = 0;
  CHECK(f.C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, nullptr) == CKR_NO_EVENT);
  CHECK(f.C_WaitForSlotEvent(0, &slot, nullptr) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(f.C_WaitForSlotEvent(CKF_DONT_BLOCK, nullptr, nullptr) == CKR_ARGUMENTS_BAD);

  CK_FUNCTION_LIST_3_0& g = functions30();
  CHECK(call_with_zeros(g.C_LoginUser) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_MessageEncryptInit) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_EncryptMessage) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_EncryptMessageBegin) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_EncryptMessageNext) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_MessageEncryptFinal) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_MessageDecryptInit) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_DecryptMessage) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_DecryptMessageBegin) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_DecryptMessageNext) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_MessageDecryptFinal) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_MessageSignInit) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_SignMessage) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_SignMessageBegin) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_SignMessageNext) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_MessageSignFinal) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_MessageVerifyInit) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_VerifyMessage) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_VerifyMessageBegin) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_VerifyMessageNext) == CKR_FUNCTION_NOT_SUPPORTED);
  CHECK(call_with_zeros(g.C_MessageVerifyFinal) == CKR_FUNCTION_NOT_SUPPORTED);
}

TEST_CASE("Null pointers are refused") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  CK_ULONG count = 1;
  CHECK(f.C_GetInfo(nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GetFunctionList(nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GetSlotList(CK_TRUE, nullptr, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GetSlotInfo(kOpenSlot, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GetTokenInfo(kOpenSlot, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GetMechanismList(kOpenSlot, nullptr, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GetMechanismInfo(kOpenSlot, CKM_ECDSA, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_OpenSession(kOpenSlot, CKF_SERIAL_SESSION, nullptr, nullptr, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GetSessionInfo(session, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_CreateObject(session, nullptr, 1, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_CreateObject(session, nullptr, 0, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_CopyObject(session, kOpenEcKey, nullptr, 0, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GetObjectSize(session, kOpenEcKey, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GetAttributeValue(session, kOpenEcKey, nullptr, 1) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_SetAttributeValue(session, kOpenEcKey, nullptr, 1) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_FindObjectsInit(session, nullptr, 1) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_FindObjects(session, nullptr, 1, &count) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_FindObjects(session, nullptr, 0, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_SignInit(session, nullptr, kOpenEcKey) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_DigestInit(session, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GenerateKey(session, nullptr, nullptr, 0, &count) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GenerateKeyPair(session, nullptr, nullptr, 0, nullptr, 0, &count, &count) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_DeriveKey(session, nullptr, kOpenEcKey, nullptr, 0, &count) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_WrapKey(session, nullptr, kOpenAesKey, kOpenAesKey, nullptr, &count) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_UnwrapKey(session, nullptr, kOpenAesKey, nullptr, 0, nullptr, 0, &count) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_GenerateRandom(session, nullptr, 1) == CKR_ARGUMENTS_BAD);
  CHECK(f.C_SeedRandom(session, nullptr, 1) == CKR_ARGUMENTS_BAD);
  // An operation ends with a call that lacks an argument.
  REQUIRE(sign_init(session, CKM_ECDSA, kOpenEcKey) == CKR_OK);
  CHECK(f.C_Sign(session, nullptr, 1, nullptr, &count) == CKR_ARGUMENTS_BAD);
  CHECK(sign(session) == CKR_OPERATION_NOT_INITIALIZED);
  REQUIRE(sign_init(session, CKM_ECDSA, kOpenEcKey) == CKR_OK);
  CHECK(f.C_SignFinal(session, nullptr, nullptr) == CKR_ARGUMENTS_BAD);
  CHECK(sign(session) == CKR_OPERATION_NOT_INITIALIZED);
}

TEST_CASE("C_Initialize: arguments, twice, and again") {
  TempDir folder;
  ScriptedDaemon daemon(folder.file("sock"));
  ::setenv("SKS_SOCKET", folder.file("sock").c_str(), 1);
  CK_FUNCTION_LIST& f = functions();
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.CreateMutex = do_nothing_1;
  CHECK(f.C_Initialize(&arguments) == CKR_ARGUMENTS_BAD);  // all four or none
  arguments.DestroyMutex = do_nothing_2;
  arguments.LockMutex = do_nothing_2;
  arguments.UnlockMutex = do_nothing_2;
  CHECK(f.C_Initialize(&arguments) == CKR_CANT_LOCK);
  arguments.flags = CKF_OS_LOCKING_OK;
  arguments.pReserved = &arguments;
  CHECK(f.C_Initialize(&arguments) == CKR_ARGUMENTS_BAD);
  arguments.pReserved = nullptr;
  REQUIRE(f.C_Initialize(&arguments) == CKR_OK);
  CHECK(f.C_Initialize(nullptr) == CKR_CRYPTOKI_ALREADY_INITIALIZED);
  CHECK(daemon.connections() == 0);  // nothing was asked yet
  CHECK(f.C_Finalize(&arguments) == CKR_ARGUMENTS_BAD);
  REQUIRE(f.C_Finalize(nullptr) == CKR_OK);
  CHECK(f.C_Finalize(nullptr) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CK_C_INITIALIZE_ARGS plain{};
  REQUIRE(f.C_Initialize(&plain) == CKR_OK);
  REQUIRE(f.C_Finalize(nullptr) == CKR_OK);
  ::setenv("SKS_SOCKET", "no absolute name", 1);
  CHECK(f.C_Initialize(nullptr) == CKR_DEVICE_ERROR);
}

TEST_CASE("Slots and tokens are those of the daemon") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  CK_ULONG count = 0;
  REQUIRE(f.C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_OK);
  REQUIRE(count == 2);
  std::vector<CK_SLOT_ID> slots(2);
  count = 1;
  CHECK(f.C_GetSlotList(CK_FALSE, slots.data(), &count) == CKR_BUFFER_TOO_SMALL);
  CHECK(count == 2);
  REQUIRE(f.C_GetSlotList(CK_FALSE, slots.data(), &count) == CKR_OK);
  CHECK(slots == std::vector<CK_SLOT_ID>{kOpenSlot, kPinSlot});
  CK_SLOT_INFO slot{};
  CHECK(f.C_GetSlotInfo(99, &slot) == CKR_SLOT_ID_INVALID);
  REQUIRE(f.C_GetSlotInfo(kPinSlot, &slot) == CKR_OK);
  CHECK(slot.flags == CKF_TOKEN_PRESENT);
  CK_TOKEN_INFO token{};
  CHECK(f.C_GetTokenInfo(CK_SLOT_ID{1} << 40 | kPinSlot, &token) == CKR_SLOT_ID_INVALID);
  REQUIRE(f.C_GetTokenInfo(kPinSlot, &token) == CKR_OK);
  CHECK(to_string({token.label, sizeof token.label}) == "bank                            ");
  CHECK(to_string({token.serialNumber, sizeof token.serialNumber}) == "0123456700000007");
  CHECK(token.flags == (CKF_RNG | CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED));
  CHECK(token.ulMinPinLen == 4);
  CHECK(token.ulMaxPinLen == 12);
  REQUIRE(f.C_GetTokenInfo(kOpenSlot, &token) == CKR_OK);
  CHECK(token.flags == (CKF_RNG | CKF_TOKEN_INITIALIZED));
  const int asked = lab.daemon.calls(161);
  for (int i = 0; i < 50; ++i) REQUIRE(f.C_GetTokenInfo(kOpenSlot, &token) == CKR_OK);
  CHECK(lab.daemon.calls(161) <= asked + 5);  // kept for a moment

  REQUIRE(f.C_GetMechanismList(kPinSlot, nullptr, &count) == CKR_OK);
  CHECK(count == 2);  // not what this module cannot carry
  std::vector<CK_MECHANISM_TYPE> types(count);
  REQUIRE(f.C_GetMechanismList(kPinSlot, types.data(), &count) == CKR_OK);
  CHECK(types == std::vector<CK_MECHANISM_TYPE>{CKM_ECDSA, CKM_RSA_PKCS});
  CK_MECHANISM_INFO info{};
  CHECK(f.C_GetMechanismInfo(kPinSlot, CKM_MD5, &info) == CKR_MECHANISM_INVALID);
  CHECK(f.C_GetMechanismInfo(99, CKM_ECDSA, &info) == CKR_SLOT_ID_INVALID);
  REQUIRE(f.C_GetMechanismInfo(kPinSlot, CKM_ECDSA, &info) == CKR_OK);
  CHECK(info.ulMaxKeySize == 521);
  CHECK(info.flags == (CKF_SIGN | CKF_VERIFY));
}

TEST_CASE("PIN flags are exact after each wrong PIN") {
  Lab lab;
  const CK_SESSION_HANDLE session = lab.open(kPinSlot);
  const auto pin_flags = [] {
    return token_flags(kPinSlot) & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED);
  };
  CHECK(pin_flags() == 0);
  CHECK(login(session, "0000") == CKR_PIN_INCORRECT);
  CHECK(pin_flags() == CKF_USER_PIN_COUNT_LOW);
  CHECK(login(session, "0000") == CKR_PIN_INCORRECT);
  CHECK(pin_flags() == (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY));
  CHECK(login(session, kPin) == CKR_OK);
  CHECK(pin_flags() == 0);
  CHECK(functions().C_Logout(session) == CKR_OK);
  for (int i = 0; i < 3; ++i) CHECK(login(session, "0000") == CKR_PIN_INCORRECT);
  CHECK(pin_flags() == (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_LOCKED));
  CHECK(login(session, kPin) == CKR_PIN_LOCKED);
}

TEST_CASE("Without a daemon there are no tokens, and nothing hangs") {
  TempDir folder;
  ::setenv("SKS_SOCKET", folder.file("nobody").c_str(), 1);
  CK_FUNCTION_LIST& f = functions();
  REQUIRE(f.C_Initialize(nullptr) == CKR_OK);
  CK_ULONG count = 5;
  CHECK(f.C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_OK);
  CHECK(count == 0);
  CK_TOKEN_INFO token{};
  CHECK(f.C_GetTokenInfo(kPinSlot, &token) == CKR_DEVICE_ERROR);
  CK_SESSION_HANDLE session = 0;
  CHECK(f.C_OpenSession(kPinSlot, CKF_SERIAL_SESSION, nullptr, nullptr, &session) == CKR_DEVICE_ERROR);
  CHECK(f.C_Finalize(nullptr) == CKR_OK);
}

TEST_CASE("The module can be unloaded, and loaded again") {
  // In a program of its own: the others here keep it loaded.
  const std::string command = std::string(SKS_PKCS11_UNLOADER) + " " + SKS_PKCS11_MODULE;
  CHECK(std::system(command.c_str()) == 0);  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace
}  // namespace sks::test
