#include <array>
#include <cstring>

#include "tests/key-user-api/pkcs11_client/module.h"

/// Objects and keys. Expected values: PKCS#11 2.40, 5.7 and 5.13; bytes: spec/sksd.md 2, 6 and 7.
namespace sks::test {
namespace {

template <class T>
CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, T& value) {
  return {type, &value, sizeof value};
}

TEST_CASE("A search hands out everything once, in whatever portions") {
  Lab lab;
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  const auto all = find_all(session, {}, 1000);
  CHECK(all.size() == kManyObjects + 2);
  CHECK(find_all(session, {}, 7) == all);
  CK_OBJECT_CLASS wanted = CKO_SECRET_KEY;
  CHECK(find_all(session, {attribute(CKA_CLASS, wanted)}, 4) == std::vector<CK_OBJECT_HANDLE>{kOpenAesKey});
  CK_BYTE id[] = {1, 2, 3};
  const int asked = lab.daemon.calls(170);
  CHECK(find_all(session, {attribute(CKA_ID, id)}, 1) == std::vector<CK_OBJECT_HANDLE>{kOpenEcKey});
  CHECK(lab.daemon.calls(170) == asked + 1);
}

TEST_CASE("One search at a time") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  CK_OBJECT_HANDLE object = 0;
  CK_ULONG count = 0;
  CHECK(f.C_FindObjects(session, &object, 1, &count) == CKR_OPERATION_NOT_INITIALIZED);
  CHECK(f.C_FindObjectsFinal(session) == CKR_OPERATION_NOT_INITIALIZED);
  REQUIRE(f.C_FindObjectsInit(session, nullptr, 0) == CKR_OK);
  CHECK(f.C_FindObjectsInit(session, nullptr, 0) == CKR_OPERATION_ACTIVE);
  CHECK(f.C_FindObjectsFinal(session) == CKR_OK);
  // A class in half of its bytes is none.
  CK_ULONG object_class = CKO_DATA;
  CK_ATTRIBUTE half{CKA_CLASS, &object_class, 4};
  CHECK(f.C_FindObjectsInit(session, &half, 1) == CKR_ATTRIBUTE_VALUE_INVALID);
  CK_ATTRIBUTE pointer{CKA_LABEL, nullptr, 4};
  CHECK(f.C_FindObjectsInit(session, &pointer, 1) == CKR_ATTRIBUTE_VALUE_INVALID);
  CK_ATTRIBUTE nested{CKA_WRAP_TEMPLATE, &half, sizeof half};
  CHECK(f.C_FindObjectsInit(session, &nested, 1) == CKR_ATTRIBUTE_TYPE_INVALID);
  std::vector<CK_ATTRIBUTE> many(65, CK_ATTRIBUTE{CKA_LABEL, nullptr, 0});
  CHECK(f.C_FindObjectsInit(session, many.data(), many.size()) == CKR_TEMPLATE_INCONSISTENT);
  CHECK(f.C_FindObjectsFinal(session) == CKR_OPERATION_NOT_INITIALIZED);
}

