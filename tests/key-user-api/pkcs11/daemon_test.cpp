#include <doctest/doctest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

#include "tests/key-user-api/pkcs11/module.h"
#include "tests/key-user-api/pkcs11/provision.h"

/// sksd as applications notice it: when it dies, and when others use it too.
namespace sks::test {
namespace {

const Bytes kData(100, 0x5a);

CK_STATE state_of(CK_SESSION_HANDLE session) {
  CK_SESSION_INFO info{};
  REQUIRE(functions().C_GetSessionInfo(session, &info) == CKR_OK);
  return info.state;
}

/// That the login is gone and comes back with the PIN, and that the key then signs.
void check_recovery(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
  Bytes signature;
  CHECK(state_of(session) == CKS_RO_PUBLIC_SESSION);
  CHECK(try_to_sign(session, key, kData, signature) != CKR_OK);
  REQUIRE(login(session, kMainPin) == CKR_OK);
  CHECK(find_one(session, CKO_PRIVATE_KEY, "ec") == key);
  REQUIRE(try_to_sign(session, key, kData, signature) == CKR_OK);
  CHECK(is_signature(session, "ec", kData, signature));
}

/// What a process says with one byte through a pipe.
class Signal {
 public:
  Signal() { REQUIRE(::pipe(ends_.data()) == 0); }
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;
  ~Signal() {
    for (const int end : ends_) ::close(end);
  }
  bool give() { return ::write(ends_[1], "", 1) == 1; }
  bool wait() {
    char byte = 0;
    pollfd ready{ends_[0], POLLIN, 0};
    return ::poll(&ready, 1, kLongest) == 1 && ::read(ends_[0], &byte, 1) == 1;
  }

 private:
  static constexpr int kLongest = 30'000;  // milliseconds

  std::array<int, 2> ends_{};
};

int exit_code_of(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

}  // namespace

TEST_CASE("sksd killed between calls: sessions stay, the login is lost until the next one") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  REQUIRE(login(session, kMainPin) == CKR_OK);
  const CK_OBJECT_HANDLE key = find_one(session, CKO_PRIVATE_KEY, "ec");
  Bytes signature;
  REQUIRE(try_to_sign(session, key, kData, signature) == CKR_OK);

