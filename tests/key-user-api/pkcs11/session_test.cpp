#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/key-user-api/pkcs11/module.h"
#include "tests/key-user-api/pkcs11/provision.h"

namespace sks::test {
namespace {

constexpr CK_SLOT_ID kNoSlot = 4711;
constexpr CK_SESSION_HANDLE kNoSession = 4711;
constexpr CK_FLAGS kPinFlags = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED;

CK_TOKEN_INFO token_info(CK_SLOT_ID slot) {
  CK_TOKEN_INFO info{};
  REQUIRE(functions().C_GetTokenInfo(slot, &info) == CKR_OK);
  return info;
}

template <std::size_t Size>
std::string text(const unsigned char (&field)[Size]) {
  std::string value(reinterpret_cast<const char*>(field), Size);
  return value.substr(0, value.find_last_not_of(' ') + 1);
}

CK_STATE state_of(CK_SESSION_HANDLE session) {
  CK_SESSION_INFO info{};
  REQUIRE(functions().C_GetSessionInfo(session, &info) == CKR_OK);
  return info.state;
}

}  // namespace

TEST_CASE("C_GetSlotList: one slot per PIN group and one for the keys without PIN, each with its own identity") {
  std::vector<CK_SLOT_ID> first;
  std::vector<std::string> serials;
  {
    const Initialized initialized;
    first = slots();
    REQUIRE(first.size() == 3);
    for (const CK_SLOT_ID slot : first) serials.push_back(text(token_info(slot).serialNumber));
    CHECK(serials[0] != serials[1]);
    CHECK(serials[1] != serials[2]);
    CHECK(text(token_info(first[0]).label) != text(token_info(first[1]).label));
    CK_SLOT_INFO info{};
    REQUIRE(functions().C_GetSlotInfo(first[0], &info) == CKR_OK);
    CHECK(info.flags == CKF_TOKEN_PRESENT);

    CK_ULONG count = 2;
    std::array<CK_SLOT_ID, 2> small{};
    CHECK(functions().C_GetSlotList(CK_FALSE, small.data(), &count) == CKR_BUFFER_TOO_SMALL);
    CHECK(count == 3);
  }
  const Initialized again;
  CHECK(slots() == first);
  for (std::size_t i = 0; i < first.size(); ++i) CHECK(text(token_info(first[i]).serialNumber) == serials[i]);
}

TEST_CASE("C_GetSlotList: a store without keys has one empty token without login") {
  const TempDir temp;
  provision_empty_store(temp.file("store"));
  const Initialized initialized(temp.file("store"));
  REQUIRE(slots().size() == 1);
  CHECK((token_flags(slots().front()) & CKF_LOGIN_REQUIRED) == 0);
  const CK_SESSION_HANDLE session = open_session(slots().front());
  const CK_ULONG authority = 2;
  CHECK(find(session, {}) == find(session, {attribute(CKA_CERTIFICATE_CATEGORY, authority)}));  // those of the device
}

TEST_CASE("C_GetTokenInfo tells the PIN policy of the group") {
  const Initialized initialized;
  const CK_TOKEN_INFO main = token_info(slot_labelled(kMainToken));
  CHECK(main.flags == (CKF_RNG | CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED | CKF_USER_PIN_INITIALIZED));
  CHECK(main.ulMinPinLen == kMainMinPin);
  CHECK(main.ulMaxPinLen == kMainMaxPin);
  CHECK(text(main.manufacturerID) == "OpenSKS");
  CHECK(main.ulSessionCount == 0);
  CHECK(token_info(slot_labelled(kOpenToken)).flags == (CKF_RNG | CKF_TOKEN_INITIALIZED));
}

TEST_CASE("C_GetMechanismList has the mechanisms of the keys, each with what it does") {
  const Initialized initialized;
  const CK_SLOT_ID slot = slot_labelled(kMainToken);
  CK_ULONG count = 0;
  REQUIRE(functions().C_GetMechanismList(slot, nullptr, &count) == CKR_OK);
  std::vector<CK_MECHANISM_TYPE> types(count);
  REQUIRE(functions().C_GetMechanismList(slot, types.data(), &count) == CKR_OK);
  struct Case {
    CK_MECHANISM_TYPE type;
    CK_FLAGS flags;
  };
  for (const Case& c : {Case{CKM_RSA_PKCS, CKF_SIGN | CKF_VERIFY | CKF_ENCRYPT | CKF_DECRYPT},
                        Case{CKM_SHA256_RSA_PKCS, CKF_SIGN | CKF_VERIFY}, Case{CKM_ECDSA, CKF_SIGN | CKF_VERIFY},
                        Case{CKM_EDDSA, CKF_SIGN | CKF_VERIFY}, Case{CKM_ECDH1_DERIVE, CKF_DERIVE},
                        Case{CKM_AES_GCM, CKF_ENCRYPT | CKF_DECRYPT}, Case{CKM_SHA256, CKF_DIGEST},
                        Case{CKM_EC_KEY_PAIR_GEN, CKF_GENERATE_KEY_PAIR}, Case{CKM_AES_KEY_GEN, CKF_GENERATE}}) {
    CAPTURE(c.type);
    CHECK(std::count(types.begin(), types.end(), c.type) == 1);
    CK_MECHANISM_INFO info{};
    REQUIRE(functions().C_GetMechanismInfo(slot, c.type, &info) == CKR_OK);
    CHECK((info.flags & c.flags) == c.flags);
  }
  CK_MECHANISM_INFO info{};
  REQUIRE(functions().C_GetMechanismInfo(slot, CKM_SHA256_RSA_PKCS, &info) == CKR_OK);
  CHECK(info.ulMinKeySize <= 2048);
  CHECK(info.ulMaxKeySize >= 2048);
  REQUIRE(functions().C_GetMechanismInfo(slot, CKM_RSA_PKCS_KEY_PAIR_GEN, &info) == CKR_OK);
  CHECK(info.ulMinKeySize == 2048);
  CHECK(info.ulMaxKeySize == 4096);
  CHECK(functions().C_GetMechanismInfo(slot, CKM_DES3_CBC, &info) == CKR_MECHANISM_INVALID);
  const CK_ULONG all = count--;
  CHECK(functions().C_GetMechanismList(slot, types.data(), &count) == CKR_BUFFER_TOO_SMALL);
  CHECK(count == all);
}

TEST_CASE("A slot or session that is not there is refused by every function that takes one") {
  const Initialized initialized;
  CK_FUNCTION_LIST& f = functions();
  CK_ULONG number = 0;
  CK_SLOT_INFO slot{};
  CK_TOKEN_INFO token{};
  CK_SESSION_INFO session{};
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  CK_MECHANISM_INFO mechanism_info{};
  CK_BYTE byte = 0;
  CHECK(f.C_GetSlotInfo(kNoSlot, &slot) == CKR_SLOT_ID_INVALID);
  CHECK(f.C_GetTokenInfo(kNoSlot, &token) == CKR_SLOT_ID_INVALID);
  CHECK(f.C_GetMechanismList(kNoSlot, nullptr, &number) == CKR_SLOT_ID_INVALID);
  CHECK(f.C_GetMechanismInfo(kNoSlot, CKM_ECDSA, &mechanism_info) == CKR_SLOT_ID_INVALID);
  CHECK(f.C_OpenSession(kNoSlot, CKF_SERIAL_SESSION, nullptr, nullptr, &number) == CKR_SLOT_ID_INVALID);
  CHECK(f.C_CloseAllSessions(kNoSlot) == CKR_SLOT_ID_INVALID);
  CHECK(f.C_CloseSession(kNoSession) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_GetSessionInfo(kNoSession, &session) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_Login(kNoSession, CKU_USER, &byte, 1) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_Logout(kNoSession) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_GetObjectSize(kNoSession, 1, &number) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_GetAttributeValue(kNoSession, 1, nullptr, 0) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_FindObjectsInit(kNoSession, nullptr, 0) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_FindObjects(kNoSession, &number, 1, &number) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_FindObjectsFinal(kNoSession) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_SignInit(kNoSession, &mechanism, 1) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_Sign(kNoSession, &byte, 1, &byte, &number) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_SignUpdate(kNoSession, &byte, 1) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_SignFinal(kNoSession, &byte, &number) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_SeedRandom(kNoSession, &byte, 1) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_GenerateRandom(kNoSession, &byte, 1) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_GetFunctionStatus(kNoSession) == CKR_SESSION_HANDLE_INVALID);
  CHECK(f.C_CancelFunction(kNoSession) == CKR_SESSION_HANDLE_INVALID);
}

TEST_CASE("C_OpenSession: sessions are counted, and only serial ones exist") {
  const Initialized initialized;
  const CK_SLOT_ID slot = slot_labelled(kMainToken);
  CK_SESSION_HANDLE session = 0;
  CHECK(functions().C_OpenSession(slot, CKF_RW_SESSION, nullptr, nullptr, &session) ==
        CKR_SESSION_PARALLEL_NOT_SUPPORTED);
  const CK_SESSION_HANDLE read_only = open_session(slot);
  const CK_SESSION_HANDLE read_write = open_session(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION);
  CHECK(read_only != read_write);
  CHECK(token_info(slot).ulSessionCount == 2);
  CHECK(token_info(slot).ulRwSessionCount == 1);
  CHECK(state_of(read_only) == CKS_RO_PUBLIC_SESSION);
  CHECK(state_of(read_write) == CKS_RW_PUBLIC_SESSION);
  CHECK(functions().C_CloseSession(read_only) == CKR_OK);
  CHECK(functions().C_CloseSession(read_only) == CKR_SESSION_HANDLE_INVALID);
  CHECK(functions().C_CloseAllSessions(slot) == CKR_OK);
  CHECK(functions().C_CloseSession(read_write) == CKR_SESSION_HANDLE_INVALID);
  CHECK(token_info(slot).ulSessionCount == 0);
}

TEST_CASE("C_WaitForSlotEvent: nothing ever happens to a slot") {
  const Initialized initialized;
  CK_SLOT_ID slot = 0;
  CHECK(functions().C_WaitForSlotEvent(CKF_DONT_BLOCK, &slot, nullptr) == CKR_NO_EVENT);
  CHECK(functions().C_WaitForSlotEvent(0, &slot, nullptr) == CKR_FUNCTION_NOT_SUPPORTED);
}

TEST_CASE("C_Login holds for all sessions with the token, for no other token, and until the last one closes") {
  const Initialized initialized;
  const CK_SLOT_ID slot = slot_labelled(kMainToken);
  const CK_SESSION_HANDLE first = open_session(slot);
  const CK_SESSION_HANDLE second = open_session(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION);
  const CK_SESSION_HANDLE other = open_session(slot_labelled(kSecondToken));
  CHECK(functions().C_Logout(first) == CKR_USER_NOT_LOGGED_IN);
  REQUIRE(login(first, kMainPin) == CKR_OK);
  CHECK(login(second, kMainPin) == CKR_USER_ALREADY_LOGGED_IN);
  CHECK(state_of(first) == CKS_RO_USER_FUNCTIONS);
  CHECK(state_of(second) == CKS_RW_USER_FUNCTIONS);
  CHECK(state_of(other) == CKS_RO_PUBLIC_SESSION);

  REQUIRE(functions().C_Logout(second) == CKR_OK);
  CHECK(state_of(first) == CKS_RO_PUBLIC_SESSION);

  REQUIRE(login(first, kMainPin) == CKR_OK);
  CHECK(functions().C_CloseSession(first) == CKR_OK);
  CHECK(state_of(second) == CKS_RW_USER_FUNCTIONS);
  CHECK(functions().C_CloseSession(second) == CKR_OK);
  CHECK(state_of(open_session(slot)) == CKS_RO_PUBLIC_SESSION);
}

TEST_CASE("C_Login: only the user has a PIN, and only on tokens with a PIN group") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slot_labelled(kMainToken));
  Bytes pin = to_bytes(as_bytes(kMainPin));
  CHECK(functions().C_Login(session, CKU_CONTEXT_SPECIFIC, pin.data(), pin.size()) == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(functions().C_Login(session, 77, pin.data(), pin.size()) == CKR_USER_TYPE_INVALID);
  CHECK(login(open_session(slot_labelled(kOpenToken)), kMainPin) == CKR_USER_PIN_NOT_INITIALIZED);
  CHECK(functions().C_Login(session, CKU_SO, pin.data(), pin.size()) == CKR_SESSION_READ_ONLY_EXISTS);
  REQUIRE(functions().C_CloseSession(session) == CKR_OK);
  const CK_SESSION_HANDLE read_write = open_session(slot_labelled(kMainToken), CKF_SERIAL_SESSION | CKF_RW_SESSION);
  CHECK(functions().C_Login(read_write, CKU_SO, pin.data(), pin.size()) == CKR_USER_TYPE_INVALID);  // no PUK
}

