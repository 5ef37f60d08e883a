#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/key-user-api/dialog/scripted_pinentry.h"
#include "tests/key-user-api/pkcs11/module.h"
#include "tests/key-user-api/pkcs11/provision.h"

namespace sks::test {
namespace {

constexpr CK_FLAGS kReadWrite = CKF_SERIAL_SESSION | CKF_RW_SESSION;
constexpr CK_FLAGS kPinFlags = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED |
                               CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_FINAL_TRY | CKF_SO_PIN_LOCKED;
constexpr std::string_view kDialogToken = "dialog.example.com";
const Bytes kData(100, 0x5a);

CK_FLAGS pin_flags(CK_SLOT_ID slot) { return token_flags(slot) & kPinFlags; }

/// The slot whose token has the key "own".
CK_SLOT_ID own_slot() {
  for (const CK_SLOT_ID slot : slots()) {
    const CK_SESSION_HANDLE session = open_session(slot);
    const bool found = !find(session, {attribute(CKA_LABEL, "own")}).empty();
    REQUIRE(functions().C_CloseSession(session) == CKR_OK);
    if (found) return slot;
  }
  FAIL("no key \"own\"");
  return 0;
}

CK_RV login_as_so(CK_SESSION_HANDLE session, std::string_view puk) {
  Bytes copy = to_bytes(as_bytes(puk));
  return functions().C_Login(session, CKU_SO, copy.data(), copy.size());
}

CK_RV init_pin(CK_SESSION_HANDLE session, std::string_view pin) {
  Bytes copy = to_bytes(as_bytes(pin));
  return functions().C_InitPIN(session, copy.data(), copy.size());
}

CK_RV set_pin(CK_SESSION_HANDLE session, std::string_view old_pin, std::string_view new_pin) {
  Bytes first = to_bytes(as_bytes(old_pin));
  Bytes second = to_bytes(as_bytes(new_pin));
  return functions().C_SetPIN(session, first.data(), first.size(), second.data(), second.size());
}

}  // namespace

TEST_CASE("A locked PIN: the PUK unlocks it and C_InitPIN sets another one, the flags exact at every step") {
  const TempDir temp;
  provision_policies(temp.file("store"));
  const Initialized initialized(temp.file("store"));
  const CK_SLOT_ID slot = own_slot();
  const CK_SESSION_HANDLE session = open_session(slot, kReadWrite);
  CHECK(pin_flags(slot) == 0);
  CHECK(login(session, "0000") == CKR_PIN_INCORRECT);
  CHECK(pin_flags(slot) == CKF_USER_PIN_COUNT_LOW);
  CHECK(login(session, "0000") == CKR_PIN_INCORRECT);
  CHECK(pin_flags(slot) == (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY));
  CHECK(login(session, "0000") == CKR_PIN_LOCKED);
  CHECK(pin_flags(slot) == (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_LOCKED));
  CHECK(login(session, kMainPin) == CKR_PIN_LOCKED);

  constexpr CK_FLAGS kLocked = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_LOCKED;
  CHECK(init_pin(session, "4321") == CKR_USER_NOT_LOGGED_IN);
  CHECK(login_as_so(session, "11111") == CKR_PIN_INCORRECT);
  CHECK(pin_flags(slot) == (kLocked | CKF_SO_PIN_COUNT_LOW));
  CHECK(login_as_so(session, "11111") == CKR_PIN_INCORRECT);
  CHECK(pin_flags(slot) == (kLocked | CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_FINAL_TRY));
  REQUIRE(login_as_so(session, kPuk) == CKR_OK);
  CHECK(pin_flags(slot) == 0);
  CK_SESSION_INFO info{};
  REQUIRE(functions().C_GetSessionInfo(session, &info) == CKR_OK);
  CHECK(info.state == CKS_RW_SO_FUNCTIONS);
  CK_SESSION_HANDLE read_only = 0;
  CHECK(functions().C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &read_only) ==
        CKR_SESSION_READ_WRITE_SO_EXISTS);
  CHECK(init_pin(session, "43") == CKR_PIN_LEN_RANGE);
  CHECK(init_pin(session, "43x1") == CKR_PIN_INVALID);
  REQUIRE(init_pin(session, "4321") == CKR_OK);
  REQUIRE(functions().C_Logout(session) == CKR_OK);

  CHECK(login(session, kMainPin) == CKR_PIN_INCORRECT);
  CHECK(pin_flags(slot) == CKF_USER_PIN_COUNT_LOW);
  REQUIRE(login(session, "4321") == CKR_OK);
  CHECK(pin_flags(slot) == 0);
  Bytes signature;
  REQUIRE(try_to_sign(session, find_one(session, CKO_PRIVATE_KEY, "own"), kData, signature) == CKR_OK);
  CHECK(is_signature(session, "own", kData, signature));
}

