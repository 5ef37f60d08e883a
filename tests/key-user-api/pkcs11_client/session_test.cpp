#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/key-user-api/pkcs11_client/module.h"

/// Sessions, logins, PINs. Expected values: PKCS#11 2.40, 5.6.
namespace sks::test {
namespace {

constexpr CK_FLAGS kReadOnly = CKF_SERIAL_SESSION;

TEST_CASE("Opening and closing sessions") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  CK_SESSION_HANDLE session = 0;
  CHECK(f.C_OpenSession(kPinSlot, CKF_RW_SESSION, nullptr, nullptr, &session) == CKR_SESSION_PARALLEL_NOT_SUPPORTED);
  CHECK(f.C_OpenSession(99, kReadOnly, nullptr, nullptr, &session) == CKR_SLOT_ID_INVALID);
  CHECK(f.C_CloseSession(1) == CKR_SESSION_HANDLE_INVALID);
  const CK_SESSION_HANDLE reading = lab.open(kPinSlot, kReadOnly);
  const CK_SESSION_HANDLE writing = lab.open(kPinSlot);
  const CK_SESSION_HANDLE other = lab.open(kOpenSlot);
  CHECK(state_of(reading) == CKS_RO_PUBLIC_SESSION);
  CHECK(state_of(writing) == CKS_RW_PUBLIC_SESSION);
  CK_TOKEN_INFO token{};
  REQUIRE(f.C_GetTokenInfo(kPinSlot, &token) == CKR_OK);
  CHECK(token.ulSessionCount == 2);
  CHECK(token.ulRwSessionCount == 1);
  CHECK(f.C_CloseAllSessions(99) == CKR_SLOT_ID_INVALID);
  REQUIRE(f.C_CloseAllSessions(kPinSlot) == CKR_OK);
  CK_SESSION_INFO info{};
  CHECK(f.C_GetSessionInfo(reading, &info) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_CloseSession(writing) == CKR_SESSION_HANDLE_INVALID);
  REQUIRE(f.C_GetSessionInfo(other, &info) == CKR_OK);
  CHECK(info.slotID == kOpenSlot);
  CHECK(info.flags == (CKF_SERIAL_SESSION | CKF_RW_SESSION));
}

TEST_CASE("Sessions can be closed when nobody tells of their token") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.logged_in();
  lab.daemon.kill();
  CHECK(f.C_CloseAllSessions(kPinSlot) == CKR_OK);
  CHECK(f.C_CloseSession(session) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_CloseAllSessions(kPinSlot) == CKR_DEVICE_ERROR);
}

TEST_CASE("A login does not end with sessions that were closed before it") {
  Lab lab;
  const CK_SESSION_HANDLE last = lab.logged_in();
  std::mutex mutex;
  std::condition_variable changed;
  bool is_logging_out = false;
  bool is_logged_out = false;
  bool has_logged_in = false;
  bool was_in_time = true;
  lab.daemon.on(165, [&](ScriptedDaemon::Call&) {
    std::unique_lock lock(mutex);
    is_logging_out = true;
    changed.notify_all();
    // A login that does not wait gets in between.
    changed.wait_for(lock, std::chrono::milliseconds(300), [&] { return has_logged_in; });
    is_logged_out = true;
    return outputs();
  });
  lab.daemon.on(163, [&](ScriptedDaemon::Call&) {
    const std::lock_guard lock(mutex);
    has_logged_in = true;
    was_in_time = is_logged_out;
    changed.notify_all();
    return outputs();
  });
  std::thread closing([&] { static_cast<void>(functions().C_CloseSession(last)); });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return is_logging_out; });
  }
  const CK_SESSION_HANDLE next = lab.open(kPinSlot);
  CHECK(login(next, kPin) == CKR_OK);
  closing.join();
  CHECK(was_in_time);
}

TEST_CASE("5,000 sessions cost one connection") {
  Lab lab;
  std::vector<CK_SESSION_HANDLE> sessions;
  for (int i = 0; i < 5000; ++i) sessions.push_back(lab.open(i % 2 == 0 ? kPinSlot : kOpenSlot));
  CHECK(lab.daemon.connections() == 1);
  CHECK(state_of(sessions.back()) == CKS_RW_PUBLIC_SESSION);
  REQUIRE(sign_init(sessions.back(), CKM_ECDSA, kOpenEcKey) == CKR_OK);
  CHECK(sign(sessions.back()) == CKR_OK);
  for (const CK_SESSION_HANDLE session : sessions) REQUIRE(functions().C_CloseSession(session) == CKR_OK);
}

