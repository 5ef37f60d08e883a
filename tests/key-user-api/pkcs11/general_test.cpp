#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

#include "key-user-api/local_store.h"
#include "tests/key-user-api/pkcs11/module.h"
#include "tests/key-user-api/pkcs11/provision.h"

namespace sks::test {
namespace {

CK_RV no_mutex(void**) { return CKR_OK; }
CK_RV no_mutex_use(void*) { return CKR_OK; }

CK_C_INITIALIZE_ARGS with_mutex_functions(CK_FLAGS flags) {
  return {no_mutex, no_mutex_use, no_mutex_use, no_mutex_use, flags, nullptr};
}

CK_RV initialize(CK_C_INITIALIZE_ARGS arguments) { return functions().C_Initialize(&arguments); }

/// What a function that reports with its exit code says in a forked child.
int in_child(int (*body)()) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) ::_exit(body());
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

/// C_Initialize with file descriptor 2 going to a file; returns what was written there.
std::string complaint_of_initialize(const std::string& folder, CK_RV expected) {
  const TempDir temp;
  use_store(folder);
  const int saved = ::dup(STDERR_FILENO);
  FILE* const file = std::fopen(temp.file("stderr").c_str(), "w");
  REQUIRE(file != nullptr);
  ::dup2(::fileno(file), STDERR_FILENO);
  const CK_RV rv = functions().C_Initialize(nullptr);
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  std::fclose(file);
  CHECK(rv == expected);
  return read_file(temp.file("stderr"));
}

/// C_Initialize to C_Finalize with a signature; 0, or the number of the step that failed.
int login_and_sign() {
  CK_FUNCTION_LIST& f = functions();
  if (f.C_Initialize(nullptr) != CKR_OK) return 10;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  CK_SESSION_INFO info{};
  if (f.C_GetSessionInfo(session, &info) != CKR_OK || info.state != CKS_RO_PUBLIC_SESSION) return 11;
  if (login(session, kMainPin) != CKR_OK) return 12;
  CK_MECHANISM mechanism{CKM_ECDSA_SHA256, nullptr, 0};
  std::array<CK_BYTE, 64> signature{};
  CK_ULONG size = signature.size();
  CK_BYTE data = 0;
  if (f.C_SignInit(session, &mechanism, find_one(session, CKO_PRIVATE_KEY, "ec")) != CKR_OK) return 13;
  if (f.C_Sign(session, &data, 1, signature.data(), &size) != CKR_OK) return 14;
  return f.C_Finalize(nullptr) == CKR_OK ? 0 : 15;
}

void check_one_line(const std::string& complaint) {
  CAPTURE(complaint);
  CHECK(complaint.starts_with("sks-pkcs11: "));
  CHECK(std::count(complaint.begin(), complaint.end(), '\n') == 1);
}

}  // namespace

TEST_CASE("The module shows three names to other programs and no function of its own") {
  CHECK(module_symbol("C_GetFunctionList") != nullptr);
  CHECK(module_symbol("C_GetInterface") != nullptr);
  CHECK(module_symbol("C_GetInterfaceList") != nullptr);
  CHECK(module_symbol("C_Initialize") == nullptr);
  CHECK(module_symbol("C_Sign") == nullptr);
}

TEST_CASE("Every function of the 2.40 list is there") {
  CK_FUNCTION_LIST& list = functions();
  CHECK(list.version.major == 2);
  CHECK(list.version.minor == 40);
  constexpr std::size_t kFirst = offsetof(CK_FUNCTION_LIST, C_Initialize);
  constexpr std::size_t kCount = (sizeof(CK_FUNCTION_LIST) - kFirst) / sizeof(void*);
  CHECK(kCount == 68);
  std::array<void*, kCount> pointers{};
  std::memcpy(pointers.data(), reinterpret_cast<const char*>(&list) + kFirst, sizeof pointers);
  for (const void* pointer : pointers) CHECK(pointer != nullptr);
}