TEST_CASE("C_Login: wrong PINs show in the token's flags until the PIN is locked, durably and for its group only") {
  const TempDir temp;
  provision_store(temp.file("store"));
  {
    const Initialized initialized(temp.file("store"));
    const CK_SLOT_ID slot = slot_labelled(kMainToken);
    const CK_SESSION_HANDLE session = open_session(slot);
    CHECK((token_flags(slot) & kPinFlags) == 0);
    CHECK(login(session, "") == CKR_PIN_LEN_RANGE);
    CHECK(login(session, std::string(129, '1')) == CKR_PIN_LEN_RANGE);
    Bytes pin = to_bytes(as_bytes(kMainPin));
    CHECK(functions().C_Login(session, CKU_USER, pin.data(), CK_UNAVAILABLE_INFORMATION) == CKR_PIN_LEN_RANGE);
    CHECK((token_flags(slot) & kPinFlags) == 0);  // what no policy allows costs no attempt
    CHECK(login(session, "0000") == CKR_PIN_INCORRECT);
    CHECK((token_flags(slot) & kPinFlags) == CKF_USER_PIN_COUNT_LOW);
    CHECK(login(session, "0000") == CKR_PIN_INCORRECT);
    CHECK((token_flags(slot) & kPinFlags) == (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY));
    REQUIRE(login(session, kMainPin) == CKR_OK);
    CHECK((token_flags(slot) & kPinFlags) == 0);
    REQUIRE(functions().C_Logout(session) == CKR_OK);
    for (unsigned i = 1; i < kRetryLimit; ++i) CHECK(login(session, "0000") == CKR_PIN_INCORRECT);
  }
  const Initialized initialized(temp.file("store"));
  const CK_SLOT_ID slot = slot_labelled(kMainToken);
  const CK_SESSION_HANDLE session = open_session(slot);
  CHECK((token_flags(slot) & kPinFlags) == (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY));
  CHECK(login(session, "0000") == CKR_PIN_LOCKED);
  CHECK((token_flags(slot) & kPinFlags) == (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_LOCKED));
  CHECK(login(session, kMainPin) == CKR_PIN_LOCKED);
  CHECK(state_of(session) == CKS_RO_PUBLIC_SESSION);
  CHECK((token_flags(slot_labelled(kSecondToken)) & kPinFlags) == 0);
  CHECK(login(open_session(slot_labelled(kSecondToken)), kSecondPin) == CKR_OK);
}