TEST_CASE("A login is one for all sessions with the token") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE reading = lab.open(kPinSlot, kReadOnly);
  const CK_SESSION_HANDLE writing = lab.open(kPinSlot);
  const CK_SESSION_HANDLE other = lab.open(kOpenSlot);
  CHECK(f.C_Logout(reading) == CKR_USER_NOT_LOGGED_IN);
  CHECK(login(reading, kPin, 9) == CKR_USER_TYPE_INVALID);
  CHECK(login(other, kPin) == CKR_USER_PIN_NOT_INITIALIZED);
  CHECK(login(reading, std::string(2000, '1')) == CKR_PIN_LEN_RANGE);
  REQUIRE(login(reading, kPin) == CKR_OK);
  CHECK(login(writing, kPin) == CKR_USER_ALREADY_LOGGED_IN);
  CHECK(state_of(reading) == CKS_RO_USER_FUNCTIONS);
  CHECK(state_of(writing) == CKS_RW_USER_FUNCTIONS);
  CHECK(state_of(other) == CKS_RW_PUBLIC_SESSION);
  REQUIRE(f.C_Logout(writing) == CKR_OK);
  CHECK(state_of(reading) == CKS_RO_PUBLIC_SESSION);
}

TEST_CASE("The last session of a token takes the login with it") {
  Lab lab;
  const CK_SESSION_HANDLE first = lab.logged_in();
  const CK_SESSION_HANDLE second = lab.open(kPinSlot);
  REQUIRE(functions().C_CloseSession(first) == CKR_OK);
  CHECK(state_of(second) == CKS_RW_USER_FUNCTIONS);
  CHECK(lab.daemon.calls(165) == 0);
  REQUIRE(functions().C_CloseSession(second) == CKR_OK);
  CHECK(lab.daemon.calls(165) == 1);
  CHECK(state_of(lab.open(kPinSlot)) == CKS_RW_PUBLIC_SESSION);
}

TEST_CASE("The security officer and read-only sessions exclude each other") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE reading = lab.open(kPinSlot, kReadOnly);
  const CK_SESSION_HANDLE writing = lab.open(kPinSlot);
  CHECK(login(writing, kPuk, CKU_SO) == CKR_SESSION_READ_ONLY_EXISTS);
  REQUIRE(f.C_CloseSession(reading) == CKR_OK);
  REQUIRE(login(writing, kPuk, CKU_SO) == CKR_OK);
  CHECK(state_of(writing) == CKS_RW_SO_FUNCTIONS);
  CK_SESSION_HANDLE session = 0;
  CHECK(f.C_OpenSession(kPinSlot, kReadOnly, nullptr, nullptr, &session) == CKR_SESSION_READ_WRITE_SO_EXISTS);
  CK_UTF8CHAR pin[] = "5678";
  CHECK(f.C_InitPIN(writing, pin, 4) == CKR_OK);
  CHECK(lab.daemon.calls(167) == 1);
  CHECK(f.C_SetPIN(writing, pin, 4, pin, 4) == CKR_FUNCTION_NOT_SUPPORTED);  // nobody but the issuer sets a PUK
}

TEST_CASE("PINs change in read-write sessions") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  CK_UTF8CHAR old_pin[] = "1234";
  CK_UTF8CHAR new_pin[] = "98765";
  const CK_SESSION_HANDLE reading = lab.open(kPinSlot, kReadOnly);
  CHECK(f.C_SetPIN(reading, old_pin, 4, new_pin, 5) == CKR_SESSION_READ_ONLY);
  CHECK(f.C_InitPIN(reading, new_pin, 5) == CKR_SESSION_READ_ONLY);
  const CK_SESSION_HANDLE writing = lab.open(kPinSlot);
  Bytes asked;
  lab.daemon.on(166, [&](ScriptedDaemon::Call& call) {
    asked = to_bytes(call.body);
    return outputs();
  });
  REQUIRE(f.C_SetPIN(writing, old_pin, 4, new_pin, 5) == CKR_OK);
  // spec/sksd.md 5: uint slot, bool ask, byte[] old, byte[] new
  CHECK(asked == Bytes{166, 0, 0, 0, 7, 0, 0, 4, '1', '2', '3', '4', 0, 5, '9', '8', '7', '6', '5'});
  REQUIRE(f.C_SetPIN(writing, nullptr, 0, nullptr, 0) == CKR_OK);  // the protected authentication path
  CHECK(asked == Bytes{166, 0, 0, 0, 7, 1, 0, 0, 0, 0});
  CHECK(f.C_SetPIN(writing, nullptr, 0, new_pin, 5) == CKR_ARGUMENTS_BAD);
}