TEST_CASE("C_GetInterface finds both versions by name, version and flags") {
  const auto get_list = reinterpret_cast<decltype(&C_GetInterfaceList)>(module_symbol("C_GetInterfaceList"));
  const auto get = reinterpret_cast<decltype(&C_GetInterface)>(module_symbol("C_GetInterface"));
  CHECK(get_list(nullptr, nullptr) == CKR_ARGUMENTS_BAD);
  CK_ULONG count = 0;
  CHECK(get_list(nullptr, &count) == CKR_OK);
  REQUIRE(count == 2);
  std::array<CK_INTERFACE, 2> all{};
  count = 1;
  CHECK(get_list(all.data(), &count) == CKR_BUFFER_TOO_SMALL);
  CHECK(count == 2);
  CHECK(get_list(all.data(), &count) == CKR_OK);
  CHECK(std::string(reinterpret_cast<const char*>(all[0].pInterfaceName)) == "PKCS 11");

  CK_INTERFACE* found = nullptr;
  REQUIRE(get(nullptr, nullptr, &found, 0) == CKR_OK);
  const auto* const list30 = static_cast<const CK_FUNCTION_LIST_3_0*>(found->pFunctionList);
  CHECK(list30->base.version.major == 3);
  CHECK((list30->C_GetInterface == get));
  CHECK(list30->C_MessageVerifyFinal(1) == CKR_FUNCTION_NOT_SUPPORTED);

  CK_UTF8CHAR name[] = "PKCS 11";
  CK_VERSION version{2, 40};
  REQUIRE(get(name, &version, &found, 0) == CKR_OK);
  CHECK(static_cast<const CK_FUNCTION_LIST*>(found->pFunctionList) == &functions());

  CK_UTF8CHAR vendor[] = "Vendor";
  version = {3, 9};
  CHECK(get(name, &version, &found, 0) == CKR_ARGUMENTS_BAD);
  CHECK(get(vendor, nullptr, &found, 0) == CKR_ARGUMENTS_BAD);
  CHECK(get(nullptr, nullptr, &found, kInterfaceForkSafe) == CKR_ARGUMENTS_BAD);
  CHECK(get(nullptr, nullptr, nullptr, 0) == CKR_ARGUMENTS_BAD);
}

TEST_CASE("C_Initialize takes the arguments that the standard allows and refuses the others") {
  use_store(shared_store());
  CK_C_INITIALIZE_ARGS reserved{};
  reserved.pReserved = &reserved;
  CHECK(initialize(reserved) == CKR_ARGUMENTS_BAD);
  CK_C_INITIALIZE_ARGS some = with_mutex_functions(CKF_OS_LOCKING_OK);
  some.LockMutex = nullptr;
  CHECK(initialize(some) == CKR_ARGUMENTS_BAD);
  CHECK(initialize(with_mutex_functions(0)) == CKR_CANT_LOCK);

  for (const CK_C_INITIALIZE_ARGS& good :
       {CK_C_INITIALIZE_ARGS{}, with_mutex_functions(CKF_OS_LOCKING_OK),
        CK_C_INITIALIZE_ARGS{nullptr, nullptr, nullptr, nullptr, CKF_OS_LOCKING_OK, nullptr},
        CK_C_INITIALIZE_ARGS{nullptr, nullptr, nullptr, nullptr, CKF_LIBRARY_CANT_CREATE_OS_THREADS, nullptr}}) {
    CHECK(initialize(good) == CKR_OK);
    CHECK(initialize(good) == CKR_CRYPTOKI_ALREADY_INITIALIZED);
    CHECK(functions().C_Finalize(&functions()) == CKR_ARGUMENTS_BAD);
    CHECK(functions().C_Finalize(nullptr) == CKR_OK);
  }
  CHECK(functions().C_Finalize(nullptr) == CKR_CRYPTOKI_NOT_INITIALIZED);
}

