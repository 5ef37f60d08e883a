#include <array>

#include "tests/key-user-api/pkcs11_client/module.h"

/// A daemon that lies. Whatever it says, calls return, and write nothing but what they may.
namespace sks::test {
namespace {

struct Application {
  Lab lab;
  CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  CK_FUNCTION_LIST& f = functions();
  std::array<CK_BYTE, 80> out{};
  CK_ULONG size = 64;
  Bytes data = Bytes(32);
  CK_OBJECT_HANDLE object = 0;
  CK_OBJECT_HANDLE second = 0;
  CK_MECHANISM ecdsa{CKM_ECDSA, nullptr, 0};
  CK_BYTE iv[16] = {};
  CK_MECHANISM cbc{CKM_AES_CBC, iv, sizeof iv};
  CK_MECHANISM sha256{CKM_SHA256, nullptr, 0};
  CK_MECHANISM aes_wrap{CKM_AES_KEY_WRAP, nullptr, 0};
  CK_MECHANISM generate{CKM_AES_KEY_GEN, nullptr, 0};
  CK_MECHANISM generate_pair{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
};

struct Use {
  std::uint8_t method;
  const char* name;
  CK_RV (*call)(Application&);
};
const Use kUses[] = {
    {161, "C_GetTokenInfo",
     [](Application& a) {
       CK_TOKEN_INFO info{};
       return a.f.C_GetTokenInfo(kPinSlot, &info);
     }},
    {162, "C_GetMechanismList", [](Application& a) { return a.f.C_GetMechanismList(kOpenSlot, nullptr, &a.size); }},
    {170, "C_FindObjects",
     [](Application& a) {
       const CK_RV code = a.f.C_FindObjectsInit(a.session, nullptr, 0);
       if (code == CKR_OK) a.f.C_FindObjectsFinal(a.session);
       return code;
     }},
    {171, "C_GetAttributeValue",
     [](Application& a) {
       CK_ATTRIBUTE wanted[] = {
           {CKA_CLASS, a.out.data(), 8}, {CKA_SIGN, a.out.data() + 8, 1}, {CKA_ID, a.out.data() + 16, 16}};
       return a.f.C_GetAttributeValue(a.session, kOpenEcKey, wanted, 3);
     }},
    {173, "C_CreateObject", [](Application& a) { return a.f.C_CreateObject(a.session, nullptr, 0, &a.object); }},
    {174, "C_GenerateKey",
     [](Application& a) { return a.f.C_GenerateKey(a.session, &a.generate, nullptr, 0, &a.object); }},
    {175, "C_GenerateKeyPair",
     [](Application& a) {
       return a.f.C_GenerateKeyPair(a.session, &a.generate_pair, nullptr, 0, nullptr, 0, &a.object, &a.second);
     }},
    {177, "C_DestroyObject", [](Application& a) { return a.f.C_DestroyObject(a.session, kOpenEcKey); }},
    {180, "C_Sign",
     [](Application& a) {
       a.f.C_SignInit(a.session, &a.ecdsa, kOpenEcKey);
       return a.f.C_Sign(a.session, a.data.data(), a.data.size(), a.out.data(), &a.size);
     }},
    {180, "C_Digest",
     [](Application& a) {
       a.f.C_DigestInit(a.session, &a.sha256);
       return a.f.C_Digest(a.session, a.data.data(), a.data.size(), a.out.data(), &a.size);
     }},
    {181, "C_Verify",
     [](Application& a) {
       const CK_SESSION_HANDLE session = a.lab.open(kPinSlot);
       a.f.C_VerifyInit(session, &a.ecdsa, kEcPublicKey);
       return a.f.C_Verify(session, a.data.data(), a.data.size(), a.out.data(), 64);
     }},
    {182, "C_EncryptUpdate",
     [](Application& a) {
       a.f.C_EncryptInit(a.session, &a.cbc, kOpenAesKey);
       return a.f.C_EncryptUpdate(a.session, a.data.data(), a.data.size(), a.out.data(), &a.size);
     }},
    {183, "C_EncryptUpdate",
     [](Application& a) {
       a.f.C_EncryptInit(a.session, &a.cbc, kOpenAesKey);
       return a.f.C_EncryptUpdate(a.session, a.data.data(), a.data.size(), a.out.data(), &a.size);
     }},
    {184, "C_EncryptFinal",
     [](Application& a) {
       a.f.C_EncryptInit(a.session, &a.cbc, kOpenAesKey);
       return a.f.C_EncryptFinal(a.session, a.out.data(), &a.size);
     }},
    {188, "C_WrapKey",
     [](Application& a) {
       return a.f.C_WrapKey(a.session, &a.aes_wrap, kOpenAesKey, kOpenAesKey, a.out.data(), &a.size);
     }},
    {190, "C_GenerateRandom", [](Application& a) { return a.f.C_GenerateRandom(a.session, a.out.data(), 64); }},
};

struct Lie {
  const char* name;
  Bytes body;
  bool may_be_true;  ///< for some of the methods
};

std::vector<Lie> lies() {
  std::vector<Lie> all{
      {"an empty frame's status alone", {0}, true},
      {"an unknown status", {0x55}, false},
      {"an error without a code", {0x80}, false},
      {"an error with half a code", {0x80, 0, 0, 0}, false},
      {"an error that is none", ByteWriter().u8(0x80).u64(CKR_OK).text("").take(), false},
      {"an error that speaks of buffers", ByteWriter().u8(0x80).u64(CKR_BUFFER_TOO_SMALL).text("").take(), false},
      {"an error that says C_Initialize", ByteWriter().u8(0x80).u64(CKR_CRYPTOKI_NOT_INITIALIZED).text("").take(),
       false},
      {"an error with too many words", ByteWriter().u8(0x80).u64(CKR_PIN_INCORRECT).array(Bytes(2001)).take(), false},
      {"an error with more behind it", ByteWriter().u8(0x80).u64(CKR_PIN_INCORRECT).text("").u8(0).take(), false},
      {"the status of an SKS", ByteWriter().u8(0x0A).text("internal").take(), false},
      {"a list of the most elements and none", {0, 0xFF, 0xFF}, false},
      {"a blob of 4 GiB", {0, 0xFF, 0xFF, 0xFF, 0xFF}, false},
      {"a megabyte of zeros", Bytes(1'048'576), false},
      {"a megabyte of ones", Bytes(1'048'576, 1), false},
      {"a blob that is too long", ByteWriter().u8(0).blob(Bytes(100'000)).take(), false},
  };
  for (std::size_t i = 0; i < 40; ++i) all.push_back({"ones", Bytes(i + 1, 0xFF), false});
  for (std::size_t i = 0; i < 40; ++i) {
    Bytes body(i + 1, 0xFF);
    body[0] = 0;
    all.push_back({"ones behind a good status", body, true});
  }
  return all;
}

TEST_CASE("No lie gets through, or beyond the buffer") {
  for (const Use& use : kUses) {
    Application application;
    for (const Lie& lie : lies()) {
      CAPTURE(std::string(use.name));
      CAPTURE(std::string(lie.name));
      CAPTURE(lie.body.size());
      application.out.fill(0xEE);
      application.size = 64;
      application.lab.daemon.on(use.method, [&](ScriptedDaemon::Call&) {
        return Reaction{Reaction::Kind::answer, lie.body};
      });
      // Nothing is known from before.
      CK_ATTRIBUTE label{CKA_LABEL, nullptr, 0};
      application.f.C_SetAttributeValue(application.session, kOpenEcKey, &label, 1);
      const CK_SESSION_HANDLE bank = application.lab.open(kPinSlot);
      application.f.C_SetPIN(bank, nullptr, 0, nullptr, 0);
      const CK_RV code = use.call(application);
      CHECK(std::all_of(application.out.begin() + 64, application.out.end(), [](CK_BYTE b) { return b == 0xEE; }));
      // Any four bytes are the number of an operation, and any blob may be a wrapped key.
      const bool may_be_true = lie.may_be_true || use.method == 188 || (use.method == 182 && lie.body.size() == 5);
      if (!may_be_true) CHECK(code == CKR_DEVICE_ERROR);
      application.lab.daemon.on(use.method, nullptr);
      functions30().C_SessionCancel(application.session, ~CK_FLAGS{0});
      application.f.C_CloseSession(bank);
      // And the next call is served.
      CK_TOKEN_INFO info{};
      REQUIRE(application.f.C_GetTokenInfo(kPinSlot, &info) == CKR_OK);
    }
  }
}

TEST_CASE("A search that never ends does") {
  Lab lab;
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  const auto answer_always = [&](ByteWriter writer) {
    lab.daemon.on(170, [body = writer.take()](ScriptedDaemon::Call&) { return outputs(ByteWriter().raw(body)); });
  };
  CK_OBJECT_HANDLE found[4] = {};
  CK_ULONG count = 0;
  answer_always(std::move(ByteWriter().u16(1).u64(5).u8(1)));  // 5, and more
  REQUIRE(functions().C_FindObjectsInit(session, nullptr, 0) == CKR_OK);
  CHECK(functions().C_FindObjects(session, found, 4, &count) == CKR_DEVICE_ERROR);
  CHECK(functions().C_FindObjectsFinal(session) == CKR_OK);
  answer_always(std::move(ByteWriter().u16(0).u8(1)));  // nothing, and more
  CHECK(functions().C_FindObjectsInit(session, nullptr, 0) == CKR_DEVICE_ERROR);
  answer_always(std::move(ByteWriter().u16(2).u64(6).u64(5).u8(0)));  // not ascending
  CHECK(functions().C_FindObjectsInit(session, nullptr, 0) == CKR_DEVICE_ERROR);
}

TEST_CASE("An application that is none") {
  Lab lab;
  CK_ULONG count = 0;
  const auto opens_with = [&](ByteWriter writer) {
    lab.daemon.on(160, [body = writer.take()](ScriptedDaemon::Call&) { return outputs(ByteWriter().raw(body)); });
    return functions().C_GetSlotList(CK_TRUE, nullptr, &count);
  };
  CHECK(opens_with(std::move(ByteWriter().array(Bytes(31)).u32(1000))) == CKR_DEVICE_ERROR);
  CHECK(opens_with(std::move(ByteWriter().array(Bytes(32)).u32(0))) == CKR_DEVICE_ERROR);
  CHECK(opens_with(std::move(ByteWriter().array(Bytes(32)))) == CKR_DEVICE_ERROR);
  // One that has never heard of us, again and again.
  lab.daemon.on(160, [](ScriptedDaemon::Call&) { return refusal(CKR_DEVICE_REMOVED); });
  CHECK(functions().C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_DEVICE_ERROR);
  lab.daemon.on(160, [](ScriptedDaemon::Call&) { return hang_up(); });
  CHECK(functions().C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_DEVICE_ERROR);
  lab.daemon.on(160, nullptr);
  CHECK(functions().C_GetSlotList(CK_TRUE, nullptr, &count) == CKR_OK);
}

}  // namespace
}  // namespace sks::test