TEST_CASE("C_SetPIN: as the policy wants it, and what was wrong counts") {
  const TempDir temp;
  provision_store(temp.file("store"));
  const Initialized initialized(temp.file("store"));
  const CK_SLOT_ID slot = slot_labelled(kMainToken);
  CHECK(set_pin(open_session(slot), kMainPin, "8642") == CKR_SESSION_READ_ONLY);
  const CK_SESSION_HANDLE session = open_session(slot, kReadWrite);
  CHECK(set_pin(session, kMainPin, "123") == CKR_PIN_LEN_RANGE);
  CHECK(set_pin(session, kMainPin, "123456789") == CKR_PIN_LEN_RANGE);
  CHECK(set_pin(session, kMainPin, "12a4") == CKR_PIN_INVALID);
  CHECK(pin_flags(slot) == 0);
  CHECK(set_pin(session, "0000", "8642") == CKR_PIN_INCORRECT);
  CHECK(pin_flags(slot) == CKF_USER_PIN_COUNT_LOW);
  REQUIRE(set_pin(session, kMainPin, "8642") == CKR_OK);
  CHECK(pin_flags(slot) == 0);
  kill_daemon();  // what it was told is in the store
  const CK_RV first = login(session, kMainPin);
  CHECK((first == CKR_PIN_INCORRECT || first == CKR_DEVICE_ERROR));
  REQUIRE(login(session, "8642") == CKR_OK);
  Bytes signature;
  CHECK(try_to_sign(session, find_one(session, CKO_PRIVATE_KEY, "ec"), kData, signature) == CKR_OK);
}

TEST_CASE("A PIN for trusted dialogs is asked for by sksd, and for each use of a key that wants that") {
  const TempDir temp;
  provision_policies(temp.file("store"));
  const ScriptedPinentry pinentry(Script{Process{{"GETPIN", "D 1234\nOK"}}});
  ::setenv("SKS_PINENTRY", pinentry.settings().program.c_str(), 1);
  {
    const Initialized initialized(temp.file("store"));
    CK_FUNCTION_LIST& f = functions();
    const CK_SLOT_ID slot = slot_labelled(kDialogToken);
    CHECK((token_flags(slot) & CKF_PROTECTED_AUTHENTICATION_PATH) != 0);
    const CK_SESSION_HANDLE session = open_session(slot);
    CHECK(login(session, kMainPin) == CKR_FUNCTION_REJECTED);
    CHECK(pin_flags(slot) == 0);
    REQUIRE(f.C_Login(session, CKU_USER, nullptr, 0) == CKR_OK);
    CHECK(pinentry.logged("1 SETDESC ").find(std::filesystem::read_symlink("/proc/self/exe").filename().string()) !=
          std::string::npos);

    const CK_OBJECT_HANDLE key = find_one(session, CKO_PRIVATE_KEY, "each time");
    CHECK(read(session, key, CKA_ALWAYS_AUTHENTICATE) == Bytes{CK_TRUE});
    Bytes signature;
    CHECK(try_to_sign(session, key, kData, signature) == CKR_USER_NOT_LOGGED_IN);
    CHECK_FALSE(pinentry.has_logged("2 started"));
    CK_MECHANISM mechanism{CKM_ECDSA_SHA256, nullptr, 0};
    REQUIRE(f.C_SignInit(session, &mechanism, key) == CKR_OK);
    REQUIRE(f.C_Login(session, CKU_CONTEXT_SPECIFIC, nullptr, 0) == CKR_OK);
    CHECK(pinentry.has_logged("2 started"));
    Bytes data = kData;
    CK_ULONG size = signature.size();
    REQUIRE(f.C_Sign(session, data.data(), data.size(), signature.data(), &size) == CKR_OK);
    CHECK(is_signature(session, "each time", kData, signature));
    CHECK(try_to_sign(session, key, kData, signature) == CKR_USER_NOT_LOGGED_IN);

    // PKCS#11 has no login for a derivation, so sksd asks by itself.
    CHECK_FALSE(pinentry.has_logged("3 started"));
    Bytes point = read(session, find_one(session, CKO_PUBLIC_KEY, "each time"), CKA_EC_POINT);
    CK_ECDH1_DERIVE_PARAMS parameters{CKD_NULL, 0, nullptr, point.size(), point.data()};
    CK_MECHANISM ecdh{CKM_ECDH1_DERIVE, &parameters, sizeof parameters};
    Template secret;
    secret.number(CKA_CLASS, CKO_SECRET_KEY).number(CKA_KEY_TYPE, CKK_GENERIC_SECRET).no(CKA_TOKEN);
    CK_OBJECT_HANDLE derived = 0;
    CHECK(f.C_DeriveKey(session, &ecdh, key, secret.data(), secret.size(), &derived) == CKR_OK);
    CHECK(pinentry.has_logged("3 started"));
  }
  ::unsetenv("SKS_PINENTRY");
}

}  // namespace sks::test