TEST_CASE("C_GetInfo names the version of the interface it was called through") {
  const Initialized initialized;
  CK_INFO info{};
  CHECK(functions().C_GetInfo(nullptr) == CKR_ARGUMENTS_BAD);
  REQUIRE(functions().C_GetInfo(&info) == CKR_OK);
  CHECK(info.cryptokiVersion.major == 2);
  CHECK(info.cryptokiVersion.minor == 40);
  CHECK(info.flags == 0);
  CHECK(std::string(reinterpret_cast<const char*>(info.manufacturerID), 32) == "OpenSKS" + std::string(25, ' '));

  const auto get = reinterpret_cast<decltype(&C_GetInterface)>(module_symbol("C_GetInterface"));
  CK_INTERFACE* found = nullptr;
  REQUIRE(get(nullptr, nullptr, &found, 0) == CKR_OK);
  REQUIRE(static_cast<CK_FUNCTION_LIST*>(found->pFunctionList)->C_GetInfo(&info) == CKR_OK);
  CHECK(info.cryptokiVersion.major == 3);
}

TEST_CASE("Before C_Initialize every function says so") {
  CK_FUNCTION_LIST& f = functions();
  CK_ULONG number = 0;
  CK_INFO info{};
  CK_SLOT_INFO slot{};
  CK_TOKEN_INFO token{};
  CK_SESSION_INFO session{};
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  CK_MECHANISM_INFO mechanism_info{};
  CK_BYTE byte = 0;
  CHECK(f.C_GetInfo(&info) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_GetSlotList(CK_TRUE, nullptr, &number) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_GetSlotInfo(1, &slot) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_GetTokenInfo(1, &token) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_WaitForSlotEvent(CKF_DONT_BLOCK, &number, nullptr) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_GetMechanismList(1, nullptr, &number) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_GetMechanismInfo(1, CKM_ECDSA, &mechanism_info) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_OpenSession(1, CKF_SERIAL_SESSION, nullptr, nullptr, &number) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_CloseSession(1) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_CloseAllSessions(1) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_GetSessionInfo(1, &session) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_Login(1, CKU_USER, &byte, 1) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_Logout(1) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_GetObjectSize(1, 1, &number) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_GetAttributeValue(1, 1, nullptr, 0) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_FindObjectsInit(1, nullptr, 0) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_FindObjects(1, &number, 1, &number) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_FindObjectsFinal(1) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_SignInit(1, &mechanism, 1) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_Sign(1, &byte, 1, &byte, &number) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_SignUpdate(1, &byte, 1) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_SignFinal(1, &byte, &number) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_SeedRandom(1, &byte, 1) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_GenerateRandom(1, &byte, 1) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_GetFunctionStatus(1) == CKR_CRYPTOKI_NOT_INITIALIZED);
  CHECK(f.C_CancelFunction(1) == CKR_CRYPTOKI_NOT_INITIALIZED);
}