TEST_CASE("Without a PIN the daemon is told to ask for it") {
  Lab lab;
  Bytes asked;
  lab.daemon.on(163, [&](ScriptedDaemon::Call& call) {
    asked = to_bytes(call.body);
    return outputs();
  });
  const CK_SESSION_HANDLE session = lab.open(kPinSlot);
  REQUIRE(functions().C_Login(session, CKU_USER, nullptr, 0) == CKR_OK);
  CHECK(asked == Bytes{163, 0, 0, 0, 7, 1, 1, 0, 0});
  REQUIRE(login(session, kPin) == CKR_OK);
  CHECK(asked == Bytes{163, 0, 0, 0, 7, 1, 0, 0, 4, '1', '2', '3', '4'});
}

TEST_CASE("A key that asks for its PIN each time") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.logged_in();
  CHECK(login(session, kPin, CKU_CONTEXT_SPECIFIC) == CKR_OPERATION_NOT_INITIALIZED);
  REQUIRE(sign_init(session, CKM_ECDSA, kEcKey) == CKR_OK);  // this one does not
  CHECK(login(session, kPin, CKU_CONTEXT_SPECIFIC) == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(sign(session) == CKR_OK);
  REQUIRE(sign_init(session, CKM_RSA_PKCS, kRsaKey) == CKR_OK);
  CHECK(sign(session) == CKR_USER_NOT_LOGGED_IN);
  REQUIRE(sign_init(session, CKM_RSA_PKCS, kRsaKey) == CKR_OK);
  CHECK(login(session, "0000", CKU_CONTEXT_SPECIFIC) == CKR_PIN_INCORRECT);
  REQUIRE(login(session, kPin, CKU_CONTEXT_SPECIFIC) == CKR_OK);
  CHECK(sign(session) == CKR_OK);
  // The PIN was for one operation.
  REQUIRE(sign_init(session, CKM_RSA_PKCS, kRsaKey) == CKR_OK);
  CHECK(sign(session) == CKR_USER_NOT_LOGGED_IN);
  CHECK(f.C_Logout(session) == CKR_OK);
}

TEST_CASE("A PIN for one operation is for the one that was begun last") {
  Lab lab;
  const CK_SESSION_HANDLE session = lab.logged_in();
  REQUIRE(sign_init(session, CKM_RSA_PKCS, kRsaKey) == CKR_OK);
  REQUIRE(login(session, kPin, CKU_CONTEXT_SPECIFIC) == CKR_OK);
  CK_MECHANISM mechanism{CKM_RSA_PKCS, nullptr, 0};
  REQUIRE(functions().C_DecryptInit(session, &mechanism, kRsaKey) == CKR_OK);
  REQUIRE(login(session, kPin, CKU_CONTEXT_SPECIFIC) == CKR_OK);
  Bytes encrypted(256, 0x22);
  Bytes out(256);
  CK_ULONG size = out.size();
  CHECK(functions().C_Decrypt(session, encrypted.data(), encrypted.size(), out.data(), &size) == CKR_OK);
  CHECK(sign(session) == CKR_OK);
}

TEST_CASE("C_SessionCancel ends what it is told to") {
  Lab lab;
  CK_FUNCTION_LIST_3_0& g = functions30();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  REQUIRE(sign_init(session, CKM_ECDSA, kOpenEcKey) == CKR_OK);
  REQUIRE(functions().C_FindObjectsInit(session, nullptr, 0) == CKR_OK);
  REQUIRE(g.C_SessionCancel(session, CKF_DECRYPT) == CKR_OK);
  CHECK(sign_init(session, CKM_ECDSA, kOpenEcKey) == CKR_OPERATION_ACTIVE);
  REQUIRE(g.C_SessionCancel(session, CKF_SIGN) == CKR_OK);
  CHECK(sign(session) == CKR_OPERATION_NOT_INITIALIZED);
  REQUIRE(g.C_SessionCancel(session, 0x40) == CKR_OK);  // CKF_FIND_OBJECTS
  CHECK(functions().C_FindObjectsFinal(session) == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(g.C_SessionCancel(99999, CKF_SIGN) == CKR_SESSION_HANDLE_INVALID);
}

}  // namespace
}  // namespace sks::test