TEST_CASE("C_GetAttributeValue looks at every attribute") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  CK_ULONG object_class = 0;
  CK_BBOOL signs = 7;
  std::array<CK_BYTE, 2> small{9, 9};
  std::array<CK_BYTE, 8> id{};
  std::vector<CK_ATTRIBUTE> wanted{
      attribute(CKA_CLASS, object_class),
      {CKA_PRIVATE_EXPONENT, id.data(), id.size()},
      {CKA_APPLICATION, nullptr, 0},
      {CKA_ID, small.data(), small.size()},
      {CKA_UNWRAP_TEMPLATE, nullptr, 0},
      attribute(CKA_SIGN, signs),
      {CKA_LABEL, nullptr, 0},
      {CKA_ID, id.data(), id.size()},
  };
  CHECK(f.C_GetAttributeValue(session, kOpenEcKey, wanted.data(), wanted.size()) == CKR_ATTRIBUTE_SENSITIVE);
  CHECK(object_class == CKO_PRIVATE_KEY);
  CHECK(wanted[0].ulValueLen == sizeof object_class);
  CHECK(wanted[1].ulValueLen == CK_UNAVAILABLE_INFORMATION);
  CHECK(wanted[2].ulValueLen == CK_UNAVAILABLE_INFORMATION);
  CHECK(wanted[3].ulValueLen == CK_UNAVAILABLE_INFORMATION);
  CHECK(small == std::array<CK_BYTE, 2>{9, 9});
  CHECK(wanted[4].ulValueLen == CK_UNAVAILABLE_INFORMATION);
  CHECK(signs == CK_TRUE);
  CHECK(wanted[6].ulValueLen == 2);
  CHECK(wanted[7].ulValueLen == 3);
  CHECK(id == std::array<CK_BYTE, 8>{1, 2, 3});

  CK_ATTRIBUTE one{CKA_ID, small.data(), small.size()};
  CHECK(f.C_GetAttributeValue(session, kOpenEcKey, &one, 1) == CKR_BUFFER_TOO_SMALL);
  one = {CKA_APPLICATION, nullptr, 0};
  CHECK(f.C_GetAttributeValue(session, kOpenEcKey, &one, 1) == CKR_ATTRIBUTE_TYPE_INVALID);
  CHECK(f.C_GetAttributeValue(session, 0x909, &one, 1) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(f.C_GetAttributeValue(session, 0x909, nullptr, 0) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(f.C_GetAttributeValue(session, kOpenEcKey, nullptr, 0) == CKR_OK);
  // More than travel at a time.
  std::vector<CK_ATTRIBUTE> many(150, CK_ATTRIBUTE{CKA_ID, nullptr, 0});
  CHECK(f.C_GetAttributeValue(session, kOpenEcKey, many.data(), many.size()) == CKR_OK);
  for (const CK_ATTRIBUTE& each : many) CHECK(each.ulValueLen == 3);
  CK_ULONG size = 0;
  CHECK(f.C_GetObjectSize(session, kOpenEcKey, &size) == CKR_OK);
  CHECK(f.C_GetObjectSize(session, 0x909, &size) == CKR_OBJECT_HANDLE_INVALID);
}

TEST_CASE("Private keys are hidden until login") {
  Lab lab;
  const CK_SESSION_HANDLE session = lab.open(kPinSlot);
  CHECK(find_all(session, {}, 10) == std::vector<CK_OBJECT_HANDLE>{kEcPublicKey, kCertificate});
  CHECK(sign_init(session, CKM_ECDSA, kEcKey) == CKR_USER_NOT_LOGGED_IN);
  REQUIRE(login(session, kPin) == CKR_OK);
  CHECK(find_all(session, {}, 10).size() == 4);
  CHECK(sign_init(session, CKM_ECDSA, kEcKey) == CKR_OK);
}

TEST_CASE("Templates travel in the form of the specification") {
  Lab lab;
  Bytes asked;
  lab.daemon.on(173, [&](ScriptedDaemon::Call& call) {
    asked = to_bytes(call.body);
    return outputs(ByteWriter().u64(std::uint64_t{1} << 48));
  });
  const CK_SESSION_HANDLE session = lab.open(kPinSlot);
  CK_OBJECT_CLASS object_class = CKO_DATA;
  CK_BBOOL yes = 0xFF;  // whatever is not zero
  CK_BYTE value[] = {0xAA};
  CK_MECHANISM_TYPE allowed[] = {CKM_ECDSA, CKM_EDDSA};
  std::vector<CK_ATTRIBUTE> attributes{attribute(CKA_CLASS, object_class), attribute(CKA_MODIFIABLE, yes),
                                       attribute(CKA_VALUE, value), attribute(CKA_ALLOWED_MECHANISMS, allowed)};
  CK_OBJECT_HANDLE object = 0;
  REQUIRE(functions().C_CreateObject(session, attributes.data(), attributes.size(), &object) == CKR_OK);
  CHECK(object == CK_OBJECT_HANDLE{1} << 48);
  ByteWriter expected;
  expected.u8(173).u32(7).u16(4);
  expected.u64(CKA_CLASS).blob(Bytes{0, 0, 0, 0, 0, 0, 0, 0});
  expected.u64(CKA_MODIFIABLE).blob(Bytes{1});
  expected.u64(CKA_VALUE).blob(Bytes{0xAA});
  expected.u64(CKA_ALLOWED_MECHANISMS);
  expected.blob(Bytes{0, 0, 0, 0, 0, 0, 0x10, 0x41, 0, 0, 0, 0, 0, 0, 0x10, 0x57});
  CHECK(asked == expected.take());
}

TEST_CASE("Read-only sessions change nothing in the token") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot, CKF_SERIAL_SESSION);
  CK_BBOOL yes = CK_TRUE;
  CK_ATTRIBUTE token = attribute(CKA_TOKEN, yes);
  CK_OBJECT_HANDLE first = 0;
  CK_OBJECT_HANDLE second = 0;
  CK_MECHANISM ec{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_MECHANISM aes{CKM_AES_KEY_GEN, nullptr, 0};
  CHECK(f.C_CreateObject(session, &token, 1, &first) == CKR_SESSION_READ_ONLY);
  CHECK(f.C_CopyObject(session, kOpenEcKey, nullptr, 0, &first) == CKR_SESSION_READ_ONLY);
  CHECK(f.C_GenerateKey(session, &aes, &token, 1, &first) == CKR_SESSION_READ_ONLY);
  CHECK(f.C_GenerateKeyPair(session, &ec, nullptr, 0, &token, 1, &first, &second) == CKR_SESSION_READ_ONLY);
  CHECK(f.C_SetAttributeValue(session, kOpenEcKey, &token, 1) == CKR_SESSION_READ_ONLY);
  CHECK(f.C_DestroyObject(session, kOpenEcKey) == CKR_SESSION_READ_ONLY);
  CHECK(f.C_DestroyObject(session, 0x909) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(f.C_GenerateKeyPair(session, &ec, nullptr, 0, nullptr, 0, &first, &second) == CKR_OK);
  CHECK(f.C_DestroyObject(session, first) == CKR_OK);
}

TEST_CASE("Session objects end with their session") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  const CK_SESSION_HANDLE other = lab.open(kOpenSlot);
  CK_MECHANISM ec{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_key = 0;
  CK_OBJECT_HANDLE private_key = 0;
  REQUIRE(f.C_GenerateKeyPair(session, &ec, nullptr, 0, nullptr, 0, &public_key, &private_key) == CKR_OK);
  REQUIRE(sign_init(other, CKM_ECDSA, private_key) == CKR_OK);
  REQUIRE(sign(other) == CKR_OK);
  REQUIRE(f.C_DestroyObject(session, public_key) == CKR_OK);
  REQUIRE(f.C_CloseSession(session) == CKR_OK);
  CHECK(lab.daemon.calls(177) == 2);
  CHECK(sign_init(other, CKM_ECDSA, private_key) == CKR_KEY_HANDLE_INVALID);
}

TEST_CASE("Session objects of a daemon that is gone are not taken for new ones") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  CK_MECHANISM ec{CKM_EC_KEY_PAIR_GEN, nullptr, 0};
  CK_OBJECT_HANDLE public_key = 0;
  CK_OBJECT_HANDLE before = 0;
  REQUIRE(f.C_GenerateKeyPair(session, &ec, nullptr, 0, nullptr, 0, &public_key, &before) == CKR_OK);
  REQUIRE(sign_init(session, CKM_ECDSA, before) == CKR_OK);
  lab.daemon.kill();
  lab.daemon.listen_again();
  CK_OBJECT_HANDLE after = 0;
  REQUIRE(f.C_GenerateKeyPair(session, &ec, nullptr, 0, nullptr, 0, &public_key, &after) == CKR_OK);
  CHECK(after != before);
  CHECK(sign(session) == CKR_KEY_HANDLE_INVALID);
  CHECK(sign_init(session, CKM_ECDSA, before) == CKR_KEY_HANDLE_INVALID);
  CK_ATTRIBUTE id{CKA_ID, nullptr, 0};
  CHECK(f.C_GetAttributeValue(session, before, &id, 1) == CKR_OBJECT_HANDLE_INVALID);
  CHECK(f.C_DestroyObject(session, before) == CKR_OBJECT_HANDLE_INVALID);
  REQUIRE(sign_init(session, CKM_ECDSA, after) == CKR_OK);
  CHECK(sign(session) == CKR_OK);
}