TEST_CASE("Functions that this module does not have are refused by name") {
  const Initialized initialized;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE s = open_session(slots().front());
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  CK_BYTE byte = 0;
  CK_ULONG number = 0;
  const CK_RV no = CKR_FUNCTION_NOT_SUPPORTED;
  CHECK(f.C_InitToken(0, &byte, 1, &byte) == no);
  CHECK(f.C_InitPIN(s, &byte, 1) == no);
  CHECK(f.C_SetPIN(s, &byte, 1, &byte, 1) == no);
  CHECK(f.C_GetOperationState(s, &byte, &number) == no);
  CHECK(f.C_SetOperationState(s, &byte, 1, 0, 0) == no);
  CHECK(f.C_CreateObject(s, nullptr, 0, &number) == no);
  CHECK(f.C_CopyObject(s, 1, nullptr, 0, &number) == no);
  CHECK(f.C_DestroyObject(s, 1) == no);
  CHECK(f.C_SetAttributeValue(s, 1, nullptr, 0) == no);
  CHECK(f.C_EncryptInit(s, &mechanism, 1) == no);
  CHECK(f.C_DecryptInit(s, &mechanism, 1) == no);
  CHECK(f.C_DigestInit(s, &mechanism) == no);
  CHECK(f.C_SignRecoverInit(s, &mechanism, 1) == no);
  CHECK(f.C_VerifyInit(s, &mechanism, 1) == no);
  CHECK(f.C_VerifyRecoverInit(s, &mechanism, 1) == no);
  CHECK(f.C_GenerateKey(s, &mechanism, nullptr, 0, &number) == no);
  CHECK(f.C_GenerateKeyPair(s, &mechanism, nullptr, 0, nullptr, 0, &number, &number) == no);
  CHECK(f.C_WrapKey(s, &mechanism, 1, 1, &byte, &number) == no);
  CHECK(f.C_UnwrapKey(s, &mechanism, 1, &byte, 1, nullptr, 0, &number) == no);
  CHECK(f.C_DeriveKey(s, &mechanism, 1, nullptr, 0, &number) == no);
  CHECK(f.C_GetFunctionStatus(s) == CKR_FUNCTION_NOT_PARALLEL);
  CHECK(f.C_CancelFunction(s) == CKR_FUNCTION_NOT_PARALLEL);
}

TEST_CASE("A store that cannot be opened is one line on stderr and no crash") {
  const TempDir temp;
  SUBCASE("missing") { check_one_line(complaint_of_initialize(temp.file("absent"), CKR_DEVICE_ERROR)); }
  SUBCASE("of a wrong format") {
    std::filesystem::copy(shared_store(), temp.file("store"));
    for (const auto& entry : std::filesystem::directory_iterator(temp.file("store")))
      write_file(entry.path(), std::string(4096, 'x'));
    check_one_line(complaint_of_initialize(temp.file("store"), CKR_DEVICE_ERROR));
  }
  CK_INFO info{};
  CHECK(functions().C_GetInfo(&info) == CKR_CRYPTOKI_NOT_INITIALIZED);
}

TEST_CASE("A forked child is not initialized, cannot disturb its parent and is told who has the store") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  REQUIRE(login(session, kMainPin) == CKR_OK);

  CHECK(in_child([] {
          CK_INFO info{};
          if (functions().C_GetInfo(&info) != CKR_CRYPTOKI_NOT_INITIALIZED) return 1;
          if (functions().C_Finalize(nullptr) != CKR_CRYPTOKI_NOT_INITIALIZED) return 2;
          const std::string complaint = complaint_of_initialize(shared_store(), CKR_DEVICE_ERROR);
          if (complaint.find("process " + std::to_string(::getppid())) == std::string::npos) return 3;
          if (functions().C_GetInfo(&info) != CKR_CRYPTOKI_NOT_INITIALIZED) return 4;
          return 0;
        }) == 0);

  CK_SESSION_INFO info{};
  CHECK(functions().C_GetSessionInfo(session, &info) == CKR_OK);
  CHECK(info.state == CKS_RO_USER_FUNCTIONS);
}

TEST_CASE("A forked child that outlives its parent's use of the store opens it and signs") {
  std::array<int, 2> go{};
  std::array<int, 2> ready{};
  REQUIRE(::pipe(go.data()) == 0);
  REQUIRE(::pipe(ready.data()) == 0);
  pid_t child = 0;
  {
    const Initialized initialized;
    const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
    REQUIRE(login(session, kMainPin) == CKR_OK);
    child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      CK_INFO info{};
      if (functions().C_GetInfo(&info) != CKR_CRYPTOKI_NOT_INITIALIZED) ::_exit(1);
      // A child of the child, which never called C_Initialize itself.
      const pid_t grandchild = ::fork();
      if (grandchild != 0) {
        int status = 0;
        ::waitpid(grandchild, &status, 0);
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
      }
      const std::string complaint = complaint_of_initialize(shared_store(), CKR_DEVICE_ERROR);
      if (complaint.find("store in use by process ") == std::string::npos) ::_exit(3);
      char signal = 0;
      if (::write(ready[1], &signal, 1) != 1 || ::read(go[0], &signal, 1) != 1) ::_exit(4);
      ::_exit(login_and_sign());
    }
    char signal = 0;
    ::close(ready[1]);
    REQUIRE(::read(ready[0], &signal, 1) == 1);
    CK_SESSION_INFO info{};
    REQUIRE(functions().C_GetSessionInfo(session, &info) == CKR_OK);
    CHECK(info.state == CKS_RO_USER_FUNCTIONS);
  }
  REQUIRE(::write(go[1], "", 1) == 1);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  for (const int end : {go[0], go[1], ready[0]}) ::close(end);
}