  SUBCASE("the next call uses the key") {
    kill_daemon();
    const CK_RV rv = try_to_sign(session, key, kData, signature);
    CAPTURE(rv);
    CHECK((rv == CKR_USER_NOT_LOGGED_IN || rv == CKR_DEVICE_ERROR));
  }
  SUBCASE("the next call reads") {
    kill_daemon();
    find_one(session, CKO_CERTIFICATE, "ec");
  }
  SUBCASE("the next call is a login") {
    kill_daemon();
    const CK_RV rv = login(session, kMainPin);
    CAPTURE(rv);
    CHECK((rv == CKR_OK || rv == CKR_DEVICE_ERROR));
    if (rv == CKR_OK) REQUIRE(functions().C_Logout(session) == CKR_OK);
  }
  SUBCASE("in an operation in parts") {
    CK_MECHANISM mechanism{CKM_ECDSA_SHA256, nullptr, 0};
    Bytes much(100'000);  // more than the module gathers
    REQUIRE(functions().C_SignInit(session, &mechanism, key) == CKR_OK);
    REQUIRE(functions().C_SignUpdate(session, much.data(), much.size()) == CKR_OK);
    kill_daemon();
    CK_ULONG size = signature.size();
    const CK_RV update = functions().C_SignUpdate(session, much.data(), much.size());
    CHECK(update != CKR_OK);
    CHECK(functions().C_SignFinal(session, signature.data(), &size) != CKR_OK);
  }
  check_recovery(session, key);
}

TEST_CASE("sksd killed at work: the call fails, and the next ones are served") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  REQUIRE(login(session, kMainPin) == CKR_OK);
  const CK_OBJECT_HANDLE key = find_one(session, CKO_PRIVATE_KEY, "ec");
  CK_RV rv = CKR_OK;
  std::thread busy([&] {
    const CK_SESSION_HANDLE own = open_session(slot_labelled(kOpenToken));
    CK_MECHANISM mechanism{CKM_RSA_PKCS_KEY_PAIR_GEN, nullptr, 0};
    // A kill that falls between two calls is noticed by the second.
    for (int i = 0; i < 100 && rv == CKR_OK; ++i) {
      Template public_key;
      public_key.number(CKA_MODULUS_BITS, 3072).bytes(CKA_PUBLIC_EXPONENT, Bytes{1, 0, 1});
      Template private_key;
      std::array<CK_OBJECT_HANDLE, 2> pair{};
      rv = functions().C_GenerateKeyPair(own, &mechanism, public_key.data(), public_key.size(), private_key.data(),
                                         private_key.size(), &pair[0], &pair[1]);
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  kill_daemon();
  busy.join();
  CHECK(rv == CKR_DEVICE_ERROR);
  find_one(session, CKO_CERTIFICATE, "ec");  // connects to the next one
  check_recovery(session, key);
}

TEST_CASE("Two processes: each with its own login, both at once") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  REQUIRE(login(session, kMainPin) == CKR_OK);
  const CK_OBJECT_HANDLE key = find_one(session, CKO_PRIVATE_KEY, "ec");
  Signal begun;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (functions().C_Initialize(nullptr) != CKR_OK) ::_exit(1);
    const CK_SESSION_HANDLE own = open_session(slot_labelled(kMainToken));
    Bytes signature;
    if (try_to_sign(own, key, kData, signature) != CKR_USER_NOT_LOGGED_IN) ::_exit(2);
    if (login(own, kMainPin) != CKR_OK) ::_exit(3);
    if (!begun.give()) ::_exit(4);
    for (int i = 0; i < 50; ++i) {
      if (try_to_sign(own, key, kData, signature) != CKR_OK) ::_exit(5);
      if (!is_signature(own, "ec", kData, signature)) ::_exit(6);
    }
    ::_exit(functions().C_Finalize(nullptr) == CKR_OK ? 0 : 7);
  }
  CHECK(begun.wait());
  for (int i = 0; i < 50; ++i) {
    Bytes signature;
    REQUIRE(try_to_sign(session, key, kData, signature) == CKR_OK);
    CHECK(is_signature(session, "ec", kData, signature));
  }
  CHECK(exit_code_of(child) == 0);
  CHECK(state_of(session) == CKS_RO_USER_FUNCTIONS);  // though the other one has left
}

TEST_CASE("C_SetPIN ends the logins of other processes") {
  const TempDir temp;
  provision_store(temp.file("store"));
  const Initialized initialized(temp.file("store"));
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken), CKF_SERIAL_SESSION | CKF_RW_SESSION);
  REQUIRE(login(session, kMainPin) == CKR_OK);
  const CK_OBJECT_HANDLE key = find_one(session, CKO_PRIVATE_KEY, "ec");
  Signal logged_in;
  Signal changed;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (functions().C_Initialize(nullptr) != CKR_OK) ::_exit(1);
    const CK_SESSION_HANDLE own = open_session(slot_labelled(kMainToken));
    Bytes signature;
    if (login(own, kMainPin) != CKR_OK) ::_exit(2);
    if (try_to_sign(own, key, kData, signature) != CKR_OK) ::_exit(3);
    if (!logged_in.give() || !changed.wait()) ::_exit(4);
    if (try_to_sign(own, key, kData, signature) != CKR_USER_NOT_LOGGED_IN) ::_exit(5);
    if (login(own, "8642") != CKR_OK) ::_exit(6);
    ::_exit(try_to_sign(own, key, kData, signature) == CKR_OK ? 0 : 7);
  }
  CHECK(logged_in.wait());
  Bytes old_pin = to_bytes(as_bytes(kMainPin));
  Bytes new_pin = to_bytes(as_bytes("8642"));
  REQUIRE(functions().C_SetPIN(session, old_pin.data(), old_pin.size(), new_pin.data(), new_pin.size()) == CKR_OK);
  REQUIRE(changed.give());
  CHECK(exit_code_of(child) == 0);
  Bytes signature;
  REQUIRE(try_to_sign(session, key, kData, signature) == CKR_OK);  // who changed it stays logged in
  CHECK(is_signature(session, "ec", kData, signature));
}

TEST_CASE("4,000 sessions work, and a login is one for all of them") {
  const Initialized initialized;
  const CK_SLOT_ID slot = slot_labelled(kMainToken);
  std::vector<CK_SESSION_HANDLE> sessions;
  for (int i = 0; i < 4000; ++i) sessions.push_back(open_session(slot));
  std::sort(sessions.begin(), sessions.end());
  CHECK(std::adjacent_find(sessions.begin(), sessions.end()) == sessions.end());
  CK_TOKEN_INFO info{};
  REQUIRE(functions().C_GetTokenInfo(slot, &info) == CKR_OK);
  CHECK(info.ulSessionCount == 4000);
  REQUIRE(login(sessions[2000], kMainPin) == CKR_OK);
  const CK_OBJECT_HANDLE key = find_one(sessions.front(), CKO_PRIVATE_KEY, "ec");
  for (std::size_t i = 0; i < sessions.size(); i += 100) {
    Bytes signature;
    REQUIRE(try_to_sign(sessions[i], key, kData, signature) == CKR_OK);
    CHECK(is_signature(sessions[i], "ec", kData, signature));
  }
  CHECK(functions().C_CloseAllSessions(slot) == CKR_OK);
  CHECK(state_of(open_session(slot)) == CKS_RO_PUBLIC_SESSION);
}

}  // namespace sks::test