TEST_CASE("Wrapping, unwrapping, deriving") {
  Lab lab;
  CK_FUNCTION_LIST& f = functions();
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  CK_MECHANISM wrap{CKM_AES_KEY_WRAP, nullptr, 0};
  CK_ULONG size = 0;
  REQUIRE(f.C_WrapKey(session, &wrap, kOpenAesKey, kOpenAesKey, nullptr, &size) == CKR_OK);
  CHECK(size == 24);
  Bytes wrapped(24);
  size = 23;
  CHECK(f.C_WrapKey(session, &wrap, kOpenAesKey, kOpenAesKey, wrapped.data(), &size) == CKR_BUFFER_TOO_SMALL);
  CHECK(size == 24);
  REQUIRE(f.C_WrapKey(session, &wrap, kOpenAesKey, kOpenAesKey, wrapped.data(), &size) == CKR_OK);
  CHECK(wrapped == Bytes(24, 0x77));
  CHECK(f.C_WrapKey(session, &wrap, 0x909, kOpenAesKey, nullptr, &size) == CKR_WRAPPING_KEY_HANDLE_INVALID);
  CHECK(f.C_WrapKey(session, &wrap, kOpenEcKey, kOpenAesKey, nullptr, &size) == CKR_WRAPPING_KEY_TYPE_INCONSISTENT);
  CK_OBJECT_HANDLE key = 0;
  CHECK(f.C_UnwrapKey(session, &wrap, 0x909, wrapped.data(), 24, nullptr, 0, &key) ==
        CKR_UNWRAPPING_KEY_HANDLE_INVALID);
  CHECK(f.C_UnwrapKey(session, &wrap, kOpenAesKey, wrapped.data(), 0, nullptr, 0, &key) == CKR_WRAPPED_KEY_LEN_RANGE);
  CHECK(f.C_UnwrapKey(session, &wrap, kOpenAesKey, wrapped.data(), 24, nullptr, 0, &key) == CKR_OK);

  Bytes asked;
  lab.daemon.on(187, [&](ScriptedDaemon::Call& call) {
    asked = to_bytes(call.body);
    return outputs(ByteWriter().u64((std::uint64_t{1} << 48) + 1000));
  });
  CK_BYTE point[] = {0x04, 0x01, 0x02};
  CK_ECDH1_DERIVE_PARAMS parameters{CKD_NULL, 0, nullptr, sizeof point, point};
  CK_MECHANISM derive{CKM_ECDH1_DERIVE, &parameters, sizeof parameters};
  REQUIRE(f.C_DeriveKey(session, &derive, kOpenEcKey, nullptr, 0, &key) == CKR_OK);
  ByteWriter parameter;
  parameter.u64(CKD_NULL).blob({}).blob(Bytes{4, 1, 2});
  ByteWriter expected;
  expected.u8(187).u32(0).u64(kOpenEcKey).u64(CKM_ECDH1_DERIVE).blob(parameter.view()).u32(0).u16(0);
  CHECK(asked == expected.take());
  parameters.pPublicData = nullptr;
  CHECK(f.C_DeriveKey(session, &derive, kOpenEcKey, nullptr, 0, &key) == CKR_MECHANISM_PARAM_INVALID);
  derive = {CKM_ECDSA, nullptr, 0};
  CHECK(f.C_DeriveKey(session, &derive, kOpenEcKey, nullptr, 0, &key) == CKR_MECHANISM_INVALID);
}

TEST_CASE("Random numbers of any length") {
  Lab lab;
  const CK_SESSION_HANDLE session = lab.open(kOpenSlot);
  Bytes random(2'500'000);
  REQUIRE(functions().C_GenerateRandom(session, random.data(), random.size()) == CKR_OK);
  CHECK(random == Bytes(2'500'000, 0x99));
  CHECK(lab.daemon.calls(190) == 3);
  CHECK(functions().C_GenerateRandom(session, random.data(), 0) == CKR_OK);
}

}  // namespace
}  // namespace sks::test