TEST_CASE("A child that was forked off while another thread used the module is refused, in one line") {
  use_store(shared_store());
  auto held = LocalStore::open(shared_store());
  REQUIRE(held);
  std::thread waiting([] { CHECK(functions().C_Initialize(nullptr) == CKR_DEVICE_ERROR); });
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // of the two seconds that it waits for the store
  CHECK(in_child([] {
          const std::string complaint = complaint_of_initialize(shared_store(), CKR_DEVICE_ERROR);
          return complaint.find("forked off while another thread") == std::string::npos ? 1 : 0;
        }) == 0);
  waiting.join();
}

TEST_CASE("A forked child can use the store that its parent has let go of") {
  { const Initialized initialized; }
  use_store(shared_store());
  CHECK(in_child([] {
          if (functions().C_Initialize(nullptr) != CKR_OK) return 1;
          CK_INFO info{};
          if (functions().C_GetInfo(&info) != CKR_OK) return 2;
          return functions().C_Finalize(nullptr) == CKR_OK ? 0 : 3;
        }) == 0);
}

TEST_CASE("Threads use the module while another one stops and starts it, and see no fault of the module") {
  const Initialized initialized;
  const CK_SLOT_ID slot = slot_labelled(kMainToken);
  std::atomic<unsigned> signatures = 0;
  std::atomic<unsigned> faults = 0;
  const auto note = [&](CK_RV rv) {
    if (rv == CKR_GENERAL_ERROR || rv == CKR_HOST_MEMORY || rv == CKR_DEVICE_ERROR || rv == CKR_FUNCTION_FAILED)
      ++faults;
    return rv == CKR_OK;
  };
  const auto use = [&] {
    CK_FUNCTION_LIST& f = functions();
    Bytes pin = to_bytes(as_bytes(kMainPin));
    CK_SESSION_HANDLE session = 0;
    if (!note(f.C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session))) return;
    note(f.C_Login(session, CKU_USER, pin.data(), pin.size()));
    CK_ATTRIBUTE label{CKA_LABEL, const_cast<char*>("ec"), 2};
    note(f.C_FindObjectsInit(session, &label, 1));
    std::array<CK_OBJECT_HANDLE, 3> found{};
    CK_ULONG count = 0;
    note(f.C_FindObjects(session, found.data(), found.size(), &count));
    note(f.C_FindObjectsFinal(session));
    for (CK_ULONG i = 0; i < count; ++i) {
      CK_MECHANISM mechanism{CKM_ECDSA_SHA256, nullptr, 0};
      Bytes data(20);
      Bytes signature(64);
      CK_ULONG size = signature.size();
      note(f.C_SignInit(session, &mechanism, found[i]));
      if (note(f.C_Sign(session, data.data(), data.size(), signature.data(), &size))) ++signatures;
    }
    note(f.C_CloseSession(session));
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int round = 0; round < 30; ++round) use();
      });
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        note(functions().C_Finalize(nullptr));
        note(functions().C_Initialize(nullptr));
      }
    });
  }
  CHECK(faults == 0);
  use();
  CHECK(signatures > 0);
}

}  // namespace sks::test
