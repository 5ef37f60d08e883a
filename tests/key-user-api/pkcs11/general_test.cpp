#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>

#include "tests/key-user-api/pkcs11/module.h"
#include "tests/key-user-api/pkcs11/provision.h"

namespace sks::test {
namespace {

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

/// What is written to file descriptor 2 meanwhile, by this process and those that it starts.
std::string complaint_of(const std::function<void()>& body) {
  const TempDir temp;
  const int saved = ::dup(STDERR_FILENO);
  FILE* const file = std::fopen(temp.file("stderr").c_str(), "w");
  REQUIRE(file != nullptr);
  ::dup2(::fileno(file), STDERR_FILENO);
  body();
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  std::fclose(file);
  return read_file(temp.file("stderr"));
}

bool signs(CK_SESSION_HANDLE session) {
  CK_MECHANISM mechanism{CKM_ECDSA_SHA256, nullptr, 0};
  std::array<CK_BYTE, 64> signature{};
  CK_ULONG size = signature.size();
  CK_BYTE data = 0;
  return functions().C_SignInit(session, &mechanism, find_one(session, CKO_PRIVATE_KEY, "ec")) == CKR_OK &&
         functions().C_Sign(session, &data, 1, signature.data(), &size) == CKR_OK;
}

/// C_Initialize to C_Finalize with a signature; 0, or the number of the step that failed.
int login_and_sign() {
  CK_FUNCTION_LIST& f = functions();
  if (f.C_Initialize(nullptr) != CKR_OK) return 10;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  CK_SESSION_INFO info{};
  if (f.C_GetSessionInfo(session, &info) != CKR_OK || info.state != CKS_RO_PUBLIC_SESSION) return 11;
  if (login(session, kMainPin) != CKR_OK) return 12;
  if (!signs(session)) return 13;
  return f.C_Finalize(nullptr) == CKR_OK ? 0 : 15;
}

}  // namespace

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

TEST_CASE("Functions that cannot be had are refused by name") {
  const Initialized initialized;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE s = open_session(slots().front());
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  CK_BYTE byte = 0;
  CK_ULONG number = 0;
  const CK_RV no = CKR_FUNCTION_NOT_SUPPORTED;
  CHECK(f.C_InitToken(0, &byte, 1, &byte) == no);
  CHECK(f.C_GetOperationState(s, &byte, &number) == no);
  CHECK(f.C_SetOperationState(s, &byte, 1, 0, 0) == no);
  CHECK(f.C_SignRecoverInit(s, &mechanism, 1) == no);
  CHECK(f.C_VerifyRecoverInit(s, &mechanism, 1) == no);
  CHECK(f.C_GetFunctionStatus(s) == CKR_FUNCTION_NOT_PARALLEL);
  CHECK(f.C_CancelFunction(s) == CKR_FUNCTION_NOT_PARALLEL);
}

TEST_CASE("A store that cannot be opened is one line of sksd, no token and no crash") {
  const TempDir temp;
  std::string folder = temp.file("absent");
  SUBCASE("missing") {}
  SUBCASE("of a wrong format") {
    folder = temp.file("store");
    std::filesystem::copy(shared_store(), folder);
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      write_file(entry.path(), std::string(4096, 'x'));
  }
  use_store(folder);
  REQUIRE(functions().C_Initialize(nullptr) == CKR_OK);
  CK_ULONG count = 77;
  const std::string complaint =
      complaint_of([&] { CHECK(functions().C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_OK); });
  CAPTURE(complaint);
  CHECK(count == 0);
  CHECK(complaint.starts_with("sksd: "));
  CHECK(std::count(complaint.begin(), complaint.end(), '\n') == 1);
  CK_SESSION_HANDLE session = 0;
  CHECK(functions().C_OpenSession(1, CKF_SERIAL_SESSION, nullptr, nullptr, &session) == CKR_DEVICE_ERROR);
  CHECK(functions().C_Finalize(nullptr) == CKR_OK);
}

TEST_CASE("A forked child is not initialized, and works beside its parent without disturbing it") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  REQUIRE(login(session, kMainPin) == CKR_OK);

  CHECK(in_child([] {
          CK_INFO info{};
          if (functions().C_GetInfo(&info) != CKR_CRYPTOKI_NOT_INITIALIZED) return 1;
          if (functions().C_Finalize(nullptr) != CKR_CRYPTOKI_NOT_INITIALIZED) return 2;
          return login_and_sign();
        }) == 0);

  CK_SESSION_INFO info{};
  CHECK(functions().C_GetSessionInfo(session, &info) == CKR_OK);
  CHECK(info.state == CKS_RO_USER_FUNCTIONS);
  CHECK(signs(session));
}

TEST_CASE("Descriptors that the application has closed, and opened again as its own, are left alone") {
  constexpr int kFirst = 3;
  constexpr std::size_t kOwn = 40;  // more than the module has, so that each of its numbers is among them
  struct Own {
    /// Closes all the descriptors that programs do not know, as daemons do, and opens some.
    static bool reopen() {
      ::closefrom(kFirst);
      for (std::size_t i = 0; i < kOwn; i += 2) {
        std::array<int, 2> pair{};
        if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) != 0) return false;
      }
      return true;
    }
    /// All are there still, and nobody has written to any.
    static bool are_untouched() {
      for (int i = kFirst; i < kFirst + static_cast<int>(kOwn); ++i) {
        char byte = 0;
        if (::recv(i, &byte, 1, MSG_DONTWAIT) != -1 || errno != EAGAIN) return false;
      }
      return true;
    }
  };

  SUBCASE("in a child, before it initializes") {
    const Initialized initialized;
    const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
    CHECK(in_child([] {
            if (!Own::reopen()) return 1;
            if (const int step = login_and_sign(); step != 0) return step;
            return Own::are_untouched() ? 0 : 2;
          }) == 0);
    CHECK(functions().C_CloseSession(session) == CKR_OK);
  }
  SUBCASE("while connections are open") {
    use_store(shared_store());
    CHECK(in_child([] {
            if (functions().C_Initialize(nullptr) != CKR_OK) return 1;
            const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
            if (!Own::reopen()) return 2;
            if (login(session, kMainPin) != CKR_OK || !signs(session)) return 3;
            if (functions().C_Finalize(nullptr) != CKR_OK) return 4;
            return Own::are_untouched() ? 0 : 5;
          }) == 0);
  }
}

TEST_CASE("A grandchild signs after its ancestors have let go of the module") {
  std::array<int, 2> go{};
  REQUIRE(::pipe(go.data()) == 0);
  pid_t child = 0;
  {
    const Initialized initialized;
    const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
    REQUIRE(login(session, kMainPin) == CKR_OK);
    child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const pid_t grandchild = ::fork();
      if (grandchild != 0) {
        int status = 0;
        ::waitpid(grandchild, &status, 0);
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 2);
      }
      char signal = 0;
      if (::read(go[0], &signal, 1) != 1) ::_exit(4);
      ::_exit(login_and_sign());
    }
  }
  REQUIRE(::write(go[1], "", 1) == 1);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  for (const int end : {go[0], go[1]}) ::close(end);
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