TEST_CASE("C_Login takes a PIN as it is typed: letters in any case, bytes in hexadecimal") {
  const TempDir temp;
  provision_pin_formats(temp.file("store"));
  const Initialized initialized(temp.file("store"));
  const CK_SLOT_ID letters = slot_labelled("letters.example.com");
  const CK_SLOT_ID binary = slot_labelled("binary.example.com");
  CHECK(token_info(letters).ulMinPinLen == kMainMinPin);
  CHECK(token_info(letters).ulMaxPinLen == kMainMaxPin);
  CHECK(token_info(binary).ulMinPinLen == 2 * kMainMinPin);
  CHECK(token_info(binary).ulMaxPinLen == 2 * kMainMaxPin);

  const auto signs = [](CK_SESSION_HANDLE session, std::string_view label) {
    CK_MECHANISM mechanism{CKM_ECDSA_SHA256, nullptr, 0};
    std::array<CK_BYTE, 64> signature{};
    CK_ULONG size = signature.size();
    CK_BYTE data = 0;
    REQUIRE(functions().C_SignInit(session, &mechanism, find_one(session, CKO_PRIVATE_KEY, label)) == CKR_OK);
    return functions().C_Sign(session, &data, 1, signature.data(), &size) == CKR_OK;
  };
  const CK_SESSION_HANDLE first = open_session(letters);
  for (const char* const typed : {"AB12CD", "ab12cd", "aB12Cd"}) {
    CAPTURE(typed);
    REQUIRE(login(first, typed) == CKR_OK);
    CHECK(signs(first, "letters"));
    REQUIRE(functions().C_Logout(first) == CKR_OK);
  }
  const CK_SESSION_HANDLE second = open_session(binary);
  for (const char* const typed : {"00ff10fe", "00FF10FE"}) {
    CAPTURE(typed);
    REQUIRE(login(second, typed) == CKR_OK);
    CHECK(signs(second, "binary"));
    REQUIRE(functions().C_Logout(second) == CKR_OK);
  }
  for (const std::string_view typed : {std::string_view("00ff10f"), std::string_view("00ff10fg"),
                                       std::string_view("\x00\xff\x10\xfe", 4), std::string_view("0x00ff10fe")})
    CHECK(login(second, typed) == CKR_PIN_INCORRECT);
  CHECK(login(second, std::string(258, '0')) == CKR_PIN_LEN_RANGE);
  CHECK(login(first, std::string(129, 'A')) == CKR_PIN_LEN_RANGE);
  CHECK((token_flags(letters) & kPinFlags) == 0);
  CHECK((token_flags(binary) & kPinFlags) == 0);  // what is no PIN costs no attempt
  CHECK(login(second, "00ff10ff") == CKR_PIN_INCORRECT);
  CHECK((token_flags(binary) & kPinFlags) == CKF_USER_PIN_COUNT_LOW);
}

TEST_CASE("C_GenerateRandom fills the buffer, and takes no seed") {
  const Initialized initialized;
  const CK_SESSION_HANDLE session = open_session(slots().front());
  std::array<CK_BYTE, 32> first{};
  std::array<CK_BYTE, 32> second{};
  CHECK(functions().C_GenerateRandom(session, first.data(), first.size()) == CKR_OK);
  CHECK(functions().C_GenerateRandom(session, second.data(), second.size()) == CKR_OK);
  CHECK(first != second);
  CHECK(functions().C_GenerateRandom(session, nullptr, 0) == CKR_OK);
  CHECK(functions().C_SeedRandom(session, first.data(), first.size()) == CKR_RANDOM_SEED_NOT_SUPPORTED);
}

}  // namespace sks::test
